import http.server
import io
import threading

import numpy as np
import pytest
import torch
from atelier.data import pictures
from atelier.data.download import DownloadError, download
from atelier.data.pictures import PAINTINGS, load_picture, painting_file, prepare, read_picture
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
    import zlib

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
    monkeypatch.setattr(pictures, "painting_file", lambda name: None)
    for name in PAINTINGS:
        picture = load_picture(name, 96)
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


@pytest.fixture
def server():
    """Serves `answers`: path -> list of (status, promised length, body), the last one again and again."""
    answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            queue = answers[self.path]
            status, length, body = queue.pop(0) if len(queue) > 1 else queue[0]
            assert "Atelier" in self.headers["User-Agent"]
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}", answers
    web.shutdown()


PICTURE = encoded(Image.fromarray(gradient()), "JPEG")


def test_a_download_that_breaks_off_is_tried_again(server, tmp_path):
    url, answers = server
    answers["/x"] = [(200, len(PICTURE), PICTURE[:100]), (503, 0, b""), (200, len(PICTURE), PICTURE)]
    steps = list(download(f"{url}/x", tmp_path / "x.jpg", read_picture, pause=0))
    assert (tmp_path / "x.jpg").read_bytes() == PICTURE
    assert steps[-1].done == steps[-1].total == len(PICTURE)


@pytest.mark.parametrize(
    "answer",
    [(404, 0, b""), (200, len(PICTURE), PICTURE[:100]), (200, 5, b"hello"), (200, len(PICTURE) - 300, PICTURE[:-300])],
)
def test_a_download_that_fails_leaves_nothing(server, tmp_path, answer):
    url, answers = server
    answers["/x"] = [answer]
    with pytest.raises(DownloadError, match="could not be downloaded"):
        list(download(f"{url}/x", tmp_path / "x.jpg", read_picture, pause=0))
    assert list(tmp_path.iterdir()) == []


def test_an_offline_machine_waits_once(monkeypatch, tmp_path):
    monkeypatch.setattr(pictures, "painting_file", lambda name: None)
    monkeypatch.setattr(pictures, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(pictures, "_failed_at", {})
    monkeypatch.setattr(pictures.Painting, "url", property(lambda self: "http://127.0.0.1:9/x"))
    for sentence in ("no connection", "a moment ago"):
        with pytest.raises(DownloadError, match=sentence):
            list(pictures.painting_download("mona_lisa"))
