import numpy as np
import pytest
import torch
from atelier.errors import UserError
from atelier.fields import rendering
from atelier.fields.networks import build
from atelier.fields.plane import Window, axis
from atelier.fields.rendering import bicubic, render, render_steps, renderer, to_uint8

NETWORK = build("hashgrid", finest=32, aspect=1.5).eval()
WHOLE = Window()


def test_pixel_centres_tile_the_window():
    assert axis(0.0, 1 / 4, 4).tolist() == [-0.75, -0.25, 0.25, 0.75]
    ys, xs = Window(0.5, -0.5, 2).axes(2, 4)
    assert xs.tolist() == [0.125, 0.375, 0.625, 0.875]
    assert ys.tolist() == [-0.625, -0.375]


def test_the_side_that_is_named_spans_the_unit():
    for spans, half in (("longer", 1 / 4), ("shorter", 1 / 2)):
        ys, xs = Window(spans=spans).axes(2, 4)
        assert xs.tolist() == [-3 * half, -half, half, 3 * half]
        assert ys.tolist() == [-half, half]


def test_tiles_do_not_show(monkeypatch):
    whole = render(NETWORK, WHOLE, 40, 60)
    monkeypatch.setattr(rendering, "TILE_POINTS", 61)
    torch.testing.assert_close(render(NETWORK, WHOLE, 40, 60), whole, atol=1e-6, rtol=0)


def test_zoom_by_two_is_the_centre_of_twice_the_size():
    for closer, far in zip(Window(zoom=2).axes(40, 60), WHOLE.axes(80, 120), strict=True):
        assert torch.equal(closer, far[len(far) // 4 : -len(far) // 4])
    twice = render(NETWORK, WHOLE, 80, 120)[20:60, 30:90]
    torch.testing.assert_close(render(NETWORK, Window(zoom=2), 40, 60), twice, atol=1e-5, rtol=0)


def test_steps_fill_the_picture():
    *_, (rows, pixels) = render_steps(NETWORK, WHOLE, 300, 450)
    assert rows == 300
    expected = to_uint8(render(NETWORK, WHOLE, 300, 450))
    assert np.abs(pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(0, 10), (10, 8193), (10**6, 10**6)])
def test_sizes_out_of_bounds_are_refused(size):
    with pytest.raises(UserError, match="from 1 to 8192"):
        next(render_steps(NETWORK, WHOLE, *size))


@pytest.mark.parametrize(
    ("window", "sentence"),
    [
        ({"zoom": 0}, "The zoom must be a number from"),
        ({"zoom": 1e300}, "The zoom must be a number from"),
        ({"x": float("nan")}, "The centre x must be a number from"),
        ({"y": float("inf")}, "The centre y must be a number from"),
        ({"spans": "width"}, "must be one of longer, shorter"),
    ],
)
def test_impossible_windows_are_refused(window, sentence):
    with pytest.raises(UserError, match=sentence):
        Window(**window)


def test_a_renderer_draws_what_the_network_gives():
    assert np.array_equal(renderer(NETWORK)(WHOLE, 40, 60), to_uint8(render(NETWORK, WHOLE, 40, 60)))


def test_bicubic_goes_through_every_pixel_and_is_white_outside():
    pixels = torch.rand(6, 10, 3, generator=torch.Generator().manual_seed(0))
    expected = np.full((12, 20, 3), 255)
    expected[3:9, 5:15] = to_uint8(pixels)
    drawn = bicubic(pixels)(Window(zoom=0.5), 12, 20).astype(int)  # at half the zoom the centres are the same
    assert np.abs(drawn - expected).max() <= 1
