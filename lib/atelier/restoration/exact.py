"""The exact denoiser of a finite set of pictures, and how far a network is from it.

If x0 is one of the pictures p_1 … p_K with equal chance and x_t = alpha x0 + sigma eps, then

    E[x0 | x_t] = sum_k w_k p_k,  w = softmax(-‖x_t - alpha p_k‖² / (2 sigma²))

(Karras et al. 2022, arXiv:2206.00364, appendix B.3; DeepInv has it as `models.MMSE`). No denoiser has a smaller error
on these pictures, and it can draw nothing else. A network that is worse on them, but better on new ones, has
generalised.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from atelier.data.digits import load_digits
from atelier.diffusion.denoiser import DATA_RANGE, to_model
from atelier.diffusion.models import Model
from atelier.diffusion.sampling import knot_rates
from atelier.diffusion.schedules import Schedule
from atelier.drawing import Chart, Frame, Line
from atelier.errors import UserError
from atelier.restoration.sampling import Prior
from atelier.settings import Number

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Noise fractions sigma / (alpha + sigma) that are compared."""
_ROWS, _POOL = 64, 10_000
_SMALLEST = 1e-5  # of what a chart on a scale of ratios shows


class ExactDenoiser(nn.Module):
    """The mean of the clean picture, given a noisy one, if it is one of `images`: forward(x_t, t, label) -> x0_hat.

    Args:
        images: (K, 28, 28) uint8, kept as they are. labels: (K,), for those who ask with a label.
        schedule: gives alpha(t) and sigma(t).
    """

    conditional = True

    def __init__(self, images: Tensor, labels: Tensor, schedule: Schedule) -> None:
        super().__init__()
        if not len(images):
            raise UserError("An exact denoiser needs pictures; give at least one.")
        self.images, self.labels, self.schedule = images.flatten(1), labels, schedule

    @torch.no_grad()
    def forward(self, x_t: Tensor, t: Tensor | float, label: Tensor | None = None) -> Tensor:
        """x_t: (N, 1, 28, 28). label: None, or (N,); then only pictures of that label count. (N, 1, 28, 28) float32."""
        alpha, sigma = (rate.flatten(1) for rate in self.schedule.rates(x_t, t))  # (N, 1) each
        return torch.cat(
            [
                self._means(x_t[rows].flatten(1), alpha[rows], sigma[rows], None if label is None else label[rows])
                for rows in torch.arange(len(x_t)).split(_ROWS)
            ]
        ).view_as(x_t)

    def _means(self, x: Tensor, alpha: Tensor, sigma: Tensor, label: Tensor | None) -> Tensor:
        """(n, 784) means, the softmax taken over one part of the pictures after another."""
        variance = sigma.square().clamp(min=1e-12)
        most = torch.full((len(x), 1), -torch.inf)
        total, mean = torch.zeros(len(x), 1), torch.zeros_like(x)
        for first in range(0, len(self.images), _POOL):
            pool = self.images[first : first + _POOL].float() / 127.5 - 1  # (P, 784)
            logits = (alpha * (x @ pool.T) - alpha.square() * pool.square().sum(1) / 2) / variance  # (n, P)
            if label is not None:
                logits[label[:, None] != self.labels[first : first + _POOL]] = -torch.inf
            higher = torch.maximum(most, logits.amax(1, keepdim=True))
            scale, weights = (most - higher).exp().nan_to_num(0), (logits - higher).exp().nan_to_num(0)
            total = total * scale + weights.sum(1, keepdim=True)
            mean = mean * scale + weights @ pool
            most = higher
        return mean / total


@dataclass(frozen=True)
class Comparison:
    """Mean squared errors per pixel of x0_hat, pictures in [-1, 1], at the noise fractions done so far."""

    step: int  # from 1
    fractions: list[float]
    errors: dict[str, list[float]] = field(repr=False)

    @property
    def progress(self) -> float:
        return self.step / len(FRACTIONS)


def compare(model: Model, *, n: int = 100, seed: int = 0) -> Iterator[Comparison]:
    """The network and the exact denoiser of its training pictures, both without labels, on n pictures of each split,
    one noise level a step.

    Raises:
        UserError: n out of bounds.
    """
    n = Number(1, 5_000, whole=True).check("The number of pictures of each split", n)
    splits = {"training": load_digits(model.dataset), "test": load_digits(model.dataset, "test")}
    denoiser, generator = model.denoiser, torch.Generator().manual_seed(seed)
    network = Prior(denoiser)
    exact = ExactDenoiser(splits["training"].images, splits["training"].labels, denoiser.schedule)
    picks = {
        name: to_model(split.images[torch.randperm(len(split.images), generator=generator)[:n]])
        for name, split in splits.items()
    }
    errors: dict[str, list[float]] = {}
    for k, level in enumerate(knot_rates(denoiser, FRACTIONS)[:-1], 1):
        for split, x0 in picks.items():
            x_t = level.alpha * x0 + level.sigma * torch.randn(x0.shape, generator=generator)
            for name, denoise in (("network", network), ("exact", exact)):
                error = (denoise(x_t, level.t).clamp(*DATA_RANGE) - x0).square().mean().item()
                errors.setdefault(f"{name}, {split} digits", []).append(error)
        yield Comparison(k, list(FRACTIONS[:k]), {name: list(found) for name, found in errors.items()})


def comparison_panels(at: Comparison, full: bool = True) -> Frame:
    """The errors so far."""
    lines = [Line(at.fractions, [max(value, _SMALLEST) for value in found], name) for name, found in at.errors.items()]
    chart = Chart("Squared error per pixel", lines, digits=4, log=True, over="noise fraction", height=180, newest=False)
    return Frame({}, {}, [chart], step=at.step, total=f"of {len(FRACTIONS)} noise levels")


def comparison_words(at: Comparison) -> str:
    """What the figure says, computed from its numbers."""
    new, exact_new = at.errors["network, test digits"], at.errors["exact, test digits"]
    own = at.errors["network, training digits"]
    better = [f for f, a, b in zip(at.fractions, new, exact_new, strict=True) if a < b]
    if better:
        first = (
            f"On digits that neither has seen the network has the smaller error at noise fractions {min(better):g} to "
            f"{max(better):g}: it knows strokes, where the exact denoiser knows whole training digits only."
        )
    else:
        first = "On digits that neither has seen the exact denoiser has the smaller error at every noise fraction here."
    gap = sum(a / b for a, b in zip(new, own, strict=True)) / len(own)
    second = (
        f"The network's error on new digits is {gap:.2f} times that on training digits, on average over the noise "
        f"fractions: {'it has hardly memorised any' if gap < 1.15 else 'it remembers some of them'}."
    )
    return f"{first} {second}"
