import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch
from atelier.data import catalogue, pictures
from atelier.data import download as downloading
from atelier.data.download import download
from atelier.data.pictures import PAINTINGS, Picture, load_picture, painting_file, prepare, read_picture
from atelier.errors import UserError
from PIL import Image

needs_paintings = pytest.mark.skipif(
    any(painting_file(name) is None for name in PAINTINGS), reason="the paintings are not in ATELIER_DATA or data/"
)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width=40, height=30):
    x = np.linspace(0, 255, width, dtype=np.uint8)
    return np.stack([np.tile(x, (height, 1))] * 3, axis=-1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_formats(kind):
    image = read_picture(encoded(Image.fromarray(gradient()), kind))
    assert (image.mode, image.size) == ("RGB", (40, 30))


def test_modes_become_the_colours_one_sees():
    colours = np.array(Image.fromarray(gradient()).convert("CMYK").convert("RGB")).astype(int)
    cmyk = np.array(read_picture(encoded(Image.fromarray(gradient()).convert("CMYK"), "JPEG", quality=100)))
    assert np.abs(cmyk - colours).mean() < 4
    palette = read_picture(encoded(Image.fromarray(gradient()).quantize(64)))
    assert np.abs(np.array(palette).astype(int) - gradient()).mean() < 4
    deep = np.linspace(0, 65535, 1200).astype(np.uint16).reshape(30, 40)
    assert np.abs(np.array(read_picture(encoded(Image.fromarray(deep))))[..., 0] - deep / 257).max() <= 1


def test_transparency_lies_on_white():
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[:10, :, 3] = 255
    seen = np.array(read_picture(encoded(Image.fromarray(rgba))))
    assert (seen[:10] == 0).all()
    assert (seen[10:] == 255).all()


def test_a_turned_photograph_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_picture(encoded(Image.fromarray(gradient()), "JPEG", exif=exif)).size == (30, 40)


def bomb():
    """A PNG whose header promises 20,000 × 20,000 pixels."""
    data = bytearray(encoded(Image.new("1", (8, 8))))
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no picture at all", "not a PNG, JPEG or WebP"),
        (b"", "not a PNG, JPEG or WebP"),
        (encoded(Image.new("RGB", (1, 1))), "at least 8 on each side"),
        (bomb(), "scale it down"),
        (encoded(Image.fromarray(gradient(200, 200)), "JPEG")[:900], "damaged or cut off"),
        (encoded(Image.fromarray(gradient(200, 200)))[:-400], "damaged or cut off"),
        (encoded(Image.fromarray(gradient()), "GIF"), "not a PNG, JPEG or WebP"),
        (bytes(pictures.MOST_BYTES + 1), "make it smaller"),
    ],
)
def test_bad_files_get_one_sentence(data, sentence):
    with pytest.raises(UserError) as refused:
        read_picture(data)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (torch.rand(8, 8, 4), r"got \(8, 8, 4\)"),
        (torch.rand(8, 8), r"got \(8, 8\)"),
        (torch.rand(0, 8, 3), r"got \(0, 8, 3\)"),
        (np.zeros((8, 8, 3)), "got ndarray"),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), "divide by 255"),
    ],
)
def test_pixels_of_ones_own_are_checked(pixels, sentence):
    with pytest.raises(UserError, match=sentence):
        Picture("Mine", pixels)


def test_shape_is_kept_and_nothing_is_enlarged():
    image = Image.fromarray(gradient(200, 100))
    assert prepare(image, "x", 64).pixels.shape == (32, 64, 3)
    large = prepare(image, "x", 512)
    assert large.pixels.shape == (100, 200, 3)
    assert "not enlarged" in large.note
    gray = prepare(image, "x", 64, gray=True).pixels
    assert gray.shape == (32, 64, 1)
    assert gray.min() >= 0
    assert gray.max() <= 1


def test_without_the_original_a_painting_is_drawn_by_its_network(monkeypatch):
    monkeypatch.setattr(pictures, "data_dirs", list)
    for name in PAINTINGS:
        picture = load_picture(name, 96, download=False)
        assert max(picture.pixels.shape[:2]) == 96
        assert "drawn by a network" in picture.note


@needs_paintings
@pytest.mark.real_data
@pytest.mark.parametrize("name", PAINTINGS)
def test_shipped_networks_are_the_paintings(name):
    original = load_picture(name, 384).pixels
    drawn = pictures.network_rendition(name, 384)
    assert drawn.shape == original.shape
    assert -10 * torch.log10((drawn - original).square().mean()) > 45


