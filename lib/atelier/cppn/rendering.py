"""Pictures of a field at any size, in tiles shared out to the rendering threads, with bounded memory."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from atelier.cppn.colour import encoded, linear
from atelier.cppn.field import BLOCK, Field, build
from atelier.cppn.inputs import encode
from atelier.cppn.recipe import WHOLE
from atelier.cppn.spec import FieldSpec
from atelier.cppn.threads import in_order, on_one_core
from atelier.cppn.topologies import MOST_LIVE, work
from atelier.fields.plane import Window, axis, check_size
from atelier.processors import cores
from atelier.settings import Number

TILE = (256, 128)  # points of a tile: one for each pixel, or supersampled. Eight tiles of 512 x 512 keep two cores busy
POINTS = TILE[0] * TILE[1]
STRIP = 4 * BLOCK  # points whose inputs and colours are made at once: few short operations, all within the cache
BAND = 64  # rows of pixels that are compressed together
SPARE = 16 * 2**20  # what allocators keep for themselves
SUPERSAMPLE = Number(1, 8, whole=True)


@dataclass(frozen=True)
class Tile:
    """A finished part of a picture: its top left pixel, its pixels (h, w, 3) uint8, and the progress."""

    x: int
    y: int
    pixels: np.ndarray = field(repr=False)
    done: int
    total: int


@dataclass(frozen=True)
class Estimate:
    """What a picture will take: bytes above the process as it stands, and seconds on this machine."""

    bytes: int
    seconds: float


def picture(
    spec: FieldSpec | Field, window: Window = WHOLE, size: tuple[int, int] = (512, 512), *, supersample: int = 1
) -> np.ndarray:
    """A picture (H, W, 3) uint8 sRGB; size = (width, height) in pixels.

    Raises:
        SettingError: a size or a supersampling out of bounds.
    """
    width, height = check_size(size)
    out = np.empty((height, width, 3), np.uint8)
    for tile in render_tiles(spec, window, size, supersample=supersample):
        h, w = tile.pixels.shape[:2]
        out[tile.y : tile.y + h, tile.x : tile.x + w] = tile.pixels
    return out


def render(spec: FieldSpec | Field, window: Window, size: tuple[int, int], *, supersample: int = 1) -> np.ndarray:
    """As `picture`, before rounding to bytes: (H, W, 3) float32 sRGB in [0, 1]."""
    width, height = check_size(size)
    shot = _Shot(as_field(spec), window, (width, height), SUPERSAMPLE.check("Supersampling", supersample))
    out = np.empty((height, width, 3), np.float32)
    boxes = _boxes((width, height), _tile(height, shot.supersample))
    for (x, y, w, h), pixels in in_order(shot.tile, boxes):
        out[y : y + h, x : x + w] = pixels
    return out


def render_tiles(
    spec: FieldSpec | Field,
    window: Window,
    size: tuple[int, int],
    *,
    tile: int | tuple[int, int] | None = None,
    supersample: int = 1,
) -> Iterator[Tile]:
    """The tiles of a picture, row by row, as they are finished; memory depends on `tile`, not on `size`.

    tile: side in pixels, or (width, height); by default 256 x 128 points or flatter. supersample: n x n points a
    pixel, averaged in linear light.

    Raises:
        SettingError: a size, a tile or a supersampling out of bounds.
    """
    size, supersample = check_size(size), SUPERSAMPLE.check("Supersampling", supersample)
    tile = check_size(tile if isinstance(tile, tuple) else (tile, tile)) if tile else _tile(size[1], supersample)
    shot = _Shot(as_field(spec), window, size, supersample)
    boxes = _boxes(size, tile)
    for done, ((x, y, _, _), pixels) in enumerate(in_order(shot.bytes, boxes), start=1):
        yield Tile(x, y, pixels, done, len(boxes))


def pictures(specs: Sequence[FieldSpec], size: tuple[int, int], window: Window = WHOLE) -> Iterator[np.ndarray]:
    """A picture (H, W, 3) uint8 of each spec, in order, for a grid of thumbnails."""
    width, height = check_size(size)

    def one(spec: FieldSpec) -> np.ndarray:
        return _Shot(as_field(spec), window, (width, height), 1).bytes((0, 0, width, height))

    for _, pixels in in_order(one, specs):
        yield pixels


def glances(specs: Sequence[FieldSpec]) -> Iterator[np.ndarray]:
    """What each spec looks like over [-1, 1]^2, (32, 32, 3) uint8, in order. It is coloured from the very outputs
    that set the tone, so a glance costs no more than building the field."""
    for _, pixels in in_order(lambda spec: as_field(spec).glance(), specs):
        yield pixels


def feature_pictures(
    spec: FieldSpec | Field, window: Window, size: tuple[int, int], limit: int = 32
) -> dict[str, np.ndarray]:
    """Every node's first `limit` activations as gray pictures: name -> (n, H, W) uint8.

    Each neuron is stretched by its own least and greatest value, which its picture does not show."""
    width, height = check_size(size)
    ys, xs = window.axes(height, width)
    coords = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1)  # (H, W, 2)
    found = {}
    for name, values in as_field(spec).features(coords).items():
        planes = values[..., :limit].permute(2, 0, 1)  # (n, H, W)
        low = planes.amin((1, 2), keepdim=True)
        reach = (planes.amax((1, 2), keepdim=True) - low).clamp_min(1e-9)
        found[name] = ((planes - low) / reach * 255).round().to(torch.uint8).numpy()
    return found


def estimate(spec: FieldSpec | Field, size: tuple[int, int], *, supersample: int = 1) -> Estimate:
    """Memory and time of a picture written by `write_png`, from one tile measured now (some 10 ms)."""
    width, height = check_size(size)
    supersample = SUPERSAMPLE.check("Supersampling", supersample)
    shot = _Shot(as_field(spec), WHOLE, TILE, 1)
    on_one_core(lambda: shot.bytes((0, 0, *TILE)))
    started = time.perf_counter()
    on_one_core(lambda: shot.bytes((0, 0, *TILE)))
    seconds = (time.perf_counter() - started) / POINTS * width * height * supersample**2 / cores()
    seconds += width * height * 3 / 60e6  # PNG compression, bytes per second
    inner = shot.field.scratch().numel() * 4
    tile = 110 * POINTS  # colours and pixels of one tile, coordinates and rows of a strip, and their copies
    bands = 12 * width * BAND  # the band being joined, its filtered rows, what they pack into
    return Estimate(cores() * (inner + tile) + bands + SPARE, seconds)


def as_field(spec: FieldSpec | Field) -> Field:
    """The field itself, or that of a spec. The last few are kept, since a picture is looked at more than once."""
    if isinstance(spec, Field):
        return spec
    return _built(spec) if work(spec) <= MOST_LIVE else _large(spec)


@lru_cache(maxsize=8)
def _built(spec: FieldSpec) -> Field:
    return build(spec)


@lru_cache(maxsize=1)
def _large(spec: FieldSpec) -> Field:
    return build(spec)


@dataclass(frozen=True)
class _Shot:
    """One field seen through one window at one size; boxes are (x, y, w, h) in pixels."""

    field: Field
    window: Window
    size: tuple[int, int]
    supersample: int

    @torch.inference_mode()
    def bytes(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """(h, w, 3) uint8."""
        planes = self._planes(box).mul_(255).add_(0.5).to(torch.uint8)
        return planes.permute(1, 2, 0).contiguous().numpy()

    def tile(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """(h, w, 3) float32."""
        return self._planes(box).permute(1, 2, 0).numpy()

    @torch.inference_mode()
    def _planes(self, box: tuple[int, int, int, int]) -> Tensor:
        """(3, h, w) float32."""
        x, y, w, h = (n * self.supersample for n in box)
        size = (self.size[0] * self.supersample, self.size[1] * self.supersample)
        half = self.window.half_pixel(size[1], size[0])
        xs = axis(self.window.x, half, size[0], x, w)  # (w,) float64
        ys = axis(self.window.y, half, size[1], y, h)  # (h,)
        colours = self._colours(xs, ys)[:, : w * h].reshape(3, h, w)
        if self.supersample > 1:
            return _average(colours, self.supersample)
        return colours

    def _colours(self, xs: Tensor, ys: Tensor) -> Tensor:
        """(3, n) of the points row by row, n rounded up to whole blocks."""
        width, count = len(xs), -(-len(xs) * len(ys) // BLOCK) * BLOCK
        ys = torch.cat([ys, ys[-1:].expand(BLOCK // width + 1)])  # the last block runs over
        scratch = self.field.scratch()
        out = torch.empty(3, count)
        for start in range(0, count, STRIP):
            length = min(STRIP, count - start)
            first, skipped = divmod(start, width)
            lines = -(-(skipped + length) // width)  # of the picture, that this strip touches
            x = xs.repeat(lines)[skipped : skipped + length]  # float64
            y = ys[first : first + lines].repeat_interleave(width)[skipped : skipped + length]
            rows = encode(self.field.spec, x, y)  # (K, length)
            z = torch.empty(self.field.channels, length)
            for at in range(0, length, BLOCK):
                self.field.raw(rows[:, at : at + BLOCK], z[:, at : at + BLOCK], scratch)
            out[:, start : start + length] = self.field.colouring(z)
        return out


def _average(colours: Tensor, n: int) -> Tensor:
    """Means of n x n samples in linear light, (3, n h, n w) -> (3, h, w), added in a fixed order."""
    light = linear(_padded(colours))
    light = light[:, : colours[0].numel()].reshape(colours.shape)
    total = torch.zeros_like(light[:, ::n, ::n])
    for i in range(n):
        for j in range(n):
            total += light[:, i::n, j::n]
    mean = _padded(total.div_(n * n))
    return encoded(mean)[:, : total[0].numel()].reshape(total.shape)


def _padded(planes: Tensor) -> Tensor:
    """(3, h, w) as rows of whole blocks: vector and scalar code round powers differently at a ragged end."""
    flat = planes.reshape(3, -1)
    missing = -flat.shape[1] % BLOCK
    return torch.nn.functional.pad(flat, (0, missing))


def _tile(height: int, supersample: int) -> tuple[int, int]:
    """Width and height of a tile in pixels, flat enough that a thumbnail has one for each core."""
    return TILE[0] // supersample, min(TILE[1] // supersample, -(-height // cores()))


def _boxes(size: tuple[int, int], tile: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    return [
        (x, y, min(tile[0], size[0] - x), min(tile[1], size[1] - y))
        for y in range(0, size[1], tile[1])
        for x in range(0, size[0], tile[0])
    ]
