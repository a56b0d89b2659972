"""Animations: a walk says what every frame shows, `animate` renders them one by one, writers stream them.

A walk is a function of t in [0, 1]; a loop is one that ends where it began, so that frame n is frame 0.
"""

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import GifImagePlugin, Image

from atelier.errors import UserError
from atelier.cppn import png
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import picture
from atelier.cppn.spec import FieldSpec, blend
from atelier.cppn.window import Window, check_size
from atelier.paths import atomic_write
from atelier.settings import Choice, Number

Walk = Callable[[float], Recipe]

FRAMES = Number(1, 10_000, whole=True)
FPS = Number(1, 60, whole=True)


@dataclass(frozen=True)
class Frame:
    """Frame `index` of `count`: its pixels (H, W, 3) uint8 and the recipe that makes exactly this picture."""

    index: int
    count: int
    recipe: Recipe
    pixels: np.ndarray = field(repr=False)


def animate(walk: Walk, frames: int, size: tuple[int, int], *, supersample: int = 1, start: int = 0) -> Iterator[Frame]:
    """The frames of a loop, from frame `start` on: frame i shows walk(i / frames), so frame `frames` would be
    frame 0 again.

    Raises:
        SettingError: a number of frames, a size or a supersampling out of bounds.
    """
    frames, size = FRAMES.check("The number of frames", frames), check_size(size)
    for i in range(start, frames):
        yield frame_at(walk, i, frames, size, supersample=supersample)


def frame_at(walk: Walk, index: int, frames: int, size: tuple[int, int], *, supersample: int = 1) -> Frame:
    """One frame, by its number modulo the number of frames: the same as when the whole is played."""
    t = (index % frames) / frames
    recipe = walk(t)
    return Frame(index, frames, recipe, picture(recipe.spec, recipe.window, size, supersample=supersample))


EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "smooth": lambda t: t * t * (3 - 2 * t),
    "sine": lambda t: (1 - math.cos(math.pi * t)) / 2,
    "expo": lambda t: t * t * t * (t * (6 * t - 15) + 10),
}
"""From 0 to 1 in [0, 1], each flat at its ends except linear."""

_PATHS = Choice(("lerp", "slerp", "spline", "eight"))


def latent_walk(recipe: Recipe, keys: Sequence[Sequence[float]], path: str = "spline", easing: str = "linear") -> Walk:
    """A closed walk of the latent vector through `keys`, with all else as it is.

    path: "lerp" straight from key to key; "slerp" on great circles (Shoemake 1985), the length interpolated
    too; "spline" a closed Catmull-Rom spline; "eight" a figure of eight (Lissajous 1:2) about the first key
    in the plane of the second and third. The easing acts between keys ("eight": over the loop).

    Raises:
        UserError: fewer than two keys (three for "eight"), of other lengths than the latent vector.
    """
    _PATHS.check("The path", path)
    ease = EASINGS[Choice(tuple(EASINGS)).check("The easing", easing)]
    least = 3 if path == "eight" else 2
    if len(keys) < least:
        raise UserError(f"A walk by {path} needs {least} latent vectors or more; add some.")
    points = np.array([list(key) for key in keys], np.float64) if _same_length(keys) else np.empty(0)
    if points.ndim != 2 or points.shape[1] != len(recipe.spec.latent) or not points.shape[1]:
        raise UserError("Each latent vector of a walk must be as long as the field's own, and not empty.")
    at = _closed_path(points, path, ease)
    domain = FieldSpec.domain("latent")

    def walk(t: float) -> Recipe:
        latent = tuple(float(v) for v in np.clip(at(t % 1.0), domain.low, domain.high))
        return Recipe(recipe.spec.replace(latent=latent), recipe.window)

    return walk


def weight_walk(first: Recipe, second: Recipe, easing: str = "sine") -> Walk:
    """There and back through weight space, from one spec to another of the same shape.

    Latent vectors of equal length and the numbers of the tone are interpolated too.

    Raises:
        UserError: the specs differ in more than weights, latent vector and tone.
    """
    moving = ("strands", "latent", *_NUMBERS)
    same = first.spec.replace(**{name: getattr(second.spec, name) for name in moving}, seed=second.spec.seed)
    if same != second.spec or len(first.spec.latent) != len(second.spec.latent):
        raise UserError("A walk between two fields needs fields of the same shape; choose parent and child.")
    ease = EASINGS[Choice(tuple(EASINGS)).check("The easing", easing)]

    def walk(t: float) -> Recipe:
        u = ease(1 - abs(2 * (t % 1.0) - 1))
        numbers = {name: _mix(getattr(first.spec, name), getattr(second.spec, name), u) for name in _NUMBERS}
        latent = tuple(_mix(a, b, u) for a, b in zip(first.spec.latent, second.spec.latent, strict=True))
        strands = blend(first.spec, second.spec, u)
        spec = first.spec.replace(**numbers, latent=latent, strands=strands)
        return Recipe(spec, _between(first.window, second.window, u))

    return walk


