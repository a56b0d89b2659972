"""Averages of a network's weights over training, their width chosen afterwards (Karras et al. 2024, arXiv:2312.02696,
section 3 and appendix C).

Two averages with power-function profiles p(tau) ∝ tau^gamma over [0, t] are kept while a network trains, and snapshots
of them. The average of any other width at the end is close to a linear combination of the snapshots.
"""

import copy

import numpy as np
import torch
from torch import Tensor, nn

WIDTHS = 0.05, 0.10
"""Relative standard deviations sigma_rel of the two profiles that are kept."""


def exponent(width: float) -> float:
    """The gamma of a profile with this relative standard deviation,
    sigma_rel² = (gamma + 1) / ((gamma + 2)² (gamma + 3)). width: above 0, up to 0.28."""
    return float(np.roots([1, 7, 16 - width**-2, 12 - width**-2]).real.max())


class PowerAverages:
    """The two averages of a network in training: call `add` after every step, `keep` some ten times."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.step = network, 0
        self.snapshots: list[tuple[int, float, list[Tensor]]] = []  # (step, gamma, weights)
        self.running = {exponent(width): [p.detach().clone() for p in network.parameters()] for width in WIDTHS}

    @torch.no_grad()
    def add(self) -> None:
        """Take in the weights after another step."""
        self.step += 1
        for gamma, weights in self.running.items():
            share = 1 - (1 - 1 / self.step) ** (gamma + 1)
            torch._foreach_lerp_(weights, list(self.network.parameters()), share)

    def keep(self) -> None:
        """Keep a snapshot of both."""
        for gamma, weights in self.running.items():
            self.snapshots.append((self.step, gamma, [w.clone() for w in weights]))

    @torch.no_grad()
    def of_width(self, width: float) -> nn.Module:
        """A copy of the network with the average of this width over all steps so far: of the combinations of the
        snapshots the one with the closest profile in the least squares."""
        here, gamma = [profile for *profile, _ in self.snapshots], exponent(width)
        products = torch.tensor([[_product(*a, *b) for b in here] for a in here], dtype=torch.float64)
        wanted = torch.tensor([_product(*a, self.step, gamma) for a in here], dtype=torch.float64)
        shares = torch.linalg.lstsq(products, wanted[:, None], driver="gelsd").solution[:, 0]
        averaged = copy.deepcopy(self.network).eval().requires_grad_(False)
        for parameter, *kept in zip(averaged.parameters(), *(w for *_, w in self.snapshots), strict=True):
            parameter.copy_(sum(share * weights.double() for share, weights in zip(shares, kept, strict=True)))
        return averaged


def _product(t_a: float, gamma_a: float, t_b: float, gamma_b: float) -> float:
    """The inner product of two profiles, the integral of p_a p_b."""
    # (gamma_a + 1) (gamma_b + 1) min^(gamma_a + gamma_b + 1) / (t_a^(gamma_a + 1) t_b^(gamma_b + 1) (sum + 1))
    least = min(t_a, t_b)
    powers = (least / t_a) ** (gamma_a + 1) * (least / t_b) ** (gamma_b + 1) / least
    return (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1) * powers
