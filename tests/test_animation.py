import io

import numpy as np
import pytest
from atelier import animation
from atelier.errors import UserError
from PIL import Image


def frames(count, height=17, width=33):
    """A bright column that moves to the right over a gradient."""
    ground = np.broadcast_to(np.linspace(0, 120, width, dtype=np.uint8)[:, None], (height, width, 3))
    for i in range(count):
        pixels = ground.copy()
        pixels[:, 4 * i : 4 * i + 3] = (255, 200, 40)
        yield pixels


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_written_animations_hold_every_frame(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    steps = list(animation.write(path, frames(4), 10, count=4))
    assert [step.progress for step in steps] == [0.2, 0.4, 0.6, 0.8, 1.0]
    with Image.open(path) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (4, (33, 17), 0)
        for number, pixels in enumerate(frames(4)):
            image.seek(number)
            shown = np.array(image.convert("RGB")).astype(int)
            assert image.info.get("duration", 100) == 100
            assert np.abs(shown - pixels).mean() < (1e-9 if ending == "png" else 12)


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_the_last_frame_may_stay_longer(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    list(animation.write(path, frames(3), 10, rest=1.4))
    with Image.open(path) as image:
        image.seek(2)
        image.load()
        assert image.info["duration"] == 1500


def test_a_gif_dithers_gradients_and_keeps_shades_of_gray(tmp_path):
    across = np.linspace(0, 255, 96).round().astype(np.uint8)
    gray = np.broadcast_to(across, (96, 96))
    colours = np.stack([gray, gray.T, 255 - gray], axis=-1)
    for name, pixels in {"gray": gray, "colours": colours}.items():
        list(animation.write(tmp_path / f"{name}.gif", [pixels, pixels[::-1]]))
    with Image.open(tmp_path / "gray.gif") as image:
        np.testing.assert_array_equal(image.convert("L"), gray)
    with Image.open(tmp_path / "colours.gif") as image:
        shown = np.array(image.convert("RGB"))
    flat = np.array(Image.fromarray(colours).quantize(256).convert("RGB"))  # bands, as without dithering
    alike = [(picture[:, 1:] == picture[:, :-1]).all(-1).mean() for picture in (shown, flat)]
    assert alike[0] < 0.7 * alike[1]


def test_a_file_in_memory_is_the_last_step():
    *before, last = animation.encode(".gif", (pixels[..., 0] for pixels in frames(3)), 10, count=3)
    assert [step.data for step in before] == [None] * 3
    assert (last.step, last.total, last.progress) == (4, 4, 1)
    with Image.open(io.BytesIO(last.data)) as image:
        assert image.n_frames == 3


def test_frames_come_one_by_one(tmp_path):
    asked = []
    steps = animation.write(tmp_path / "a.webp", (asked.append(i) or pixels for i, pixels in enumerate(frames(3))))
    next(steps)
    assert asked == [0]


def test_a_video_holds_every_frame(tmp_path):
    reason = "MP4 is written by imageio-ffmpeg, which the extra `video` installs"
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason=reason)
    path = tmp_path / "loop.mp4"
    list(animation.write(path, frames(5), 10))
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    shown = [np.frombuffer(raw, np.uint8).reshape(16, 32, 3) for raw in reader]
    assert (meta["size"], meta["fps"], len(shown)) == ((32, 16), 10, 5)  # odd sides lose their last pixel
    for pixels, found in zip(frames(5), shown, strict=True):
        assert np.abs(found.astype(int) - pixels[:16, :32]).mean() < 25
    list(animation.write(path, frames(2), 10, rest=0.3))
    assert len(list(imageio_ffmpeg.read_frames(str(path)))) == 1 + 4


@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_a_cancelled_animation_leaves_nothing(tmp_path, ending):
    if ending == "mp4":
        pytest.importorskip("imageio_ffmpeg", reason="MP4 needs the extra `video`")
    steps = animation.write(tmp_path / f"a.{ending}", frames(4))
    next(steps)
    steps.close()
    assert not list(tmp_path.iterdir())


def test_too_many_frames_for_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, "MOST_BYTES", 3 * 33 * 17)
    assert list(animation.write(tmp_path / "a.gif", frames(3)))
    with pytest.raises(UserError, match="can have 3 frames"):
        list(animation.write(tmp_path / "b.gif", frames(4)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.parametrize(("name", "count", "fps"), [("a.avi", 2, 10), ("a.gif", 0, 10), ("a.gif", 2, 0), ("a", 2, 10)])
def test_what_cannot_be_written_is_refused(tmp_path, name, count, fps):
    with pytest.raises(UserError):
        list(animation.write(tmp_path / name, frames(count), fps))
    assert not list(tmp_path.iterdir())