_NUMBERS = (
    "scale",
    "std",
    "bias",
    "cycles",
    "relief",
    "contrast",
    "brightness",
    "saturation",
    "latent_scale",
)


def window_walk(recipe: Recipe, target: Window, easing: str = "sine") -> Walk:
    """Zoom and pan to `target` and back: the zoom moves by ratio, and the pan so that the target moves
    evenly over the screen."""
    ease = EASINGS[Choice(tuple(EASINGS)).check("The easing", easing)]
    return lambda t: Recipe(recipe.spec, _between(recipe.window, target, ease(1 - abs(2 * (t % 1.0) - 1))))


def endless_zoom(recipe: Recipe, octaves: int = 1) -> Walk:
    """Zoom into the centre without end: a perfect loop for a field whose only inputs are spiral and theta,
    which look the same at every power of two.

    Raises:
        UserError: the field has other inputs, or a pan.
    """
    spec, window = recipe.spec, recipe.window
    similar = set(spec.inputs) <= {"spiral", "theta"} and not spec.fourier and spec.symmetry != "tiling"
    if not similar or window.pan_x or window.pan_y:
        raise UserError("An endless zoom needs the inputs spiral and theta alone, and no pan; change them.")
    return lambda t: Recipe(spec, window.replace(zoom=window.zoom * 2.0 ** (octaves * (t % 1.0))))


def write(path: Path, frames: Iterator[Frame], fps: int = 24) -> Iterator[Frame]:
    """Write frames as they come to a .gif, .png (APNG), .webp or .mp4; yields each one when it is written.

    One frame is held at a time. The file appears when the last frame is written; closing the iterator before
    leaves nothing behind.

    Raises:
        UserError: another ending, .mp4 without the extra "video", no frames.
        SettingError: frames a second out of bounds.
    """
    path = Path(path)
    fps = FPS.check("Frames a second", fps)
    if path.suffix.lower() not in WRITERS:
        raise UserError(f"An animation is written as {', '.join(WRITERS)}, and {path.name} is none of them.")
    with atomic_write(path) as part:
        count = 0
        for frame in WRITERS[path.suffix.lower()](part, frames, fps):
            count += 1
            yield frame
        if not count:
            raise UserError("There are no frames to write; choose one or more.")


def _write_gif(path: Path, frames: Iterator[Frame], fps: int) -> Iterator[Frame]:
    """GIF89a, each frame with the palette that suits it best."""
    delay = max(2, round(100 / fps))  # hundredths; browsers slow down what is below two
    with path.open("wb") as file:
        for frame in frames:
            height, width = frame.pixels.shape[:2]
            if not file.tell():
                file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
                file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")  # repeat for ever
            image = Image.fromarray(frame.pixels).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
            for part in GifImagePlugin.getdata(image, duration=delay * 10, include_color_table=True):
                file.write(part)
            yield frame
        file.write(b"\x3b")


def _write_apng(path: Path, frames: Iterator[Frame], fps: int) -> Iterator[Frame]:
    """Animated PNG (PNG third edition, section 11.3.6); the number of frames is filled in at the end."""
    count = sequence = at = 0
    with path.open("wb") as file:
        for frame in frames:
            height, width = frame.pixels.shape[:2]
            if not count:
                file.write(png.header(width, height))
                at = file.tell()
                file.write(png.chunk(b"acTL", struct.pack(">II", 0, 0)))
            control = struct.pack(">IIIIIHHBB", sequence, width, height, 0, 0, 1, fps, 0, 0)
            file.write(png.chunk(b"fcTL", control))
            body = zlib.compress(png.filtered(frame.pixels), 6)
            sequence += 1 if not count else 2
            number = b"" if not count else struct.pack(">I", sequence - 1)
            file.write(png.chunk(b"fdAT" if count else b"IDAT", number + body))
            count += 1
            yield frame
        file.write(png.chunk(b"IEND", b""))
        if count:
            file.seek(at)
            file.write(png.chunk(b"acTL", struct.pack(">II", count, 0)))


