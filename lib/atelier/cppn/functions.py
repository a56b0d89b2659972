"""The functions behind the names of `catalogue`: activations, operations, symmetries, inputs.

Activations work in place on a float32 buffer. The pool: the networks of random art (tanh, sin, cos, Gaussian: Stanley,
"Compositional pattern producing networks", 2007) and the activations of torch. Symmetries fold the plane and inputs
turn points into rows of numbers, both in float64, so that a deep zoom keeps its digits and a phase its place. A point
is (x, y) or (x, y, z); where there is no z it is 0.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from atelier.cppn import draws
from atelier.cppn.spec import FieldSpec

Activation = Callable[[Tensor], Tensor]
Points = Sequence[Tensor]
"""Coordinates x, y and, in space, z of points, (n,) float64 each."""


@dataclass(frozen=True)
class Affine:
    """An activation as scale * inner(gain * x) + shift: the matrices around it can absorb all but `inner`,
    which saves two passes over the buffer of three."""

    gain: float
    inner: Activation
    scale: float
    shift: float

    def __call__(self, h: Tensor) -> Tensor:
        return torch.add(torch.tensor(self.shift), self.inner(h.mul_(self.gain)), alpha=self.scale, out=h)


def gaussian(h: Tensor) -> Tensor:
    """exp(-x^2), from 0 to 1."""
    return h.square_().neg_().exp_()


ACTIVATIONS: dict[str, Activation] = {
    # tanh x = 2 sigmoid(2x) - 1: torch's sigmoid is several times as fast as its tanh on a CPU
    "tanh": Affine(2.0, Tensor.sigmoid_, 2.0, -1.0),
    "sin": Tensor.sin_,
    "cos": Tensor.cos_,
    "gaussian": gaussian,
    "bump": Affine(1.0, gaussian, 2.0, -1.0),
    # period 4, range [-1, 1]: a sine with creases
    "triangle": lambda h: h.add_(1).remainder_(4).sub_(2).abs_().sub_(1).neg_(),
    "sigmoid": Tensor.sigmoid_,
    "softplus": lambda h: h.copy_(F.softplus(h)),
    "relu": Tensor.relu_,
    "leaky_relu": lambda h: F.leaky_relu_(h, 0.1),
    "elu": F.elu_,
    "selu": F.selu_,
    "celu": F.celu_,
    "gelu": lambda h: h.copy_(F.gelu(h, approximate="tanh")),
    "mish": lambda h: F.mish(h, inplace=True),
    "silu": lambda h: F.silu(h, inplace=True),
    "hardtanh": F.hardtanh_,
    "softshrink": lambda h: h.copy_(F.softshrink(h, 0.5)),
    "log_sigmoid": lambda h: h.copy_(F.logsigmoid(h)),
    "softsign": lambda h: h.div_(h.abs().add_(1)),
    "abs": Tensor.abs_,
    "identity": lambda h: h,
}

OPERATIONS = {
    "residual": lambda h, mean: h.add_(mean).mul_(math.sqrt(0.5)),
    "gate": lambda h, mean: h.mul_(mean),
    "maximum": lambda h, mean: torch.maximum(h, mean, out=h),
}
"""What a node does with its values and the mean of its sources' ("linear": nothing)."""


