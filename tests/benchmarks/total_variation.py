"""Restoration by total variation, without a prior of digits, for comparison."""

from atelier.errors import UserError
from atelier.restoration.problems import Problem
from deepinv.models import TVDenoiser
from torch import Tensor, zeros


def total_variation(problem: Problem, weight: float = 0.1, iterations: int = 200) -> Tensor:
    """argmin ‖y - A x‖² / 2 + weight · TV(x) within [-1, 1] (Rudin, Osher & Fatemi 1992), isotropic TV, by the
    primal-dual steps of Chambolle & Pock 2011 (algorithm 1).

    Returns:
        (N, 1, 28, 28).
    """
    if weight < 0:
        raise UserError(f"The weight of total variation must not be negative, and {weight} is.")
    x = problem.physics.A_adjoint(problem.y).clamp(-1, 1)
    ahead, dual, size = x, zeros(*x.shape, 2).to(x), 8**-0.5  # ‖gradient‖² is at most 8
    for _ in range(iterations):
        dual = dual + size * TVDenoiser.nabla(ahead)
        dual = dual / (dual.norm(dim=-1, keepdim=True) / max(weight, 1e-12)).clamp(min=1)
        inner = x - size * TVDenoiser.nabla_adjoint(dual)
        new = problem.physics.prox_l2(inner, problem.y, size).clamp(-1, 1)
        ahead, x = 2 * new - x, new
    return x.float()
