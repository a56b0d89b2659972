"""The widgets without a page: what the buttons send is written into the `command` trait."""

import gc
import itertools
import time
import weakref
from types import SimpleNamespace

import pytest
from atelier.errors import UserError
from atelier.fields.window import Window
from atelier.page.jobs import Job, Slots
from atelier.page import Actions, Curve, Exporter, Line, LiveCanvas, Panel, Scene, Viewer
from atelier.page.packing import unpack


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def press(widget, name, value=None, numbers=itertools.count()):  # noqa: B008 (each press has its own number)
    widget.command = {"name": name, "value": value, "number": next(numbers)}


def endless():
    for number in itertools.count(1):
        time.sleep(0.001)
        yield number


@pytest.fixture
def canvas():
    slots = Slots(4)
    made = LiveCanvas()
    made.show(Scene([Panel("now", "now")], [Curve("loss", "Loss")]))

    def job():
        return Job(endless, on_change=made.publish, on_step=lambda n: made.publish(step=n), slots=slots)

    made.drive(job)
    yield made
    made.close()


def header(canvas):
    return unpack(canvas.frame)[0]


def test_the_transport_bar_drives_the_job(canvas):
    press(canvas, "play")
    wait_for(lambda: canvas.job.count > 2)
    press(canvas, "pause")
    wait_for(lambda: header(canvas)["state"] == "paused")
    held = canvas.job.count
    press(canvas, "step")
    wait_for(lambda: canvas.job.count == held + 1 and header(canvas)["state"] == "paused")
    first = canvas.job
    press(canvas, "restart")
    wait_for(lambda: canvas.job is not first and canvas.job.count > 0)
    wait_for(lambda: first.state == "stopped")
    press(canvas, "slow", True)
    assert canvas.job.delay > 0


def test_a_pause_is_told_before_a_long_step_is_over(canvas):
    canvas.drive(lambda: Job(lambda: (time.sleep(0.5) or 1 for _ in range(9)), on_change=canvas.publish))
    press(canvas, "play")
    wait_for(lambda: header(canvas)["state"] == "running")
    press(canvas, "pause")
    assert (header(canvas)["state"], header(canvas)["holding"]) == ("running", True)
    press(canvas, "play")
    assert header(canvas)["holding"] is False
    canvas.halt()


def test_a_page_that_opens_late_gets_every_picture(canvas):
    canvas.publish({"now": b"1"}, step=1)
    canvas.publish({"other": b"2"}, step=2)
    assert set(unpack(canvas.frame)[1]) == {"other"}
    press(canvas, "hello")
    found, pictures = unpack(canvas.frame)
    assert pictures == {"now": b"1", "other": b"2"}
    assert found["step"] == 2


def test_long_curves_are_thinned_and_keep_their_ends():
    line = Line(range(10_000), [float("inf"), *range(1, 10_000)]).thinned()
    assert len(line["x"]) <= 240
    assert (line["x"][0], line["y"][0], line["x"][-1], line["y"][-1]) == (0, None, 9999, 9999)


def test_close_stops_and_leaks_nothing():
    def session():
        canvas = LiveCanvas()
        job = Job(endless, slots=Slots(1))
        canvas.drive(lambda: job)
        press(canvas, "play")
        wait_for(lambda: job.count > 1)
        canvas.close()
        job.join(5)
        assert job.state == "stopped"
        return weakref.ref(canvas)

    gone = session()
    gc.collect()
    assert gone() is None


def test_nonsense_from_the_page_is_ignored(canvas):
    for name in ("play it", None, "look"):
        press(canvas, name)
    assert canvas.job is None


def test_the_viewer_draws_the_newest_window_and_refuses_others():
    drawn = []

    def draw(window):
        drawn.append(window)
        return {"a": b"1"}

    viewer = Viewer(draw, Window(aspect=2))
    press(viewer, "look", {"x": 0.5, "y": 0, "zoom": 4})
    wait_for(lambda: drawn[-1].zoom == 4)
    count = len(drawn)
    for value in ({"x": 0, "y": 0, "zoom": 0}, {"x": 0, "y": 0, "zoom": 1e300}, {"x": "a"}, None):
        press(viewer, "look", value)
    time.sleep(0.05)
    assert len(drawn) == count
    assert viewer.window == Window(0.5, 0, 4, 2)
    viewer.close()


def test_actions_are_done_once_and_nothing_else_is():
    done = []
    actions = Actions({"Undo": lambda: done.append("undo"), "Keep": lambda: done.append("keep")})
    for name in ("Keep", "Burn", None, "Undo"):
        press(actions, name)
    assert done == ["keep", "undo"]
    actions.close()
    actions.close()


def step(done, data=None):
    return SimpleNamespace(done=done, total=3, data=data)


def test_an_export_saves_its_last_step():
    exporter = Exporter("PNG", "x.png", lambda: iter([step(1), step(2), step(3, b"file")]))
    files = []
    exporter.observe(lambda change: files.append(change["new"]), names="file")
    press(exporter, "make")
    wait_for(lambda: exporter.progress["state"] == "finished")
    assert files[0] == b"file"
    assert "Saved x.png" in exporter.progress["message"]
    exporter.close()


def test_an_export_can_be_cancelled_and_may_refuse():
    exporter = Exporter("PNG", "x.png", lambda: (step(1) for _ in endless()))
    press(exporter, "make")
    wait_for(lambda: exporter.progress["state"] == "running")
    press(exporter, "cancel")
    wait_for(lambda: exporter.progress == {"state": "stopped", "done": 0.0, "message": "Cancelled"})
    exporter.close()

    def refuse():
        raise UserError("Press Play first.")

    refusing = Exporter("PNG", "x.png", refuse)
    press(refusing, "make")
    assert refusing.progress == {"state": "failed", "message": "Press Play first."}
    refusing.close()
