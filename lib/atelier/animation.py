"""Animations as files: GIF, APNG, WebP and MP4, from an iterator of frames."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from atelier.drawing import as_image
from atelier.errors import UserError
from atelier.paths import atomic_write, spare_file
from atelier.settings import Number

FPS = Number(1, 60, whole=True)
MOST_BYTES = 3 << 28
"""Memory that the frames of one animation may take: Pillow holds all of them until the file is whole."""
ENDINGS = {".webp": "WebP", ".gif": "GIF", ".png": "APNG", ".mp4": "MP4"}
"""Ending of a file's name to how people call the format."""


@dataclass(frozen=True)
class Written:
    """Progress: `step` of `total` parts are done (total 0: nobody knows). `data`: the whole file, in the last step of
    `encode`; `path`: where it lies, in the last step of what wrote it at its place."""

    step: int
    total: int
    data: bytes | None = field(default=None, repr=False)
    path: Path | None = None

    @property
    def progress(self) -> float:
        """In [0, 1]."""
        return self.step / self.total if self.total else 0.0


def write(
    path: Path, frames: Iterable[np.ndarray], fps: int = 24, *, rest: float = 0, count: int = 0
) -> Iterator[Written]:
    """Write frames to a .gif, .png (APNG), .webp or .mp4; yields after each frame, and once more at the end.

    MP4 holds one frame at a time, the other formats hold all. Closing the iterator early leaves nothing behind. Frames
    that equal the one before are joined with it.

    Args:
        frames: pictures (H, W), (H, W, 1) or (H, W, 3) uint8, all of one shape.
        fps: frames a second. GIF counts in hundredths of a second.
        rest: seconds that the last frame stays longer.
        count: the number of frames, if it is known, for `Written.progress`.

    Raises:
        UserError: another ending, no frames, too many for the memory, a full disk, .mp4 without the extra "video".
        SettingError: frames a second out of bounds.
    """
    path, ending = Path(path), Path(path).suffix.lower()
    fps = FPS.check("Frames a second", fps)
    if ending not in ENDINGS:
        raise UserError(f"An animation is written as {', '.join(ENDINGS)}, and {path.name} is none of them.")
    done, total = 0, count + 1 if count else 0
    images = map(as_image, frames)
    with atomic_write(path) as part:
        video = ending == ".mp4"
        for _ in _video(part, images, fps, rest) if video else _pictures(part, ending, images, fps, rest):
            done += 1
            yield Written(done, total)
        if not done:
            raise UserError("There are no frames to write; choose one or more.")
    yield Written(done + 1, done + 1)


def encode(ending: str, frames: Iterable[np.ndarray], fps: int = 24, **timing: object) -> Iterator[Written]:
    """As `write`, for a file in memory: the last step has its bytes as `data`. ending: ".gif" and so on."""
    return in_memory(f"animation{ending}", lambda path: write(path, frames, fps, **timing))


def in_memory(name: str, make: Callable[[Path], Iterator[Written]]) -> Iterator[Written]:
    """The steps of make(path), which writes a file; the last of them has the file's bytes as `data`."""
    with spare_file(name) as path:
        for last in make(path):
            if last.progress < 1:
                yield last
        yield replace(last, data=path.read_bytes())


def _pictures(path: Path, ending: str, images: Iterable[Image.Image], fps: int, rest: float) -> Iterator[None]:
    """Collect the frames, then let Pillow write them."""
    held: list[Image.Image] = []
    for image in images:
        size = image.width * image.height * (1 if ending == ".gif" else 4)
        if size * (len(held) + 1) > MOST_BYTES:
            raise UserError(
                f"{ENDINGS[ending]} of this size can have {MOST_BYTES // size:,} frames, to fit the memory; choose "
                "fewer frames, a smaller size, or MP4."
            )
        held.append(_paletted(image) if ending == ".gif" else image)
        yield
    if held:
        options = {".gif": {"optimize": False}, ".webp": {"quality": 88, "method": 4}}.get(ending, {})
        # browsers slow down a GIF whose frames last less than two hundredths of a second
        wait = max(20, round(100 / fps) * 10) if ending == ".gif" else 1000 / fps
        options["duration"] = [wait] * (len(held) - 1) + [wait + 1000 * rest]
        held[0].save(path, ending[1:].upper(), save_all=True, append_images=held[1:], loop=0, **options)


def _paletted(image: Image.Image) -> Image.Image:
    """A frame in 256 colours of its own, dithered; shades of gray stay exact. Pillow dithers with a given palette only,
    and a palette of every fourth pixel is nearly as good and found sooner."""
    if image.mode == "L":
        return image
    image = image.convert("RGB")
    return image.quantize(palette=image.reduce(4).quantize(256), dither=Image.Dither.FLOYDSTEINBERG)


def _video(path: Path, images: Iterable[Image.Image], fps: int, rest: float) -> Iterator[None]:
    """H.264 through imageio-ffmpeg; odd sides lose their last pixel, which the format cannot hold."""
    try:
        from imageio_ffmpeg import write_frames
    except ImportError:
        raise UserError("MP4 needs imageio-ffmpeg; install it with `uv sync --extra video`, or choose WebP.") from None
    sink = None
    try:
        for image in images:
            width, height = image.width // 2 * 2, image.height // 2 * 2
            if not width or not height:
                raise UserError("A video needs two pixels or more on each side; choose a larger size.")
            if sink is None:
                options = {"codec": "libx264", "quality": 8, "macro_block_size": 2}
                sink = write_frames(str(path), (width, height), fps=fps, output_params=["-f", "mp4"], **options)
                sink.send(None)
            shown = image.convert("RGB").crop((0, 0, width, height)).tobytes()
            sink.send(shown)
            yield
        for _ in range(round(rest * fps) if sink else 0):
            sink.send(shown)
    finally:
        if sink is not None:
            sink.close()
