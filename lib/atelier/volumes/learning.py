"""A network that learns a volume: an example to learn, what a step looks like, and the network as voxels.

`fields.fit` does the learning, as it does for pictures.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atelier.animation import Written
from atelier.drawing import Frame, side_by_side
from atelier.fields.fitting import FitStep
from atelier.fields.metrics import decibels
from atelier.fields.networks import as_field
from atelier.fields.plane import mesh, whole
from atelier.fields.rendering import evaluate
from atelier.fields.showing import charts
from atelier.volumes.files import as_values, read, volume_file
from atelier.volumes.generating import as_voxels, axes, coloured, on_plane
from atelier.volumes.showing import seen_from

_KNOT = 400  # places on the knot's curve
_TUBE, _SOFT, _RIPPLES = 0.17, 0.05, 36
_ENLARGED = 192
_PASSING = 40  # voxels along the longest side while a run goes on
_GROUND = np.array([16, 18, 26], np.float32)


def example(side: int = 64) -> Tensor:
    """A trefoil knot with ripples, its colour running along the curve: (side, side, side, 4) float32 in [0, 1], colour
    and density."""
    t = torch.linspace(0, 2 * math.pi, _KNOT + 1)[:-1]
    curve = torch.stack([t.sin() + 2 * (2 * t).sin(), t.cos() - 2 * (2 * t).cos(), -1.4 * (3 * t).sin()], 1) / 4
    zs, ys, xs = whole(side, side, side)
    rows = mesh(ys, xs)
    layers = []
    for z in zs:  # one layer at a time, (side², 400) distances
        apart, nearest = torch.cdist(F.pad(rows, (0, 1), value=float(z)), curve).min(1)
        angle = t[nearest]
        edge = _TUBE * (1 + 0.15 * (_RIPPLES * angle).cos())
        density = ((edge - apart) / _SOFT + 0.5).clamp(0, 1)
        hue = angle[:, None] + torch.tensor([0.0, 2.1, 4.2])
        layers.append(torch.cat([0.55 + 0.4 * hue.cos(), density[:, None]], 1).view(side, side, 4))
    return torch.stack(layers)


def prepared(source: str | Path | bytes | np.ndarray, name: str = "The volume", most: int = 96) -> Tensor:
    """A volume to learn, (D, H, W, C) float32 in [0, 1] with 1, 3 or 4 channels: a .npy file or a TIFF stack, the bytes
    of one that is called `name`, or an array. A side of more than `most` voxels is averaged down to it.

    Raises:
        UserError: as `read`, or another number of channels.
    """
    values = as_values(source, name) if isinstance(source, np.ndarray) else read(source, name)
    found = torch.from_numpy(np.ascontiguousarray(values))
    coloured(found[:1, :1, :1].numpy())
    sides, longest = found.shape[:3], max(found.shape[:3])
    if longest > most:
        smaller = [max(2, round(side * most / longest)) for side in sides]
        found = F.adaptive_avg_pool3d(found.movedim(-1, 0), smaller).movedim(0, -1)
    return found.contiguous()


def opening(volume: Tensor) -> Frame:
    """What there is to see before the first step: the volume (D, H, W, C)."""
    original, captions = _original(volume, "original")
    return Frame({"original": original, "network": np.full_like(original, 24)}, captions)


def _original(volume: Tensor, title: str) -> tuple[np.ndarray, dict[str, str]]:
    sides = volume.shape[:3]
    size = " × ".join(map(str, reversed(sides)))
    slices = [volume.cpu().narrow(cut, side // 2, 1) for cut, side in enumerate(sides)]
    return _joined(slices), {"original": f"{title}, {size} voxels, cut through the middle", "network": "network"}


def fit_panels(step: FitStep, full: bool = True) -> Frame:
    """Slices through the middle of the volume and of the network, and the curves so far; with `full` false only the
    network's slices."""
    field, now = as_field(step.trained).eval(), []
    for cut, side in enumerate(step.picture.shape[:3]):
        lines = list(whole(*step.picture.shape[:3]))
        lines[cut] = lines[cut][side // 2, None]
        now.append(evaluate(field, *lines))
    pictures, counted = {"network": _joined(now)}, {"total": step.total, "seconds": step.seconds}
    if not full:
        return Frame(pictures, step=step.step, **counted)
    measure = step.measure()
    original, captions = _original(step.picture, step.title)
    captions["network"] = f"network · {decibels(measure.psnr)} over the whole volume"
    return Frame({"original": original, **pictures}, captions, charts(step)[1:], step=step.step, **counted)


def _joined(slices: list[Tensor]) -> np.ndarray:
    """Slices (1, H, W, C), (D, 1, W, C) and (D, H, 1, C) as one picture (H, W, 3) uint8, over a dark ground."""
    tiles = []
    for cut, values in enumerate(slices):
        seen = coloured(values.squeeze(cut).numpy())  # (rows, columns, 4)
        shown = _GROUND + (255 * seen[..., :3] - _GROUND) * seen[..., 3:]
        times = max(1, _ENLARGED // max(shown.shape[:2]))
        tiles.append(np.rint(shown).astype(np.uint8).repeat(times, 0).repeat(times, 1))
    return side_by_side(tiles)


def network_voxels(network: nn.Module, sides: tuple[int, int, int], longest: int | None = None) -> np.ndarray:
    """A network as a volume (D, H, W, 4) uint8 of the shape of `sides`, by default of that size, or with `longest`
    voxels along its longest side."""
    size = [max(2, round(side * (longest or max(sides)) / max(sides))) for side in sides]
    return as_voxels(evaluate(as_field(network).eval(), *axes(sides, size)).numpy())


def network_slice(network: nn.Module, sides: tuple[int, int, int]) -> Callable[[int, float], np.ndarray]:
    """A function (axis, at) that draws the network itself on a plane across axis 0 (x), 1 (y) or 2 (z): (rows, columns,
    4) uint8. Columns and rows run along z and y, x and z, x and y."""
    field = as_field(network).eval()

    def on_grid(*lines: Tensor) -> np.ndarray:
        return (coloured(evaluate(field, *lines).numpy()) * 255 + 0.5).astype(np.uint8)

    return partial(on_plane, on_grid, sides)


def fit_view(volume: Tensor, step: FitStep | None, full: bool = True) -> dict[str, Any]:
    """What a `page.volume` shows of a fit, as the arguments of its `show`: the network of a step as voxels, and as
    itself on a cut; with `full` false as fewer voxels alone; before the first step the volume (D, H, W, C) to learn."""
    if step is None:
        voxels = as_voxels(volume.cpu().numpy())
        return {"voxels": voxels, "title": "The volume to learn", **seen_from(voxels)}
    sides, title = volume.shape[:3], f"The network after {step.step:,} steps"
    if not full:
        return {"voxels": partial(network_voxels, step.network, sides, min(_PASSING, max(sides))), "title": title}
    exact = network_slice(step.network, sides)
    return {"voxels": partial(network_voxels, step.network, sides), "exact": exact, "title": title}


def fit_file(step: FitStep, ending: str) -> Iterator[Written]:
    """The network of a step as a file in memory, as many voxels as it learned; ending: one of `ENDINGS`."""
    return volume_file(network_voxels(step.network, step.picture.shape[:3]), ending=ending)
