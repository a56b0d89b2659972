"""What a network sees of a point: symmetries fold the plane, inputs turn it into rows of numbers.

`fold_NAME` is the symmetry NAME: points x, y (n,) to folded points. `see_NAME` is the input NAME: points to rows (n,).
Everything here is float64 until the last line, so that a deep zoom keeps its digits and a phase its place.
"""

import math

import torch
from torch import Tensor

from atelier.cppn import draws
from atelier.cppn.spec import FieldSpec


def fold_none(x: Tensor, y: Tensor, spec: FieldSpec) -> tuple[Tensor, Tensor]:
    return x, y


def fold_rotation(x: Tensor, y: Tensor, spec: FieldSpec) -> tuple[Tensor, Tensor]:
    """(r cos n theta, r sin n theta): symmetric under rotations of order n, and without a seam."""
    r, theta = torch.hypot(x, y), torch.atan2(y, x) * spec.order
    return r * theta.cos(), r * theta.sin()


def fold_kaleidoscope(x: Tensor, y: Tensor, spec: FieldSpec) -> tuple[Tensor, Tensor]:
    """Rotations of order n and mirrors: the angle is folded into one sector of pi / n."""
    r, theta = torch.hypot(x, y), torch.atan2(y, x)
    sector = 2 * math.pi / spec.order
    theta = (theta - sector * torch.round(theta / sector)).abs()
    return r * theta.cos(), r * theta.sin()


def fold_tiling(x: Tensor, y: Tensor, spec: FieldSpec) -> tuple[Tensor, Tensor]:
    """Mirrored tiles, `order` of them over [-1, 1]: a triangle wave on each axis, without a seam."""
    return _triangle(x, spec.order), _triangle(y, spec.order)


def _triangle(x: Tensor, tiles: int) -> Tensor:
    t = (x + 1) * (tiles / 2)
    return (t - 2 * torch.round(t / 2)).abs().mul(2).sub(1)


def fold_mirror_x(x: Tensor, y: Tensor, spec: FieldSpec) -> tuple[Tensor, Tensor]:
    return x.abs(), y


def fold_mirror_y(x: Tensor, y: Tensor, spec: FieldSpec) -> tuple[Tensor, Tensor]:
    return x, y.abs()


def fold_mirror_xy(x: Tensor, y: Tensor, spec: FieldSpec) -> tuple[Tensor, Tensor]:
    return x.abs(), y.abs()


def see_x(x: Tensor, y: Tensor, spec: FieldSpec) -> list[Tensor]:
    return [x * spec.scale]


def see_y(x: Tensor, y: Tensor, spec: FieldSpec) -> list[Tensor]:
    return [y * spec.scale]


def see_r(x: Tensor, y: Tensor, spec: FieldSpec) -> list[Tensor]:
    return [torch.hypot(x, y) * spec.scale]


def see_theta(x: Tensor, y: Tensor, spec: FieldSpec) -> list[Tensor]:
    """The angle as its cosine and sine: the angle itself would jump on the negative axis."""
    r = torch.hypot(x, y).clamp_min(1e-300)
    return [x / r, y / r]


def see_spiral(x: Tensor, y: Tensor, spec: FieldSpec) -> list[Tensor]:
    """cos and sin of 2 pi log2 r + theta: a zoom by two into the centre ends where it began, for ever."""
    phase = torch.hypot(x, y).clamp_min(1e-300).log2().mul(2 * math.pi) + torch.atan2(y, x)
    return [phase.cos(), phase.sin()]


def see_periodic_x(x: Tensor, y: Tensor, spec: FieldSpec) -> list[Tensor]:
    return _periodic(x, spec)


def see_periodic_y(x: Tensor, y: Tensor, spec: FieldSpec) -> list[Tensor]:
    return _periodic(y, spec)


def _periodic(t: Tensor, spec: FieldSpec) -> list[Tensor]:
    phase = t * (math.pi * spec.frequency)
    return [phase.sin(), phase.cos()]


def encode(spec: FieldSpec, x: Tensor, y: Tensor) -> Tensor:
    """Rows of input for points x, y (n,) float64: (K, n) float32, in the order of `groups`."""
    x, y = globals()[f"fold_{spec.symmetry}"](x, y, spec)
    rows = [row for name in spec.inputs for row in globals()[f"see_{name}"](x, y, spec)]
    rows += _fourier(spec, x, y)
    out = torch.empty(len(rows), x.shape[0])  # (K, n)
    for target, row in zip(out, rows, strict=True):
        target.copy_(row)
    return out


def _fourier(spec: FieldSpec, x: Tensor, y: Tensor) -> list[Tensor]:
    """Random Fourier features (Tancik et al., "Fourier features let networks learn high frequency functions",
    2020, section 6): sin and cos of 2 pi b.x, b normal of spread `fourier_sigma`."""
    frequencies = draws.normal(spec.seed, "fourier", (spec.fourier, 2)) * (2 * math.pi * spec.fourier_sigma)
    phases = [x * bx + y * by for bx, by in frequencies.tolist()]
    return [row for phase in phases for row in (phase.sin(), phase.cos())]
