"""Waiting for what a page shows, however slow the machine is."""


def until(page, true, seconds=60):
    """Wait until true() holds. An assertion in it counts as not yet."""
    for _ in range(seconds * 10):
        try:
            if true():
                return
        except AssertionError:
            pass
        page.wait_for_timeout(100)
    assert true(), f"not within {seconds} seconds"
