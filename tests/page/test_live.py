"""The live canvas: one run after another, driven by the buttons, recorded, and run through where nobody looks on."""

import gc
import itertools
import sys
import threading
import time
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from atelier.drawing import Chart, Frame, Line
from atelier.errors import UserError
from atelier.page.live import Live, Recorder, replay
from atelier.page.packing import unpack
from visits import press, wait_for


@dataclass(frozen=True)
class Step:
    step: int
    progress: float


def count(steps=10**6, pause=0.001):
    for number in itertools.count(1):
        if number > steps:
            return
        time.sleep(pause)
        yield Step(number, number / steps)


def show(step, full):
    pixels = np.full((8, 16), step.step % 256, np.uint8)
    pictures = {"now": pixels, "costly": pixels} if full else {"now": pixels}
    return Frame(
        pictures, {"now": f"at {step.step}"}, [Chart("Loss", [Line([0, 1], [1.0, float("inf")])])], step=step.step
    )


@pytest.fixture
def live(visit):
    made = Live()
    yield made
    made.close()


def header(live):
    return unpack(live.frame)[0]


def test_the_transport_bar_drives_the_run(live):
    run = live.play(count, show=show, opening=Step(7, 1.0))
    assert (run.step.step, header(live)["step"], header(live)["state"]) == (7, 7, "new")
    press(live, "play")
    wait_for(lambda: live.job.count > 2)
    press(live, "pause")
    wait_for(lambda: header(live)["state"] == "paused")
    held = live.job.count
    assert run.step.step == held == header(live)["step"]
    assert header(live)["captions"]["now"] == f"at {held}"
    press(live, "step")
    wait_for(lambda: live.job.count == held + 1 and header(live)["state"] == "paused")
    first = live.job
    press(live, "restart")
    wait_for(lambda: live.job is not first and live.job.count > 0)
    wait_for(lambda: first.state == "stopped")
    press(live, "slow", True)
    assert live.job.delay > 0


def test_the_same_arguments_change_nothing_and_others_start_anew(live):
    array = np.zeros(3)
    first = live.play(count, 100_000, show=show, opening=Step(1, 1.0), pause=0.001)
    assert live.play(count, 100_000, show=show, opening=Step(2, 1.0), pause=0.001) is first
    press(live, "play")
    wait_for(lambda: live.job.count > 1)
    job = live.job
    second = live.play(count, 200_000, show=show, opening=Step(1, 1.0), pause=0.001)
    assert second is not first
    wait_for(
        lambda: job.state == "stopped" and live.job is not None and live.job.count > 0
    )  # it was running: so is this
    third = live.play(lambda _: count(), array, show=show, opening=Step(1, 1.0))
    assert live.play(third.make.func, array, show=show) is third
    assert live.play(third.make.func, array.copy(), show=show) is not third, "another object may hold another picture"


def test_a_picture_that_is_ready_after_its_run_was_replaced_is_not_shown(live):
    drawing, ready = threading.Event(), threading.Event()

    def slowly(step, full):
        drawing.set()
        ready.wait(10)
        return show(Step(200, 1.0), full)

    live.play(count, 1, show=slowly)
    assert drawing.wait(10)
    old, captions = live.job, []
    live.play(count, 150, show=show)
    live.observe(lambda change: captions.append(header(live).get("captions")), names="frame")
    ready.set()
    old.join(10)
    wait_for(lambda: live.job.state == "finished")
    captions += [moment["captions"] for moment in unpack(live.record)[0]["moments"]]
    assert {"now": "at 150"} in captions
    assert {"now": "at 200"} not in captions


def test_a_paused_page_says_at_once_that_a_change_waits_for_the_button(live):
    live.play(count, 5, show=show, held=True)
    wait_for(lambda: header(live)["state"] == "finished")
    live.play(count, 6, show=show, held=True)
    assert header(live)["waiting"]
    live.play(count, 5, show=show, held=True)
    assert not header(live)["waiting"]


@pytest.mark.parametrize(("seconds", "stays"), [(0.0, True), (1e9, False)])
def test_a_paused_run_that_took_long_is_not_lost_by_a_touched_control(live, monkeypatch, seconds, stays):
    monkeypatch.setattr(sys.modules[Live.__module__], "KEPT_SECONDS", seconds)
    first = live.play(count, show=show)
    wait_for(lambda: live.job.count > 2)
    press(live, "pause")
    wait_for(lambda: header(live)["state"] == "paused")
    job = live.job
    assert (live.play(count, 9, show=show) is first) is stays
    assert header(live)["waiting"] is stays
    if stays:
        press(live, "play")  # goes on
        assert live.job is job
        press(live, "restart")  # begins with what was changed
        wait_for(lambda: header(live)["state"] == "finished" and header(live)["step"] == 9)


def test_a_long_run_that_is_about_to_pause_is_not_lost_either(live, monkeypatch):
    monkeypatch.setattr(sys.modules[Live.__module__], "KEPT_SECONDS", 0.0)
    go = threading.Event()

    def slowly():
        yield Step(1, 0.1)
        go.wait(10)
        yield Step(2, 0.2)

    first = live.play(slowly, show=show)
    wait_for(lambda: live.job.count == 1)
    press(live, "pause")
    assert live.job.holding
    assert live.play(count, 9, show=show) is first
    go.set()
    wait_for(lambda: header(live)["state"] == "paused")
    assert header(live)["waiting"]


