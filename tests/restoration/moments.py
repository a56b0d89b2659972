"""Mean and covariance of a mixture of Gaussians."""

import torch


def mean_of(mixture):
    """(D,)."""
    return mixture.weights @ mixture.means


def cov_of(mixture):
    """(D, D)."""
    apart = mixture.means - mean_of(mixture)
    return torch.einsum("k,kij->ij", mixture.weights, mixture.covs + apart[:, :, None] * apart[:, None])
