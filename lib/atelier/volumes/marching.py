"""Ray marching in PyTorch: pictures of baked volumes, and turntables.

Emission and absorption along a ray (Max, "Optical models for direct volume rendering", 1995, section 5): in a step of
length dt through density a, the light that passes is exp(-opacity a dt). Samples are trilinear and lie in the middle of
their steps. The interval of each ray is cut to the box and the clipping plane first, so that flat faces are exact.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from atelier import animation, drawing
from atelier.fields.plane import axis
from atelier.fields.plane import check_size as check_picture
from atelier.settings import Number
from atelier.volumes.catalogue import Camera, Look
from atelier.volumes.generating import check_voxels

RAYS = 1 << 14
"""Rays that are marched together."""
FRAMES = Number(2, 360, whole=True)
_LAST_LIGHT = 1 / 512  # a ray through which less light passes is finished
_LOOK_AROUND = 8  # steps after which finished rays are put aside
_TOWARDS_LIGHT = -0.45, -0.6, -0.66  # to the upper left, from the viewer: right, down, forward


@torch.inference_mode()
def march(
    voxels: np.ndarray,
    camera: Camera = Camera(),  # noqa: B008 (frozen)
    look: Look = Look(),  # noqa: B008
    size: tuple[int, int] = (400, 400),
    *,
    step: float = 1.0,
) -> np.ndarray:
    """A picture (H, W, 3) uint8 of a volume (D, H, W, 4) uint8.

    size: (width, height) in pixels. step: length of a step in voxels. Raises UserError: not a volume, a value out of
    bounds."""
    size, step = check_picture(size), Number(0.1, 10).check("The step in voxels", step)
    check_voxels(voxels)
    depth, height, width = voxels.shape[:3]
    longest = max(depth, height, width)
    half = torch.tensor([width, height, depth], dtype=torch.float32) / longest  # of the box, (x, y, z)
    grid = _grid(voxels, camera, look)
    origins, directions = _rays(camera, *size)
    near, far = _interval(origins, directions, half, look)
    ray = _RAYS[look.mode]
    ground = torch.tensor(look.ground, dtype=torch.float32) / 255
    out = ground.repeat(len(origins), 1) if look.mode == "absorption" else torch.zeros(len(origins), 3)
    for part in (far > near).nonzero()[:, 0].split(RAYS):
        length = far[part] - near[part]
        count = max(1, int(torch.ceil(length.max() * longest / 2 / step)))
        out[part] = ray(
            grid, _Bundle(origins[part], directions[part], near[part], length / count, count, half), look, ground
        )
    return out.mul_(255).add_(0.5).clamp_(0, 255).to(torch.uint8).reshape(size[1], size[0], 3).numpy()


@dataclass
class _Bundle:
    """Rays that are marched together: origins and directions (R, 3), where they enter and how long a step is (R,)."""

    origins: Tensor
    directions: Tensor
    near: Tensor
    dt: Tensor
    count: int
    half: Tensor

    def at(self, k: int) -> Tensor:
        """The middles of step k, (R, 3), the box as [-1, 1]^3."""
        along = torch.addcmul(self.near, self.dt, torch.tensor(k + 0.5))
        return torch.addcmul(self.origins, self.directions, along[:, None]).div_(self.half)

    def kept(self, rays: Tensor) -> "_Bundle":
        return replace(
            self, origins=self.origins[rays], directions=self.directions[rays], near=self.near[rays], dt=self.dt[rays]
        )


def absorption(grid: Tensor, rays: _Bundle, look: Look, ground: Tensor) -> Tensor:
    """Emission and absorption, from front to back: (R, 3)."""
    colours, light = torch.zeros(len(rays.near), 3), torch.ones(len(rays.near), 1)
    here = torch.arange(len(rays.near))  # of the rays that are still under way
    c, t = colours.clone(), light.clone()
    for k in range(rays.count):
        found = _sampled(grid, rays.at(k))  # (R, 4)
        a = _windowed(found[:, 3:], look)
        if not a.any():
            continue
        passed = torch.exp(a * (-look.opacity * rays.dt[:, None]))
        c.addcmul_(found[:, :3], t * (1 - passed))
        t.mul_(passed)
        if k % _LOOK_AROUND == _LOOK_AROUND - 1:
            open_ = (t[:, 0] > _LAST_LIGHT).nonzero()[:, 0]
            if len(open_) < 0.8 * len(here):
                colours[here], light[here] = c, t
                here, rays, c, t = here[open_], rays.kept(open_), c[open_], t[open_]
                if not len(here):
                    break
    colours[here], light[here] = c, t
    return colours + light * ground


def maximum(grid: Tensor, rays: _Bundle, look: Look, ground: Tensor) -> Tensor:
    """The greatest density on each ray, from black to white over the window: (R, 3)."""
    greatest = torch.zeros(len(rays.near), 1)
    for k in range(rays.count):
        torch.maximum(greatest, _sampled(grid, rays.at(k)), out=greatest)
    return _windowed(greatest, look).expand(-1, 3)


_RAYS: dict[str, Callable[[Tensor, _Bundle, Look, Tensor], Tensor]] = {"absorption": absorption, "maximum": maximum}


def _windowed(density: Tensor, look: Look) -> Tensor:
    return ((density - look.low) / (look.high - look.low)).clamp_(0, 1)


def _sampled(grid: Tensor, places: Tensor) -> Tensor:
    """Trilinear values (R, C) of a grid (1, C, D, H, W) at places (R, 3), the box as [-1, 1]^3."""
    found = F.grid_sample(grid, places[None, :, None, None], padding_mode="border", align_corners=False)
    return found[0, :, :, 0, 0].T  # (1, C, R, 1, 1) -> (R, C)


def _grid(voxels: np.ndarray, camera: Camera, look: Look) -> Tensor:
    """What is sampled, (1, C, D, H, W) float32 in [0, 1]: colour and density, or the density alone."""
    if look.mode == "maximum":
        return torch.from_numpy(voxels[..., 3:].copy()).movedim(-1, 0)[None].float().div_(255)
    planes = torch.from_numpy(voxels).movedim(-1, 0).float().div_(255)  # (4, D, H, W)
    if look.light:
        planes[:3] *= 1 - look.light + look.light * _shade(planes[3], camera)
    return planes[None]


def _shade(density: Tensor, camera: Camera) -> Tensor:
    """Lambert's shading (D, H, W) of the surfaces of equal density, for a light that goes with the camera, from 0.3 to
    1.3: normals are the gradients of the density."""
    right, down, forward = (torch.tensor(axis) for axis in camera.basis())
    a, b, c = _TOWARDS_LIGHT
    x, y, z = F.normalize(a * right + b * down + c * forward, dim=0).tolist()
    gz, gy, gx = torch.gradient(density)
    steep = torch.sqrt(gx * gx + gy * gy + gz * gz).clamp_min_(1e-4)
    facing = gx.mul_(-x).addcmul_(gy, torch.tensor(-y)).addcmul_(gz, torch.tensor(-z)).div_(steep)
    return facing.clamp_min_(0).add_(0.3)


def _rays(camera: Camera, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Origins and unit directions (H·W, 3) as (x, y, z) of the rays through the pixels, row by row."""
    right, down, forward = (torch.tensor(axis) for axis in camera.basis())
    half_pixel = 1 / (camera.zoom * min(width, height))
    across, below = axis(0.0, half_pixel, width).float(), axis(0.0, half_pixel, height).float()
    targets = (below[:, None, None] * down + across[None, :, None] * right).reshape(-1, 3)
    if not camera.perspective:
        return targets - 4 * forward, forward.expand_as(targets)
    eye = forward * (-1 / np.tan(np.radians(camera.perspective) / 2))
    return eye.expand_as(targets), F.normalize(targets - eye, dim=1)


