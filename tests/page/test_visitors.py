"""What a public server relies on: a visitor takes bounded memory, and an error in a callback is one sentence."""

import base64
from types import SimpleNamespace

import numpy as np
import pytest
from atelier.drawing import Frame
from atelier.errors import UserError
from atelier.page import upload
from atelier.page.downloads import Download, File, take_home
from atelier.page.live import RECORD_BYTES, Live
from atelier.page.packing import unpack
from atelier.page.viewer import Viewer
from atelier.page.widgets import Actions, Diagram, Gallery
from visits import press, wait_for

MOST = 4 * RECORD_BYTES  # of one canvas: its recording, the same as a message, and the newest frame twice


def held(widget):
    """Bytes that a widget keeps, in its traits and beside them."""
    traits = sum(len(getattr(widget, name)) for name in ("frame", "record"))
    return traits + widget._recorder.bytes + sum(map(len, widget._pictures.values()))


def test_a_long_run_of_large_frames_takes_bounded_memory(visit):
    draws = np.random.default_rng(0)

    def steps():
        for number in range(1, 61):
            yield SimpleNamespace(step=number, progress=number / 60)

    def show(step, full):
        return Frame(
            {"now": draws.integers(0, 255, (256, 384), np.uint8)}, {"now": f"step {step.step}"}, step=step.step
        )

    live = Live()
    live.play(steps, show=show)
    live.job.delay = 1e-3  # every frame is shown
    wait_for(lambda: live.record, 60)
    assert len(unpack(live.record)[0]["moments"]) > 2
    assert held(live) < MOST
    live.play(lambda: steps(), show=show, opening=SimpleNamespace(step=0, progress=1.0))
    assert held(live) < MOST / 4, "another run begins with an empty recording"
    live.close()


def test_a_file_is_not_kept_once_it_is_saved(visit):
    download = Download("x.bin", lambda: bytes(1 << 20))
    press(download, "make")
    wait_for(lambda: download.progress["state"] == "finished" and download.job.latest is None)
    assert download.file == b""
    download.close()


def test_files_that_change_their_names_share_one_button(visit):
    for number in range(20):
        take_home({f"picture-{number}.png": File("Picture", "", lambda: b"x")})
    ((button, _),) = visit._lasting.values()
    assert button.widget.filename == "picture-19.png"


@pytest.mark.parametrize(
    ("sizes", "kept"), [([], 0), ([100], 1), ([101], 1), ([110], 0), ([10_000_000], 0), ([10, 10], 0)]
)
def test_an_upload_is_bounded_by_the_kernel_too(sizes, kept):
    element = upload([".png"], max_size=100)
    element._update([(f"{size}.png", base64.b64encode(bytes(size)).decode()) for size in sizes])
    assert len(element.value) == kept
    assert not element._value_frontend, "the bytes are not held twice"


def fails(*args):
    raise ZeroDivisionError("no")


def refuses(*args):
    raise UserError("Choose another.")


def pictures(fail):
    yield np.zeros((4, 4, 3), np.uint8)
    fail()


CALLBACKS = {
    "a button": lambda fail: (Actions({"Go": fail}), lambda widget: press(widget, "Go")),
    "a click in a drawing": lambda fail: (Diagram(choose=fail), lambda widget: press(widget, "choose", "a")),
    "a click on a picture": lambda fail: (
        Gallery(fail),
        lambda widget: (widget.show([b"x"]), press(widget, "choose", 0)),
    ),
    "a picked picture": lambda fail: (Gallery(print, {"Go": fail}), lambda widget: press(widget, "Go", [])),
    "a litter": lambda fail: (Gallery(print), lambda widget: widget.fill(pictures(fail), 3)),
    "a view": lambda fail: (Viewer(), lambda widget: widget.show({"a": fail})),
}


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize(
    ("fail", "sentence"), [(refuses, "Choose another."), (fails, "This ended in an error (ZeroDivisionError: no).")]
)
def test_an_error_in_a_callback_becomes_one_sentence_in_one_place(visit, monkeypatch, name, fail, sentence):
    widget, act = CALLBACKS[name](fail)
    told = []
    monkeypatch.setattr(widget, "send", lambda message, buffers=None: told.append(message))
    for _ in range(2):  # the widget goes on
        told.clear()
        act(widget)
        wait_for(lambda: {"problem": sentence} in told)
    wait_for(lambda: not widget._busy)
    widget.close()


@pytest.mark.parametrize(
    ("fail", "sentence"), [(refuses, "Choose another."), (fails, "This ended in an error (ZeroDivisionError: no).")]
)
def test_an_error_of_a_run_or_of_a_file_is_the_same_sentence(visit, fail, sentence):
    download = Download("x.png", fail)
    press(download, "make")
    wait_for(lambda: download.progress["state"] == "failed")
    assert download.progress["message"] == sentence
    live = Live()
    last = SimpleNamespace(step=1, progress=0.5)
    live.play(lambda: iter([last]), show=lambda step, full: fail() if live.job.state == "finished" else Frame())
    wait_for(lambda: unpack(live.frame)[0]["state"] == "failed")
    assert unpack(live.frame)[0]["error"] == sentence, "the drawing of the last step fails, and the page says so"
    live.close()
    download.close()
