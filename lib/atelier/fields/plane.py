"""The plane on which every field lives: the part of it that a picture shows, and the coordinates of its pixels.

Coordinates are (x, y): x to the right, y downwards. Pixels are square. Pixel j of W has its centre at
`x + (2j + 1 - W) * h`, where h is half the side of a pixel. Doubling the zoom or the size halves h exactly, so a zoom
by two is the centre of the picture of double size, bit for bit, and a tile is a crop.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from atelier.settings import Choice, Number

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from atelier.shaders.code import Shader

LARGEST_SIDE = 16384
"""Pixels along a side of the largest picture."""
SIDE = Number(1, LARGEST_SIDE, whole=True)


@dataclass(frozen=True)
class Window:
    """The part of the plane that a picture shows.

    Args:
        x, y: centre of the picture.
        zoom: magnification. At zoom 1 the side that `spans` names covers [-1, 1].
        spans: "longer" shows [-1, 1] along the longer side, so that the whole picture lies within it; "shorter"
            shows it along the shorter side.

    Raises:
        SettingError: a number out of bounds, or not a number.
    """

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    spans: str = "longer"

    PLACE: ClassVar[Number] = Number(-1e6, 1e6)
    ZOOM: ClassVar[Number] = Number(1e-6, 1e12, log=True)

    def __post_init__(self) -> None:
        self.PLACE.check("The centre x", self.x)
        self.PLACE.check("The centre y", self.y)
        self.ZOOM.check("The zoom", self.zoom)
        Choice(("longer", "shorter")).check("The side that spans [-1, 1]", self.spans)

    def half_pixel(self, height: int, width: int) -> float:
        """Half the side of a pixel, in units of the plane."""
        side = max(height, width) if self.spans == "longer" else min(height, width)
        return 1.0 / (self.zoom * side)

    def axes(self, height: int, width: int) -> "tuple[Tensor, Tensor]":
        """Coordinates of the pixel centres: ys (height,) and xs (width,), float64."""
        h = self.half_pixel(height, width)
        return axis(self.y, h, height), axis(self.x, h, width)

    def replace(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True)
class Drawing:
    """A function that draws what a window shows: (window, height, width) -> (height, width, C) uint8.

    `shader()` gives a shader that draws the same, for a graphics processor; it raises UserError where there is none.
    """

    draw: "Callable[[Window, int, int], np.ndarray]"
    shader: "Callable[[], Shader]"

    def __call__(self, window: Window, height: int, width: int) -> "np.ndarray":
        return self.draw(window, height, width)


def axis(centre: float, half_pixel: float, side: int, start: int = 0, count: int | None = None) -> "Tensor":
    """Coordinates of `count` pixel centres from pixel `start` of `side` on, (count,) float64; all by default."""
    import torch  # a window alone costs no import of torch

    count = side - start if count is None else count
    odd = 2 * torch.arange(start, start + count, dtype=torch.float64) + (1 - side)
    return odd.mul_(half_pixel).add_(centre)


def whole(*sides: int) -> "tuple[Tensor, ...]":
    """Pixel centres of a whole picture (height, width) or volume (depth, height, width): ys (height,), xs (width,), for
    a volume first zs (depth,), float32; the longest side spans [-1, 1]."""
    return tuple(axis(0.0, 1.0 / max(sides), side).float() for side in sides)


def mesh(*axes: "Tensor") -> "Tensor":
    """All points of a grid, row by row: ys (H,), xs (W,) -> coords (H·W, 2) as (x, y); zs, ys, xs -> (D·H·W, 3) as
    (x, y, z)."""
    import torch

    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1).reshape(-1, len(axes))


def half_extent(aspect: float, deep: float = 0.0) -> tuple[float, ...]:
    """Half width and half height of the whole picture of this shape (width ÷ height), of a volume also its half depth
    (deep: depth ÷ height), the longest of them 1."""
    sides = (aspect, 1.0, deep) if deep else (aspect, 1.0)
    return tuple(side / max(sides) for side in sides)


def fitted_size(width: float, height: float, longer: int) -> tuple[int, int]:
    """(height, width) in pixels of a picture of this shape whose longer side has `longer` pixels."""
    most = max(width, height)
    return max(1, round(height / most * longer)), max(1, round(width / most * longer))


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) in pixels, each from 1 to 16384.

    Raises:
        SettingError: a side out of bounds.
    """
    return SIDE.check("The width in pixels", size[0]), SIDE.check("The height in pixels", size[1])