def _write_webp(path: Path, frames: Iterator[Frame], fps: int) -> Iterator[Frame]:
    """Animated WebP: stills from Pillow in a container (WebP container specification, "Animation")."""
    with path.open("wb") as file:
        for frame in frames:
            height, width = frame.pixels.shape[:2]
            if not file.tell():
                canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
                file.write(b"RIFF\0\0\0\0WEBP" + _riff(b"VP8X", b"\x02\0\0\0" + canvas))
                file.write(_riff(b"ANIM", b"\0\0\0\0\0\0"))
            still = io.BytesIO()
            Image.fromarray(frame.pixels).save(still, "WEBP", quality=88, method=4)
            sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
            head = b"\0" * 6 + sides + struct.pack("<I", round(1000 / fps))[:3] + b"\x02"
            file.write(_riff(b"ANMF", head + still.getvalue()[12:]))
            yield frame
        _close_riff(file)


def _write_mp4(path: Path, frames: Iterator[Frame], fps: int) -> Iterator[Frame]:
    """H.264 through imageio-ffmpeg; odd sides lose their last pixel, which the format cannot hold."""
    try:
        from imageio_ffmpeg import write_frames
    except ImportError:
        raise UserError("MP4 needs imageio-ffmpeg; install it with `uv sync --extra video`, or choose WebP.") from None
    sink = None
    try:
        for frame in frames:
            height, width = (side // 2 * 2 for side in frame.pixels.shape[:2])
            if not width or not height:
                raise UserError("A video needs two pixels or more on each side; choose a larger size.")
            if sink is None:
                options = {"codec": "libx264", "quality": 8, "macro_block_size": 2}
                sink = write_frames(str(path), (width, height), fps=fps, output_params=["-f", "mp4"], **options)
                sink.send(None)
            sink.send(np.ascontiguousarray(frame.pixels[:height, :width]))
            yield frame
    finally:
        if sink is not None:
            sink.close()


WRITERS: dict[str, Callable[[Path, Iterator[Frame], int], Iterator[Frame]]] = {
    ".gif": _write_gif,
    ".png": _write_apng,
    ".webp": _write_webp,
    ".mp4": _write_mp4,
}
"""Ending to writer."""


def _closed_path(points: np.ndarray, path: str, ease: Callable[[float], float]) -> Callable[[float], np.ndarray]:
    """The point of a closed path at t in [0, 1)."""
    n = len(points)

    def at(t: float) -> np.ndarray:
        if path == "eight":
            turn = 2 * math.pi * ease(t)
            return (
                points[0] + (points[1] - points[0]) * math.sin(turn) + (points[2] - points[0]) * math.sin(2 * turn) / 2
            )
        i = min(int(t * n), n - 1)
        u = ease(t * n - i)
        before, a, b, after = (points[(i + k) % n] for k in (-1, 0, 1, 2))
        if path == "spline":
            slope_a, slope_b = (b - before) / 2, (after - a) / 2
            bend = (2 * u - 3) * u * u
            hermite = (1 + bend) * a - bend * b
            return hermite + u * (1 - u) ** 2 * slope_a - u * u * (1 - u) * slope_b
        return _slerp(a, b, u) if path == "slerp" else (1 - u) * a + u * b

    return at


def _slerp(a: np.ndarray, b: np.ndarray, u: float) -> np.ndarray:
    """Direction on the great circle, length linear; straight where a direction is undefined."""
    la, lb = math.sqrt(float(a @ a)), math.sqrt(float(b @ b))
    cosine = float(a @ b) / (la * lb) if la and lb else 1.0
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    if math.sin(angle) < 1e-6:
        return (1 - u) * a + u * b
    direction = (math.sin((1 - u) * angle) * a / la + math.sin(u * angle) * b / lb) / math.sin(angle)
    return direction * _mix(la, lb, u)


def _between(start: Window, end: Window, u: float) -> Window:
    """Zoom by ratio; the pan follows 1/zoom, so that the way over the screen is even."""
    if u <= 0 or start == end:
        return start
    if u >= 1:
        return end
    zoom = start.zoom * (end.zoom / start.zoom) ** u
    share = u
    if start.zoom != end.zoom:
        share = (1 / start.zoom - 1 / zoom) / (1 / start.zoom - 1 / end.zoom)
    return Window(_mix(start.pan_x, end.pan_x, share), _mix(start.pan_y, end.pan_y, share), zoom)


def _mix(a: float, b: float, u: float) -> float:
    return a if a == b else (1 - u) * a + u * b


def _same_length(keys: Sequence[Sequence[float]]) -> bool:
    return len({len(key) for key in keys}) == 1


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _close_riff(file: BinaryIO) -> None:
    length = file.tell()
    if length:
        file.seek(4)
        file.write(struct.pack("<I", length - 8))
