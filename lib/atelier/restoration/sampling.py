"""Posterior sampling as an iterator of steps: one loop for all methods of `catalogue.METHODS`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from atelier.devices import Format
from atelier.diffusion.denoiser import DATA_RANGE, Denoiser, format_of, to_uint8
from atelier.diffusion.sampling import Rates, SampleStep, knot_rates, own_step, rates_at
from atelier.errors import UserError
from atelier.restoration import methods
from atelier.restoration.catalogue import METHODS, TASKS, fitting
from atelier.restoration.problems import Problem
from atelier.seeds import mixed_seed
from atelier.settings import Number

MOST_SAMPLES = 10_000
_SMALLEST_ALPHA = 2e-3
"""Where sampling begins: at alpha = 0 the measurement has no slope yet."""
_LEVELS = 6.0, 0.03
"""First and last noise level sigma / alpha of a method with geometric levels."""

Direction = Callable[[Tensor, Problem], Tensor]


@dataclass(frozen=True)
class PosteriorStep(SampleStep):
    """State after one step; pictures are (N, C, H, W)."""

    @property
    def estimate(self) -> Tensor:
        """The samples as far as they are known: x0_hat on the way, x_t at the end."""
        return self.x_t if self.last else self.x0_hat

    @property
    def images(self) -> Tensor:
        """`estimate` as uint8 (N, 28, 28)."""
        return to_uint8(self.estimate)


def posterior_samples(
    denoiser: Any,
    problem: Problem,
    *,
    n: int | None = None,
    method: str | Callable[..., tuple[Tensor, Tensor]] = "pigdm",
    label: int | None = None,
    steps: int | None = None,
    strength: float | None = None,
    seed: int = 0,
    clip: bool = True,
    batch: int = 100,
) -> Iterator[PosteriorStep]:
    """Draw pictures that could have been measured, one PosteriorStep per step.

    Args:
        denoiser: the prior, in eval mode: a `Denoiser`, or any module with a `schedule` and
            `forward(x_t, t, label) -> x0_hat`.
        problem: one measurement for all samples, or as many as samples.
        n: number of samples; by default as many as measurements.
        method: a name in `METHODS`, or a function (see `methods`).
        label: the label that the prior is told, None for none.
        steps, strength: by default those of the method.
        seed: sample k draws all its noise from (seed, k) alone.
        clip: whether x0_hat is clipped to [-1, 1].
        batch: pictures per network call, which bounds the memory.

    Raises:
        UserError: a number out of bounds, a method that does not fit the physics, a prior of another size, a label for
            a prior without labels, a distilled network.
    """
    measured = len(problem.y)
    n = Number(1, MOST_SAMPLES, whole=True).check("The number of samples", measured if n is None else n)
    if measured not in (1, n):
        raise UserError(f"With {measured} measured pictures there must be as many samples, and not {n}.")
    step, steps, options, geometric = _method(method, problem, steps, strength)
    grid = _levels(denoiser, steps, geometric)
    labels = None if label is None else torch.full((n,), int(label))
    prior = Prior(denoiser, problem, labels, steps, clip, batch)
    generators = [torch.Generator().manual_seed(mixed_seed(seed, k)) for k in range(n)]

    def noise() -> Tensor:
        fresh = torch.stack([torch.randn(problem.shape, generator=generator) for generator in generators])
        return fresh.to(problem.y.device)

    x, began = grid[0].sigma * noise(), time.perf_counter()
    for k, (t, s) in enumerate(pairwise(grid), 1):
        x_s, x0_hat = step(prior, problem, x, t, s, noise, **options)
        yield PosteriorStep(k, steps, t, s, time.perf_counter() - began, prior.calls, x, x0_hat, x_s)
        x = x_s


def _method(method: Any, problem: Problem, steps: int | None, strength: float | None) -> tuple:
    """The function of a method, its steps and options, and whether its levels are geometric; UserError where it does
    not fit."""
    if callable(method):
        return own_step(method, "method", 2), steps or 50, {} if strength is None else {"strength": strength}, False
    if method not in METHODS:
        raise UserError(f"There is no method {method!r}; choose one of {', '.join(METHODS)}.")
    found = METHODS[method]
    if not found.suits(problem.kind):
        fits = ", ".join(task.title for task in TASKS.values() if task.physics in found.fits)
        raise UserError(
            f"{found.title} does not fit this measurement; it fits {fits}. For this one choose one of "
            f"{fitting(problem.kind)}."
        )
    steps, strength = found.filled(steps, strength)
    Number(*found.strength[1:]).check(f"The strength of {found.title}", strength)
    return getattr(methods, method), steps, {"strength": strength}, found.geometric


def _levels(denoiser: Any, steps: int, geometric: bool) -> list[Rates]:
    """The falling noise levels of a run, and 0."""
    schedule, times = denoiser.schedule, denoiser.schedule.sampling_times(steps)
    if geometric:
        ratios = torch.linspace(*torch.tensor(_LEVELS, dtype=torch.float64).log().tolist(), steps).exp()
        return knot_rates(denoiser, (ratios / (1 + ratios)).tolist())
    if float(schedule.alpha(times[:1])) < _SMALLEST_ALPHA:
        first = float(schedule.time_of(torch.tensor(1 - _SMALLEST_ALPHA)))
        early = times >= first
        times[early] = torch.linspace(first, float(times[~early][0]), int(early.sum()) + 1, dtype=times.dtype)[:-1]
    return rates_at(schedule, times)


@dataclass
class Prior:
    """The denoiser as a method sees it: x0_hat for all pictures, in batches, on the denoiser's device and in its
    fastest format. `label`: (N,), what it is told of each picture, None for nothing. Raises UserError: a distilled
    network."""

    denoiser: Any
    problem: Problem | None = None
    label: Tensor | None = None
    steps: int = 0  # of the run
    clip: bool = True
    batch: int = 100
    calls: int = 0  # so far

    def __post_init__(self) -> None:
        if getattr(self.denoiser, "knots", ()):
            raise UserError("A distilled network knows a few noise levels only; choose one that was not distilled.")
        self.format = Format()
        if isinstance(self.denoiser, Denoiser):
            self.format = format_of(self.denoiser)
            self.denoiser = self.format.laid_out(self.denoiser)

    @torch.no_grad()
    def __call__(self, x: Tensor, t: float) -> Tensor:
        """x0_hat, clipped where that is asked for."""
        self.calls += 1
        return self.clipped(torch.cat([self._believe(x[rows], t, rows) for rows in self._parts(x)]))

    def pulled(self, x: Tensor, t: float, direction: Direction) -> tuple[Tensor, Tensor]:
        """x0_hat, not clipped, and J^T direction(x0_hat, problem) with J = d x0_hat / d x."""
        self.calls += 1
        found, slopes = [], []
        for rows in self._parts(x):
            with torch.enable_grad():
                part = x[rows].detach().requires_grad_()
                x0_hat = self._believe(part, t, rows)
            wanted = direction(x0_hat.detach(), self.problem.part(rows))
            slopes.append(torch.autograd.grad(x0_hat, part, wanted)[0])
            found.append(x0_hat.detach())
        return torch.cat(found), torch.cat(slopes)

    def clipped(self, x0_hat: Tensor) -> Tensor:
        return x0_hat.clamp(*DATA_RANGE) if self.clip else x0_hat

    def _parts(self, x: Tensor) -> list[slice]:
        return [slice(first, first + self.batch) for first in range(0, len(x), self.batch)]

    def _believe(self, x: Tensor, t: float, rows: slice) -> Tensor:
        device = getattr(self.denoiser, "device", x.device)
        label = None if self.label is None else self.label[rows].to(device)
        wanted = f"The prior must denoise pictures of {tuple(x.shape[1:])}; choose one of that size"
        try:
            with self.format.autocast(device):
                x0_hat = self.denoiser(x.to(device), t, label).to(x.device)
        except RuntimeError as error:
            raise UserError(f"{wanted} ({error}).") from error
        if x0_hat.shape != x.shape:
            raise UserError(f"{wanted}; it gave {tuple(x0_hat.shape[1:])}.")
        return x0_hat