def test_a_run_that_waited_dims_what_the_old_one_left(live, monkeypatch):
    monkeypatch.setattr(sys.modules[Live.__module__], "KEPT_SECONDS", 0.0)
    live.play(count, 50, show=show)
    wait_for(lambda: live.job.count > 1)
    press(live, "pause")
    wait_for(lambda: header(live)["state"] == "paused")
    live.play(count, 9, 0.2, show=show)
    press(live, "play")  # the old one goes on to its end
    wait_for(lambda: header(live)["state"] == "finished")
    assert header(live)["waiting"]
    press(live, "play")
    assert not header(live)["waiting"]
    assert header(live)["left"]


def test_a_poster_keeps_its_words_when_the_page_says_hello(visit):
    made = Live("digit_diffusion")
    before = header(made)
    press(made, "hello")
    assert header(made) == before
    assert before["note"] == "Opening"
    made.close()


def test_what_is_left_of_another_run_is_said_to_be_left(live):
    live.play(count, 3, show=show, start=False)
    press(live, "play")
    wait_for(lambda: header(live)["state"] == "finished")
    assert not header(live)["left"]
    live.play(count, 4, show=show, start=False)
    assert (header(live)["left"], header(live)["state"]) == (True, "new")
    assert header(live)["captions"] == {"now": "at 3"}
    assert "Not run yet" in header(live)["note"]
    press(live, "play")
    wait_for(lambda: header(live)["state"] == "finished")
    assert not header(live)["left"]
    live.play(count, 5, show=show, opening=Step(2, 1.0))
    assert not header(live)["left"]


def test_functions_that_a_cell_makes_again_are_the_same(live):
    def cell(steps):
        return live.play(lambda: count(steps), show=lambda step, full: show(step, full), opening=Step(1, 1.0))

    assert cell(3) is cell(3)
    assert cell(3) is not cell(4)
    shown = []
    run = live.play(live.run.make.func, show=lambda step, full: (shown.append(step), show(step, full))[1])
    assert run is live.run
    assert shown == [Step(1, 1.0)], "another way to show the same step is shown at once"


def test_without_an_opening_it_starts_by_itself_unless_told_not_to(live):
    live.play(count, show=show, start=False)
    assert live.job is None
    live.play(count, 5, show=show)
    wait_for(lambda: live.job.state == "finished")
    assert live.run.step.step == 5


def test_an_error_becomes_a_sentence_and_the_next_run_is_not_harmed(live):
    def refuse():
        raise UserError("The network must map (N, 2) to (N, 3); yours gave (N, 1).")
        yield

    live.play(refuse, show=show)
    wait_for(lambda: header(live)["state"] == "failed")
    assert header(live)["error"] == "The network must map (N, 2) to (N, 3); yours gave (N, 1)."
    live.play(count, 4, show=lambda step, full: 1 / 0)
    wait_for(lambda: header(live)["state"] == "failed")
    assert "ZeroDivisionError" in header(live)["error"]
    live.play(count, 3, show=show)
    wait_for(lambda: live.job is not None and live.job.state == "finished")
    wait_for(lambda: header(live)["error"] is None)


def test_a_page_that_opens_late_gets_every_picture_and_the_scene_stays(live):
    live.play(count, show=show, opening=Step(1, 1.0))
    scene = live.scene
    live.publish(show(Step(2, 0.5), False))
    assert set(unpack(live.frame)[1]) == {"now"}
    assert live.scene == scene
    press(live, "hello")
    assert set(unpack(live.frame)[1]) == {"now", "costly"}
    assert header(live)["charts"] == {"Loss": [{"label": "", "x": [0.0, 1.0], "y": [1.0, None]}]}


def test_nobody_looks_on_so_it_runs_to_its_end_and_remembers_moments(capsys):
    live = Live()
    run = live.play(count, 200, show=show, pause=0)
    assert run.step == Step(200, 1.0)
    found, pictures = unpack(live.record)
    steps = [moment["step"] for moment in found["moments"]]
    assert steps == sorted(set(steps))
    assert 30 <= len(steps) <= 60
    assert (steps[0], steps[-1]) == (1, 200)
    assert len(pictures) == 2 * len(steps)
    assert "100 %" in capsys.readouterr().err
    live.close()


def test_a_recording_stays_within_its_budget_and_keeps_both_ends():
    noise = np.random.default_rng(0)
    recorder = Recorder(most=20, most_bytes=60_000)
    for step in range(1, 500):
        pixels = noise.integers(0, 255, (48, 48, 3), dtype=np.uint8)
        recorder.offer(Frame({"now": pixels}, step=step), last=step == 499)
    steps = [header["step"] for header, _ in recorder.moments]
    assert (steps[0], steps[-1]) == (1, 499)
    assert len(steps) <= 20
    assert recorder.bytes <= 60_000


def test_a_replay_shows_its_last_frame_and_keeps_all():
    shown = replay([show(Step(number, 1.0), True) for number in (1, 2, 3)])
    assert [moment["step"] for moment in unpack(shown.record)[0]["moments"]] == [1, 2, 3]
    assert unpack(shown.frame)[0]["step"] == 3
    assert shown.scene["frozen"]


def test_close_stops_and_leaks_nothing(visit):
    def session():
        live = Live()
        live.play(count, show=show)
        job = live.job
        wait_for(lambda: job.count > 1)
        live.close()
        live.close()
        job.join(5)
        assert job.state == "stopped"
        return weakref.ref(live)

    gone = session()
    gc.collect()
    assert gone() is None


def test_nonsense_from_the_page_is_ignored(live):
    live.play(count, show=show, opening=Step(1, 1.0))
    for message in ({"name": "play it"}, {"name": None}, "play", {"value": 3}, None):
        live._obey(live, message, [])
    assert live.job is None
