"""The part of the plane that a picture shows, with coordinates that nest exactly.

At zoom 1 the short side of a picture spans [-1, 1]. Pixel j of W has its centre at
`pan_x + (2j + 1 - W) * h`, h half a pixel. Doubling the zoom halves h exactly, and so does doubling the size:
a zoom by two *is* the centre of the double-size picture, bit for bit, and a tile is a crop.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from atelier.errors import UserError
from atelier.settings import Number, Settings, setting

LARGEST_SIDE = 16384


@dataclass(frozen=True)
class Window(Settings):
    """Centre and zoom, float64. y grows downwards, as in pictures.

    Raises:
        SettingError: a number out of bounds (a zoom of 0, a pan of 1e300).
    """

    pan_x: float = setting(0.0, Number(-1e6, 1e6), "centre of the picture, to the right")
    pan_y: float = setting(0.0, Number(-1e6, 1e6), "centre of the picture, downwards")
    zoom: float = setting(1.0, Number(1e-6, 1e12, log=True), "magnification")

    def half_pixel(self, size: tuple[int, int]) -> float:
        """Half the side of a pixel, in units of the plane; size = (width, height)."""
        return 1.0 / (self.zoom * min(size))

    def to_json(self) -> dict[str, float]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> "Window":
        """Raises UserError: not a mapping of pan_x, pan_y and zoom, or out of bounds."""
        if not isinstance(data, dict) or not data.keys() <= {"pan_x", "pan_y", "zoom"}:
            raise UserError("The window must hold pan_x, pan_y and zoom; choose a recipe that Atelier saved.")
        return cls(**data)


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) in pixels, each from 1 to 16384.

    Raises:
        SettingError: a side out of bounds.
    """
    side = Number(1, LARGEST_SIDE, whole=True)
    return side.check("The width in pixels", size[0]), side.check("The height in pixels", size[1])


def read_size(text: str) -> tuple[int, int]:
    """The size written as 2048x1024, or 2048 for a square.

    Raises:
        UserError: not such a text, or out of bounds.
    """
    parts = text.lower().split("x")
    try:
        sides = [int(part) for part in parts]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise UserError(f"A size is written like 2048x1024, and {text!r} is not.")
    return check_size((sides[0], sides[-1]))


def axis(pan: float, half_pixel: float, side: int, start: int, count: int) -> Tensor:
    """Coordinates of `count` pixel centres from pixel `start` of `side`, (count,) float64."""
    odd = 2 * torch.arange(start, start + count, dtype=torch.float64) + (1 - side)
    return odd.mul_(half_pixel).add_(pan)