def _rotation(x: Tensor, y: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """(r cos n theta, r sin n theta): symmetric under rotations of order n, and without a seam."""
    r, theta = torch.hypot(x, y), torch.atan2(y, x) * order
    return r * theta.cos(), r * theta.sin()


def _kaleidoscope(x: Tensor, y: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """Rotations of order n and mirrors: the angle is folded into one sector of pi / n."""
    r, theta = torch.hypot(x, y), torch.atan2(y, x)
    sector = 2 * math.pi / order
    theta = (theta - sector * torch.round(theta / sector)).abs()
    return r * theta.cos(), r * theta.sin()


def _triangle(t: Tensor, tiles: int) -> Tensor:
    """A triangle wave: mirrored tiles, so many of them over [-1, 1], without a seam."""
    t = (t + 1) * (tiles / 2)
    return (t - 2 * torch.round(t / 2)).abs().mul(2).sub(1)


FOLDS: dict[str, Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]] = {
    "none": lambda x, y, order: (x, y),
    "mirror_x": lambda x, y, order: (x.abs(), y),
    "mirror_y": lambda x, y, order: (x, y.abs()),
    "mirror_xy": lambda x, y, order: (x.abs(), y.abs()),
    "rotation": _rotation,
    "kaleidoscope": _kaleidoscope,
    "tiling": lambda x, y, order: (_triangle(x, order), _triangle(y, order)),
}
"""Symmetry -> points x, y (n,) and an order to folded points."""


def _distance(at: Points) -> Tensor:
    """From the origin."""
    return functools.reduce(torch.hypot, at)


def _theta(at: Points, spec: FieldSpec) -> list[Tensor]:
    """The angle as its cosine and sine: the angle itself would jump on the negative axis."""
    r = torch.hypot(at[0], at[1]).clamp_min(1e-300)
    return [at[0] / r, at[1] / r]


def _spiral(at: Points, spec: FieldSpec) -> list[Tensor]:
    """cos and sin of 2 pi log2 r + theta: the same at every power of two."""
    phase = _distance(at).clamp_min(1e-300).log2().mul(2 * math.pi) + torch.atan2(at[1], at[0])
    return [phase.cos(), phase.sin()]


def _periodic(t: Tensor, spec: FieldSpec) -> list[Tensor]:
    phase = t * (math.pi * spec.frequency)
    return [phase.sin(), phase.cos()]


def _depth(at: Points) -> Tensor:
    return at[2] if len(at) > 2 else torch.zeros_like(at[0])


SEES: dict[str, Callable[[Points, FieldSpec], list[Tensor]]] = {
    "x": lambda at, spec: [at[0] * spec.scale],
    "y": lambda at, spec: [at[1] * spec.scale],
    "z": lambda at, spec: [_depth(at) * spec.scale],
    "r": lambda at, spec: [_distance(at) * spec.scale],
    "theta": _theta,
    "periodic_x": lambda at, spec: _periodic(at[0], spec),
    "periodic_y": lambda at, spec: _periodic(at[1], spec),
    "periodic_z": lambda at, spec: _periodic(_depth(at), spec),
    "spiral": _spiral,
}
"""Input -> points to rows (n,)."""


def encode(spec: FieldSpec, *points: Tensor) -> Tensor:
    """Rows of input for points x, y[, z] (n,) float64: (K, n) float32, in the order of `topologies.groups`. A symmetry
    folds x and y alone."""
    at = (*FOLDS[spec.symmetry](*points[:2], spec.order), *points[2:])
    rows = [row for name in spec.inputs for row in SEES[name](at, spec)] + _fourier(spec, at)
    out = torch.empty(len(rows), len(at[0]))  # (K, n)
    for target, row in zip(out, rows, strict=True):
        target.copy_(row)
    return out


def _fourier(spec: FieldSpec, at: Points) -> list[Tensor]:
    """Random Fourier features (Tancik et al., "Fourier features let networks learn high frequency functions",
    2020, section 6): sin and cos of 2 pi b.x, b normal of spread `fourier_sigma`."""
    spread = 2 * math.pi * spec.fourier_sigma
    phases = [
        at[0] * bx + at[1] * by for bx, by in (draws.normal(spec.seed, "fourier", (spec.fourier, 2)) * spread).tolist()
    ]
    if len(at) > 2:
        depths = (draws.normal(spec.seed, "fourier z", (spec.fourier,)) * spread).tolist()
        phases = [phase + at[2] * bz for phase, bz in zip(phases, depths, strict=True)]
    return [row for phase in phases for row in (phase.sin(), phase.cos())]
