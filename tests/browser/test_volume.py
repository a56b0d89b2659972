"""What the page marches through is what PyTorch does; the view follows the hand, and stands still without WebGL2."""

import marimo as mo
import numpy as np
import pytest
import torch
from atelier import volumes
from atelier.cppn import FieldSpec
from atelier.errors import UserError
from atelier.page.report import page as report
from atelier.page.volume import Volume
from atelier.volumes import marching
from PIL import Image
from waiting import until
from webgl import pixels

pytestmark = pytest.mark.browser
SPEC = FieldSpec(seed=3, width=12, depth=3)
SMALL = {"width": 300, "height": 700}
NO_WEBGL = "HTMLCanvasElement.prototype.getContext = ((get) => function (kind, ...rest) { \
  return kind === 'webgl2' ? null : get.call(this, kind, ...rest); })(HTMLCanvasElement.prototype.getContext);"


def shown(page, selector=".seen canvas"):
    """The pixels (H, W, 3) of a canvas."""
    return pixels(page.locator(selector))


def small(page):
    """The canvas in 50 × 50 pixels: a slow machine draws a moving volume coarsely."""
    return np.array(Image.fromarray(shown(page)).resize((50, 50), Image.Resampling.BOX)).astype(int)


def cut(monkeypatch, axis, depth):
    """From now on torch marches only where the coordinate is `depth` or more."""
    whole = marching._interval

    def interval(origins, directions, half):
        near, far = whole(origins, directions, half)
        slope = directions[:, axis]
        crossing = (depth - origins[:, axis]) / slope
        return torch.where(slope > 0, near.maximum(crossing), near), torch.where(slope < 0, far.minimum(crossing), far)

    monkeypatch.setattr(marching, "_interval", interval)


@pytest.fixture
def open_volume(still_page):
    """A report with one volume, opened from the disk without a kernel."""

    def act(voxels, script="", still=b"", **view):
        widget = Volume()
        widget.show(voxels, still=still, **view)
        opened = still_page(report("Volume", [mo.ui.anywidget(widget)]), script, viewport=SMALL)
        if not script:
            opened.wait_for_function("Number(document.querySelector('.volume')?.dataset.drawn) > 0")
        return opened

    return act


@pytest.fixture(scope="module")
def voxels():
    return volumes.bake(SPEC, (20, 24, 28))


@pytest.mark.parametrize(
    ("view", "look"),
    [
        ({"light": 0.0}, {}),
        ({"light": 0.0, "azimuth": -70.0, "elevation": 55.0, "zoom": 1.6}, {}),
        ({"light": 0.0, "low": 0.2, "high": 0.9, "opacity": 5.0}, {"low": 0.2, "high": 0.9, "opacity": 5}),
        ({"light": 0.7}, {"light": 0.7}),
        ({"mode": "maximum", "low": 0.1, "high": 1.0}, {"mode": "maximum", "low": 0.1, "high": 1.0}),
        ({"light": 0.0, "cut": "x", "depth": -0.1}, {}),
        ({"light": 0.0, "cut": "z", "depth": 0.2}, {}),
    ],
)
def test_the_page_marches_as_torch_does(open_volume, voxels, view, look, monkeypatch):
    found = shown(open_volume(voxels, **view))
    if "cut" in view:
        cut(monkeypatch, "xyz".index(view["cut"]), view["depth"])
    camera = {name: view[name] for name in ("azimuth", "elevation", "zoom") if name in view}
    wanted = volumes.march(voxels, volumes.Camera(**camera), volumes.Look(**({"light": 0} | look)), found.shape[1::-1])
    difference = np.abs(found.astype(int) - wanted.astype(int))
    assert wanted.std() > 5
    # torch shades the voxels, the page shades the samples between them
    assert difference.mean() < (4 if view.get("light") else 1.5)
    assert np.quantile(difference.max(-1), 0.98) <= (32 if view.get("light") else 20)  # rays graze a surface


def test_a_hand_turns_magnifies_and_resets_it(open_volume, voxels):
    page = open_volume(voxels)
    before = small(page)
    place = page.locator(".seen canvas").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 20)
    page.mouse.up()
    until(page, lambda: np.abs(small(page) - before).mean() > 3)
    page.wait_for_timeout(600)  # the hand is lifted
    turned = small(page)
    page.locator(".seen canvas").focus()
    page.keyboard.press("+")
    until(page, lambda: np.abs(small(page) - turned).mean() > 1)
    page.get_by_role("button", name="Reset").click()
    until(page, lambda: np.abs(small(page) - before).max() < 3)


def test_a_window_of_densities_hides_and_shows(open_volume):
    ramp = np.zeros((16, 16, 16, 4), np.uint8)
    ramp[..., :3], ramp[..., 3] = 255, np.linspace(0, 255, 16).astype(np.uint8)[None, None]  # denser along x
    page = open_volume(ramp, azimuth=0.0, elevation=0.0, light=0.0, low=0.5, high=0.6, opacity=200.0)
    bright = lambda: (shown(page)[..., 0] > 128).mean()  # noqa: E731
    half = bright()
    page.get_by_label("Density from").fill("0.8")
    until(page, lambda: 0 < bright() < half)


