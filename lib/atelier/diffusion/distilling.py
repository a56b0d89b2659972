"""Distillation: a student learns to cover in one step what its teacher covers in several.

The *knots*, falling noise fractions, cut the way from noise to image into segments. A training image is mixed with
noise to the knot where a segment begins; the guided teacher walks from there to the next knot in small steps; and the
student learns the x0_hat whose one DDIM step ends at the same place. This is progressive distillation (Salimans & Ho
2022, arXiv:2202.00512) over segments of any length. The scale of guidance is an input of the student (Meng et al. 2023,
arXiv:2210.03142), see `Denoiser.guided_weights`, so one network call makes a step.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from atelier.diffusion.denoiser import DATA_RANGE, DEFAULT_GUIDANCE, DISTILLED_SCALES, Denoiser, are_knots
from atelier.diffusion.sampling import DPMSolverPP, Rates, ddim, knot_rates
from atelier.diffusion.training import Denoising, Recipe, TrainStep, train
from atelier.errors import UserError

KNOTS = {4: (1.0, 0.8, 0.6, 0.35), 2: (1.0, 0.5), 1: (1.0,)}
"""Steps of a student to its noise fractions."""
SHARE_AT_DEFAULT = 0.5
"""Of the images of a training step so many have the default scale of guidance; the others spread over all scales."""


@dataclass(eq=False)
class Distillation(Denoising):
    """The objective of a student.

    Args:
        teacher: a denoiser, which walks a segment in `walk` steps of DPM-Solver++, guided in the default interval; or a
            distilled one that has the student's knots and more, which takes its own steps.
    """

    teacher: Denoiser
    walk: int = 5

    def training_times(self, denoiser: Denoiser, n: int, generator: torch.Generator) -> Tensor:
        """(n,) times, one in each of n equal parts of the noise fractions, so that each segment has its fixed share of
        the batch. The segment of a time says at which knot the image is trained, its place within the segment says with
        which scale of guidance."""
        part = torch.arange(n, dtype=torch.float64)
        return denoiser.schedule.time_of(1 - (part + torch.rand(n, generator=generator, dtype=torch.float64)) / n)

    def loss(self, denoiser: Denoiser, x0: Tensor, eps: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """(N,) squared distances of the student's x0_hat from the one that ends where the teacher does."""
        fraction = denoiser.schedule.noise_fraction(t)
        x, wanted, times = torch.empty_like(x0), torch.empty_like(x0), torch.empty_like(fraction)
        weights = denoiser.label_weights(None, len(x0)).to(x0)
        for begin, end in pairwise(knot_rates(denoiser, denoiser.knots)):
            low, high = end.noise_fraction, begin.noise_fraction
            rows = ((fraction > low) & (fraction <= high)).nonzero()[:, 0]
            if not len(rows):
                continue
            scale = _scales((fraction[rows] - low) / (high - low)).to(x0)  # (M, 1)
            x[rows], times[rows] = begin.alpha * x0[rows] + begin.sigma * eps[rows], begin.t
            weights[rows] = denoiser.guided_weights(label[rows], len(rows), scale)
            with torch.no_grad():
                x_end = self._walk(x[rows], label[rows], weights[rows], scale, begin, end)
            # x_end = alpha_end x0_hat + sigma_end (x - alpha x0_hat) / sigma, solved for x0_hat
            kept = end.sigma / begin.sigma
            wanted[rows] = (x_end - kept * x[rows]) / (end.alpha - kept * begin.alpha)
        return (denoiser(x, times, weights) - wanted).square().mean((1, 2, 3))

    def _walk(self, x: Tensor, label: Tensor, weights: Tensor, scale: Tensor, begin: Rates, end: Rates) -> Tensor:
        """Where the teacher ends that begins at x."""
        teacher, (low, high) = self.teacher, DEFAULT_GUIDANCE.interval
        if teacher.knots:
            inner = [u for u in teacher.knots if end.noise_fraction + 1e-6 < u < begin.noise_fraction - 1e-6]
        else:
            inner = torch.linspace(begin.noise_fraction, end.noise_fraction, self.walk + 1)[1:-1].tolist()

        def predict(x: Tensor, t: float) -> Tensor:
            if teacher.knots:
                x0_hat = teacher(x, t, weights)
            elif low <= float(teacher.schedule.noise_fraction(torch.tensor(t))) <= high:
                x0_hat = teacher.extrapolated(x, t, label, scale[:, :, None, None])
            else:
                x0_hat = teacher(x, t, label)
            return x0_hat.clamp(*DATA_RANGE)

        step = ddim if teacher.knots else DPMSolverPP()
        for t, s in pairwise([begin, *knot_rates(teacher, inner)[:-1], end]):
            x, _ = step(predict, x, t, s, None)
        return x


def _scales(place: Tensor) -> Tensor:
    """(M,) places in [0, 1] to (M, 1) scales of guidance: a share at the default, the rest over all."""
    low, high = DISTILLED_SCALES
    spread = low + (high - low) * (place - SHARE_AT_DEFAULT) / (1 - SHARE_AT_DEFAULT)
    return torch.where(place < SHARE_AT_DEFAULT, DEFAULT_GUIDANCE.scale, spread)[:, None]


def distill(
    teacher: Denoiser,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    knots: Sequence[float] = KNOTS[4],
    walk: int = 5,
    **options: Any,
) -> Iterator[TrainStep]:
    """Distil `teacher` into a student with these knots, one TrainStep per optimiser step, as `train` does; the average
    of its last step is the student.

    Args:
        images, labels, recipe, options: as for `train`.
        knots: falling noise fractions, the first of them 1.
        walk: steps of the teacher in a segment; a distilled teacher takes its own.

    Raises:
        UserError: a teacher without labels, knots that do not fall from 1, or that a distilled teacher does not have;
            and as `train`.
    """
    knots = tuple(float(knot) for knot in knots)
    if not teacher.conditional:
        raise UserError("Distillation needs a network that knows labels; this one was trained without.")
    if not are_knots(knots):
        raise UserError("The knots of a distilled network must fall from 1 and stay above 0, for instance 1, 0.5.")
    if teacher.knots and not set(knots) < set(teacher.knots):
        raise UserError(f"This teacher has the knots {', '.join(map(str, teacher.knots))}; choose fewer of them.")
    student = copy.deepcopy(teacher).requires_grad_(True)
    student.knots = knots
    teacher = copy.deepcopy(teacher).eval().requires_grad_(False)
    return train(student, images, labels, recipe, objective=Distillation(teacher, walk), **options)
