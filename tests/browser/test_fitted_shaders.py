"""What the shader of a fitted network draws in Chromium (WebGL by the processor) is what PyTorch draws."""

import marimo as mo
import numpy as np
import pytest
import torch
from atelier import fields
from atelier.errors import UserError
from atelier.fields.exports import page_file, shadertoy_file
from atelier.fields.plane import Window, mesh, whole
from atelier.page.report import page as report
from atelier.page.viewer import Viewer
from waiting import until
from webgl import AS_IF_GRAPHICS, drawn, pixels

pytestmark = pytest.mark.browser
ASPECT = 0.75
SMALL = {"width": 12, "depth": 2}
NETWORKS = {
    **{name: {"network": name, **SMALL} for name in fields.NETWORKS},
    "hashed": {"network": "hashgrid", "finest": 90, "table_size": 8, "levels": 3},
    **{f"norm {norm}": {"network": "conv", "norm": norm, **SMALL} for norm in ("none", "batch")},
    **{f"{final}, gray": {"network": "siren", "final": final, "channels": 1, **SMALL} for final in ("sigmoid", "tanh")},
    "the default": {"network": "hashgrid"},
    "a large one": {"network": "siren", "width": 64, "depth": 3},
}
WINDOWS = [Window(), Window(x=0.3, y=-0.2, zoom=9.0), Window(x=-0.41, y=0.55, zoom=700.0), Window(zoom=0.4)]


def network_of(name):
    """An untrained network with every parameter away from where it begins, and strong colours."""
    network = fields.build(aspect=ASPECT, seed=3, **NETWORKS[name])
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if "tables" in key:
                tensor.copy_(torch.empty_like(tensor).uniform_(-1, 1, generator=g))
            elif "norm" in key and tensor.is_floating_point():
                tensor.add_(torch.empty_like(tensor).uniform_(0.1, 0.5, generator=g))
        head, coords = getattr(network.head, "linear", network.head), mesh(*whole(24, 18))
        head.weight.mul_(0.25 / network(coords).std(0).mean())
        head.bias.add_(0.5 - network(coords).mean(0))
    return network


def compared(canvas, shader, draw, window, flat, size=(40, 48)):
    found, _ = drawn(canvas, shader, window, size, flat)
    wanted = draw(window, size[1], size[0])
    assert wanted.std() > 10 or window.zoom > 5, "nothing to compare"
    return np.abs(found.astype(int) - wanted.astype(int))


@pytest.mark.parametrize(
    ("name", "flat"),
    [(name, flat) for name in NETWORKS for flat in (True, False) if (name, flat) != ("a large one", True)],
)
def test_a_network_looks_the_same(canvas, name, flat):
    network = network_of(name)
    shader = fields.shader_of(network)
    for window in WINDOWS:
        found = compared(canvas, shader, fields.renderer(network), window, flat and bool(shader.flat))
        assert found.mean() < 1, window
        assert found.max() <= 4, window


@pytest.mark.parametrize("shape", [(20, 31, 3), (24, 16, 1)])
def test_pixels_are_enlarged_in_the_same_way(canvas, shape):
    picture = torch.rand(shape, generator=torch.Generator().manual_seed(2)).mul(255).round() / 255
    shader, draw = fields.picture_shader(picture), fields.bicubic(picture)
    for window in WINDOWS:
        found, _ = drawn(canvas, shader, window, (48, 40), shape[2] == 3)
        wanted = np.broadcast_to(draw(window, 40, 48), found.shape)
        edge = np.abs(np.abs(wanted.astype(int) - 255)).max(-1) == 0  # white outside begins within a pixel
        assert np.abs(found.astype(int) - wanted)[~edge].max() <= 4, window


def test_what_cannot_be_a_shader_says_so():
    own = torch.nn.Sequential(torch.nn.Linear(2, 3))
    with pytest.raises(UserError, match="Python draws it"):
        fields.shader_of(own)
    with pytest.raises(UserError, match="too many"):
        fields.shader_of(fields.build("relu", width=1024, depth=12))
    with pytest.raises(UserError, match="gray or colour"):
        fields.shader_of(fields.build("relu", channels=2))


