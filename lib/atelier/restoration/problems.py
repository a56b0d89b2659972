"""What is measured, y = A x + noise, with DeepInv's physics as A.

Pictures are in [-1, 1], as the denoisers have them. Readers give noise in grey values from 0 to 1; `Problem.sigma` is
in the units of the pictures, twice as large. DeepInv takes seconds to import, so a measurement is made without it, and
its physics when a method needs it.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from atelier.diffusion.denoiser import SIZE, to_model, to_uint8
from atelier.errors import NotYet, UserError
from atelier.paths import given_path
from atelier.restoration.catalogue import BREAKS, MOST_NOISE, TASKS, breaks_of
from atelier.seeds import mixed_seed
from atelier.settings import Choice, Number

SHRINK = 4
_HALVES = {"left": np.s_[..., :14], "right": np.s_[..., 14:], "top": np.s_[:, :14], "bottom": np.s_[:, 14:]}
_SMALLEST_SIGMA = 2e-3
"""A measurement without noise counts as one with half a grey level of it: its likelihood must have a width."""


@dataclass(frozen=True)
class Problem:
    """A measurement of pictures x.

    Args:
        make: gives a linear physics with `A`, `A_adjoint`, `A_dagger` and `prox_l2`, such as DeepInv's, in float64: its
            weights on prior and measurement differ by up to 1e10.
        y: what was measured, float64 (N, …), or (1, …) for one measurement that all samples share.
        sigma: standard deviation of its Gaussian noise, in the units of y.
        shape: of one picture, (C, H, W).
        mask: of pixels that are measured one by one, float (1, H, W), 1 where known; None for other physics.
        kind: name of the physics, which methods that need a certain one ask for.
    """

    make: Callable[[], Any] = field(repr=False)
    y: Tensor = field(repr=False)
    sigma: float
    shape: tuple[int, ...] = (1, SIZE, SIZE)
    mask: Tensor | None = field(default=None, repr=False)
    kind: str = ""

    @property
    def physics(self) -> Any:
        """A."""
        return self.make()

    @property
    def variance(self) -> float:
        """Of the noise; never quite 0."""
        return max(self.sigma, _SMALLEST_SIGMA) ** 2

    def part(self, rows: slice) -> "Problem":
        """The problem of some of the pictures."""
        return self if len(self.y) == 1 else replace(self, y=self.y[rows])

    def residual(self, x: Tensor) -> Tensor:
        """y - A x, in float64."""
        return self.y - self.physics.A(x.double())

    def nearest(self, x: Tensor, variance: float) -> Tensor:
        """The mean of the picture if it is N(x, variance I) before it is measured:
        argmin ‖y - A z‖² / sigma² + ‖z - x‖² / variance."""
        y = self.y.expand(len(x), *self.y.shape[1:])
        return self.physics.prox_l2(x.double(), y, variance / self.variance).to(x)

    def consistency(self, x: Tensor) -> Tensor:
        """(N,) root mean square of y - A x over what is measured, in grey values from 0 to 1: near the noise for a
        picture that fits."""
        squares = self.residual(x).square()
        measured = squares[0].numel() if self.mask is None else int(self.mask.sum()) * self.shape[0]
        return (squares.flatten(1).sum(1) / measured).sqrt() / 2

    def shown(self) -> Tensor:
        """What was measured as pictures, (N, 28, 28) uint8: grey where nothing is known, small pictures enlarged."""
        y = self.y if self.mask is None else torch.where(self.mask.bool(), self.y, 0.0)
        factor = self.shape[-1] // y.shape[-1]
        return to_uint8(y.repeat_interleave(factor, -1).repeat_interleave(factor, -2))


def measure(
    images: Tensor, task: str = "mask", *, noise: float = 0.05, seed: int = 0, painted: Any = None, **options: Any
) -> Problem:
    """Break pictures.

    Args:
        images: (N, 28, 28) uint8.
        task: a name in `TASKS`.
        noise: standard deviation of the noise in grey values from 0 to 1.
        seed: of the noise and of random pixels; picture k has noise of its own.
        painted: for the task "painted", the pixels to cover, (28, 28), not zero where covered.
        options: for the task, see `BREAKS`.

    Raises:
        UserError: an unknown task or option, a number out of bounds, a mask that covers everything, an empty picture.
    """
    noise = Number(0, MOST_NOISE).check("Noise in grey values", noise)
    if task == "noise" and noise == 0:
        raise UserError("Without noise this task leaves the digit as it is; choose more noise, or another task.")
    if images.shape[1:] != (SIZE, SIZE) or images.dtype != torch.uint8:
        raise UserError(f"Pictures to break must be (N, {SIZE}, {SIZE}) uint8.")
    if not bool(images.flatten(1).any(1).all()):
        raise UserError("The drawing is empty; draw a digit first.")
    if task not in TASKS:
        raise UserError(f"There is no task {task!r}; choose one of {', '.join(TASKS)}.")
    for name in options:  # those of other tasks do nothing here
        Choice(tuple(BREAKS)).check("What a task is asked for beside", name)
    given = {name: control.check(name, options.get(name, control.default)) for name, control in breaks_of(task).items()}
    kind, x = TASKS[task].physics, to_model(images).double()
    mask = _known(task, seed, painted, **given) if kind == "Inpainting" else None
    kernel = _gaussian(given["blur"]) if kind == "BlurFFT" else None
    y = _measured(kind, x, mask, kernel)
    generators = [torch.Generator().manual_seed(mixed_seed(seed, 7_000 + k)) for k in range(len(images))]
    fresh = torch.stack([torch.randn(y.shape[1:], generator=generator) for generator in generators])
    y = y + 2 * noise * (fresh if mask is None else fresh * mask)
    make = functools.cache(functools.partial(_physics, kind, mask, kernel))
    return Problem(make, y, 2 * noise, mask=mask, kind=kind)


def _known(task: str, seed: int, painted: Any, side: str = "", kept: float = 1.0, every: int = 1) -> Tensor:
    """(1, 28, 28) float mask of a task, 1 where the pixel is measured."""
    mask = torch.ones(1, SIZE, SIZE)
    match task:
        case "mask":
            mask[_HALVES[side]] = 0
        case "painted":
            mask[0] = _uncovered(painted)
        case "pixels":
            generator = torch.Generator().manual_seed(mixed_seed(seed, 6_000))
            mask = (torch.rand(mask.shape, generator=generator) < kept).float()
        case "columns":
            mask[:] = (torch.arange(SIZE) % every == every // 2).float()
    if not mask.any():
        raise UserError("The mask covers everything, so nothing is measured; leave some pixels uncovered.")
    return mask


def _uncovered(painted: Any) -> Tensor:
    """(28, 28) of what was not painted over."""
    covered = torch.zeros(SIZE, SIZE) if painted is None else torch.as_tensor(painted)
    if covered.shape != (SIZE, SIZE):
        raise UserError(f"A painted mask must be {SIZE} x {SIZE} pixels, and this one is {tuple(covered.shape)}.")
    if not covered.any():
        raise NotYet("Nothing is covered; paint over a part of the digit.")
    return (covered == 0).float()


def read_pixels(path: str) -> Tensor:
    """A picture file as (28, 28) uint8 grey values: a digit, white on black, or a mask, white where covered.

    Raises:
        UserError: there is no such file, or it is no picture.
    """
    try:
        with Image.open(given_path(path)) as picture:
            small = picture.convert("L").resize((SIZE, SIZE), Image.Resampling.BOX)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as a picture; give a PNG of {SIZE} x {SIZE} pixels.") from error
    return torch.from_numpy(np.array(small))


def pseudo_inverse(problem: Problem) -> Tensor:
    """A^+ y, the smallest picture that fits best, (N, 1, 28, 28) in [-1, 1]; what is unknown is middle grey."""
    return problem.physics.A_dagger(problem.y).float().clamp(-1, 1)


def _measured(kind: str, x: Tensor, mask: Tensor | None, kernel: Tensor | None) -> Tensor:
    """A x of pictures (N, 1, 28, 28), as DeepInv's physics of this kind has it."""
    match kind:
        case "Inpainting":
            return mask * x
        case "BlurFFT":
            return F.conv2d(F.pad(x, [kernel.shape[-1] // 2] * 4, "circular"), kernel)
        case "Downsampling":
            return F.avg_pool2d(x, SHRINK)
    return x


def _physics(kind: str, mask: Tensor | None, kernel: Tensor | None) -> Any:
    """DeepInv's physics of this kind, for one grey picture of 28 x 28 pixels."""
    import deepinv.physics as physics

    shape = (1, SIZE, SIZE)
    match kind:
        case "Inpainting":
            return physics.Inpainting(img_size=shape, mask=mask.double())
        case "BlurFFT":
            return physics.BlurFFT(img_size=shape, filter=kernel)
        case "Downsampling":
            mean = torch.zeros(1, 1, SHRINK + 2, SHRINK + 2).double()
            mean[..., :SHRINK, :SHRINK] = 1 / SHRINK**2  # placed so that the blocks are those of avg_pool2d
            return physics.Downsampling(img_size=shape, filter=mean, factor=SHRINK)
    return physics.Denoising()


def _gaussian(spread: float) -> Tensor:
    """(1, 1, K, K) float64 Gaussian filter that sums to 1; spread: its standard deviation in pixels."""
    reach = min(round(3 * spread) + 1, SIZE // 2 - 1)
    line = torch.exp(-torch.arange(-reach, reach + 1).double().square() / (2 * spread**2))
    line = line / line.sum()
    return torch.outer(line, line)[None, None]