def test_built_in_pictures_and_unknown_ones(tmp_path):
    assert load_picture("camera", 64).pixels.shape == (64, 64, 3)
    with pytest.raises(UserError, match="give the path of a picture file, or one of mona_lisa"):
        load_picture(str(tmp_path / "nothing.png"), 64)


PICTURE = encoded(Image.fromarray(gradient()), "JPEG")


def test_a_download_that_breaks_off_is_tried_again(server, tmp_path):
    url, answers = server
    answers["/x"] = [(200, len(PICTURE), PICTURE[:100]), (503, 0, b""), (200, len(PICTURE), PICTURE)]
    download([f"{url}/x"], tmp_path / "x.jpg", check=read_picture)
    assert (tmp_path / "x.jpg").read_bytes() == PICTURE
    assert (tmp_path / "x.jpg").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("answer", "reason", "tries"),
    [
        ((404, 0, b""), "the server answered 404", 1),
        ((500, 0, b""), "the server answered 500", 3),
        ((200, len(PICTURE), PICTURE[:100]), "broke off", 3),
        ((200, 5, b"hello"), "not a PNG", 3),
        ((200, len(PICTURE) - 300, PICTURE[:-300]), "damaged or cut off", 3),
        ((200, 90_000, bytes(90_000)), "larger than 0 MB", 1),
    ],
)
def test_a_download_that_fails_leaves_nothing(server, tmp_path, answer, reason, tries):
    url, answers = server
    answers["/x"] = [answer]
    with pytest.raises(UserError, match=f"could not be downloaded .*{reason}"):
        download([f"{url}/x"], tmp_path / "x.jpg", check=read_picture, most_bytes=80_000)
    assert list(tmp_path.iterdir()) == []
    assert answers["asked"] == ["/x"] * tries


def test_an_offline_machine_waits_once(monkeypatch, tmp_path):
    monkeypatch.setattr(downloading, "_failed_at", {})
    for sentence in ("no connection", "a moment ago"):
        with pytest.raises(UserError, match=sentence):
            download(["http://127.0.0.1:9/x"], tmp_path / "x.jpg")


def test_a_painting_is_fetched_and_found_again(monkeypatch, tmp_path, server):
    url, answers = server
    monkeypatch.setattr(pictures, "data_dirs", lambda: [tmp_path])
    monkeypatch.setattr(pictures, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(catalogue.Painting, "url", property(lambda self: f"{url}/x"))
    answers["/x"] = [(200, len(PICTURE), PICTURE)]
    assert load_picture("mona_lisa", 40, download=False).note
    for _ in range(2):
        assert load_picture("mona_lisa", 40).pixels.shape == (30, 40, 3)
    assert answers["asked"] == ["/x"]


LARGE = """
import io, resource, sys, threading
from atelier.data import read_picture
data = open(sys.argv[1], "rb").read()
read_picture(open(sys.argv[2], "rb").read(), 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
threads = [threading.Thread(target=read_picture, args=(data, 384)) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, read_picture(data, 384).size)
"""


def test_large_pictures_are_decoded_one_at_a_time_in_bounded_memory(tmp_path):
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    Image.new("I;16", (7000, 7000), 30_000).save(large)
    Image.new("I;16", (70, 70)).save(small)
    done = subprocess.run([sys.executable, "-c", LARGE, large, small], capture_output=True, text=True, timeout=120)
    megabytes, size = done.stdout.split(" ", 1)
    assert float(megabytes) < 200, done  # 98 of them are the pixels themselves
    assert size.strip() == "(1167, 1167)"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_reduced_picture_is_the_same_picture(kind, monkeypatch):
    monkeypatch.setattr(pictures, "_MANY_PIXELS", 4_000_000)
    x = np.linspace(0, 255, 3000, dtype=np.uint8)
    large = Image.fromarray(np.stack([np.tile(x, (2000, 1))] * 3, axis=-1))
    exif = Image.Exif()
    exif[0x0112] = 6
    found = load_picture(encoded(large, kind, exif=exif), 96).pixels
    assert found.shape == (96, 64, 3)
    expected = prepare(large.rotate(-90, expand=True), "x", 96).pixels
    assert (found - expected).abs().max() < 0.02


def test_an_upload_is_a_picture_with_the_same_sentences():
    found = load_picture(PICTURE, 32, gray=True, title="cat.jpg")
    assert (found.title, found.pixels.shape) == ("cat.jpg", (24, 32, 1))
    with pytest.raises(UserError, match="not a PNG"):
        load_picture(b"hello")


@pytest.mark.parametrize("path", ["~nosuchuser/x.png", "x" * 300, "x\0y", "/dev/null/x.png"])
def test_impossible_paths_are_one_sentence(path):
    with pytest.raises(UserError):
        load_picture(path)
