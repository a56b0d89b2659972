"""Viewer, gallery, buttons and downloads: what they draw and do, and what they refuse."""

import threading
import time
from types import SimpleNamespace

import marimo as mo
import numpy as np
import pytest
from atelier.errors import UserError
from atelier.page.controls import number
from atelier.page.downloads import Download
from atelier.page.packing import unpack
from atelier.page.report import page as report
from atelier.page.viewer import Viewer
from atelier.page.volume import Volume
from atelier.page.widgets import Actions, Gallery, Instrument
from atelier.shaders.code import Shader
from visits import press, wait_for


@pytest.fixture
def viewer(visit):
    made = Viewer(longer=32)
    yield made
    made.close()


def test_the_viewer_draws_the_newest_window(viewer):
    drawn = []

    def draw(window, height, width):
        drawn.append(window)
        return np.zeros((height, width), np.uint8)

    viewer.show({"a": draw}, aspect=2.0)
    wait_for(lambda: drawn)
    press(viewer, "look", {"x": 0.5, "y": 0, "zoom": 4})
    wait_for(lambda: drawn[-1].zoom == 4)
    assert (drawn[-1].x, drawn[-1].spans) == (0.5, "longer")
    count = len(drawn)
    for value in ({"x": "a"}, None, {"x": 0, "y": 0}):
        press(viewer, "look", value)
    time.sleep(0.05)
    assert len(drawn) == count


class Painted:
    """A view with a shader of so many numbers, which counts its drawings."""

    def __init__(self, numbers):
        self.drawn, self.numbers = 0, np.full((numbers, 4), 0.5, np.float32)
        self.shader = lambda: Shader("vec3 colour(vec2 p) { return W(0).xyz; }", "", self.numbers)

    def __call__(self, window, height, width):
        self.drawn += 1
        return np.zeros((height, width), np.uint8)


def test_a_shader_is_sent_once_and_a_page_that_draws_needs_no_pictures(viewer):
    sent = []
    viewer.observe(lambda change: sent.append(change["name"]), ["shaders", "weights", "frame"])
    first, second = Painted(3), Painted(4)
    viewer.show({"a": first, "b": second})
    wait_for(lambda: viewer.frame)
    assert sorted(sent) == ["frame", "shaders", "weights"]
    assert [words["code"] for words in viewer.shaders] == ["vec3 colour(vec2 p) { return W(0).xyz; }"] * 2
    assert unpack(viewer.weights)[1]["1 numbers"] == second.numbers.tobytes()

    press(viewer, "look", {"x": 0.5, "y": 0, "zoom": 4})
    wait_for(lambda: len(sent) == 4)
    assert sent[3] == "frame"

    press(viewer, "able", {"draws": True, "seen": True})
    drawn = first.drawn
    viewer.show({"a": Painted(5), "b": second})
    wait_for(lambda: not unpack(viewer.frame)[1])
    assert (first.drawn, sent[4:]) == (drawn, ["weights", "frame"])
    viewer.show({"a": lambda window, height, width: np.zeros((height, width), np.uint8)})  # it has no shader
    wait_for(lambda: len(unpack(viewer.frame)[1]) == 1)
    assert viewer.shaders == [None]


def test_a_viewer_out_of_sight_draws_what_it_shows_when_it_is_seen(viewer):
    first, second, third = Painted(2), Painted(2), Painted(2)
    viewer.show({"a": first})
    wait_for(lambda: viewer.frame and not viewer._busy)  # the first picture does not wait
    press(viewer, "able", {"draws": False, "seen": False})
    for shown in (second, third):
        viewer.show({"a": shown}, window={"zoom": 2})
    time.sleep(0.1)
    assert (second.drawn, third.drawn) == (0, 0)
    press(viewer, "able", {"draws": False, "seen": True})
    wait_for(lambda: unpack(viewer.frame)[0]["window"]["zoom"] == 2)
    assert (second.drawn, third.drawn) == (0, 1)


