"""Noise schedules: how much of the image and how much noise is left at time t.

Every schedule has the same time axis, t in [0, T]: t = 0 is the clean image, t = T the noisiest, and
x_t = alpha(t) x0 + sigma(t) eps with eps ~ N(0, I). A schedule is one class with a table of alpha at t = 0 … T and one
line in `catalogue.SCHEDULES`. Between grid points alpha is interpolated linearly, so times may be fractional.
"""

import inspect
import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from atelier.diffusion.catalogue import LARGEST_T, SCHEDULES
from atelier.errors import UserError
from atelier.settings import Choice, Number

SMALLEST_ALPHA_BAR = 1e-9
LARGEST_BETA = 0.999
"""Nichol & Dhariwal 2021, section 3.2: beta is clipped so that one step never forgets everything."""


@dataclass(eq=False)
class Schedule(ABC):
    """alpha(t) and sigma(t) for t in [0, T]. Subclasses give `name` and `_alphas()`, the float64 table of alpha at
    t = 0 … T, strictly falling from 1. Their fields are the options of `build_schedule`.

    Args:
        T: number of steps of the grid, 2 to 100,000.

    Raises:
        UserError: T is out of bounds, or the table does not fall at every step.
    """

    name: ClassVar[str]
    continuous: ClassVar[bool] = False  # whether sampling times need not be whole numbers
    T: int = 1000

    def __post_init__(self) -> None:
        self.T = Number(2, LARGEST_T, whole=True).check("T", self.T)
        self.alphas = self._alphas()  # (T + 1,)
        if not (self.alphas.diff() < 0).all():
            raise UserError(f"With T = {self.T:,} this schedule has no signal left long before its end; lower T.")

    @abstractmethod
    def _alphas(self) -> Tensor: ...

    @property
    def options(self) -> dict[str, Any]:
        """What `build_schedule` needs beside the name; JSON-able."""
        return asdict(self)

    def alpha(self, t: Tensor) -> Tensor:
        """Share of the image in x_t; t in [0, T] of any shape, result float64 of the same shape."""
        t = t.detach().to("cpu", torch.float64).clamp(0, self.T)
        low = t.floor().long().clamp(max=self.T - 1)
        return torch.lerp(self.alphas[low], self.alphas[low + 1], t - low)

    def sigma(self, t: Tensor) -> Tensor:
        """Share of the noise in x_t; float64, variance preserving: alpha² + sigma² = 1."""
        return self._sigma(self.alpha(t))

    def _sigma(self, alpha: Tensor) -> Tensor:
        return (1 - alpha.square()).clamp(min=0).sqrt()

    def _alpha_of(self, fraction: Tensor) -> Tensor:
        return (1 - fraction) / ((1 - fraction).square() + fraction.square()).sqrt()

    def noise_fraction(self, t: Tensor) -> Tensor:
        """sigma / (alpha + sigma) in [0, 1], the measure of noise that is finite at both ends."""
        alpha, sigma = self.alpha(t), self.sigma(t)
        return sigma / (alpha + sigma)

    def time_of(self, noise_fraction: Tensor) -> Tensor:
        """The time t in [0, T] with this `noise_fraction`, clamped to what the schedule spans."""
        fraction = noise_fraction.detach().to("cpu", torch.float64)
        alpha = self._alpha_of(fraction).clamp(float(self.alphas[-1]), 1)
        rising = self.alphas.flip(0)
        high = torch.searchsorted(rising, alpha.contiguous()).clamp(1, self.T)
        low = high - 1
        part = (alpha - rising[low]) / (rising[high] - rising[low])
        return self.T - (low + part)

    def snr(self, t: Tensor) -> Tensor:
        """Signal-to-noise ratio alpha² / sigma²; infinite at t = 0."""
        return self.alpha(t).square() / self.sigma(t).square()

    @property
    def betas(self) -> Tensor:
        """(T,) float64: beta_t = 1 - alpha_bar_t / alpha_bar_(t-1) for t = 1 … T (Ho et al. 2020)."""
        alpha_bars = self.alphas.square()  # (T + 1,)
        return 1 - alpha_bars[1:] / alpha_bars[:-1]

    @property
    def terminal_signal(self) -> float:
        """sqrt(alpha_bar_T): how much of the image is still in x_T. Sampling starts from pure noise, so this should be
        (near) zero; from 0.01 on the leak is worth a warning."""
        return float(self.alphas[-1])

    def rates(self, like: Tensor, t: Tensor | float) -> tuple[Tensor, Tensor]:
        """alpha and sigma at t, a number or (N,), shaped to scale images `like` (N, C, H, W)."""
        t = torch.as_tensor(t, dtype=torch.float64).expand(len(like))
        return self.alpha(t).to(like)[:, None, None, None], self.sigma(t).to(like)[:, None, None, None]

    def training_times(self, n: int, generator: torch.Generator) -> Tensor:
        """(n,) float64 times to train at: uniform on the grid 1 … T."""
        return torch.randint(1, self.T + 1, (n,), generator=generator).double()

    def sampling_times(self, steps: int) -> Tensor:
        """(steps + 1,) float64 times from T down to 0, evenly spaced; whole numbers as long as steps <= T, unless the
        schedule is continuous.

        The first is always T: "trailing" spacing, without which few steps start at the wrong noise level
        (Lin et al. 2023, arXiv:2305.08891, section 3.3).

        Raises:
            UserError: steps is not a whole number from 1 to 10,000.
        """
        steps = Number(1, 10_000, whole=True).check("Sampling steps", steps)
        times = torch.linspace(self.T, 0, steps + 1, dtype=torch.float64)
        return times if self.continuous or steps > self.T else times.round()


