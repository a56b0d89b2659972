"""Ray marching in PyTorch: pictures of baked volumes, and turntables.

Emission and absorption along a ray (Max, "Optical models for direct volume rendering", 1995, section 5): in a step of
length dt through density a, the light that passes is exp(-opacity a dt). Samples are trilinear and lie in the middle of
their steps. The interval of each ray is cut to the box first, so that flat faces are exact.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from atelier.cppn.threads import in_order
from atelier.fields.plane import Window
from atelier.fields.plane import check_size as check_picture
from atelier.settings import Number
from atelier.volumes.catalogue import Camera, Look
from atelier.volumes.generating import check_voxels

RAYS, STEPS = 4096, 8
"""Rays, and steps of each, that are evaluated together."""
BLOCK = 8
"""Voxels along a block that is passed over if nothing is to be seen in it."""
FRAMES = Number(2, 360, whole=True)
_LAST_LIGHT = 1 / 512  # a ray through which less light passes is finished
_FLAT = 2 / 255  # a change of density from voxel to voxel that rounding alone can make
_TOWARDS_LIGHT = -0.45, -0.6, -0.66  # to the upper left, from the viewer: right, down, forward


@torch.inference_mode()
def march(
    voxels: np.ndarray,
    camera: Camera = Camera(),  # noqa: B008 (frozen)
    look: Look = Look(),  # noqa: B008
    size: tuple[int, int] = (400, 400),
) -> np.ndarray:
    """A picture (H, W, 3) uint8 of a volume (D, H, W, 4) uint8.

    size: (width, height) in pixels. A step is a voxel long. Raises UserError: not a volume, a value out of bounds."""
    size = check_picture(size)
    longest = max(check_voxels(voxels).shape[:3])
    scene = _Scene(voxels, camera, look)
    half = torch.tensor(voxels.shape[2::-1], dtype=torch.float32) / longest  # of the box, (x, y, z)
    origins, directions = _rays(camera, *size)
    near, far = _interval(origins, directions, half)
    origins, directions = origins / half, directions / half  # from here on the box is [-1, 1]^3

    @torch.inference_mode()
    def draw(part: Tensor) -> Tensor:
        length = far[part] - near[part]
        count = max(1, math.ceil(length.max().item() * longest / 2))
        return _MARCHES[look.mode](scene, _Rays(origins[part], directions[part], near[part], length / count, count))

    out = torch.tensor(look.ground if look.mode == "absorption" else (0, 0, 0)).div(255).repeat(len(origins), 1)
    parts = (far > near).nonzero()[:, 0].split(RAYS)
    for part, colours in zip(parts, in_order(draw, parts), strict=True):
        out[part] = colours
    return out.mul_(255).add_(0.5).clamp_(0, 255).to(torch.uint8).reshape(size[1], size[0], 3).numpy()


@dataclass
class _Rays:
    """Rays that are marched together: origins and directions (R, 3), where they enter and how long a step is (R,), and
    the number of steps."""

    origins: Tensor
    directions: Tensor
    near: Tensor
    dt: Tensor
    count: int

    def places(self) -> Iterator[Tensor]:
        """The middles of the next few steps, (R·K, 3), ray by ray."""
        for first in range(0, self.count, STEPS):
            steps = torch.arange(first, min(first + STEPS, self.count)) + 0.5
            along = torch.addcmul(self.near[:, None], self.dt[:, None], steps)[..., None]  # (R, K, 1)
            yield torch.addcmul(self.origins[:, None], self.directions[:, None], along).reshape(-1, 3)

    def keep(self, rays: Tensor) -> None:
        """Go on with these rays only."""
        self.origins, self.directions = self.origins[rays], self.directions[rays]
        self.near, self.dt = self.near[rays], self.dt[rays]


class _Scene:
    """What is marched through: values (1, C, D, H, W) float32 in [0, 1], colours and density or the density alone where
    only that is seen, and the blocks of voxels in which anything is to be seen."""

    def __init__(self, voxels: np.ndarray, camera: Camera, look: Look) -> None:
        self.look = look
        if look.mode == "maximum":
            self.values = torch.from_numpy(voxels[None, None, ..., 3].copy()).float().div_(255)
        else:
            values = torch.tensor(voxels).float().div_(255)  # (D, H, W, 4): the numbers of a voxel lie side by side
            if look.light:
                values[..., :3] *= (1 - look.light + look.light * _shade(values[..., 3], camera))[..., None]
            self.values = values.movedim(-1, 0)[None]
        sides = self.values.shape[2:]
        pad = [n for side in reversed(sides) for n in (0, -side % BLOCK + 1)]
        padded = F.pad(self.values[:, -1:].contiguous(), pad, mode="replicate")
        # a sample between two blocks reads the first voxel of the next one
        blocks = F.max_pool3d(padded, BLOCK + 1, BLOCK)[0, 0] > look.low
        self._seen, (_, rows, columns) = blocks.flatten(), blocks.shape
        self._steps = torch.tensor([1, columns, rows * columns], dtype=torch.int32)
        self._sides = torch.tensor(sides[::-1], dtype=torch.float32)

    def seen(self, places: Tensor) -> Tensor:
        """The indices (M,) of the places (N, 3) that lie in blocks where anything is to be seen."""
        index = torch.addcmul(self._sides / 2 - 0.5, places, self._sides / 2)  # of voxels
        index = torch.minimum(index.clamp_min_(0), self._sides - 1).div_(BLOCK).int()
        return self._seen[index.mul_(self._steps).sum(1)].nonzero()[:, 0]

    def sampled(self, places: Tensor) -> Tensor:
        """Trilinear values at places (M, 3): (M, C)."""
        found = F.grid_sample(self.values, places[None, :, None, None], padding_mode="border", align_corners=False)
        return found[0, :, :, 0, 0].T  # (1, C, M, 1, 1) -> (M, C)

    def windowed(self, density: Tensor) -> Tensor:
        return ((density - self.look.low) / (self.look.high - self.look.low)).clamp_(0, 1)


def absorption(scene: _Scene, rays: _Rays) -> Tensor:
    """Emission and absorption, from front to back: (R, 3)."""
    total = len(rays.near)
    colours, light = torch.zeros(total, 3), torch.ones(total)
    here = torch.arange(total)  # the rays that are still under way
    for places in rays.places():
        seen = scene.seen(places)
        if not len(seen):
            continue
        values = scene.sampled(places[seen])  # (M, 4)
        dense = torch.zeros(len(places))
        dense[seen] = scene.windowed(values[:, 3])
        passed = torch.exp(dense.view(len(here), -1) * (-scene.look.opacity * rays.dt[:, None]))  # (R, K)
        after = passed.cumprod(1) * light[here, None]
        before = torch.cat([light[here, None], after[:, :-1]], dim=1)
        emitted = (before - after).flatten()[seen, None] * values[:, :3]
        colours.index_add_(0, here[seen // passed.shape[1]], emitted)
        light[here] = after[:, -1]
        lit = after[:, -1] > _LAST_LIGHT
        if lit.sum() < 0.8 * len(here):
            here = here[lit]
            rays.keep(lit)
            if not len(here):
                break
    return torch.addcmul(colours, light[:, None], torch.tensor(scene.look.ground) / 255)


def maximum(scene: _Scene, rays: _Rays) -> Tensor:
    """The greatest density on each ray, from black to white over the window: (R, 3)."""
    greatest = torch.zeros(len(rays.near))
    for places in rays.places():
        seen, found = scene.seen(places), torch.zeros(len(places))
        found[seen] = scene.sampled(places[seen])[:, 0]
        greatest = torch.maximum(greatest, found.view(len(greatest), -1).amax(1))
    return scene.windowed(greatest)[:, None].expand(-1, 3)


_MARCHES: dict[str, Callable[[_Scene, _Rays], Tensor]] = {"absorption": absorption, "maximum": maximum}


def _shade(density: Tensor, camera: Camera) -> Tensor:
    """Lambert's shading (D, H, W) of the surfaces of equal density, for a light that goes with the camera, from 0.3 to
    1.3: normals are the gradients of the density, and where that is flat nothing is shaded (1)."""
    right, down, forward = (torch.tensor(axis) for axis in camera.basis())
    a, b, c = _TOWARDS_LIGHT
    x, y, z = F.normalize(a * right + b * down + c * forward, dim=0).tolist()
    gz, gy, gx = torch.gradient(density)
    steep = torch.sqrt(gx * gx + gy * gy + gz * gz)
    facing = (gx * x + gy * y + gz * z).neg_().div_(steep + 1e-6).clamp_min_(0).add_(0.3)
    return facing.sub_(1).mul_(steep / (steep + _FLAT)).add_(1)


def _rays(camera: Camera, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Origins and unit directions (H·W, 3) as (x, y, z) of the rays through the pixels, row by row."""
    right, down, forward = (torch.tensor(axis) for axis in camera.basis())
    below, across = (line.float() for line in Window(zoom=camera.zoom, spans="shorter").axes(height, width))
    targets = (below[:, None, None] * down + across[None, :, None] * right).reshape(-1, 3)
    if not camera.perspective:
        return targets - 4 * forward, forward.expand_as(targets)
    eye = forward * (-1 / np.tan(np.radians(camera.perspective) / 2))
    return eye.expand_as(targets), F.normalize(targets - eye, dim=1)


def _interval(origins: Tensor, directions: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Where each ray enters and leaves the box, (R,) each; empty where it leaves before it enters."""
    safe = torch.where(directions.abs() < 1e-9, 1e-9, directions)
    first, second = (-half - origins) / safe, (half - origins) / safe
    return torch.minimum(first, second).amax(1).clamp_min_(0), torch.maximum(first, second).amin(1)


def turntable(
    voxels: np.ndarray,
    camera: Camera = Camera(),  # noqa: B008
    look: Look = Look(),  # noqa: B008
    size: tuple[int, int] = (256, 256),
    *,
    frames: int = 36,
) -> Iterator[np.ndarray]:
    """Pictures (H, W, 3) uint8 of the volume turned once around its vertical axis, from where the camera stands; the
    loop has no seam. Raises UserError: not a volume, a value out of bounds."""
    frames = FRAMES.check("The number of frames", frames)
    for k in range(frames):
        yield march(voxels, replace(camera, azimuth=camera.azimuth + 360 * k / frames), look, size)
