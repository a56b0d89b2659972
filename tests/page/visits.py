"""What several tests of the page do."""

import time


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def press(widget, name, value=None):
    """Send a command as the page does."""
    widget._obey(widget, {"name": name, "value": value}, [])
