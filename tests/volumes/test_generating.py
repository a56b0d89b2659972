import numpy as np
import pytest
import torch
from atelier import cppn, volumes
from atelier.cppn.catalogue import COLOURS, INPUTS, SYMMETRIES, TOPOLOGIES
from atelier.cppn.rendering import as_field
from atelier.errors import UserError
from atelier.volumes.generating import axes

SMALL = {"width": 12, "depth": 3}


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_volume_is_the_field_at_the_centres_of_its_voxels(topology):
    spec = cppn.FieldSpec(topology=topology, latent=(0.5, -1.0), inputs=("x", "y", "z", "r"), fourier=2, **SMALL)
    baked = volumes.bake(spec, (5, 6, 9), envelope="box")
    zs, ys, xs = axes((5, 6, 9), (5, 6, 9))
    z, y, x = torch.meshgrid(zs, ys, xs, indexing="ij")
    values = as_field(spec)(torch.stack([x, y, z], dim=-1))  # (5, 6, 9, 4)
    assert np.abs(values.numpy() * 255 - baked).max() <= 0.5001
    assert xs.abs().max() == pytest.approx(8 / 9)
    assert (xs[1] - xs[0]).item() == pytest.approx((zs[1] - zs[0]).item())


@pytest.mark.parametrize("topology", ["mlp", "residual", "watts_strogatz"])
@pytest.mark.parametrize("inputs", [("x", "y", "r"), ("spiral", "theta"), ("periodic_x", "periodic_y")])
def test_the_plane_z_0_is_the_picture_that_the_field_was(topology, inputs):
    spec = cppn.FieldSpec(topology=topology, inputs=inputs, symmetry="kaleidoscope", fourier=3, **SMALL)
    middle = volumes.bake(spec, 33)[16, ..., :3]  # of an odd number of slices
    assert np.abs(middle.astype(int) - cppn.picture(spec, size=(33, 33))).max() <= 1
    assert np.abs(middle.astype(int) - cppn.picture(volumes.solid(spec), size=(33, 33))).max() <= 1


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_works_in_space(name):
    spec = cppn.FieldSpec(inputs=tuple(dict.fromkeys((name, "z"))), symmetry="tiling", **SMALL)
    assert volumes.bake(spec, 8)[..., 3].std() > 1


@pytest.mark.parametrize(
    ("colour", "symmetry"), [*((name, "none") for name in COLOURS), *(("rgb", s) for s in SYMMETRIES)]
)
def test_colours_and_symmetries_work_in_space(colour, symmetry):
    spec = cppn.FieldSpec(seed=4, colour=colour, symmetry=symmetry, inputs=("x", "y", "z"), **SMALL)
    baked = volumes.bake(spec, 8, envelope="box")
    assert baked[..., :3].std() > 3
    if symmetry in ("mirror_x", "mirror_xy"):
        assert np.array_equal(baked, baked[:, :, ::-1])


def test_r_is_the_distance_in_space():
    field = as_field(cppn.FieldSpec(inputs=("r", "z"), **SMALL))
    turned = torch.tensor([[0.5, 0.2, 0.3], [0.2, -0.5, 0.3]])  # around the z axis
    values = field(turned)
    torch.testing.assert_close(values[0], values[1])
    alone = as_field(cppn.FieldSpec(inputs=("r", "periodic_z"), frequency=2, **SMALL))
    values = alone(torch.tensor([[0.0, 0.6, 0.5], [0.6, 0.0, 0.5], [0.36, 0.48, 0.5]]))
    torch.testing.assert_close(values, values[:1].expand(3, 4))


@pytest.mark.parametrize("points", [64, 1 << 17])
def test_slabs_make_the_same_volume_whatever_their_size(points, monkeypatch):
    spec = cppn.FieldSpec(seed=5, **SMALL)
    whole = volumes.bake(spec, (7, 20, 10))
    monkeypatch.setattr("atelier.volumes.generating.SLAB_POINTS", points)
    slabs = list(volumes.generate(spec, (7, 20, 10)))
    assert len(slabs) == (7 if points == 64 else 1)
    assert np.array_equal(np.concatenate([slab.voxels for slab in slabs]), whole)
    assert slabs[-1].step == 7
    assert [slab.z for slab in slabs] == [slab.z for slab in volumes.slabs_of(whole)]


def test_the_density_fills_about_as_much_of_the_cube_as_it_says():
    shares = [(volumes.bake(cppn.FieldSpec(seed=k), 24, envelope="box")[..., 3] > 153).mean() for k in range(8)]
    assert 0.3 < np.mean(shares) < 0.5  # of 1 - 153 / 255 = 0.4


def test_a_ball_is_empty_outside_and_untouched_inside():
    ball, box = (volumes.bake(cppn.FieldSpec(), 24, envelope=name) for name in ("ball", "box"))
    zs, ys, xs = axes((24, 24, 24), (24, 24, 24))
    r = (zs[:, None, None] ** 2 + ys[:, None] ** 2 + xs**2).sqrt().numpy()
    assert not ball[r >= 1][:, 3].any()
    assert np.array_equal(ball[r <= 0.75], box[r <= 0.75])
    assert np.array_equal(ball[..., :3], box[..., :3])


def test_values_become_voxels():
    gray = np.linspace(0, 1, 4 * 3 * 2, dtype=np.float32).reshape(4, 3, 2)
    assert np.array_equal(volumes.as_voxels(gray)[..., 3], (gray * 255 + 0.5).astype(np.uint8))
    colour = np.random.default_rng(0).random((4, 3, 2, 3), np.float32)
    found = volumes.as_voxels(colour)
    assert np.array_equal(found[..., :3], (colour * 255 + 0.5).astype(np.uint8))
    assert np.abs(found[..., 3] - colour @ [0.2126, 0.7152, 0.0722] * 255).max() <= 0.51
    baked = volumes.bake(cppn.FieldSpec(), 6)
    assert np.array_equal(volumes.as_voxels(baked.astype(np.float32) / 255), baked)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (lambda: volumes.bake(cppn.FieldSpec(), 10**5), "whole number from 2 to 1,024, and 100000 is not"),
        (lambda: volumes.bake(cppn.FieldSpec(), float("nan")), "whole number from 2 to 1,024, and nan is not"),
        (lambda: volumes.bake(cppn.FieldSpec(), (8, 8)), "one number of voxels, or three"),
        (lambda: volumes.bake(cppn.FieldSpec(), 8, envelope="bll"), "Did you mean ball"),
        (lambda: next(volumes.slabs_of(np.zeros((4, 4, 4)))), "make one with bake or as_voxels"),
        (lambda: volumes.as_voxels(np.zeros((4, 4, 4, 2))), "1, 3 or 4 channels"),
    ],
)
def test_bad_input_gets_one_sentence(task, words):
    with pytest.raises(UserError, match=words) as caught:
        task()
    assert str(caught.value).count(". ") <= 1
