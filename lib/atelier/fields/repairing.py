"""Repair: a network learns the known pixels of a picture and draws the others; total variation does so beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from atelier.data.pictures import Picture
from atelier.drawing import Chart, Frame, Line
from atelier.errors import NotYet, UserError
from atelier.fields.catalogue import KNOWN
from atelier.fields.fitting import FitStep, fit, held_in
from atelier.fields.metrics import decibels, psnr_of
from atelier.fields.networks import pixels_of
from atelier.fields.plane import fitted_size
from atelier.fields.rendering import to_uint8
from atelier.settings import Choice
from atelier.steps import Around

TV_STEPS = 150
_TAU, _SIGMA = 0.05, 2.5
"""Of the primal and the dual step: tau · sigma · 8 is 1 at most, where 8 bounds the squared norm of the gradient."""
_LOST = 0.5


def known_pixels(picture: Picture | Tensor, which: str = "half", seed: int = 0, painted: Any = None) -> Tensor:
    """Which pixels of a picture are left to learn from: (H, W) bool.

    Args:
        which: a name of KNOWN. seed: of the random ones. painted: for "painted", (h, w) of any size, stretched over the
            picture; not zero where it is covered.

    Raises:
        UserError: an unknown name, a picture of less than 8 pixels a side, or nothing that is painted over.
    """
    Choice(tuple(KNOWN)).check("Known pixels", which)
    pixels = pixels_of(picture)
    height, width = pixels.shape[:2]
    if min(height, width) < 8:
        raise UserError("A picture to repair needs 8 pixels a side or more.")
    if which == "half":
        return held_in(pixels.cpu(), seed)
    if which == "tenth":
        return torch.rand(height, width, generator=Generator().manual_seed(seed)) < 0.1
    if which == "painted":
        if painted is None:
            raise NotYet("Nothing is covered; paint over a part of the picture.")
        covered = torch.as_tensor(painted)[None, None].float()
        return nn.functional.interpolate(covered, (height, width), mode="nearest")[0, 0] == 0
    known = torch.zeros(height, width, dtype=torch.bool)
    if which == "grid":
        known[::4, ::4] = True
    else:
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        known = x.square() + (y + 0.25).square() > 0.09
    return known


def small_picture(picture: Picture | Tensor, longer: int = 160) -> np.ndarray:
    """A picture of at most `longer` pixels along, to paint a mask on: (h, w, 3) uint8."""
    pixels = pixels_of(picture).cpu()
    height, width, channels = pixels.shape
    size = fitted_size(width, height, min(longer, max(height, width)))
    small = nn.functional.interpolate(pixels.permute(2, 0, 1)[None], size, mode="area")[0].permute(1, 2, 0)
    return to_uint8(small.expand(-1, -1, 3) if channels == 1 else small)


def total_variation(pixels: Tensor, known: Tensor, steps: int = TV_STEPS) -> Tensor:
    """The picture with the known pixels whose total variation is least: sum over pixels of the length of the gradient,
    colours together. By the primal-dual method of Chambolle & Pock (2011), algorithm 1; with known pixels held fixed it
    converges within 150 steps, some ten times as fast as proximal steps by a general solver.

    Args:
        pixels: (H, W, C) in [0, 1]. known: (H, W) bool; what the other pixels hold does not matter.

    Returns:
        (H, W, C) in [0, 1].

    Raises:
        UserError: no known pixel.
    """
    if not known.any():
        raise UserError("No pixel is known; leave some to learn from.")
    given = pixels.permute(2, 0, 1)  # (C, H, W)
    now = torch.where(known, given, given[:, known].mean(1)[:, None, None])
    ahead, dual = now, torch.zeros(2, *now.shape)
    for _ in range(steps):
        dual = dual + _SIGMA * _gradient(ahead)
        dual = dual / dual.square().sum((0, 1)).sqrt().clamp(min=1)
        last, now = now, torch.where(known, given, now + _TAU * _divergence(dual))
        ahead = 2 * now - last
    return now.clamp(0, 1).permute(1, 2, 0)


def _gradient(x: Tensor) -> Tensor:
    """(C, H, W) -> (2, C, H, W): differences to the pixel on the right and to the one below, 0 at the border."""
    across = nn.functional.pad(x.diff(dim=2), (0, 1))
    down = nn.functional.pad(x.diff(dim=1), (0, 0, 0, 1))
    return torch.stack([across, down])


def _divergence(p: Tensor) -> Tensor:
    """The negative adjoint of `_gradient`: (2, C, H, W) -> (C, H, W)."""
    across = nn.functional.pad(p[0, :, :, :-1], (1, 1)).diff(dim=2)
    down = nn.functional.pad(p[1, :, :-1], (0, 0, 1, 1)).diff(dim=1)
    return across + down


@dataclass(frozen=True)
class Repair(Around):
    """A moment of a repair. PSNRs are of the unknown pixels alone, in dB."""

    at: FitStep
    smooth: Tensor = field(repr=False)  # restored by total variation, (H, W, C)
    smooth_psnr: float
    curve: list[tuple[int, float]] = field(repr=False)  # step and PSNR of the network, where it was measured

    @property
    def psnr(self) -> float:
        """Of the network; a point of the curve is added."""
        found = self.at.measure().held_out_psnr
        if not self.curve or self.curve[-1][0] < self.step:
            self.curve.append((self.step, found))
        return found


def repair(network: nn.Module, picture: Picture | Tensor, known: Tensor, **training: Any) -> Iterator[Repair]:
    """Restore the unknown pixels of a picture: by total variation at once, and by a copy of the network that learns the
    known ones.

    Args:
        network, picture, training: as `fit` takes them. known: (H, W) bool.

    Raises:
        UserError: as `fit`; nothing or everything is known; a network that has learned already.
    """
    if getattr(network, "past", None):
        raise UserError("This network may have seen the hidden pixels; repair with a new one, without a checkpoint.")
    smooth, curve = None, []
    for step in fit(network, picture, known=known, **training):
        if smooth is None:
            pixels, seen = step.picture.cpu(), step.seen.cpu()
            smooth = total_variation(pixels, seen)
            smooth_psnr = psnr_of((smooth - pixels).square().mean(-1)[~seen].mean().item())
        yield Repair(step, smooth, smooth_psnr, curve)


def repair_panels(repaired: Repair, full: bool = True) -> Frame:
    """What is known, the two repairs, and the original; with `full` false only the network's picture."""
    step = repaired.at
    counted = {"step": step.step, "total": step.total, "seconds": step.seconds}
    if not full:
        return Frame({"network": to_uint8(step.render())}, **counted)
    original, seen, psnr = step.picture.cpu(), step.seen.cpu(), repaired.psnr
    pictures = {
        "known": torch.where(seen[..., None], original, torch.full((), _LOST)),
        "network": step.render(),
        "smooth": repaired.smooth,
        "original": original,
    }
    captions = {
        "known": f"known: {seen.float().mean():.0%} of the pixels",
        "network": f"network · {decibels(psnr)}",
        "smooth": f"total variation · {decibels(repaired.smooth_psnr)}",
        "original": "original",
    }
    steps, found = map(list, zip(*repaired.curve, strict=True))
    lines = [
        Line(steps, found, "network"),
        Line([steps[0], step.step], [repaired.smooth_psnr] * 2, "total variation"),
    ]
    chart = Chart("PSNR of the unknown pixels, dB", lines, digits=1, newest=False)
    return Frame({name: to_uint8(found) for name, found in pictures.items()}, captions, [chart], **counted)
