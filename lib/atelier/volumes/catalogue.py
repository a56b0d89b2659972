"""What a volume can be asked for: names, titles and bounds, and how one looks at it. Nothing here needs torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from atelier.settings import Choice, Control, Number, SettingError

SIDE = Number(2, 1024, whole=True)
"""Voxels along a side of a volume."""
MODES = {"absorption": "Emission and absorption", "maximum": "Maximum intensity"}
"""How a ray becomes a colour; each is a function of its name in `marching`."""
ENVELOPES = {"ball": "A ball with a soft edge", "box": "The whole box"}
"""Where a field may be dense; each is a function of its name in `generating`."""
ENDINGS = {".tif": "TIFF for ImageJ and Fiji", ".npy": "NumPy array", ".vti": "VTK image data"}
"""Ending of a file's name to what it holds."""


def check_size(size: int | Sequence[int]) -> tuple[int, int, int]:
    """(D, H, W) in voxels, each from 2 to 1024; one number stands for all three. Raises SettingError: out of bounds."""
    sides = (size,) * 3 if isinstance(size, (int, float)) else tuple(size)
    if len(sides) != 3:
        raise SettingError("The size of a volume must be one number of voxels, or three: depth, height and width.")
    depth, height, width = (SIDE.check("A side of a volume, in voxels,", side) for side in sides)
    return depth, height, width


@dataclass(frozen=True)
class Camera:
    """Where one looks from: around the centre of the volume, whose longest side spans [-1, 1].

    Axes are x to the right, y downwards and z away from the viewer, as a picture has them: at azimuth and elevation 0
    one looks along z and sees pictures of constant z as they are. The plane through the centre spans ±1/zoom along the
    shorter side of the picture. Raises SettingError: a number out of bounds.

    Args:
        azimuth: degrees around the y axis; the camera moves to the right. elevation: degrees upwards.
        zoom: magnification.
        perspective: degrees of the field of view at zoom 1; 0 for parallel rays.
    """

    azimuth: float = 30.0
    elevation: float = 20.0
    zoom: float = 0.95
    perspective: float = 30.0

    def __post_init__(self) -> None:
        Number(-1e4, 1e4).check("The azimuth", self.azimuth)
        Number(-90, 90).check("The elevation", self.elevation)
        Number(0.1, 100).check("The zoom", self.zoom)
        Number(0, 50).check("The perspective", self.perspective)

    def basis(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """Unit vectors (x, y, z) to the right, downwards and forwards."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        right = math.cos(a), 0.0, math.sin(a)
        forward = -math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)
        down = math.sin(a) * math.sin(e), math.cos(e), -math.cos(a) * math.sin(e)
        return right, down, forward


@dataclass(frozen=True)
class Look:
    """How density becomes light. Raises SettingError: a value out of bounds.

    Args:
        mode: a name of MODES.
        low, high: the window of densities in [0, 1]; nothing is seen below it, all of it above.
        opacity: absorption per unit of length at full density; the longest side of the volume has length 2.
        light: how much the surfaces are shaded, from 0 to 1.
        ground: the colour behind the volume, 0 to 255.
    """

    mode: str = "absorption"
    low: float = 0.6
    high: float = 0.7
    opacity: float = 40.0
    light: float = 0.7
    ground: tuple[int, int, int] = (14, 16, 22)

    def __post_init__(self) -> None:
        Choice(tuple(MODES)).check("The mode", self.mode)
        Number(0, 1).check("The lower end of the densities", self.low)
        Number(0, 1).check("The upper end of the densities", self.high)
        Number(0, 1e4).check("The opacity", self.opacity)
        Number(0, 1).check("The light", self.light)
        for value in self.ground:
            Number(0, 255, whole=True).check("Each number of the ground's colour", value)
        if not self.low < self.high:
            raise SettingError("The lower end of the densities must be below the upper one; move them apart.")


_SHAPE = Control(Choice(tuple(ENVELOPES)), "ball", "Shape", words=ENVELOPES)


def volume_options() -> dict[str, Control]:
    """What a command line can ask for."""
    return {
        "volume": Control(SIDE, None, about="also a volume of so many voxels along a side", door="command"),
        "envelope": replace(_SHAPE, about="where the field may be dense", door="command"),
    }


def growth_options() -> dict[str, Control]:
    """What a page asks for."""
    sides = {str(side): f"{side}³ voxels" for side in (32, 64, 96, 128)}
    return {
        "voxels": Control(Choice(tuple(sides)), "64", "Size", words=sides, door="page"),
        "envelope": replace(_SHAPE, door="page"),
    }
