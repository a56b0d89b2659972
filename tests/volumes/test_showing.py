import io

import numpy as np
import pytest
from atelier import cppn, volumes
from PIL import Image

SPEC = cppn.FieldSpec(seed=3, width=12, depth=3)


def test_a_volume_grows():
    steps = list(volumes.grow(SPEC, voxels=16))
    assert [step.voxels.shape[0] for step in steps] == [4, 8, 16]
    assert np.array_equal(steps[-1].voxels, volumes.bake(SPEC, 16))
    assert [round(3 * step.progress) for step in steps] == [1, 2, 3]
    still = np.array(Image.open(io.BytesIO(steps[1].still(24))))
    look = volumes.suited_look(steps[1].voxels)
    assert np.array_equal(still, volumes.march(steps[1].voxels, look=look, size=(24, 24)))
    assert volumes.growth_panels(steps[-1]).total == "of 3: 16³ voxels"
    assert "still" in volumes.growth_view(steps[-1])
    assert "still" not in volumes.growth_view(steps[0], False)


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_an_exact_slice_at_the_voxels_is_that_of_the_volume(cut):
    size = 12, 8, 10  # z, y, x
    voxels = volumes.bake(SPEC, size)
    sides = size[::-1]
    place = 3
    at = (2 * place + 1 - sides[cut]) / max(size)
    longer = max(side for k, side in enumerate(sides) if k != cut)
    found = volumes.exact_slice(SPEC, size, cut, at, side=longer)
    wanted = [voxels[:, :, place].transpose(1, 0, 2), voxels[:, place], voxels[place]][cut]  # rows y, z, y
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_still_and_turntable_are_files(monkeypatch):
    monkeypatch.setattr("atelier.volumes.showing.FRAMES", 3)
    assert Image.open(io.BytesIO(volumes.still_file(SPEC, 8))).size == (800, 800)
    *_, last = volumes.turntable_file(SPEC, 8, side=24, ending=".gif")
    assert Image.open(io.BytesIO(last.data)).n_frames == 3


def test_the_densest_fifth_is_seen_whatever_the_densities():
    for most in (40, 255):
        voxels = np.full((10, 10, 10, 4), 255, np.uint8)
        voxels[..., 3] = np.linspace(0, most, 1000).reshape(10, 10, 10).astype(np.uint8)
        look = volumes.suited_look(voxels)
        assert 0.1 < (voxels[..., 3] / 255 > look.low).mean() < 0.25
        assert volumes.march(voxels, look=look, size=(24, 24)).max() > 100
