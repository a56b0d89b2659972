"""Networks that learn volumes: every kind, closed forms, what is shown of them, and bad input."""

import numpy as np
import pytest
import torch
from atelier import fields, volumes
from atelier.errors import UserError
from atelier.fields.encodings import HashGrid
from atelier.fields.metrics import psnr, ssim
from atelier.fields.plane import half_extent, mesh, whole
from atelier.fields.rendering import evaluate
from torch import nn

SIDES = 6, 10, 8
RAMP = mesh(*whole(*SIDES)).add(1).div(2).view(*SIDES, 3)  # the coordinates themselves as colours (x, y, z)


def generator():
    return torch.Generator().manual_seed(0)


def test_a_mesh_of_three_axes_is_in_the_order_of_an_array():
    zs, ys, xs = whole(*SIDES)
    points = mesh(zs, ys, xs).view(*SIDES, 3)
    assert points[2, 7, 5].tolist() == [float(xs[5]), float(ys[7]), float(zs[2])]
    assert float(ys.abs().max()) == pytest.approx(1 - 1 / 10)  # the longest side spans [-1, 1]
    assert half_extent(0.8, 0.6) == pytest.approx((0.8, 1.0, 0.6))


@pytest.mark.parametrize("name", fields.NETWORKS)
def test_every_network_on_a_grid_is_the_network_at_its_points(name, tmp_path):
    network = fields.build(name, picture=RAMP, width=8, seed=1).eval()
    assert network.spec.dims == 3
    axes = whole(*SIDES)
    with torch.no_grad():
        points = network(mesh(*axes))
        torch.testing.assert_close(network.on_grid(network.prepare(*axes)), points, atol=1e-5, rtol=1e-4)
    back = fields.load(fields.save(tmp_path / "n.safetensors", network))
    assert back.spec == network.spec
    torch.testing.assert_close(back.eval()(mesh(*axes)), points)


@pytest.mark.parametrize("table", [1 << 12, 64])
def test_a_grid_in_space_is_read_alike_point_by_point_and_line_by_line(table):
    grid = HashGrid((0.8, 1.0, 0.6), 12, 3, table, 2, generator())
    assert all(grid.dense) == (table > 64)
    axes = whole(*SIDES)
    torch.testing.assert_close(grid.encode(grid.prepare(*axes)), grid(mesh(*axes)), atol=1e-6, rtol=1e-4)


def test_a_dense_grid_in_space_interpolates_linearly():
    grid = HashGrid((1.0, 1.0, 1.0), 5, 1, 1 << 10, 1, generator())
    weights = torch.tensor([0.5, -1.0, 2.0])
    with torch.no_grad():
        grid.tables[0].copy_((mesh(*[torch.linspace(-1, 1, 5)] * 3) @ weights).view(1, 5, 5, 5))
    coords = torch.rand(50, 3, generator=generator()) * 2 - 1
    torch.testing.assert_close(grid(coords)[:, 0], coords @ weights, atol=1e-5, rtol=1e-5)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, coords):
        return self.linear(coords)


@pytest.mark.parametrize("sampling", fields.SAMPLINGS)
def test_a_linear_network_learns_a_linear_volume_by_the_same_fit(sampling):
    torch.manual_seed(0)
    *_, last = fields.fit(Linear(), RAMP, steps=400, learning_rate=0.05, sampling=sampling, batch=64)
    assert last.psnr > 60
    assert last.network.linear.weight.detach().numpy() == pytest.approx(0.5 * np.eye(3), abs=0.01)
    assert last.measure().ssim > 0.99


def test_held_out_voxels_are_judged_apart():
    *_, last = fields.fit(fields.build("relu", picture=RAMP, width=16, depth=2), RAMP, steps=60, held_out=True)
    error = (last.render() - RAMP).square().mean(-1)
    assert last.seen.sum() == last.seen.numel() // 2
    assert last.measure().held_out_psnr == pytest.approx(-10 * np.log10(float(error[~last.seen].mean())), abs=1e-3)


def test_tiles_join_to_the_whole(monkeypatch):
    field = fields.build("siren", picture=RAMP, width=8, depth=1).eval()
    axes = whole(*SIDES)
    wanted = evaluate(field, *axes)
    monkeypatch.setattr("atelier.fields.rendering.TILE_POINTS", 16)
    torch.testing.assert_close(evaluate(field, *axes), wanted)


def test_ssim_of_a_volume_is_that_of_its_slices():
    a, b = torch.rand(2, 3, 12, 12, 1, generator=generator())
    assert float(ssim(a, b)) == pytest.approx(np.mean([float(ssim(x, y)) for x, y in zip(a, b, strict=True)]))


