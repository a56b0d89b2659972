"""Mixtures of Gaussians, whose denoiser and whose posterior after a linear measurement are known in closed form."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from atelier.diffusion.schedules import RectifiedFlow, Schedule


@dataclass(eq=False)
class Mixture:
    """A prior over pictures of `shape`, D numbers each: components N(mean, cov) with weights. Computes in float64.

    A call is the exact denoiser: the mean of x0, given x_t = alpha x0 + sigma eps.

    Args:
        means: (K, D). covs: (K, D, D). weights: (K,), not negative; they are divided by their sum.
        labels: (K,) whole numbers, the label of each component; all 0 where there are none.
    """

    means: Tensor
    covs: Tensor
    weights: Tensor
    shape: tuple[int, ...]
    labels: Tensor | None = None
    schedule: Schedule = field(default_factory=RectifiedFlow)

    def __post_init__(self) -> None:
        self.means, self.covs = self.means.double(), self.covs.double()
        self.weights = self.weights.double() / self.weights.double().sum()
        if self.labels is None:
            self.labels = torch.zeros(len(self.means), dtype=torch.long)

    def __call__(self, x_t: Tensor, t: Tensor | float, label: Tensor | None = None) -> Tensor:
        """x_t: (N, *shape), all at one time t. label: (N,), to count only components of that label, or None."""
        alpha, sigma = (float(rate.flatten()[0]) for rate in self.schedule.rates(x_t[:1].double(), t))
        x = x_t.flatten(1).double()
        covs = alpha**2 * self.covs + sigma**2 * torch.eye(x.shape[1]).double()
        apart = x[:, None] - alpha * self.means  # (N, K, D)
        solved = torch.einsum("kij,nkj->nki", torch.linalg.inv(covs), apart)
        means = self.means + alpha * torch.einsum("kij,nkj->nki", self.covs, solved)
        logits = self.weights.log() - (apart * solved).sum(-1) / 2 - torch.linalg.slogdet(covs).logabsdet / 2
        if label is not None:
            logits = logits.masked_fill(label[:, None] != self.labels, -torch.inf)
        return torch.einsum("nk,nki->ni", logits.softmax(1), means).view(-1, *self.shape).to(x_t)

    def posterior(self, matrix: Tensor, y: Tensor, variance: float) -> "Mixture":
        """The mixture that is left when y = matrix x + N(0, variance) is known; matrix: (M, D), y: (M,)."""
        noise = variance * torch.eye(len(y)).double()
        covs_y = matrix @ self.covs @ matrix.T + noise
        gain = self.covs @ matrix.T @ torch.linalg.inv(covs_y)  # (K, D, M)
        means = self.means + (gain @ (y - self.means @ matrix.T)[..., None])[..., 0]
        covs = self.covs - gain @ matrix @ self.covs
        likelihood = MultivariateNormal(self.means @ matrix.T, covs_y).log_prob(y)
        return replace(self, means=means, covs=covs, weights=(self.weights.log() + likelihood).softmax(0))

    def told(self, label: int) -> "Mixture":
        """The components of one label."""
        return replace(self, weights=self.weights * (self.labels == label))

    def density(self, places: Tensor) -> Tensor:
        """(N,) at places (N, D)."""
        places, inverse = places.double(), torch.linalg.inv(self.covs)
        pulled = torch.einsum("kij,kj->ki", inverse, self.means)  # (K, D)
        squares = (places[:, :, None] * places[:, None]).flatten(1) @ inverse.flatten(1).T  # (N, K), as products of
        squares = squares - 2 * places @ pulled.T + (pulled * self.means).sum(1)  # matrices: (N, K, D) is slow
        logdets = torch.linalg.slogdet(2 * math.pi * self.covs).logabsdet
        return (self.weights.log() - (squares + logdets) / 2).logsumexp(1).exp()

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, D) samples."""
        picks = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        scales = torch.linalg.cholesky(self.covs)[picks]
        fresh = torch.randn(n, self.means.shape[1], dtype=torch.float64, generator=generator)
        return self.means[picks] + (scales @ fresh[..., None])[..., 0]

    def label_of(self, samples: Tensor) -> Tensor:
        """(N,) the label of the component whose mean is nearest, for each of the samples (N, …)."""
        return self.labels[torch.cdist(samples.flatten(1).double(), self.means).argmin(1)]


@dataclass(frozen=True)
class Line:
    """The physics of one measured number, A x = direction · x; y: (N, 1). It has what methods ask of DeepInv's.

    Args:
        direction: (D,) of length 1. shape: of a picture of D numbers.
    """

    direction: Tensor
    shape: tuple[int, ...]

    def A(self, x: Tensor) -> Tensor:
        return x.flatten(1).double() @ self.direction[:, None]

    def A_adjoint(self, y: Tensor) -> Tensor:
        return (y * self.direction).view(-1, *self.shape)

    A_dagger = A_adjoint  # since A A^T = 1

    def prox_l2(self, z: Tensor, y: Tensor, gamma: float) -> Tensor:
        """argmin gamma ‖A x - y‖² / 2 + ‖x - z‖² / 2."""
        return z + self.A_adjoint(y - self.A(z)) * (gamma / (1 + gamma))
