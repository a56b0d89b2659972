"""The part of the plane that is looked at, and the coordinates of its pixels.

Coordinates are (x, y): x to the right, y downwards. At zoom 1 the longer side of the window spans [-1, 1] and
the shorter one less, in proportion, so that a unit is equally long in both directions.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from atelier.errors import UserError

LEAST_ZOOM, MOST_ZOOM = 1e-3, 1e6


@dataclass(frozen=True)
class Window:
    """A rectangle of the plane: its centre, its magnification, and its shape (width ÷ height).

    Raises:
        UserError: a value that is not a number, or a zoom out of bounds.
    """

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    aspect: float = 1.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x, self.y, self.zoom, self.aspect))) or self.aspect <= 0:
            raise UserError("The window needs a centre, a zoom and an aspect that are numbers; reset the view.")
        if not LEAST_ZOOM <= self.zoom <= MOST_ZOOM:
            raise UserError(
                f"The zoom must be from {LEAST_ZOOM:g} to {MOST_ZOOM:g}, and {self.zoom:g} is not; reset the view."
            )

    @property
    def half_extent(self) -> tuple[float, float]:
        """Half of the width and half of the height, in coordinate units."""
        return half_extent(self.aspect, self.zoom)

    def axes(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Coordinates of the pixel centres: ys (height,) and xs (width,), float64."""
        half_x, half_y = self.half_extent
        return self.y + half_y * centres(height), self.x + half_x * centres(width)


def half_extent(aspect: float, zoom: float = 1.0) -> tuple[float, float]:
    """Half width and half height of a window of this shape (width ÷ height)."""
    longer = max(aspect, 1.0)
    return aspect / longer / zoom, 1.0 / longer / zoom


def centres(n: int) -> Tensor:
    """Centres of n equal pixels that tile [-1, 1]: (n,) float64."""
    return (2 * torch.arange(n, dtype=torch.float64) + 1 - n) / n


def mesh(ys: Tensor, xs: Tensor) -> Tensor:
    """All points of a grid, row by row: ys (H,), xs (W,) -> coords (H·W, 2) as (x, y)."""
    return torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).reshape(-1, 2)
