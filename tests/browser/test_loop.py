"""A loop in a page without a kernel: its own shader draws what Python draws, and plays."""

import marimo as mo
import numpy as np
import pytest
from atelier import cppn
from atelier.page.loop import Loop
from atelier.page.report import page as report
from waiting import until
from webgl import pixels

pytestmark = pytest.mark.browser
SPEC = cppn.FieldSpec(seed=3, width=8, depth=2, topology="mlp", latent=(0.5, 1.0))
WALK = cppn.walk_for("latent", cppn.Recipe(SPEC))
NO_WEBGL = "HTMLCanvasElement.prototype.getContext = ((get) => function (kind, ...rest) { \
  return kind === 'webgl2' ? null : get.call(this, kind, ...rest); })(HTMLCanvasElement.prototype.getContext);"


@pytest.fixture
def open_loop(still_page):
    def act(script=""):
        widget = Loop()
        widget.show(cppn.seen_on(WALK), 4.0)
        opened = still_page(report("Loop", [mo.ui.anywidget(widget)]), script)
        opened.locator(".loop canvas[data-frames]").wait_for()
        return opened

    return act


@pytest.mark.parametrize("t", [0.25, 0.5, 0.51])
def test_the_page_draws_a_moment_as_python_does(open_loop, t):
    page = open_loop()
    page.get_by_label("Place in the loop").evaluate(
        "(node, t) => { node.value = t; node.dispatchEvent(new Event('input')); }", t
    )
    page.locator(".loop[data-drawn]").wait_for()
    shown = pixels(page.locator(".loop canvas"))
    recipe = WALK(t)
    drawn = cppn.picture(recipe.spec, recipe.window, shown.shape[1::-1])
    assert np.abs(shown.astype(int) - drawn).mean() < 1.5
    assert page.locator(".told").inner_text() == f"{4 * t:.1f} of 4.0 s"


def test_a_loop_plays_and_pauses(open_loop):
    page = open_loop()
    page.get_by_role("button", name="Play the loop").click()
    slider = page.get_by_label("Place in the loop")
    until(page, lambda: int(page.locator(".loop").get_attribute("data-drawn") or 0) > 3)
    page.get_by_role("button", name="Pause").click()
    place = slider.input_value()
    assert float(place) > 0
    page.wait_for_timeout(300)
    assert slider.input_value() == place


def test_without_webgl_the_first_picture_stands_there(open_loop):
    page = open_loop(NO_WEBGL)
    assert page.locator(".loop .bar").is_hidden()
    assert pixels(page.locator(".loop canvas")).std() > 5
