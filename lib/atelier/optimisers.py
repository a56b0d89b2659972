"""Muon, the optimiser of the matrices of a network, and Adam without torch's compiler."""

import inspect
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

NARROW, WIDE = 32, 256
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients: steepest at 0, so that after five iterations all singular values but those below some 0.002
of the norm lie between 0.68 and 1.2, rather than at 1."""
ITERATIONS = 5
MOST_TOGETHER = 2**22
"""Entries of matrices that are moved at once, which bounds the memory."""


class _Eager(torch.optim.Optimizer):
    """An optimiser that does not import torch's compiler, which takes 4 s. torch 2.15 wraps these methods so that the
    compiler leaves them alone; nothing here is compiled."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class Adam(_Eager, torch.optim.Adam):
    """torch.optim.Adam, ready at once."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(_Eager, torch.optim.AdamW):
    """torch.optim.AdamW, ready at once."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class Muon(_Eager):
    """Momentum with orthogonalised updates (Jordan et al. 2024, "Muon: an optimizer for hidden layers"): all
    directions of a matrix move alike, also those whose gradients are small.

    Takes matrices and convolution kernels; of these the first dimension makes rows, the others columns. Updates are
    scaled to a root mean square: with 0.2, that of AdamW's updates, one rate serves both (Liu et al. 2025,
    arXiv:2502.16982, eq. 4).

    torch.optim.Muon refuses convolutions, goes matrix by matrix, and always computes in bfloat16, which is slow
    where it is emulated; here matrices of one shape go together, in bfloat16 only on request.

    Args:
        params: parameters of two or more dimensions, or groups of them.
        lr: rate.
        momentum: share of the past in the running mean of gradients (Nesterov's form).
        weight_decay: decoupled, as AdamW's.
        rms: root mean square of an update at rate 1 (roughly: see QUINTIC).
        bfloat16: whether to orthogonalise in bfloat16, for hardware that is faster in it.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        rms: float = 0.2,
        bfloat16: bool = False,
    ) -> None:
        given = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "rms": rms, "bfloat16": bfloat16}
        super().__init__(params, given)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[Any, ...], list[nn.Parameter]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[(len(p), p.numel(), p.device)].append(p)
            for (_, size, _), parameters in alike.items():
                together = max(1, MOST_TOGETHER // size)
                for first in range(0, len(parameters), together):
                    self._move(parameters[first : first + together], group)

    def _move(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        gradients, momentum = [p.grad for p in parameters], group["momentum"]
        for p in parameters:
            if not self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        means = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_lerp_(means, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, means, momentum)
        updates = torch.stack([u.flatten(1) for u in ahead])  # (K, out, in · k · k)
        updates = orthogonalised(updates.bfloat16() if group["bfloat16"] else updates)
        rate = group["lr"] * group["rms"] * max(updates.shape[1:]) ** 0.5
        for p, update in zip(parameters, updates.to(parameters[0].dtype), strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update.view_as(p), alpha=-rate)


def orthogonalised(matrices: Tensor) -> Tensor:
    """(K, m, n) matrices with their singular values brought near 1 (see QUINTIC) and their singular vectors kept.

    Newton-Schulz iterations of degree five, in the format of the matrices; a zero matrix stays zero.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)  # now no singular value exceeds 1
    for _ in range(ITERATIONS):
        gram = x @ x.mT  # (K, m, m)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def matrices_of(network: nn.Module) -> list[nn.Parameter]:
    """What Muon takes of a network: weights with 32 or more channels in and out, and no more than 256 rows (or
    columns). Biases, norms, and the thin layers at the ends, whose rows mean pixels or labels, are left to Adam; so
    are the widest, since the work grows with the square of the smaller side and would exceed that of the gradients."""
    matrices = [p for p in network.parameters() if p.ndim >= 2 and min(p.shape[:2]) >= NARROW]
    return [p for p in matrices if min(len(p), p.numel() // len(p)) <= WIDE]
