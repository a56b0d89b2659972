"""Muon, the optimiser of the matrices of a network."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from atelier.devices import has_fast_bfloat16

NARROW = 32
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients: steepest at 0, and every singular value ends between 0.7 and 1.2 rather than at 1."""


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates (Jordan et al. 2024, "Muon: an optimizer for hidden layers"): all
    directions of a matrix move alike, also those whose gradients are small.

    Takes matrices and convolution kernels, read as (out, in · k · k). Updates are scaled to a root mean square:
    with 0.2, that of AdamW's updates, one rate serves both (Liu et al. 2025, arXiv:2502.16982, eq. 4).

    torch.optim.Muon refuses convolutions, goes matrix by matrix, and always computes in bfloat16, which is slow
    where it is emulated; here matrices of one shape go together, in bfloat16 only where that is faster.

    Args:
        params: parameters of two or more dimensions, or groups of them.
        lr: rate.
        momentum: share of the past in the running mean of gradients (Nesterov's form).
        weight_decay: decoupled, as AdamW's.
        rms: root mean square of an update at rate 1 (roughly: see QUINTIC).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        rms: float = 0.2,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "rms": rms})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[Any, ...], list[nn.Parameter]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[(len(p), p.numel(), p.device)].append(p)
            for parameters in alike.values():
                self._move(parameters, group)

    def _move(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        gradients, momentum = [p.grad for p in parameters], group["momentum"]
        for p in parameters:
            if not self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        means = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_lerp_(means, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, means, momentum)
        updates = orthogonalised(torch.stack([u.flatten(1) for u in ahead]))  # (K, out, in · k · k)
        rate = group["lr"] * group["rms"] * max(updates.shape[1:]) ** 0.5
        for p, update in zip(parameters, updates.to(parameters[0].dtype), strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update.view_as(p), alpha=-rate)


def orthogonalised(matrices: Tensor, iterations: int = 5) -> Tensor:
    """(K, m, n) matrices with their singular values brought near 1 and their singular vectors kept.

    Five Newton-Schulz iterations of degree five; a zero matrix stays zero.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)  # now no singular value exceeds 1
    if has_fast_bfloat16(x.device.type):
        x = x.bfloat16()
    for _ in range(iterations):
        gram = x @ x.mT  # (K, m, m)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def matrices_of(network: nn.Module) -> list[nn.Parameter]:
    """What Muon takes of a network: weights with 32 or more rows and columns (channels in and out). Biases,
    norms, and the thin layers at the ends, whose rows mean pixels or labels, are left to Adam."""
    return [p for p in network.parameters() if p.ndim >= 2 and min(p.shape[:2]) >= NARROW]