def test_a_viewer_follows_a_run_where_somebody_sees_it(viewer, monkeypatch):
    told = []
    monkeypatch.setattr(viewer, "send", lambda message, buffers=None: told.append((message, buffers)))
    pixels, run = Painted(2), SimpleNamespace(step=None, watch=None)
    viewer.follow(run, lambda step: {"network": step, "pixels": pixels})
    run.watch(Painted(3))  # nothing is shown yet
    wait_for(lambda: viewer.frame)
    drawn, frame = pixels.drawn, viewer.frame

    run.watch(Painted(3))
    time.sleep(0.1)
    assert viewer.frame == frame  # nobody sees it
    press(viewer, "able", {"draws": False, "seen": True})
    run.watch(Painted(3))
    wait_for(lambda: unpack(viewer.frame)[0]["learning"])
    assert pixels.drawn == drawn + 1
    press(viewer, "able", {"draws": True, "seen": True})
    wait_for(lambda: not viewer._busy)
    viewer._due = 0
    run.watch(Painted(7))
    wait_for(lambda: any(buffers for _, buffers in told))
    ((_, (weights,)),) = [sent for sent in told if sent[1]]
    assert {name: len(data) for name, data in unpack(weights)[1].items()} == {"0 numbers": 7 * 16, "0 table": 0}
    assert pixels.drawn == drawn + 1


def test_a_drawing_beside_a_run_that_fails_waits_like_any_other(viewer, monkeypatch):
    told = []
    monkeypatch.setattr(viewer, "send", lambda message, buffers=None: told.append(message))

    def fail():
        time.sleep(0.05)
        raise UserError("It cannot be drawn.")

    before = time.monotonic()
    viewer._meanwhile(fail)
    wait_for(lambda: {"problem": "It cannot be drawn."} in told)
    assert viewer._due >= before + 10 * 0.05


def test_a_volume_follows_a_run_where_somebody_sees_it_and_keeps_the_view_that_a_hand_has_set(visit):
    volume, run, sides = Volume(), SimpleNamespace(step=None, watch=None), []

    def see(step, full):
        side = 8 if full else 4
        shown = {"voxels": lambda: np.full((side, side, side, 4), 255, np.uint8), "title": f"after {step}", "low": 0.3}
        return shown | ({"exact": lambda axis, at: np.zeros((2, 2, 4), np.uint8)} if full else {})

    volume.observe(lambda change: sides.append(unpack(change["new"])[0]["size"][0]), "frame")
    volume.follow(run, see)
    wait_for(lambda: sides == [8])
    assert volume.view["low"] == 0.3
    volume.view = {**volume.view, "low": 0.1}
    volume.follow(run, see)  # a cell that shows it runs at every move of a hand
    run.watch(1)  # nobody sees it
    time.sleep(0.1)
    assert sides == [8]

    press(volume, "seen", True)
    run.watch(2)
    wait_for(lambda: sides == [8, 4])
    header, _ = unpack(volume.frame)
    assert (header["title"], header["exact"], header["passing"]) == ("after 2", False, True)
    run.watch(3)  # at once, before the second is paid for
    run.step = 4
    volume.follow(run, see)
    wait_for(lambda: sides == [8, 4, 8])
    header, _ = unpack(volume.frame)
    assert (header["title"], header["exact"], header["passing"]) == ("after 4", True, False)
    assert volume.view["low"] == 0.1
    volume.follow(SimpleNamespace(step=5, watch=None), see)  # another run brings its own view
    wait_for(lambda: volume.view["low"] == 0.3)
    volume.close()


def problems_of(widget, monkeypatch):
    """The sentences that a widget tells from now on."""
    told = []
    monkeypatch.setattr(widget, "send", lambda message: told.append(message["problem"]))
    return told


