"""Gaussian mixtures over small pictures, whose denoiser and whose posterior are known in closed form."""

import torch
from atelier.diffusion.schedules import RectifiedFlow
from torch import Tensor, nn
from torch.distributions import MultivariateNormal


class Mixture(nn.Module):
    """A prior over pictures of `shape`: components N(mean, cov) with weights. Computes in float64.

    `forward` is the exact posterior mean of x0, given x_t = alpha x0 + sigma eps.
    """

    def __init__(self, means: Tensor, covs: Tensor, weights: Tensor, shape: tuple[int, ...], schedule=None) -> None:
        super().__init__()
        self.means, self.covs, self.weights = means.double(), covs.double(), weights.double()  # (K, D), (K, D, D), (K,)
        self.shape, self.schedule = shape, schedule or RectifiedFlow()

    def posterior(self, matrix: Tensor, y: Tensor, variance: float) -> "Mixture":
        """The mixture that is left when y = matrix x + N(0, variance) is known; y: (M,)."""
        noise = variance * torch.eye(len(y)).double()
        covs_y = matrix @ self.covs @ matrix.T + noise
        gain = self.covs @ matrix.T @ torch.linalg.inv(covs_y)  # (K, D, M)
        means = self.means + (gain @ (y - self.means @ matrix.T)[..., None])[..., 0]
        covs = self.covs - gain @ matrix @ self.covs
        likelihood = MultivariateNormal(self.means @ matrix.T, covs_y).log_prob(y)
        return Mixture(means, covs, (self.weights.log() + likelihood).softmax(0), self.shape, self.schedule)

    @property
    def mean(self) -> Tensor:
        return self.weights @ self.means

    @property
    def cov(self) -> Tensor:
        apart = self.means - self.mean
        return torch.einsum("k,kij->ij", self.weights, self.covs + apart[:, :, None] * apart[:, None])

    def forward(self, x_t: Tensor, t, label=None) -> Tensor:
        alpha, sigma = (float(rate.flatten()[0]) for rate in self.schedule.rates(x_t[:1].double(), t))
        x = x_t.flatten(1).double()
        covs = alpha**2 * self.covs + sigma**2 * torch.eye(x.shape[1]).double()
        apart = x[:, None] - alpha * self.means  # (N, K, D)
        solved = torch.einsum("kij,nkj->nki", torch.linalg.inv(covs), apart)
        means = self.means + alpha * torch.einsum("kij,nkj->nki", self.covs, solved)
        logits = self.weights.log() - (apart * solved).sum(-1) / 2 - torch.linalg.slogdet(covs).logabsdet / 2
        return torch.einsum("nk,nki->ni", logits.softmax(1), means).view(-1, *self.shape).to(x_t)

    def shares(self, samples: Tensor) -> Tensor:
        """(K,) share of samples (N, …) that lie nearest to each mean."""
        nearest = torch.cdist(samples.flatten(1).double(), self.means).argmin(1)
        return torch.bincount(nearest, minlength=len(self.means)) / len(samples)


def gaussian(mean: Tensor, cov: Tensor, shape: tuple[int, ...]) -> Mixture:
    return Mixture(mean[None], cov[None], torch.ones(1), shape)
