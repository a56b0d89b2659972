"""The widgets of a session: what they do when the page sends a command, wanted or not."""

import threading
import time

import pytest
from atelier.explorer.settings import ExplorerSettings
from atelier.explorer.stage import Loop, Stage
from atelier.explorer.studio import LITTER
from atelier.cppn import favourites
from atelier.cppn.window import Window
from atelier.page.packing import unpack


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    made = Stage(ExplorerSettings(seed=3, width=4, depth=2, topology="mlp"))
    yield made
    made.close()
    made.close()


def wait_for(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def bred(stage):
    wait_for(lambda: len(stage.explorer.litter.specs) == LITTER and stage.gallery.count == LITTER)


def send(widget, name, value=None, number=[0]):  # noqa: B006 (counts the commands)
    number[0] += 1
    widget.command = {"name": name, "value": value, "number": number[0]}


def test_a_click_breeds(stage):
    bred(stage)
    wanted = stage.explorer.litter.specs[5]
    send(stage.gallery, "choose", 5)
    assert stage.explorer.spec == wanted
    bred(stage)
    header, pictures = unpack(stage.gallery.frame)
    assert header["total"] == len(pictures) == LITTER


def test_odd_commands_are_ignored(stage):
    bred(stage)
    before = stage.explorer.family
    for value in (-1, 16, True, "3", None, [1]):
        send(stage.gallery, "choose", value)
    send(stage.gallery, "Cross…", "12")
    send(stage.gallery, "Cross…", [1])
    send(stage.tree, "choose", "x")
    send(stage.tree, "choose", "77")
    send(stage.graph, "choose", "nobody")
    send(stage.viewer, "look", {"x": 0, "y": 0, "zoom": 1e300})
    assert stage.explorer.family == before


def test_roaming_is_taken_over(stage):
    send(stage.viewer, "look", {"x": 0.5, "y": -0.25, "zoom": 1e9})
    assert stage.recipe.window == Window(0.5, -0.25, 1e9)
    stage.undo()
    assert stage.problem is None


def test_problems_are_one_sentence(stage):
    stage.load(b"nothing", "odd.png")
    assert "odd.png" in stage.problem
    stage.keep("x" * 100)
    assert "1 to 80" in stage.problem
    stage.keep("mine")
    assert (stage.note, stage.problem) == ("Kept as mine.", None)
    assert stage.favourites() == ["mine"]
    stage.forget("mine")
    stage.forget("mine")
    assert "no favourite" in stage.problem


def test_a_visitors_favourites_stay_in_the_browser(tmp_path, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    stages = [Stage(ExplorerSettings(seed=3, width=4, depth=2, topology="mlp"), visitors=True) for _ in range(2)]
    send(stages[0].actions, "Keep")
    stages[0].name_wanted = "mine"
    send(stages[0].keeping, "Keep")
    assert len(stages[0].favourites()) == 2
    assert "mine" in favourites.loads(stages[0].shelf.text)
    assert stages[1].favourites() == []
    assert not list(tmp_path.iterdir())
    stages[1].shelf.text = stages[0].shelf.text  # as the page does in another tab
    assert stages[1].favourites() == stages[0].favourites()
    stages[1].shelf.text = "spoilt"
    assert stages[1].favourites() == []
    assert "cannot be read" in stages[1].problem
    send(stages[1].actions, "Keep")
    assert len(stages[1].favourites()) == 1
    assert stages[1].shelf.aside == "spoilt"
    for made in stages:
        made.close()


def test_exports_give_files(stage):
    stage.set_print((40, 30), 1)
    stage.set_loop(Loop("zoom", frames=3, side=16, ending=".gif"))
    starts = {"print": b"\x89PNG", "animation": b"GIF89a", "recipe": b"{"}
    for name, start in starts.items():
        exporter = stage.exporters[name]
        saved = []
        exporter.observe(lambda change, saved=saved: saved.append(change["new"]), names="file")
        send(exporter, "make")
        wait_for(lambda exporter=exporter: not exporter.job.active)
        assert saved[0].startswith(start)
    assert stage.exporters["animation"].filename.endswith("-zoom.gif")


def test_the_preview_plays_and_seeks(stage):
    stage.set_loop(Loop("weights", frames=12, fps=60))
    stage.show_loop()
    first, _ = unpack(stage.canvas.frame)
    assert (first["step"], first["total"]) == (1, "of 12 frames")
    stage.canvas.play()
    wait_for(lambda: stage.canvas.job.count > 3)
    stage.show_loop()  # the page draws the tab again
    assert stage.canvas.job.active
    stage.seek(7)
    assert unpack(stage.canvas.frame)[0]["step"] == 8


def test_nothing_is_left_behind(stage):
    bred(stage)
    stage.show_loop()
    stage.canvas.play()
    stage.more()
    stage.close()
    wait_for(lambda: not [t for t in threading.enumerate() if t.name.startswith("atelier-")])