def test_an_error_while_drawing_is_told_and_the_next_drawing_works(viewer, monkeypatch):
    told = problems_of(viewer, monkeypatch)

    def draw(window, height, width):
        if window.zoom == 4:
            raise ValueError("no")
        return np.zeros((height, width), np.uint8)

    viewer.show({"a": draw})
    wait_for(lambda: viewer.frame)
    press(viewer, "look", {"x": 0, "y": 0, "zoom": 4})
    wait_for(lambda: "This ended in an error (ValueError: no)." in told)
    press(viewer, "look", {"x": 0, "y": 0, "zoom": 0})
    wait_for(lambda: any("zoom" in sentence for sentence in told))
    press(viewer, "look", {"x": 0, "y": 0, "zoom": 2})
    wait_for(lambda: unpack(viewer.frame)[0]["window"]["zoom"] == 2)


def test_a_gallery_fills_itself_and_knows_its_pictures(visit):
    chosen = []
    gallery = Gallery(chosen.append, {"Cross…": lambda picks: chosen.append(picks)})
    gallery.fill((np.zeros((4, 4, 3), np.uint8) for _ in range(3)), total=3)
    wait_for(lambda: gallery.count == 3)
    for value in (2, 7, True, "1"):
        press(gallery, "choose", value)
    press(gallery, "Cross…", [0, 1, 9])
    assert chosen == [2, [0, 1]]
    gallery.close()


def test_a_click_on_a_poster_counts_when_its_picture_is_there(visit, monkeypatch):
    chosen, told, gate = [], [], threading.Event()
    gallery = Gallery(chosen.append, poster="random_fields_siblings")
    assert len(unpack(gallery.frame)[1]) == 16
    monkeypatch.setattr(gallery, "send", lambda message, buffers=None: told.append(message))

    def pictures():
        for k in range(3):
            yield np.zeros((4, 4, 3), np.uint8)
            if not k:
                gate.wait(10)

    gallery.fill(pictures(), total=3)
    wait_for(lambda: gallery.count == 1)
    press(gallery, "choose", 2)
    assert (chosen, told) == ([], [])
    gate.set()
    wait_for(lambda: chosen == [2] and {"problem": "", "acted": True} in told)
    gallery.fill(
        (np.zeros((4, 4, 3), np.uint8) for _ in range(0)), total=3
    )  # these are others, nobody has seen them yet
    press(gallery, "choose", 7)
    gallery.fill((np.zeros((4, 4, 3), np.uint8) for _ in range(9)), total=9)
    wait_for(lambda: gallery.count == 9)
    assert chosen == [2]
    gallery.close()


def test_a_poster_shows_the_defaults_and_nothing_else(visit):
    visit.state["words"] = SimpleNamespace(asked=True)
    assert unpack(Gallery(print, poster="random_fields_siblings").frame)[1] == {}


def test_actions_are_done_once_and_errors_are_told(monkeypatch):
    done = []
    actions = Actions({"Undo": lambda: done.append("undo"), "Keep": lambda: 1 / 0})
    told = problems_of(actions, monkeypatch)
    for name in ("Undo", "Burn", "Keep"):
        press(actions, name)
    assert done == ["undo"]
    assert told[0] == ""
    assert "ZeroDivisionError" in told[1]
    actions.close()
    actions.close()


def part(progress, data=None):
    return SimpleNamespace(progress=progress, data=data)


def test_a_download_saves_its_last_step_under_the_name_it_had_when_it_began():
    go_on = threading.Event()

    def make():
        yield part(0.3)
        go_on.wait(10)
        yield part(1, b"file")

    download = Download("x.png", make)
    files = []
    download.observe(lambda change: files.append(change["new"]), names="file")
    press(download, "make")
    wait_for(lambda: download.progress["done"] == 0.3)
    download.makes("y.png", make)
    go_on.set()
    wait_for(lambda: download.progress["state"] == "finished")
    assert unpack(files[0]) == ({"name": "x.png"}, {"file": b"file"})
    assert "Saved x.png" in download.progress["message"]
    download.close()