def test_a_network_keeps_its_code_while_it_learns():
    network = fields.build("hashgrid", picture=torch.rand(32, 32, 3))
    *_, last = fields.fit(network, torch.rand(32, 32, 3), steps=3)
    before, after = fields.shader_of(network), fields.shader_of(last.trained)
    assert before.words() == after.words()
    assert not np.array_equal(before.numbers, after.numbers)
    assert not np.array_equal(before.table, after.table)


PICTURE = torch.rand(24, 32, 3, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def step():
    *_, last = fields.fit(fields.build("relu", picture=PICTURE, width=16, depth=2), PICTURE, steps=30)
    return last


def two_views(step):
    viewer = Viewer()
    viewer._longer = 240  # of a report
    viewer.show(
        {"network": fields.renderer(step.network), "pixels": fields.bicubic(PICTURE)}, aspect=32 / 24, window={}
    )
    return report("Two views", [mo.ui.anywidget(viewer)])


def differences(page, step, window):
    wanted = {"network": fields.renderer(step.network), "pixels": fields.bicubic(PICTURE)}
    for label, draw in wanted.items():
        found = pixels(page.get_by_label(label, exact=True)).astype(int)
        yield np.abs(found - draw(window, *found.shape[:2]))


@pytest.mark.parametrize(("script", "dots"), [("", 1), (AS_IF_GRAPHICS, 1.5)])
def test_both_views_follow_the_hand(still_page, step, script, dots):
    page = still_page(two_views(step), script, device_scale_factor=dots)
    network = page.get_by_label("network", exact=True)
    network.focus()
    for key in ("+", "+", "ArrowLeft"):
        network.press(key)
    page.locator(".viewer[data-drawn=shader]").wait_for()
    wide = pytest.approx(dots * network.bounding_box()["width"], abs=1)
    until(page, lambda: pixels(network).shape[1] == wide)  # the hand is lifted, and the picture has all its pixels
    for found in differences(page, step, Window(x=-0.2 / 1.25**2, zoom=1.25**2)):
        assert found.mean() < 1
        assert found.max() <= 5  # rows and columns are not of the same size to the last digit


def test_a_lost_context_leaves_a_picture_and_comes_back(still_page, step):
    page = still_page(two_views(step))
    page.get_by_label("network", exact=True).press("+")
    page.locator(".viewer[data-drawn=shader]").wait_for()
    lose = "atelierPainter.canvas.getContext('webgl2').getExtension('WEBGL_lose_context')"
    page.evaluate(f"(window.lost = {lose}).loseContext()")
    page.locator(".viewer[data-drawn=python] .zoomed", has_text="a still picture").wait_for()
    assert page.locator(".zoomed").get_attribute("title") == "The graphics were reset."
    assert pixels(page.get_by_label("network", exact=True)).std() > 5
    page.evaluate("lost.restoreContext()")
    page.locator(".viewer[data-drawn=shader]").wait_for()


def test_two_fingers_magnify_the_page_to_take_home(still_page, step):
    text = page_file(step)
    assert len(text) < 200_000
    page = still_page(text.decode(), has_touch=True)
    page.wait_for_function("document.body.dataset.drawn > 0")
    box = page.locator("canvas").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(32 / 24, rel=0.01)
    touch = page.context.new_cdp_session(page)
    for kind, reach in (("touchStart", 60), ("touchMove", 90), ("touchMove", 120), ("touchEnd", None)):
        points = [{"x": 350 + way * reach, "y": 350, "id": k} for k, way in enumerate((-1, 1))] if reach else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.get_by_text("zoom 2×").wait_for()

    def as_wanted():
        found = pixels(page.locator("canvas")).astype(int)
        return np.abs(found - fields.renderer(step.network)(Window(zoom=2.0), *found.shape[:2])).max() <= 5

    until(page, as_wanted)


def test_a_hash_grid_is_taken_home_as_a_page_only(still_page):
    *_, last = fields.fit(fields.build("hashgrid", picture=PICTURE), PICTURE, steps=3)
    page = still_page(page_file(last).decode())
    page.wait_for_function("document.body.dataset.drawn > 0")
    found = pixels(page.locator("canvas")).astype(int)
    assert np.abs(found - fields.renderer(last.network)(Window(), *found.shape[:2])).max() <= 5
    with pytest.raises(UserError, match="no room"):
        shadertoy_file(last)
