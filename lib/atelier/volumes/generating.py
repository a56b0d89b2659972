"""Random fields as volumes: generated in slabs, with bounded memory, and whatever array as voxels to look at.

The field is a `cppn.FieldSpec` that sees z. Nothing of it is written a second time: points of space go through the same
nodes, inputs and colours as points of the plane.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from atelier.cppn.colour import LUMA, table
from atelier.cppn.field import Field
from atelier.cppn.rendering import as_field
from atelier.cppn.spec import FieldSpec
from atelier.cppn.threads import in_order
from atelier.errors import UserError
from atelier.fields.plane import axis
from atelier.settings import Choice
from atelier.volumes.catalogue import ENVELOPES, check_size

SLAB_POINTS = 1 << 17
"""Voxels of a slab, if one slice does not have more."""
_PALETTE = "#0d1030", "#7a3b8f", "#f7a072", "#fff4e6"


@dataclass(frozen=True)
class Slab:
    """Finished slices of a volume: voxels (d, H, W, 4) uint8 from slice `z` on, of a volume of `size` (D, H, W)."""

    z: int
    size: tuple[int, int, int]
    voxels: np.ndarray = field(repr=False)

    @property
    def step(self) -> int:
        """Slices finished so far."""
        return self.z + len(self.voxels)


def solid(spec: FieldSpec) -> FieldSpec:
    """The field in space: itself, or a field of the plane that is given z as one more input.

    Where each input has a branch of its own (`mlp`, `residual`, `watts_strogatz`), its plane z = 0 is the picture as it
    was; elsewhere the weights are scaled to the larger number of inputs."""
    return spec if spec.solid else spec.replace(inputs=(*spec.inputs, "z"))


def generate(spec: FieldSpec | Field, size: int | Sequence[int] = 128, *, envelope: str = "ball") -> Iterator[Slab]:
    """The slabs of a volume, from the first slice to the last; memory depends on the size of a slice, not on their
    number.

    size: voxels along each side, or (D, H, W), up to 1024; the longest side spans [-1, 1]. envelope: a name of
    ENVELOPES. Raises SettingError: a size or an envelope that is not allowed."""
    depth, height, width = size = check_size(size)
    on_grid = _drawn(spec, envelope)
    zs, ys, xs = axes(size, size)
    slices = max(1, SLAB_POINTS // (height * width))
    bands = ys.split(max(1, SLAB_POINTS // width))  # of rows, where one slice is more than a slab

    def draw(start: int) -> np.ndarray:
        return np.concatenate([on_grid(zs[start : start + slices], rows, xs) for rows in bands], axis=1)

    starts = range(0, depth, slices)
    for start, voxels in zip(starts, in_order(draw, starts), strict=True):
        yield Slab(start, size, voxels)


def bake(spec: FieldSpec | Field, size: int | Sequence[int] = 128, *, envelope: str = "ball") -> np.ndarray:
    """A volume (D, H, W, 4) uint8: sRGB colour and density. As `generate`."""
    voxels = np.empty((*check_size(size), 4), np.uint8)
    for slab in generate(spec, size, envelope=envelope):
        voxels[slab.z : slab.step] = slab.voxels
    return voxels


def exact_slice(
    spec: FieldSpec | Field,
    size: int | Sequence[int],
    across: int,
    at: float,
    envelope: str = "ball",
    side: int = 320,
) -> np.ndarray:
    """The field on a plane through a volume of `size`: (rows, columns, 4) uint8. Arguments as `on_plane` takes them.
    Raises SettingError: a size or an envelope that is not allowed."""
    return on_plane(_drawn(spec, envelope), check_size(size), across, at, side)


def on_plane(
    draw: Callable[..., np.ndarray], size: Sequence[int], across: int, at: float, side: int = 320
) -> np.ndarray:
    """What `draw(zs, ys, xs)`, which gives (D, H, W, C), has on a plane through a volume of the shape `size`: (rows,
    columns, C), `side` along the longer side.

    across: the axis that the plane is across, 0 (x), 1 (y) or 2 (z); columns and rows run along z and y, x and z, or x
    and y. at: where, in the coordinates of the volume."""
    cut = 2 - across  # of (z, y, x)
    longest = max(voxels for k, voxels in enumerate(size) if k != cut)
    lines = axes(size, [max(2, round(side * voxels / longest)) for voxels in size])
    lines[cut] = torch.tensor([float(at)], dtype=torch.float64)
    found = draw(*lines).squeeze(cut)
    return found.swapaxes(0, 1) if across == 0 else found


def _drawn(spec: FieldSpec | Field, envelope: str) -> Callable[[Tensor, Tensor, Tensor], np.ndarray]:
    """A function that draws a field on a grid: zs (D,), ys (H,), xs (W,) -> (D, H, W, 4) uint8."""
    within = _ENVELOPES[Choice(tuple(ENVELOPES)).check("The envelope", envelope)]
    found = spec if isinstance(spec, Field) else as_field(solid(spec))

    @torch.inference_mode()
    def draw(*lines: Tensor) -> np.ndarray:
        z, y, x = (line.flatten() for line in torch.meshgrid(*lines, indexing="ij"))
        planes = found.planes(x, y, z)  # (4, n)
        planes[3].mul_(within(x, y, z))
        return planes.mul_(255).add_(0.5).to(torch.uint8).T.reshape(*map(len, lines), 4).numpy()

    return draw


def axes(size: Sequence[int], counts: Sequence[int]) -> list[Tensor]:
    """The axes zs, ys, xs of a volume of the shape `size`, whose longest side spans [-1, 1], each cut into so many
    voxels: the coordinates of their centres, float64."""
    return [axis(0.0, side / (max(size) * count), count) for side, count in zip(size, counts, strict=True)]


def slabs_of(voxels: np.ndarray) -> Iterator[Slab]:
    """The slabs of a volume (D, H, W, 4) uint8 that is there already. Raises UserError: not such an array."""
    size = check_voxels(voxels).shape[:3]
    slices = max(1, SLAB_POINTS // (size[1] * size[2]))
    for start in range(0, size[0], slices):
        yield Slab(start, size, voxels[start : start + slices])


def check_voxels(voxels: np.ndarray) -> np.ndarray:
    """The array, if it is a baked volume. Raises UserError: another shape or kind of numbers."""
    if not isinstance(voxels, np.ndarray) or voxels.dtype != np.uint8 or voxels.ndim != 4 or voxels.shape[3] != 4:
        shape = f"{tuple(getattr(voxels, 'shape', ()))} of {getattr(voxels, 'dtype', type(voxels).__name__)}"
        raise UserError(
            f"A volume is a uint8 array (D, H, W, 4), and this is {shape}; make one with bake or as_voxels."
        )
    check_size(voxels.shape[:3])
    return voxels


def as_voxels(values: np.ndarray | Tensor) -> np.ndarray:
    """Any values (D, H, W) or (D, H, W, C) in [0, 1] as a volume (D, H, W, 4) uint8.

    One channel is the density, which a palette colours; three are a colour whose luma is the density;
    four are a colour and a density. Raises UserError: another number of channels, a size out of bounds."""
    values = np.asarray(values, np.float32)
    values = values[..., None] if values.ndim == 3 else values
    if values.ndim != 4:
        raise UserError(f"Voxels are made of (D, H, W) or (D, H, W, C), not of {values.shape}.")
    check_size(values.shape[:3])
    return (coloured(values) * 255 + 0.5).astype(np.uint8)


def coloured(values: np.ndarray) -> np.ndarray:
    """Values (…, C) as colour and density (…, 4) in [0, 1], as `as_voxels` takes them. Raises UserError: another number
    of channels."""
    channels, values = values.shape[-1], values.clip(0, 1)
    if channels not in (1, 3, 4):
        raise UserError(f"A volume to look at has 1, 3 or 4 channels, and this one has {channels}.")
    if channels == 1:
        colours = table(_PALETTE)
        return np.concatenate([colours[(values[..., 0] * (len(colours) - 1)).astype(np.int64)], values], axis=-1)
    return values if channels == 4 else np.concatenate([values, (values @ np.float32(LUMA))[..., None]], axis=-1)


def _ball(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """1 inside of the unit ball, falling smoothly to 0 over the last quarter of the radius."""
    t = ((1 - torch.sqrt(x * x + y * y + z * z)) * 4).clamp_(0, 1)
    return (t * t * (3 - 2 * t)).float()


_ENVELOPES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "ball": _ball,
    "box": lambda x, y, z: torch.ones(()),
}