def test_a_download_can_be_cancelled_and_may_refuse():
    def slowly():
        while True:
            time.sleep(0.001)
            yield part(0.5)

    download = Download("x.png", slowly)
    press(download, "make")
    wait_for(lambda: download.progress["state"] == "running")
    press(download, "cancel")
    wait_for(lambda: download.progress == {"state": "stopped", "done": 0.0, "message": "Cancelled"})
    download.close()

    def refuse():
        raise UserError("Press Play first.")

    refusing = Download("x.png", refuse)
    press(refusing, "make")
    wait_for(lambda: refusing.progress == {"state": "failed", "done": 0.0, "message": "Press Play first."})
    refusing.close()


def test_an_instrument_draws_the_newest_values_and_checks_them(visit, monkeypatch):
    drawn = []

    def draw(x, walk):
        drawn.append((x, walk))
        return np.full((4, 6), round(255 * x), np.uint8), f"x is {x:g}"

    knobs = {"x": number(0.0, 1, 0.5), "walk": number(0, 9, 2)}
    made = Instrument(knobs, pad=("x", "walk"))
    told = problems_of(made, monkeypatch)
    press(made, "turn", {"x": 0.1, "walk": 1})  # nothing plays yet
    made.play(draw, corners=["a", "b", "c", "d"])
    wait_for(lambda: made.frame)
    assert drawn == [(0.5, 2)]
    assert made.look["corners"] == ["a", "b", "c", "d"]
    press(made, "turn", {"x": 1, "walk": 3})
    wait_for(lambda: unpack(made.frame)[0]["note"] == "x is 1")
    for value in (None, {"x": 1}, {"x": 1, "walk": 3, "more": 1}):
        press(made, "turn", value)
    press(made, "turn", {"x": 2, "walk": 3})
    wait_for(lambda: any(told))
    assert [sentence for sentence in told if sentence] == ["X must be a number from 0 to 1, and 2 is not."]
    assert len(drawn) == 2
    made.close()


def test_a_volume_gets_every_finer_slice_that_it_asks_for(visit):
    drawn, heard = [], []

    def exact(axis, at):
        drawn.append((axis, at))
        return np.full((3, 5, 4), 10 * axis, np.uint8)

    volume = Volume()
    volume.show(np.zeros((4, 4, 4, 4), np.uint8), exact=exact)
    volume.observe(lambda change: heard.append(unpack(change["new"])[0]), "fine")
    press(volume, "slices", [[0, 0.25], [1, 0], [2, -0.5]])
    wait_for(lambda: len(heard) == 3)
    assert drawn == [(0, 0.25), (1, 0.0), (2, -0.5)]
    assert heard[2] == {"axis": 2, "at": -0.5, "size": [3, 5]}
    press(volume, "slices", [[0, 0.5], [3, 0]])  # there is no such axis
    press(volume, "slices", [[1, 0.75]])
    wait_for(lambda: len(heard) == 4)
    assert drawn[3:] == [(1, 0.75)]
    volume.close()


def test_a_closed_widget_does_not_disturb_a_report(viewer):
    closed = Viewer()
    closed.close()
    assert viewer.model_id in report("A page", [mo.ui.anywidget(viewer)])


def test_a_volume_that_was_shown_in_passing_is_shown_anew_at_rest(visit):
    volume, voxels = Volume(), np.ones((4, 4, 4, 4), np.uint8)
    volume.show(voxels, passing=True)
    assert unpack(volume.frame)[0]["passing"]
    volume.show(voxels, still=b"still", exact=lambda axis, at: voxels[0])
    header, pictures = unpack(volume.frame)
    assert (header["passing"], header["exact"], pictures["still"]) == (False, True, b"still")
    before = volume.frame
    volume.show(voxels, title="again")
    assert volume.frame is before
    volume.close()