def _alphas_from_betas(betas: Tensor) -> Tensor:
    alpha_bars = torch.cumprod(1 - betas, 0)
    return torch.cat([torch.ones(1, dtype=torch.float64), alpha_bars.sqrt()])


@dataclass(eq=False)
class Linear(Schedule):
    """beta from `beta_1` to `beta_T` in a line (Ho et al. 2020, section 4).

    The constants are for T = 1000. With fewer steps and the same constants, x_T keeps part of the image
    (sqrt(alpha_bar_T) = 0.22 at T = 300); `rescale` multiplies beta by 1000 / T, which keeps the end where it was
    (Nichol & Dhariwal 2021, improved-diffusion's `scale`).
    """

    name = "linear"
    beta_1: float = 1e-4
    beta_T: float = 0.02
    rescale: bool = True

    def _alphas(self) -> Tensor:
        if not 0 < self.beta_1 <= self.beta_T < 1:
            raise UserError("beta must rise within 0 and 1; choose 0 < beta_1 <= beta_T < 1.")
        scale = 1000 / self.T if self.rescale else 1.0
        betas = torch.linspace(scale * self.beta_1, scale * self.beta_T, self.T, dtype=torch.float64)
        return _alphas_from_betas(betas.clamp(max=LARGEST_BETA))


class Cosine(Schedule):
    """alpha_bar = cos²((t/T + s) / (1 + s) · pi/2), normalised at 0 (Nichol & Dhariwal 2021, eq. 17)."""

    name = "cosine"
    s = 0.008

    def _alphas(self) -> Tensor:
        t = torch.arange(self.T + 1, dtype=torch.float64) / self.T
        f = ((t + self.s) / (1 + self.s) * math.pi / 2).cos().square()
        return _alphas_from_betas((1 - f[1:] / f[:-1]).clamp(max=LARGEST_BETA))


class Sigmoid(Schedule):
    """alpha_bar falls as a sigmoid from -3 to 3, normalised to [0, 1] (Jabri et al. 2022, algorithm 1)."""

    name = "sigmoid"
    start, end = -3.0, 3.0

    def _alphas(self) -> Tensor:
        t = torch.arange(self.T + 1, dtype=torch.float64) / self.T
        curve = (t * (self.end - self.start) + self.start).sigmoid()
        alpha_bars = (curve[-1] - curve) / (curve[-1] - curve[0])
        return alpha_bars.clamp(min=SMALLEST_ALPHA_BAR).sqrt()


class ZeroTerminalSNR(Schedule):
    """The linear schedule, shifted and stretched so that nothing of the image is left in x_T
    (Lin et al. 2023, arXiv:2305.08891, algorithm 1). The target must not be eps: eps at T says nothing of the image."""

    name = "zero_snr"

    def _alphas(self) -> Tensor:
        alphas = Linear(self.T).alphas
        first, last = alphas[1].clone(), alphas[-1].clone()
        stretched = (alphas[1:] - last) * first / (first - last)
        return torch.cat([alphas[:1], stretched])


class RectifiedFlow(Schedule):
    """The straight line from image to noise: alpha = 1 - t/T, sigma = t/T (Liu et al. 2022, arXiv:2209.03003).
    Training times are logit-normal(0, 1) and continuous (Esser et al. 2024, arXiv:2403.03206, section 3.1); T only
    sets the unit of time."""

    name = "flow"
    continuous = True

    def _alphas(self) -> Tensor:
        return 1 - torch.arange(self.T + 1, dtype=torch.float64) / self.T

    def _sigma(self, alpha: Tensor) -> Tensor:
        return 1 - alpha

    def _alpha_of(self, fraction: Tensor) -> Tensor:
        return 1 - fraction

    def training_times(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, generator=generator).double().sigmoid() * self.T


def build_schedule(name: str, **options: Any) -> Schedule:
    """The schedule called `name`; options are T and, for linear, beta_1, beta_T and rescale.

    Raises:
        UserError: there is no such schedule or no such option, or a value is out of bounds.
    """
    Choice(tuple(SCHEDULES)).check("The schedule", name)
    kind = SCHEDULES[name].load()
    if odd := sorted(options.keys() - inspect.signature(kind).parameters.keys()):
        raise UserError(f"The {name} schedule does not take {', '.join(odd)}; leave it out, or check the spelling.")
    return kind(**options)
