"""Pictures as PNG files that carry their recipe, at any size: written band by band (PNG, 3rd edition)."""

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from atelier.animation import Written, in_memory
from atelier.cppn.genetics import siblings
from atelier.cppn.recipe import KEYWORD, SIGNATURE, Recipe, compact
from atelier.cppn.rendering import BAND, POINTS, picture, pictures, render_tiles
from atelier.drawing import contact_sheet, encoded
from atelier.fields.plane import check_size
from atelier.paths import atomic_write


def write_png(
    path: Path, recipe: Recipe, size: tuple[int, int], *, supersample: int = 1, band: int = BAND
) -> Iterator[Written]:
    """Render a picture of any size straight into a PNG with its recipe, band by band; yields after each tile.

    Memory is that of a few bands at any size. The file appears when the last band is written; closing the
    iterator before leaves nothing behind. Raises SettingError: a size or a supersampling out of bounds."""
    width, height = check_size(size)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8-bit RGB (section 11.2.1)
    text = KEYWORD.encode() + b"\0\0\0\0\0" + compact(recipe.to_json()).encode()
    tile = (max(POINTS // (band * supersample**2), 16), band)
    with atomic_write(path) as whole, whole.open("wb") as file:
        file.write(SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"sRGB", b"\0") + _chunk(b"iTXt", text))
        packer = zlib.compressobj(6)
        row = []
        for part in render_tiles(recipe.spec, recipe.window, size, tile=tile, supersample=supersample):
            row.append(part.pixels)
            if part.x + part.pixels.shape[1] == width:
                file.write(_chunk(b"IDAT", packer.compress(_filtered(np.concatenate(row, axis=1)))))
                row = []
            yield Written(part.done, part.total)
        file.write(_chunk(b"IDAT", packer.flush()) + _chunk(b"IEND", b""))


def print_file(recipe: Recipe, size: tuple[int, int], *, supersample: int = 1) -> Iterator[Written]:
    """As `write_png`, for a file in memory: the last step has its bytes as `data`."""
    return in_memory("print.png", lambda path: write_png(path, recipe, size, supersample=supersample))


def siblings_file(recipe: Recipe, grid: tuple[int, int], strength: float) -> bytes:
    """A sheet of siblings as PNG; grid: columns and rows."""
    columns, rows = grid
    specs = list(siblings([recipe.spec], columns * rows, recipe.spec.seed, strength))
    return encoded(contact_sheet(list(pictures(specs, (256, 256), recipe.window)), columns, 6))


@lru_cache(maxsize=256)
def thumbnail(recipe: Recipe, side: int = 128) -> bytes:
    """A small picture of a recipe as JPEG."""
    return encoded(picture(recipe.spec, recipe.window, (side, side)), "JPEG")


def _chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk: length, kind, body, checksum (section 5.3)."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _filtered(pixels: np.ndarray) -> bytes:
    """Rows of (h, w, 3) uint8 under filter 1, the difference to the pixel on the left (section 9.2): smooth
    fields pack well, and a row needs no other row."""
    rows = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1])).reshape(len(pixels), -1)
    return np.pad(rows, ((0, 0), (1, 0)), constant_values=1).tobytes()
