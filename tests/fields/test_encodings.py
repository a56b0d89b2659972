import pytest
import torch
from atelier.fields.encodings import GaussianFourier, HashGrid, PositionalEncoding, grid_shapes
from atelier.fields.plane import Window, mesh


def generator():
    return torch.Generator().manual_seed(0)


def grids():
    return {
        "dense": HashGrid((0.7, 1.0), 24, 3, 1 << 16, 2, generator()),
        "hashed": HashGrid((0.7, 1.0), 24, 3, 64, 2, generator()),
        "fourier": GaussianFourier(8, 3.0, generator()),
        "octaves": PositionalEncoding(4),
    }


@pytest.mark.parametrize("name", grids())
def test_a_prepared_grid_gives_what_its_points_give(name):
    encoding = grids()[name]
    ys, xs = (axis.float() for axis in Window().axes(20, 14))
    one_by_one = encoding(mesh(ys, xs))
    assert one_by_one.shape == (20 * 14, encoding.features)
    torch.testing.assert_close(encoding.encode(encoding.prepare(ys, xs)), one_by_one, atol=1e-5, rtol=1e-4)


def test_a_dense_level_interpolates_linearly_between_its_vertices():
    grid = HashGrid((1.0, 1.0), 5, 1, 1 << 10, 1, generator())
    ramp = torch.linspace(-1, 1, 5).expand(1, 5, 5)
    with torch.no_grad():
        grid.tables[0].copy_(ramp)
    coords = torch.rand(50, 2, generator=generator()) * 2 - 1
    torch.testing.assert_close(grid(coords)[:, 0], coords[:, 0], atol=1e-5, rtol=1e-5)


def test_levels_halve_and_follow_the_shape_of_the_picture():
    assert grid_shapes((0.5, 1.0), 64, 3) == [(16, 8), (32, 16), (64, 32)]
    hashed = grids()["hashed"]
    assert [len(t) for t, dense in zip(hashed.tables, hashed.dense, strict=True) if not dense] == [64, 64]


def test_outside_of_the_picture_the_border_goes_on():
    grid = grids()["dense"]
    inside, outside = torch.tensor([[0.7, 1.0]]), torch.tensor([[3.0, 9.0]])
    assert torch.equal(grid(inside), grid(outside))
