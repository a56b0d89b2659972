"""What a step looks like, as plain data, and the pictures that every room makes.

A room turns a step into a `Frame`. The page draws it live, a report embeds it, a test compares it.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK = 255, 40


@dataclass(frozen=True)
class Line:
    """One curve of a chart: its points, and its name where there are several."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""


@dataclass(frozen=True)
class Chart:
    """Running curves on one scale. `over` names what runs along the bottom; `log` draws by ratio; with `newest` the
    last value of the first line stands above it in large figures."""

    title: str
    lines: Sequence[Line] = ()
    unit: str = ""
    digits: int = 2
    log: bool = False
    over: str = "steps"
    height: int = 84
    newest: bool = True


@dataclass(frozen=True)
class Frame:
    """What one step looks like.

    Args:
        pictures: name -> pixels (H, W) or (H, W, 3) uint8, from left to right. Every frame of a run has the same names;
            a frame that leaves one out keeps the picture that was there.
        captions: name -> the line below the picture; the name itself where there is none.
        charts: the curves so far; a frame with none keeps those that were there.
        flow: small pictures of the stations from input to output, in order.
        step: the large counter. total: the words after it ("of 3,000 steps"). seconds: the clock, None for none.
        note: a few words on the state ("12 s left").
    """

    pictures: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    captions: Mapping[str, str] = field(default_factory=dict)
    charts: Sequence[Chart] = ()
    flow: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    step: int = 0
    total: str = ""
    seconds: float | None = None
    note: str = ""


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """Pixels (H, W), (H, W, 1) or (H, W, 3) uint8 as a file: "PNG" (exact), "JPEG" (fast) or "WEBP" (small)."""
    options = {"PNG": {"compress_level": 3}, "JPEG": {"quality": 92, "subsampling": 0}, "WEBP": {"quality": 86}}
    buffer = io.BytesIO()
    as_image(pixels).save(buffer, kind, **options[kind])
    return buffer.getvalue()


def as_image(pixels: np.ndarray) -> Image.Image:
    """Pixels (H, W), (H, W, 1) or (H, W, 3) uint8 as a Pillow image."""
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels)


def contact_sheet(tiles: Sequence[np.ndarray], columns: int, gap: int = 0, ground: int = PAPER) -> np.ndarray:
    """Tiles of one shape, (H, W) or (H, W, 3) uint8, in rows of `columns`, `gap` pixels apart on a ground of this gray;
    (rows·(H + gap) - gap, columns·(W + gap) - gap[, 3]) uint8."""
    height, width, *channels = tiles[0].shape
    rows = -(-len(tiles) // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *channels)
    sheet = np.full(shape, ground, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def side_by_side(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Tiles in a row, with 8 pixels of gray between them: uint8, all (H, W) or all (H, W, 3), of any size."""
    height, gap = max(map(len, tiles)), ((0, 8), (0, 0))
    spaced = [np.pad(tile, ((0, height - len(tile)), *gap)[: tile.ndim], constant_values=128) for tile in tiles]
    return np.hstack(spaced)[:, :-8]


def npz(**arrays: np.ndarray) -> bytes:
    """Arrays as numpy's .npz, compressed."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


def captioned(images: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """Pictures side by side on white, each with a line of text below; (H, W, 3) uint8."""
    font, gap = ImageFont.load_default(13), 10
    pictures = [as_image(pixels).convert("RGB") for pixels in images]
    columns = [max(image.width, round(font.getlength(text))) for image, text in zip(pictures, captions, strict=True)]
    size = sum(columns) + gap * (len(columns) + 1), max(image.height for image in pictures) + gap + 26
    sheet = Image.new("RGB", size, (PAPER,) * 3)
    draw, left = ImageDraw.Draw(sheet), gap
    for image, caption, column in zip(pictures, captions, columns, strict=True):
        sheet.paste(image, (left, gap))
        draw.text((left, image.height + gap + 5), caption, fill=(INK,) * 3, font=font)
        left += column + gap
    return np.asarray(sheet)
