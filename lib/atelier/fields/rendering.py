"""Drawing a field at any window and any size, in tiles, with bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from atelier.errors import UserError
from atelier.fields.window import Window

TILE_POINTS = 1 << 14
"""Points evaluated at a time: large enough to keep the processor busy, small enough to stay in its cache."""
MOST_PIXELS = 8192
"""Longest side of a rendered picture."""


class GridField(Protocol):
    """What a field must offer to be rendered: `prepare(ys, xs)` for a grid of points, and `on_grid(prepared)`,
    which gives colours (H·W, C)."""

    def prepare(self, ys: Tensor, xs: Tensor) -> Any: ...

    def on_grid(self, prepared: Any) -> Tensor: ...


@dataclass(frozen=True)
class RenderStep:
    """Progress of a rendering: `rows` of `total` are done; `pixels` is the whole picture, (H, W, C) uint8."""

    rows: int
    total: int
    pixels: np.ndarray


@torch.inference_mode()
def evaluate(field: GridField, ys: Tensor, xs: Tensor) -> Tensor:
    """Colours of a field on a grid of points: ys (H,), xs (W,) -> (H, W, C) float32 in [0, 1] on the CPU."""
    rows = max(1, TILE_POINTS // len(xs))
    xs = xs.float()
    parts = [
        field.on_grid(field.prepare(ys[top : top + rows].float(), xs)).clamp(0, 1).cpu()
        for top in range(0, len(ys), rows)
    ]
    return torch.cat(parts).view(len(ys), len(xs), -1)


def render(field: GridField, window: Window, height: int, width: int) -> Tensor:
    """A picture of a field: (height, width, C) float32 in [0, 1]."""
    return evaluate(field, *window.axes(height, width))


def render_steps(field: GridField, window: Window, height: int, width: int) -> Iterator[RenderStep]:
    """Render a picture of any size, a band of rows at a time; only the result is held in memory.

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
        yield RenderStep(min(top + rows, height), height, pixels)


def to_uint8(picture: Tensor) -> np.ndarray:
    """(H, W, C) in [0, 1] -> uint8, rounded to the nearest."""
    return (picture * 255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()