def _interval(origins: Tensor, directions: Tensor, half: Tensor, look: Look) -> tuple[Tensor, Tensor]:
    """Where each ray enters and leaves what is seen of the box, (R,) each; empty where it leaves before it enters."""
    safe = torch.where(directions.abs() < 1e-9, 1e-9, directions)
    first, second = (-half - origins) / safe, (half - origins) / safe
    near, far = torch.minimum(first, second).amax(1).clamp_min_(0), torch.maximum(first, second).amin(1)
    if look.clip:
        normal = torch.tensor(look.clip.normal, dtype=torch.float32)
        slope, room = directions @ normal, look.clip.offset - origins @ normal
        crossing = room / torch.where(slope.abs() < 1e-9, 1e-9, slope)
        near = torch.where(slope < -1e-9, torch.maximum(near, crossing), near)
        far = torch.where(slope > 1e-9, torch.minimum(far, crossing), far)
        far = torch.where((slope.abs() <= 1e-9) & (room < 0), near, far)
    return near, far


@dataclass(frozen=True)
class Turn:
    """Frame `step` of `total` of a turntable, (H, W, 3) uint8."""

    step: int
    total: int
    pixels: np.ndarray = field(repr=False)

    @property
    def progress(self) -> float:
        """In [0, 1]."""
        return self.step / self.total


def turntable(
    voxels: np.ndarray,
    camera: Camera = Camera(),  # noqa: B008
    look: Look = Look(),  # noqa: B008
    size: tuple[int, int] = (256, 256),
    *,
    frames: int = 36,
) -> Iterator[Turn]:
    """The volume turned once around its vertical axis, from where the camera stands; the loop has no seam. Raises
    UserError: not a volume, a value out of bounds."""
    frames = FRAMES.check("The number of frames", frames)
    for k in range(frames):
        turned = replace(camera, azimuth=camera.azimuth + 360 * k / frames)
        yield Turn(k + 1, frames, march(voxels, turned, look, size))


def turntable_file(
    voxels: np.ndarray, *where: object, fps: int = 18, ending: str = ".webp", frames: int = 36
) -> Iterator[animation.Written]:
    """A turntable as a file in memory (".webp", ".gif", ".png" or ".mp4"): the last step has its bytes as `data`.
    where: camera, look and size as `turntable` takes them."""
    turns = (turn.pixels for turn in turntable(voxels, *where, frames=frames))
    return animation.encode(ending, turns, fps, count=frames)


def still_file(voxels: np.ndarray, *where: object) -> bytes:
    """A picture of a volume as PNG. where: camera, look and size as `march` takes them."""
    return drawing.encoded(march(voxels, *where))
