import math
from dataclasses import replace

import numpy as np
import pytest
from atelier import cppn, volumes
from atelier.errors import UserError

PARALLEL = volumes.Camera(0, 0, zoom=1, perspective=0)
PLAIN = volumes.Look(low=0, high=1, opacity=1, light=0, ground=(0, 0, 0))


def filled(density, colour=255, side=16):
    voxels = np.full((side, side, side, 4), colour, np.uint8)
    voxels[..., 3] = density
    return voxels


@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("density", [51, 255])
def test_light_through_a_box_falls_exponentially_with_its_length(opacity, density):
    look = replace(PLAIN, opacity=opacity, ground=(255, 255, 255))
    picture = volumes.march(filled(density, colour=0), PARALLEL, look, (8, 8))
    passed = math.exp(-opacity * density / 255 * 2)
    assert np.abs(picture - passed * 255).max() <= 0.51 + 255 / 512
    white = volumes.march(filled(density), PARALLEL, replace(PLAIN, opacity=opacity), (8, 8))
    assert np.abs(white - (1 - passed) * 255).max() <= 0.51 + 255 / 512


def test_light_through_a_ball():
    side, radius = 64, 0.8
    at = (2 * np.arange(side) + 1) / side - 1
    distance = np.sqrt(at[:, None, None] ** 2 + at[:, None] ** 2 + at**2)
    voxels = filled(0, 0, side)
    voxels[..., 3] = np.clip((radius - distance) * side / 2 + 0.5, 0, 1) * 255  # a smooth edge one voxel wide
    look = volumes.Look(low=0, high=1, opacity=2, light=0, ground=(255,) * 3)
    b = np.sqrt(at[:, None] ** 2 + at**2)
    wanted = np.exp(-2 * 2 * np.sqrt(np.clip(radius**2 - b**2, 0, None)))
    inside = np.abs(b - radius) > 0.04  # the length of the way changes without bound at the rim
    for camera in (PARALLEL, volumes.Camera(37, 51, zoom=1, perspective=0)):  # a ball is the same from everywhere
        picture = volumes.march(voxels, camera, look, (side, side))[..., 0] / 255
        assert np.abs(picture - wanted)[inside].max() < 0.02


def test_the_maximum_of_a_ramp_and_of_noise():
    ramp = filled(0, side=16)
    ramp[..., 3] = np.arange(16) * 16  # grows with x
    look = volumes.Look("maximum", 0, 1)
    assert np.array_equal(volumes.march(ramp, PARALLEL, look, (16, 16))[..., 0], ramp[0, :, :, 3])
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 4)).astype(np.uint8)
    found = volumes.march(noise, PARALLEL, look, (16, 16))[..., 0]
    assert np.abs(found.astype(int) - noise[..., 3].max(0)).max() <= 1
    window = volumes.march(noise, PARALLEL, volumes.Look("maximum", 0.2, 0.6), (16, 16))[..., 0]
    wanted = ((noise[..., 3].max(0) / 255 - 0.2) / 0.4).clip(0, 1) * 255
    assert np.abs(window - wanted).max() <= 1


@pytest.mark.parametrize("mode", ["absorption", "maximum"])
@pytest.mark.parametrize("perspective", [0, 30])
@pytest.mark.parametrize(
    ("azimuth", "elevation", "turned"),
    [
        (
            90,
            0,
            lambda v: v.transpose(2, 1, 0, 3)[::-1],
        ),  # from the right: z runs to the right, and x towards the viewer
        (180, 0, lambda v: v[::-1, :, ::-1]),
        (270, 0, lambda v: v.transpose(2, 1, 0, 3)[:, :, ::-1]),
        (0, 90, lambda v: v.transpose(1, 0, 2, 3)[:, ::-1]),  # from above: y runs away from the viewer, z upwards
    ],
)
def test_a_quarter_turn_of_the_camera_is_an_exchange_of_axes(mode, perspective, azimuth, elevation, turned):
    voxels = volumes.bake(cppn.FieldSpec(seed=2), 24)
    look = volumes.Look(mode, 0.3, 0.8, opacity=5, light=0.5)
    there = volumes.march(voxels, volumes.Camera(azimuth, elevation, 1, perspective), look, (40, 30))
    here = volumes.march(np.ascontiguousarray(turned(voxels)), volumes.Camera(0, 0, 1, perspective), look, (40, 30))
    assert there.std() > 5
    assert np.abs(there.astype(int) - here).max() <= 2


def test_blocks_that_are_passed_over_change_nothing(monkeypatch):
    voxels = volumes.bake(cppn.FieldSpec(seed=2), (19, 27, 30))
    camera = volumes.Camera(40, 25)
    for mode in ("absorption", "maximum"):
        look = volumes.Look(mode)
        found = volumes.march(voxels, camera, look, (50, 50))
        with monkeypatch.context() as patch:
            patch.setattr("atelier.volumes.marching.BLOCK", 64)  # one block: nothing is passed over
            whole = volumes.march(voxels, camera, look, (50, 50))
        assert np.abs(found.astype(int) - whole).max() <= 1


def test_a_blank_volume_shows_the_ground():
    look = volumes.Look(ground=(1, 2, 3))
    assert (volumes.march(filled(0), look=look, size=(9, 5)) == (1, 2, 3)).all()
    assert not volumes.march(filled(0), look=volumes.Look("maximum"), size=(9, 5)).any()


def test_a_turntable_begins_with_the_still():
    voxels = volumes.bake(cppn.FieldSpec(seed=2), 16)
    turns = list(volumes.turntable(voxels, size=(24, 24), frames=4))
    assert len(turns) == 4
    assert np.array_equal(turns[0], volumes.march(voxels, size=(24, 24)))
    assert np.array_equal(turns[1], volumes.march(voxels, volumes.Camera(120), size=(24, 24)))


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (lambda: volumes.march(np.zeros((4, 4, 4, 4))), "uint8 array"),
        (lambda: volumes.march(filled(0), size=(0, 5)), "width in pixels"),
        (lambda: volumes.Look(low=0.5, high=0.5), "must be below the upper one"),
        (lambda: volumes.Look("max"), "mode must be one of"),
        (lambda: volumes.Camera(elevation=math.nan), "elevation must be"),
        (lambda: next(volumes.turntable(filled(0), frames=1)), "number of frames"),
    ],
)
def test_bad_input_gets_one_sentence(task, words):
    with pytest.raises(UserError, match=words):
        task()
