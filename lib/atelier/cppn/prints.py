"""Pictures as PNG files that carry their recipe, at any size: written band by band (PNG, 3rd edition)."""

import json
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from atelier.animation import Written
from atelier.cppn.favourites import dump_favourites
from atelier.cppn.genetics import siblings
from atelier.cppn.recipe import KEYWORD, SIGNATURE, Recipe, compact
from atelier.cppn.rendering import BAND, POINTS, Tile, picture, pictures, render_tiles
from atelier.cppn.spec import FieldSpec
from atelier.cppn.styles import Mutation
from atelier.drawing import contact_sheet, encoded
from atelier.errors import UserError
from atelier.fields.plane import Window, check_size
from atelier.paths import atomic_write


def png_bytes(pixels: np.ndarray, recipe: Recipe) -> bytes:
    """A PNG of pixels (H, W, 3) uint8 that carries its recipe."""
    height, width = pixels.shape[:2]
    packer = zlib.compressobj(6)
    body = packer.compress(_filtered(pixels)) + packer.flush()
    return b"".join((_head(width, height, recipe), _chunk(b"IDAT", body), _chunk(b"IEND", b"")))


def write_png(
    path: Path, recipe: Recipe, size: tuple[int, int], *, supersample: int = 1, band: int = BAND
) -> Iterator[Tile]:
    """Render a picture of any size straight into a PNG with its recipe, band by band; yields each tile.

    Memory is that of a few bands, whatever the size. The file appears when the last band is written; closing
    the iterator before leaves nothing behind.

    Raises:
        SettingError: a size or a supersampling out of bounds.
    """
    width, height = check_size(size)
    with atomic_write(path) as part, part.open("wb") as file:
        file.write(_head(width, height, recipe))
        packer = zlib.compressobj(6)
        tile = (max(POINTS // (band * supersample**2), 16), band)
        rows = []
        for part in render_tiles(recipe.spec, recipe.window, size, tile=tile, supersample=supersample):
            rows.append(part.pixels)
            if part.x + part.pixels.shape[1] == width:
                file.write(_chunk(b"IDAT", packer.compress(_filtered(np.concatenate(rows, axis=1)))))
                rows = []
            yield part
        file.write(_chunk(b"IDAT", packer.flush()) + _chunk(b"IEND", b""))


def print_file(recipe: Recipe, size: tuple[int, int], *, supersample: int = 1) -> Iterator[Written]:
    """As `write_png`, for a file in memory: the last step has its bytes as `data`."""
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        path, total = Path(folder) / "print.png", 1
        for tile in write_png(path, recipe, size, supersample=supersample):
            total = tile.total + 1
            yield Written(tile.done, total)
        yield Written(total, total, path.read_bytes())


def recipe_file(recipe: Recipe) -> bytes:
    """recipe.json."""
    return (json.dumps(recipe.to_json(), indent=2) + "\n").encode()


def favourites_file(favourites: Mapping[str, Recipe]) -> bytes:
    """favourites.json.

    Raises:
        UserError: there are none.
    """
    if not favourites:
        raise UserError("There are no favourites yet: press Keep first.")
    return dump_favourites(favourites).encode()


def siblings_file(recipe: Recipe, grid: tuple[int, int], mutation: Mutation, side: int = 256) -> bytes:
    """A sheet of siblings as PNG; grid: columns and rows."""
    columns, rows = grid
    specs = list(siblings([recipe.spec], columns * rows, recipe.spec.seed, mutation))
    return encoded(contact_sheet(list(pictures(specs, (side, side), recipe.window)), columns, 6))


def thumbnails(recipes: Iterable[Recipe], side: int = 128) -> Iterator[np.ndarray]:
    """A small picture (side, side, 3) uint8 of each recipe; the last ones drawn are remembered."""
    return (_thumbnail(recipe.spec, recipe.window, side) for recipe in recipes)


@lru_cache(maxsize=256)
def _thumbnail(spec: FieldSpec, window: Window, side: int) -> np.ndarray:
    return picture(spec, window, (side, side))


def _head(width: int, height: int, recipe: Recipe) -> bytes:
    text = KEYWORD.encode() + b"\0\0\0\0\0" + compact(recipe.to_json()).encode()
    srgb = _chunk(b"sRGB", b"\0")
    return _header(width, height) + srgb + _chunk(b"iTXt", text)


def _chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk: length, kind, body, checksum (section 5.3)."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _header(width: int, height: int) -> bytes:
    """The signature and IHDR of an RGB picture of 8 bits (section 11.2.1)."""
    return SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def _filtered(pixels: np.ndarray) -> bytes:
    """Rows of (h, w, 3) uint8 under filter 1, the difference to the pixel on the left (section 9.2): smooth
    fields pack well, and a row needs no other row."""
    h, w, _ = pixels.shape
    rows = np.empty((h, 1 + 3 * w), np.uint8)
    rows[:, 0] = 1
    rows[:, 1:4] = pixels[:, 0]
    flat = pixels.reshape(h, 3 * w)
    np.subtract(flat[:, 3:], flat[:, :-3], out=rows[:, 4:])
    return rows.tobytes()
