import json
import sys

import numpy as np
import pytest
import tifffile
from atelier import cppn, volumes
from atelier.errors import UserError

SPEC = cppn.FieldSpec(seed=3, width=12, depth=3)
SIZE = 9, 10, 13


def written(path, *args):
    *steps, last = volumes.write(path, *args)
    assert last.progress == 1
    assert [step.step for step in steps] == sorted(step.step for step in steps)
    return path


@pytest.fixture
def baked(monkeypatch):
    monkeypatch.setattr("atelier.volumes.generating.SLAB_POINTS", 300)  # several slabs
    return volumes.bake(SPEC, SIZE)


def test_npy_is_opened_by_numpy(tmp_path, baked):
    path = written(tmp_path / "a.npy", volumes.generate(SPEC, SIZE))
    assert np.array_equal(np.load(path), baked)
    assert np.array_equal(np.load(written(tmp_path / "b.npy", baked)), baked)


def test_tiff_is_a_hyperstack_of_imagej(tmp_path, baked):
    path = written(tmp_path / "a.tif", volumes.generate(SPEC, SIZE), SPEC)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert tif.series[0].axes == "ZCYX"
        about = tif.imagej_metadata
        assert np.array_equal(tif.asarray(), baked.transpose(0, 3, 1, 2))
        unit, length = tif.pages[0].tags["XResolution"].value
    assert (about["channels"], about["slices"], about["mode"]) == (4, 9, "composite")
    assert about["spacing"] == pytest.approx(2 / 13)
    assert unit / length == pytest.approx(13 / 2)
    assert about["Labels"][:4] == ["red", "green", "blue", "density"]
    assert cppn.FieldSpec.from_json(json.loads(about["Info"])) == volumes.solid(SPEC)


def test_a_tiff_beyond_4_gb_is_an_ome_tiff(tmp_path, baked, monkeypatch):
    monkeypatch.setattr("atelier.volumes.files._CLASSIC", 100)
    with tifffile.TiffFile(written(tmp_path / "a.tif", baked)) as tif:
        assert tif.is_ome
        assert tif.is_bigtiff
        assert np.array_equal(tif.series[0].asarray(), baked.transpose(0, 3, 1, 2))


def test_vti_is_opened_by_pyvista(tmp_path, baked):
    pyvista = pytest.importorskip("pyvista", reason="needs the extra: uv sync --extra volume")
    grid = pyvista.read(written(tmp_path / "a.vti", volumes.generate(SPEC, SIZE)))
    assert grid.dimensions == (13, 10, 9)
    assert grid.spacing == pytest.approx((2 / 13,) * 3)
    assert grid.center == pytest.approx((0, 0, 0), abs=1e-8)
    assert np.array_equal(grid["density"].reshape(SIZE), baked[..., 3])
    assert np.array_equal(grid["colour"].reshape(*SIZE, 3), baked[..., :3])


def test_pyvista_draws_the_same_volume_from_the_same_place():
    pytest.importorskip("pyvista", reason="needs the extra: uv sync --extra volume")
    voxels = np.zeros((24, 24, 24, 4), np.uint8)
    voxels[4:8, 3:9, 14:20] = 200, 120, 40, 255  # near, above and to the right
    camera = volumes.Camera(azimuth=0.0, elevation=0.0)
    found = volumes.pyvista_still(voxels, camera, (120, 120))[..., 0] > 60
    wanted = volumes.march(voxels, camera, volumes.Look(light=0), size=(120, 120))[..., 0] > 60
    assert (found & wanted).sum() > 0.7 * (found | wanted).sum()


def test_without_pyvista_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(UserError, match="uv sync --extra volume"):
        volumes.pyvista_still(np.zeros((2, 2, 2, 4), np.uint8))


@pytest.mark.parametrize("ending", volumes.ENDINGS)
def test_a_file_in_memory_and_a_run_that_is_closed(ending, tmp_path):
    *_, last = volumes.volume_file(SPEC, 6, ending)
    path = tmp_path / f"a{ending}"
    path.write_bytes(last.data)
    if ending != ".vti":
        assert np.array_equal((volumes.read(path) * 255).round(), volumes.bake(SPEC, 6))
    run = volumes.write(tmp_path / f"b{ending}", volumes.generate(SPEC, 6))
    next(run)
    run.close()
    assert {file.name for file in tmp_path.iterdir()} == {path.name}


def test_reading_arrays_of_other_programs(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(4, 5, 6))
    np.save(tmp_path / "a.npy", numbers)
    found = volumes.read(tmp_path / "a.npy")
    assert found.shape == (4, 5, 6, 1)
    assert (found.min(), found.max()) == (0, 1)
    sixteen = (np.random.default_rng(0).random((4, 5, 6)) * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "b.tif", sixteen, photometric="minisblack")
    assert np.allclose(volumes.read(tmp_path / "b.tif")[..., 0], sixteen / 65535)
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", rgb, photometric="rgb")
    assert np.array_equal((volumes.read(tmp_path / "c.tif") * 255).round(), rgb)


def _save(path, array):
    np.save(path, array, allow_pickle=True)


BAD = {
    "nan.npy": (lambda path: _save(path, np.array([[[0, 1], [np.nan, 1]]] * 2)), "not finite"),
    "empty.npy": (lambda path: _save(path, np.zeros((0, 4, 4))), "is empty"),
    "flat.npy": (lambda path: _save(path, np.zeros((4, 4))), r"has the shape \(4, 4\)"),
    "channels.npy": (lambda path: _save(path, np.zeros((4, 4, 4, 7))), "1 to 4 channels"),
    "large.npy": (lambda path: _save(path, np.zeros((2, 2, 1025), np.uint8)), "crop or shrink"),
    "words.npy": (lambda path: _save(path, np.full((2, 2, 2), "a")), "no real numbers"),
    "pickle.npy": (lambda path: _save(path, np.array([{}], object)), "not a whole .npy"),
    "broken.npy": (lambda path: path.write_bytes(b"\x93NUMPY"), "not a whole .npy"),
    "empty.tif": (lambda path: path.write_bytes(b""), "empty or not a whole TIFF"),
    "broken.tif": (lambda path: path.write_bytes(b"II*\0\x08\0\0\0\x01"), "empty or not a whole TIFF"),
    "flat.tif": (lambda path: tifffile.imwrite(path, np.zeros((5, 5), np.uint8)), "a volume has"),
    "a.mp3": (lambda path: path.write_bytes(b"a"), "read from .npy, .tif"),
    "none.npy": (lambda path: None, "There is no file none.npy"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_one_sentence(name, tmp_path):
    make, words = BAD[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=words):
        volumes.read(tmp_path / name)


def test_a_large_file_is_refused_by_its_header(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (10**5,) * 3})
    with pytest.raises(UserError, match=r"crop or shrink|not a whole"):
        volumes.read(tmp_path / "a.npy")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"\.tif, \.npy, \.vti"):
        next(volumes.write(tmp_path / "a.png", volumes.generate(SPEC, 4)))