def test_the_example_is_learned_shown_cut_and_written(tmp_path):
    knot = volumes.example(24)
    assert knot.shape == (24, 24, 24, 4)
    assert 0 <= float(knot.min()) < float(knot.max()) <= 1
    assert not knot[[0, -1], :, :, 3].any()
    network = fields.build("hashgrid", picture=knot)
    *_, last = fields.fit(network, knot, steps=60)
    assert last.psnr > 25
    frame = volumes.fit_panels(last)
    assert np.array_equal(volumes.opening(knot).pictures["original"], frame.pictures["original"])
    assert frame.pictures["original"].shape == frame.pictures["network"].shape == (192, 3 * 192 + 16, 3)
    assert f"{psnr(last.render(), knot):.1f} dB" in frame.captions["network"]
    voxels = volumes.network_voxels(last.network, knot.shape[:3], longest=24)
    assert np.abs(voxels / 255 - last.render().numpy()).max() < 0.003
    cut = volumes.network_slice(last.network, knot.shape[:3])
    places = torch.linspace(-1, 1, 49)[1::2]  # the middles of voxels
    for across, line in ((0, voxels[:, :, 7].transpose(1, 0, 2)), (1, voxels[:, 7]), (2, voxels[7])):
        fine = cut(across, float(places[7]))
        assert fine.shape == (320, 320, 4)
        coarse = torch.from_numpy(fine[..., 3]).float()[None, None]
        coarse = nn.functional.adaptive_avg_pool2d(coarse, 24)[0, 0].numpy()
        assert np.corrcoef(coarse.ravel(), line[..., 3].ravel())[0, 1] > 0.97
    shown = volumes.fit_view(knot, last)
    assert np.array_equal(shown["voxels"](), voxels)
    assert np.array_equal(shown["exact"](2, 0.1), cut(2, 0.1))
    *_, written = volumes.fit_file(last, ".npy")
    (tmp_path / "a.npy").write_bytes(written.data)
    assert np.array_equal(np.load(tmp_path / "a.npy"), voxels)


def test_what_is_seen_of_a_fit_before_it_and_while_it_goes_on():
    opening = volumes.fit_view(RAMP, None)
    assert np.array_equal(opening["voxels"], volumes.as_voxels(RAMP.numpy()))
    volume = torch.rand(8, 30, 60, 1)
    step = next(fields.fit(fields.build("relu", picture=volume, width=8, depth=1), volume, steps=1))
    passing = volumes.fit_view(volume, step, full=False)
    assert passing["voxels"]().shape == (5, 20, 40, 4)
    assert "exact" not in passing


def test_files_and_arrays_are_prepared_and_large_ones_averaged(tmp_path):
    values = np.random.default_rng(0).random((4, 8, 6)).astype(np.float32)
    np.save(tmp_path / "v.npy", values)
    found = volumes.prepared((tmp_path / "v.npy").read_bytes(), "v.npy")
    assert torch.equal(found, torch.from_numpy(values)[..., None])
    small = volumes.prepared(values, most=4)
    assert small.shape == (2, 4, 3, 1)
    assert float(small[0, 0, 0, 0]) == pytest.approx(values[:2, :2, :2].mean())


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (np.full((4, 4, 4), np.nan), "not finite"),
        (np.zeros((0, 4, 4)), "empty"),
        (np.zeros((4, 4)), "has the shape"),
        (np.zeros((4, 4, 4, 2)), "1, 3 or 4 channels"),
        (b"no array", "not a whole .npy file"),
    ],
)
def test_other_volumes_are_refused(source, sentence):
    with pytest.raises(UserError, match=sentence):
        volumes.prepared(source, "v.npy")


def test_a_network_of_the_plane_is_told_what_a_volume_needs():
    with pytest.raises(UserError, match=r"must map \(N, 3\) to \(N, 3\)"):
        next(fields.fit(fields.build("relu", width=8, depth=1), RAMP, steps=1))
    with pytest.raises(UserError, match="SSIM compares pictures"):
        next(fields.fit(fields.build("relu", picture=RAMP), RAMP, steps=1, loss="ssim"))
    solid = fields.build("relu", picture=RAMP, width=8, depth=1)
    with pytest.raises(UserError, match="no shader"):
        fields.shader_of(solid)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (RAMP.numpy(), "float tensor .* ndarray"),
        (RAMP[0, 0], "float tensor"),
        ((RAMP * 255).byte(), "uint8"),
        (RAMP / 0, "not finite"),
        (torch.zeros(1, 200, 200, 1), "Depth ÷ height"),
    ],
)
def test_what_cannot_be_learned_is_one_sentence(wrong, sentence):
    picture = wrong if wrong.ndim == 4 else RAMP
    with pytest.raises(UserError, match=sentence):
        next(fields.fit(fields.build("relu", picture=picture, width=8, depth=1), wrong, steps=1))


def test_a_checkpoint_of_a_volume_is_not_for_a_picture(tmp_path):
    path = fields.save(tmp_path / "n.safetensors", fields.build("relu", picture=RAMP, width=8, depth=1))
    with pytest.raises(UserError, match="the other one is flat"):
        fields.build("relu", picture=RAMP[0], checkpoint=path)