def test_a_cross_in_one_slice_moves_the_others(open_volume, voxels):
    page = open_volume(voxels)
    across_z = ".slices figure:nth-child(3) canvas"
    before = shown(page, ".slices figure:nth-child(1) canvas")
    page.locator(across_z).click(position={"x": 10, "y": 12})
    first = ".slices figure:nth-child(1) canvas"
    until(page, lambda: np.abs(shown(page, first).astype(int) - before).mean() > 1)
    captions = page.locator(".slices figcaption").all_inner_texts()
    assert captions[0] != "x = 0.00"
    assert captions[1] != "y = 0.00"
    assert captions[2] == "z = 0.00"


def test_a_cut_begins_where_the_cross_stands(open_volume, voxels):
    page = open_volume(voxels)
    page.locator(".slices figure:nth-child(3) canvas").click(position={"x": 10, "y": 12})
    captions = page.locator(".slices figcaption")
    until(page, lambda: captions.nth(0).inner_text() != "x = 0.00")
    page.get_by_label("Cutting plane").select_option("x")
    depth = page.locator("label", has_text="Cut at").locator("output")
    until(page, lambda: captions.nth(0).inner_text() == f"x = {depth.inner_text()}")


def test_other_buttons_and_the_browsers_own_keys_turn_nothing(open_volume, voxels):
    page = open_volume(voxels)
    before, captions = shown(page), page.locator(".slices figcaption").all_inner_texts()
    for selector in (".seen canvas", ".slices canvas"):
        place = page.locator(selector).first.bounding_box()
        page.mouse.move(place["x"] + 20, place["y"] + 20)
        page.mouse.down(button="right")
        page.mouse.move(place["x"] + 60, place["y"] + 40)
        page.mouse.up(button="right")
    page.locator(".seen canvas").focus()
    for key in ("Control+ArrowLeft", "Control+Minus", "Alt+ArrowUp"):
        page.keyboard.press(key)
    page.wait_for_timeout(400)
    assert np.array_equal(shown(page), before)
    assert page.locator(".slices figcaption").all_inner_texts() == captions


def test_without_webgl_a_still_stands_there_and_the_slices_work(open_volume, voxels):
    still = volumes.still_file(SPEC, 16)
    page = open_volume(voxels, NO_WEBGL, still)
    page.get_by_text("no WebGL2").wait_for()
    assert page.locator(".seen img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 800
    assert shown(page, ".slices figure:nth-child(2) canvas").std() > 1


def test_a_lost_context_comes_back(open_volume, voxels):
    page = open_volume(voxels)
    before = small(page)
    page.evaluate("""() => {
        const lose = document.querySelector(".seen canvas").getContext("webgl2").getExtension("WEBGL_lose_context");
        lose.loseContext();
        setTimeout(() => lose.restoreContext(), 100);
    }""")
    page.wait_for_timeout(300)  # it is lost by now
    until(page, lambda: np.abs(small(page) - before).max() < 3)


@pytest.mark.parametrize(("axis", "azimuth", "elevation"), [(0, -90.0, 0.0), (1, 0.0, 90.0), (2, 0.0, 0.0)])
def test_a_cut_shows_what_the_network_has_there(still_page, axis, azimuth, elevation):
    """The voxels are gray; the exact slice has a colour in each corner, and the eye looks straight at the cut."""
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)
    exact = np.full((64, 64, 4), 255, np.uint8)
    exact[..., :3] = colours.repeat(32, 0).repeat(32, 1)
    view = {"cut": "xyz"[axis], "depth": 0.25, "azimuth": azimuth, "elevation": elevation}

    def seen(at):
        widget = Volume()
        look = {"light": 0.0, "opacity": 200.0, "low": 0.1, "high": 0.2}
        widget.show(np.full((16, 16, 16, 4), 128, np.uint8), exact=lambda *_: exact, **view, **look)
        widget._refine(axis, at)
        page = still_page(report("Volume", [mo.ui.anywidget(widget)]), viewport=SMALL)
        page.wait_for_function("Number(document.querySelector('.volume')?.dataset.drawn) > 0")
        return page, lambda: small(page)[[[15], [35]], [15, 35]].reshape(-1, 3)  # in each corner

    page, corners = seen(0.5)
    page.wait_for_timeout(400)  # the slice comes after the voxels
    assert np.ptp(corners(), axis=1).max() < 10, "the slice of another place is not shown"
    page, corners = seen(0.25)
    wanted = {tuple(colour) for colour in colours.reshape(-1, 3).tolist()}
    until(page, lambda: {tuple(colour) for colour in ((corners() > 128) * 255).tolist()} == wanted)


def test_other_arrays_are_refused():
    for wrong, sentence in (
        (np.zeros((4, 4, 4), np.uint8), r"\(D, H, W, 4\)"),
        (np.zeros((4, 4, 4, 4)), r"\(D, H, W, 4\)"),
        (np.zeros((1, 4, 4, 4), np.uint8), "2 to 256 voxels"),
        (np.zeros((2, 2, 300, 4), np.uint8), "2 to 256 voxels"),
    ):
        with pytest.raises(UserError, match=sentence):
            Volume().show(wrong)
    with pytest.raises(UserError, match="A view has no colour"):
        Volume().show(np.zeros((4, 4, 4, 4), np.uint8), colour=3)
