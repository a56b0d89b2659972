import numpy as np
import pytest
import torch
from atelier.errors import UserError
from atelier.fields import rendering
from atelier.fields.networks import NetworkSpec, build
from atelier.fields.rendering import render, render_steps, to_uint8
from atelier.fields.window import Window, centres

NETWORK = build(NetworkSpec("hashgrid", {"finest": 32}, aspect=1.5)).eval()
WHOLE = Window(aspect=1.5)


def test_pixel_centres_tile_the_window():
    assert centres(4).tolist() == [-0.75, -0.25, 0.25, 0.75]
    ys, xs = Window(0.5, -0.5, 2, aspect=2).axes(2, 4)
    assert xs.tolist() == [0.125, 0.375, 0.625, 0.875]
    assert ys.tolist() == [-0.625, -0.375]


def test_tiles_do_not_show(monkeypatch):
    whole = render(NETWORK, WHOLE, 40, 60)
    monkeypatch.setattr(rendering, "TILE_POINTS", 61)
    torch.testing.assert_close(render(NETWORK, WHOLE, 40, 60), whole, atol=1e-6, rtol=0)


def test_zoom_by_two_is_the_centre_of_twice_the_size():
    twice = render(NETWORK, WHOLE, 80, 120)[20:60, 30:90]
    torch.testing.assert_close(render(NETWORK, Window(zoom=2, aspect=1.5), 40, 60), twice, atol=1e-5, rtol=0)


def test_steps_fill_the_picture():
    *_, last = render_steps(NETWORK, WHOLE, 300, 450)
    assert last.rows == last.total == 300
    expected = to_uint8(render(NETWORK, WHOLE, 300, 450))
    assert np.abs(last.pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(0, 10), (10, 8193), (10**6, 10**6)])
def test_sizes_out_of_bounds_are_refused(size):
    with pytest.raises(UserError, match="from 1 to 8192"):
        next(render_steps(NETWORK, WHOLE, *size))


@pytest.mark.parametrize("window", [{"zoom": 0}, {"zoom": 1e300}, {"x": float("nan")}, {"aspect": 0}])
def test_impossible_windows_are_refused(window):
    with pytest.raises(UserError, match="reset the view"):
        Window(**window)
