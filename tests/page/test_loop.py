"""A loop: what Python draws of it, and what the page gets to draw it by itself."""

import importlib

import numpy as np
import pytest
from atelier import cppn
from atelier.fields.plane import Drawing, Window
from atelier.page.loop import Loop
from atelier.page.packing import unpack
from visits import press, wait_for

module = importlib.import_module("atelier.page.loop")  # in the room this name is the function
WALK = cppn.walk_for("latent", cppn.Recipe(cppn.FieldSpec(seed=3, width=6, depth=2, topology="mlp", latent=(0.5, 1.0))))


@pytest.fixture
def loop(visit):
    made = Loop()
    press(made, "seen", True)
    yield made
    made.close()


def header(loop):
    return unpack(loop.frame)[0]


def test_python_draws_what_is_asked_for(loop):
    loop.show(cppn.seen_on(WALK), 5.0)
    wait_for(lambda: loop.frame)
    assert header(loop) == {"count": 1, "seconds": 5.0, "t": 0.0, "live": True, "drawn": 1}
    first = unpack(loop.frame)[1]["picture"]
    press(loop, "at", {"t": 0.0})
    wait_for(lambda: header(loop)["drawn"] == 2)  # an answer comes, also with the same picture
    press(loop, "at", {"t": 0.4, "moving": True})
    wait_for(lambda: header(loop)["t"] == 0.4)
    assert unpack(loop.frame)[1]["picture"] != first
    press(loop, "at", {"t": 7})
    wait_for(lambda: header(loop)["t"] == 1.0)
    assert unpack(loop.frame)[1]["picture"] == first, "a loop ends where it began"


def test_a_walk_waits_until_somebody_sees_the_loop(loop):
    press(loop, "seen", False)
    loop.show(cppn.seen_on(WALK), 5.0)
    loop.show(cppn.seen_on(WALK), 9.0)
    assert not loop.frame
    press(loop, "seen", True)
    wait_for(lambda: loop.frame)
    assert (header(loop)["seconds"], header(loop)["count"]) == (9.0, 2)


def test_the_page_gets_the_numbers_of_moments_on_the_way(loop):
    loop.show(cppn.seen_on(WALK), 5.0)
    press(loop, "moments")
    wait_for(lambda: loop.moments)
    about, numbers = unpack(loop.moments)
    count = len(about["windows"])
    assert (about["count"], count, len(numbers)) == (1, 49, 49)
    assert about["words"]["key"] == cppn.shader_of(WALK(0.0).spec).words()["key"]
    for k in (0, 12, 24):
        wanted = cppn.shader_of(WALK(k / (count - 1)).spec).numbers
        assert np.array_equal(np.frombuffer(numbers[str(k)], np.float32), wanted.ravel())
    first, last = (np.frombuffer(numbers[str(k)], np.float32) for k in (0, count - 1))
    assert np.allclose(first, last, atol=1e-4)


def test_numbers_that_stay_are_sent_once_and_too_many_are_thinned():
    zoom = cppn.window_walk(cppn.Recipe(WALK(0.0).spec), cppn.WHOLE.replace(zoom=4.0))
    about, numbers = unpack(module._moments(cppn.seen_on(zoom), 1, 1 << 20))
    assert (list(numbers), len(about["windows"])) == (["0"], 49)
    assert about["windows"][24]["zoom"] == pytest.approx(4)
    one = len(unpack(module._moments(cppn.seen_on(WALK), 1, 1 << 20))[1]["0"])
    about, numbers = unpack(module._moments(cppn.seen_on(WALK), 1, 15 * one))
    assert len(numbers) == len(about["windows"]) == 13


def test_where_there_is_no_shader_the_page_gets_no_words():
    too_large = cppn.seen_on(
        cppn.walk_for("weights", cppn.Recipe(cppn.FieldSpec(width=256, depth=16, topology="dense")))
    )
    assert "words" not in unpack(module._moments(too_large, 1, 1 << 20))[0]
    shapes = {0: cppn.FieldSpec(width=4, depth=2), 1: cppn.FieldSpec(width=8, depth=2)}

    def changing(t):
        spec = shapes[round(t)]
        return Drawing(None, lambda: cppn.shader_of(spec)), Window()

    assert "words" not in unpack(module._moments(changing, 1, 1 << 20))[0]
