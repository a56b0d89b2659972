"""The same methods and samplers in two dimensions, where everything can be seen.

The distributions are mixtures of narrow Gaussians, so that the denoiser, the posterior after a measured line, and
therefore every error of a method is known exactly. Points are pictures of shape (1, 1, 2), x to the right, y upwards.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier.diffusion.catalogue import SAMPLERS
from atelier.diffusion.sampling import sampler_of
from atelier.diffusion.schedules import Schedule
from atelier.errors import UserError
from atelier.restoration.catalogue import PLANE_OPTIONS, PLANES, method_title
from atelier.restoration.mixtures import Line, Mixture
from atelier.restoration.problems import Problem
from atelier.restoration.sampling import PosteriorStep, posterior_samples
from atelier.settings import Choice, Number
from atelier.steps import Around

SHAPE = (1, 1, 2)
MOST_POINTS = 2000
_TRAILS = 30
_STEPS = 50


def distribution(name: str = "moons", drawn: Any = None) -> Mixture:
    """A distribution in the plane by its name in `PLANES`; its labels number its parts.

    Args:
        drawn: for "drawn", a picture (H, W) or (1, H, W) of which the bright pixels are likely.

    Raises:
        UserError: an unknown name, a picture that is missing or dark.
    """
    Choice(tuple(PLANES)).check("The distribution", name)
    if name == "drawn":
        return _of_ink(drawn)
    if name == "islands":
        means = torch.tensor([[-0.9, -0.5], [0.9, -0.6], [0.1, 1.0]])
        spreads = torch.tensor([0.3, 0.22, 0.16])
        covs = spreads.square()[:, None, None] * torch.eye(2)
        return Mixture(means, covs, torch.tensor([0.5, 0.3, 0.2]), SHAPE, torch.arange(3))
    if name == "moons":
        angles = torch.linspace(0, math.pi, 24)
        upper = torch.stack([angles.cos() - 0.5, angles.sin() - 0.2], 1)
        lower = torch.stack([0.5 - angles.cos(), 0.2 - angles.sin()], 1)
        return _narrow(torch.cat([upper, lower]), 0.08, torch.arange(2).repeat_interleave(24))
    turns = torch.linspace(0.15, 1, 40).sqrt()
    arm = (1.5 * turns)[:, None] * torch.stack([(2.2 * math.pi * turns).cos(), (2.2 * math.pi * turns).sin()], 1)
    return _narrow(torch.cat([arm, -arm]), 0.06, torch.arange(2).repeat_interleave(40))


def _narrow(means: Tensor, spread: float, labels: Tensor, weights: Tensor | None = None) -> Mixture:
    """Round components of one width."""
    covs = (spread**2 * torch.eye(2)).expand(len(means), 2, 2)
    return Mixture(means, covs, torch.ones(len(means)) if weights is None else weights, SHAPE, labels)


def _of_ink(drawn: Any) -> Mixture:
    ink = torch.as_tensor(np.asarray(drawn if drawn is not None else 0)).double().squeeze(0)
    if ink.ndim != 2 or not (ink > 0).any():
        raise UserError("There is nothing drawn above; draw something, or choose another distribution.")
    rows, columns = ink.nonzero(as_tuple=True)
    side = max(ink.shape)
    middle = (torch.tensor(ink.shape) - 1) / 2
    means = torch.stack([columns - middle[1], middle[0] - rows], 1) * (3.2 / side)
    return _narrow(means, 1.6 / side, torch.zeros(len(means), dtype=torch.long), ink[rows, columns])


@dataclass(frozen=True)
class Guided:
    """A denoiser under classifier-free guidance (Ho & Salimans 2022): x0_hat + (scale - 1) (x0_hat - x0_hat without a
    label)."""

    denoiser: Any
    scale: float

    @property
    def schedule(self) -> Schedule:
        return self.denoiser.schedule

    def __call__(self, x_t: Tensor, t: Any, label: Tensor | None = None) -> Tensor:
        found = self.denoiser(x_t, t, label)
        if label is None or self.scale == 1:
            return found
        return found + (self.scale - 1) * (found - self.denoiser(x_t, t))


@dataclass(frozen=True)
class PlaneStep(Around):
    """State after one step: points over a distribution."""

    name: str
    prior: Mixture = field(repr=False)
    target: Mixture = field(repr=False)  # what the points should follow at the end
    problem: Problem | None = field(repr=False)  # the line measured, if any
    by: str  # title of the method
    at: PosteriorStep = field(repr=False)
    trail: list[Tensor] = field(repr=False)  # (M, 2) of the first points, from the noise to now

    @property
    def points(self) -> Tensor:
        """(N, 2) float64, as they are now."""
        return self.at.x_t.flatten(1).double()


def sample_plane(
    name: str = "moons",
    method: str | Callable[..., tuple[Tensor, Tensor]] = "pigdm",
    *,
    angle: float = PLANE_OPTIONS["angle"].default,
    value: float = PLANE_OPTIONS["value"].default,
    plane_noise: float = PLANE_OPTIONS["plane_noise"].default,
    part: str = "none",
    guidance: float = 1.0,
    samples: int = 300,
    plane_steps: int | None = None,
    seed: int = 0,
    drawn: Any = None,
) -> Iterator[PlaneStep]:
    """Turn noise into points of a distribution, or of its posterior after a line was measured, one step each.

    Args:
        name: of the distribution, see `distribution`. drawn: for "drawn".
        method: a name in METHODS, or a function (see `methods`), to sample the posterior; a name in SAMPLERS to sample
            the distribution itself.
        angle, value, plane_noise: cos(angle) x + sin(angle) y + noise is measured to be this value; angle in degrees.
        plane_steps: by default those of the method.
        part: name of the part that is told, or "none". guidance: weight of this label.

    Raises:
        UserError: an unknown name, a number out of bounds.
    """
    prior = distribution(name, drawn)
    Choice(("none", *PLANES[name].parts)).check("The label", part)
    label = None if part == "none" else PLANES[name].parts.index(part)
    PLANE_OPTIONS["guidance"].check("guidance", guidance)
    samples = Number(1, MOST_POINTS, whole=True).check("The number of points", samples)
    known = prior if label is None else prior.told(label)
    problem, posterior = _measured(known, angle=angle, value=value, plane_noise=plane_noise)
    free = isinstance(method, str) and method in SAMPLERS
    sampler = sampler_of(method) if free else None
    step = (lambda prior, problem, *place: sampler(prior, *place)) if free else method
    run = posterior_samples(
        Guided(prior, guidance),
        problem,
        n=samples,
        method=step,
        label=label,
        steps=plane_steps or (_STEPS if callable(step) else None),
        seed=seed,
        clip=False,
        batch=MOST_POINTS,
    )
    trail: list[Tensor] = []
    for at in run:
        trail.append(at.x_t[:_TRAILS].flatten(1).double())
        target, line = (known, None) if free else (posterior, problem)
        yield PlaneStep(name, prior, target, line, method_title(method), at, trail)


def _measured(prior: Mixture, **options: float) -> tuple[Problem, Mixture]:
    """The problem of a measured line, and the posterior; options: angle, value and plane_noise."""
    angle, value, spread = (PLANE_OPTIONS[name].check(name, given) for name, given in options.items())
    direction = torch.tensor([math.cos(math.radians(angle)), math.sin(math.radians(angle))], dtype=torch.float64)
    line, y = Line(direction, SHAPE), torch.tensor([[value]], dtype=torch.float64)
    problem = Problem(lambda: line, y, spread, SHAPE, kind="Line")
    return problem, prior.posterior(direction[None], y[0], problem.variance)
