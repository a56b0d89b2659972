"""Pictures of a field at any size, in tiles shared out to the rendering threads, with bounded memory."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from atelier.cppn.colour import encoded, linear
from atelier.cppn.field import BLOCK, Field, as_bytes
from atelier.cppn.recipe import WHOLE
from atelier.cppn.spec import FieldSpec
from atelier.cppn.threads import in_order, on_one_core
from atelier.cppn.topologies import MOST_LIVE, work
from atelier.fields.plane import Window, axis, check_size, mesh
from atelier.processors import cores
from atelier.settings import Number

TILE = (256, 128)  # points of a tile: one for each pixel, or supersampled. Eight tiles of 512 x 512 keep two cores busy
POINTS = TILE[0] * TILE[1]
BAND = 64  # rows of pixels that are compressed together
SPARE = 16 * 2**20  # what allocators keep for themselves
SUPERSAMPLE = Number(1, 8, whole=True)
Box = tuple[int, int, int, int]
"""x, y, width and height in pixels."""


class Tile(NamedTuple):
    """A finished part of a picture: its top left pixel, its pixels (h, w, 3) uint8, and the progress."""

    x: int
    y: int
    pixels: np.ndarray
    done: int
    total: int


class Estimate(NamedTuple):
    """What a picture will take: bytes above the process as it stands, and seconds on this machine."""

    bytes: int
    seconds: float


def picture(
    spec: FieldSpec | Field, window: Window = WHOLE, size: tuple[int, int] = (512, 512), *, supersample: int = 1
) -> np.ndarray:
    """A picture (H, W, 3) uint8 sRGB; size = (width, height) in pixels. Raises SettingError: a size or a supersampling
    out of bounds."""
    width, height = check_size(size)
    out = np.empty((height, width, 3), np.uint8)
    for tile in render_tiles(spec, window, size, supersample=supersample):
        h, w = tile.pixels.shape[:2]
        out[tile.y : tile.y + h, tile.x : tile.x + w] = tile.pixels
    return out


def render_tiles(
    spec: FieldSpec | Field,
    window: Window,
    size: tuple[int, int],
    *,
    tile: tuple[int, int] | None = None,
    supersample: int = 1,
) -> Iterator[Tile]:
    """The tiles of a picture, row by row, as they are finished; memory depends on `tile`, not on `size`.

    tile: (width, height) in pixels; by default 256 x 128 points or flatter. supersample: n x n points a pixel, averaged
    in linear light. Raises SettingError: a size, a tile or a supersampling out of bounds."""
    (width, height), supersample = check_size(size), SUPERSAMPLE.check("Supersampling", supersample)
    if tile is None:  # flat enough that a thumbnail has one for each core
        tile = TILE[0] // supersample, min(TILE[1] // supersample, -(-height // cores()))
    across, down = check_size(tile)
    boxes = [
        (x, y, min(across, width - x), min(down, height - y))
        for y in range(0, height, down)
        for x in range(0, width, across)
    ]
    draw = _drawer(as_field(spec), window, (width, height), supersample)
    for i, pixels in enumerate(in_order(draw, boxes)):
        yield Tile(*boxes[i][:2], pixels, i + 1, len(boxes))


def pictures(specs: Sequence[FieldSpec], size: tuple[int, int], window: Window = WHOLE) -> Iterator[np.ndarray]:
    """A picture (H, W, 3) uint8 of each spec, in order, for a grid of thumbnails; larger pictures go first."""
    size = check_size(size)
    return in_order(lambda spec: _drawer(as_field(spec), window, size)((0, 0, *size)), specs, later=True)


def glances(specs: Sequence[FieldSpec]) -> Iterator[np.ndarray]:
    """What each spec looks like over [-1, 1]^2, (32, 32, 3) uint8, in order. It is coloured from the very outputs
    that set the tone, so a glance costs no more than building the field."""
    return in_order(lambda spec: as_field(spec).glance(), specs)


def feature_pictures(
    spec: FieldSpec | Field, window: Window, size: tuple[int, int], limit: int = 32
) -> dict[str, np.ndarray]:
    """Every node's first `limit` activations as gray pictures: name -> (n, H, W) uint8.

    Each neuron is stretched by its own least and greatest value, which its picture does not show."""
    width, height = check_size(size)
    found = {}
    for name, values in as_field(spec).features(mesh(*window.axes(height, width))).items():
        planes = values[:, :limit].T.reshape(-1, height, width)  # (n, H, W)
        low = planes.amin((1, 2), keepdim=True)
        reach = (planes.amax((1, 2), keepdim=True) - low).clamp_min(1e-9)
        found[name] = ((planes - low) / reach * 255).round().to(torch.uint8).numpy()
    return found


def estimate(spec: FieldSpec | Field, size: tuple[int, int], *, supersample: int = 1) -> Estimate:
    """Memory and time of a picture written by `write_png`, from a part of a tile measured now (a few ms)."""
    width, height = check_size(size)
    supersample = SUPERSAMPLE.check("Supersampling", supersample)
    found = as_field(spec)
    draw = on_one_core(_drawer(found, WHOLE, TILE))
    part = 0, 0, TILE[0], TILE[1] // 4
    draw(part)
    started = time.perf_counter()
    draw(part)
    seconds = (time.perf_counter() - started) / (part[2] * part[3]) * width * height * supersample**2 / cores()
    seconds += width * height * 3 / 60e6  # PNG compression, bytes per second
    inner = found.scratch().numel() * 4
    tile = 110 * POINTS  # colours and pixels of one tile, coordinates and rows of a strip, and their copies
    bands = 12 * width * BAND  # the band being joined, its filtered rows, what they pack into
    return Estimate(cores() * (inner + tile) + bands + SPARE, seconds)


def as_field(spec: FieldSpec | Field) -> Field:
    """The field itself, or that of a spec. The last few are kept, since a picture is looked at more than once."""
    if isinstance(spec, Field):
        return spec
    return _built(spec) if work(spec) <= MOST_LIVE else _large(spec)


_built = lru_cache(maxsize=8)(Field)
_large = lru_cache(maxsize=1)(Field)


def _drawer(found: Field, window: Window, size: tuple[int, int], supersample: int = 1) -> Callable[[Box], np.ndarray]:
    """A function from a box to the pixels (h, w, 3) uint8 that a picture of this size has there."""
    width, height = (side * supersample for side in size)
    half = window.half_pixel(height, width)

    @torch.inference_mode()
    def draw(box: Box) -> np.ndarray:
        x, y, w, h = (n * supersample for n in box)
        xs, ys = axis(window.x, half, width, x, w), axis(window.y, half, height, y, h)  # float64
        planes = found.planes(xs.repeat(h), ys.repeat_interleave(w)).reshape(3, h, w)
        return as_bytes(_average(planes, supersample) if supersample > 1 else planes)

    return draw


def _average(colours: Tensor, n: int) -> Tensor:
    """Means of n x n samples in linear light, (3, n h, n w) -> (3, h, w), added in a fixed order."""
    light = _in_blocks(linear, colours)
    total = torch.zeros_like(light[:, ::n, ::n])
    for i in range(n):
        for j in range(n):
            total += light[:, i::n, j::n]
    return _in_blocks(encoded, total.div_(n * n))


def _in_blocks(convert: Callable[[Tensor], Tensor], planes: Tensor) -> Tensor:
    """`convert` of planes (3, h, w), as rows of whole blocks: vector and scalar code round powers differently at a
    ragged end."""
    flat = planes.reshape(3, -1)
    padded = F.pad(flat, (0, -flat.shape[1] % BLOCK))
    return convert(padded)[:, : flat.shape[1]].reshape(planes.shape)
