"""A volume as it comes to be: coarse, fine, and turned once; and its pictures as files."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from atelier import animation, drawing
from atelier.cppn.spec import FieldSpec
from atelier.volumes.catalogue import Camera, Look
from atelier.volumes.generating import bake, exact_slice
from atelier.volumes.marching import march, turntable

MOST_SEEN = 192
"""Voxels along a side of the volume of which pictures are made; a finer one shows no more at their size."""
FRAMES, FPS = 36, 18
_COARSER = 4, 2, 1  # times coarser, one after another
_EMPTY = 0.05  # a density below it is taken for none
_SEEN_FROM = 0.8  # the share of voxels that are less dense than what is seen


@dataclass(frozen=True)
class Grown:
    """One step: the volume as fine as it is by now."""

    step: int
    spec: FieldSpec
    envelope: str
    voxels: np.ndarray = field(repr=False)  # (D, H, W, 4) uint8

    @property
    def progress(self) -> float:
        """In [0, 1]."""
        return self.step / len(_COARSER)

    def still(self, side: int = 320) -> bytes:
        """A picture of the volume, side × side pixels, as PNG."""
        return drawing.encoded(march(self.voxels, Camera(), suited_look(self.voxels), (side, side)))

    def slice(self, axis: int, at: float) -> np.ndarray:
        """What the field itself has on a plane across axis 0 (x), 1 (y) or 2 (z): (rows, columns, 4) uint8. Columns and
        rows run along z and y, x and z, x and y."""
        return exact_slice(self.spec, self.voxels.shape[:3], axis, at, self.envelope)


def grow(spec: FieldSpec, *, voxels: int = 96, envelope: str = "ball") -> Iterator[Grown]:
    """The volume of a field, first coarse and then fine. Errors as `generate`."""
    for k, coarse in enumerate(_COARSER, 1):
        yield Grown(k, spec, envelope, _baked(spec, max(2, voxels // coarse), envelope))


def growth_panels(step: Grown, full: bool = True) -> drawing.Frame:
    """How fine the volume of a step of `grow` is; the volume itself is seen in a viewer of its own."""
    return drawing.Frame({}, step=step.step, total=f"of {len(_COARSER)}: {len(step.voxels)}³ voxels")


def growth_view(step: Grown | None, full: bool = True) -> dict[str, Any]:
    """What a `page.volume` shows of a step of `grow`, as the arguments of its `show`: with `full` also a still picture
    and the field itself on a cut; nothing before the first step."""
    if step is None:
        return {}
    shown = {"voxels": step.voxels, "title": "A random field in space", **seen_from(step.voxels)}
    return shown | ({"still": step.still(), "exact": step.slice} if full else {})


def suited_look(voxels: np.ndarray) -> Look:
    """How a volume (D, H, W, 4) uint8 is looked at by default, so that there is something to see in it: surfaces around
    its densest fifth, or at half of its greatest density where more than four fifths are empty."""
    density = voxels[..., 3]
    low = float(np.quantile(density, _SEEN_FROM)) / 255
    if low < _EMPTY:
        low = max(_EMPTY, float(density.max()) / 510 - 0.05)
    low = min(low, 0.9)
    return Look(low=low, high=low + Look.high - Look.low)


def seen_from(voxels: np.ndarray) -> dict[str, float]:
    """The window of densities of `suited_look`, as a `page.volume` takes it."""
    look = suited_look(voxels)
    return {"low": round(look.low, 2), "high": round(look.high, 2)}


def still_file(spec: FieldSpec, voxels: int = 128, *, envelope: str = "ball") -> bytes:
    """A picture of the volume of a field, 800 × 800 pixels, as PNG."""
    baked = _baked(spec, min(voxels, MOST_SEEN), envelope)
    return drawing.encoded(march(baked, Camera(), suited_look(baked), (800, 800)))


def turntable_file(
    spec: FieldSpec, voxels: int = 128, *, envelope: str = "ball", side: int = 320, ending: str = ".webp"
) -> Iterator[animation.Written]:
    """A turn of the volume of a field as a file in memory (".webp", ".gif", ".png" or ".mp4"): the last step has its
    bytes as `data`."""
    baked = _baked(spec, min(voxels, MOST_SEEN), envelope)
    turns = turntable(baked, Camera(), suited_look(baked), (side, side), frames=FRAMES)
    return animation.encode(ending, turns, FPS, count=FRAMES)


@lru_cache(maxsize=2)
def _baked(spec: FieldSpec, voxels: int, envelope: str) -> np.ndarray:
    """The volume, which is read only: a page and its files look at the same one."""
    baked = bake(spec, voxels, envelope=envelope)
    baked.setflags(write=False)
    return baked
