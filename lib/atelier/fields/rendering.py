"""Drawing a field at any window and any size, in tiles, with bounded memory."""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atelier.data.pictures import Picture
from atelier.errors import UserError
from atelier.fields.networks import Field, as_field, pixels_of
from atelier.fields.plane import Drawing, Window, half_extent, mesh

TILE_POINTS = 1 << 14
"""Points evaluated at a time: large enough to keep the processor busy, small enough to stay in its cache."""
MOST_PIXELS = 8192
"""Longest side of a rendered picture."""


@torch.inference_mode()
def evaluate(field: Field, *axes: Tensor) -> Tensor:
    """Colours of a field on a grid of points: ys (H,), xs (W,) -> (H, W, C), and zs (D,), ys, xs -> (D, H, W, C),
    float32 in [0, 1] on the CPU."""
    tiles = _tiles([line.float() for line in axes])
    parts = [field.on_grid(field.prepare(*tile)).clamp(0, 1).cpu() for tile in tiles]
    return torch.cat(parts).view(*map(len, axes), -1)


def _tiles(axes: list[Tensor]) -> Iterator[list[Tensor]]:
    """Parts of a grid, one after another in its order, of about TILE_POINTS points each."""
    first, *others = axes
    inside = math.prod(map(len, others))
    if inside > TILE_POINTS and len(others) > 1:
        yield from ([one, *tile] for one in first.split(1) for tile in _tiles(others))
    else:
        yield from ([part, *others] for part in first.split(max(1, TILE_POINTS // inside)))


def render(field: Field, window: Window, height: int, width: int) -> Tensor:
    """A picture of a field: (height, width, C) float32 in [0, 1]."""
    return evaluate(field, *window.axes(height, width))


def render_steps(field: Field, window: Window, height: int, width: int) -> Iterator[tuple[int, np.ndarray]]:
    """Render a picture of any size, a band of rows at a time: the number of rows that are done, and the whole picture,
    (height, width, C) uint8. Only the result is held in memory.

    Raises:
        UserError: a side that is not from 1 to 8192 pixels.
    """
    if not (1 <= height <= MOST_PIXELS and 1 <= width <= MOST_PIXELS):
        raise UserError(f"A picture's sides must be from 1 to {MOST_PIXELS} pixels, and {width}×{height} is not.")
    ys, xs = window.axes(height, width)
    rows = max(1, 16 * TILE_POINTS // width)
    pixels: np.ndarray | None = None
    for top in range(0, height, rows):
        band = to_uint8(evaluate(field, ys[top : top + rows], xs))
        if pixels is None:
            pixels = np.empty((height, width, band.shape[-1]), np.uint8)
        pixels[top : top + rows] = band
        yield top + len(band), pixels


def renderer(network: nn.Module) -> Drawing:
    """A function that draws a network."""
    from atelier.fields.shading import shader_of

    field = as_field(network).eval()
    return Drawing(lambda *place: to_uint8(render(field, *place)), lambda: shader_of(network))


def bicubic(picture: Picture | Tensor) -> Drawing:
    """A function that draws the pixels of a picture, enlarged by bicubic interpolation and white outside."""
    from atelier.fields.shading import picture_shader

    pixels = pixels_of(picture).cpu()
    extent = torch.tensor(half_extent(pixels.shape[1] / pixels.shape[0]))

    def draw(window: Window, height: int, width: int) -> np.ndarray:
        grid = (mesh(*window.axes(height, width)) / extent).float().view(1, height, width, 2)
        image = pixels.permute(2, 0, 1)[None]
        found = F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False)
        outside = (grid[0].abs() > 1).any(-1, keepdim=True)
        return to_uint8(torch.where(outside, torch.ones(()), found[0].permute(1, 2, 0)))

    return Drawing(draw, lambda: picture_shader(pixels))


def to_uint8(picture: Tensor) -> np.ndarray:
    """(H, W, C) in [0, 1] -> uint8, rounded to the nearest."""
    return (picture * 255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()
