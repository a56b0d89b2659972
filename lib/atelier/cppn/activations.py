"""Activations, each in place on a float32 buffer; `catalogue.ACTIVATIONS` lists their names.

Sources of the pool: the networks of random art (tanh, sin, cos, Gaussian: Stanley, "Compositional pattern
producing networks", 2007) and the activations of torch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Activation = Callable[[Tensor], Tensor]

_MINUS_ONE = torch.tensor(-1.0)


def tanh(h: Tensor) -> Tensor:
    """tanh x = 2 sigmoid(2x) - 1: torch's sigmoid is several times as fast as its tanh on a CPU."""
    return torch.add(_MINUS_ONE, h.mul_(2).sigmoid_(), alpha=2, out=h)


def gaussian(h: Tensor) -> Tensor:
    """exp(-x^2), from 0 to 1."""
    return h.square_().neg_().exp_()


def bump(h: Tensor) -> Tensor:
    """2 exp(-x^2) - 1: the Gaussian, centred, from -1 to 1."""
    return torch.add(_MINUS_ONE, gaussian(h), alpha=2, out=h)


def triangle(h: Tensor) -> Tensor:
    """The triangle wave of period 4 and range [-1, 1]: a sine with creases."""
    return h.add_(1).remainder_(4).sub_(2).abs_().sub_(1).neg_()


@dataclass(frozen=True)
class Affine:
    """An activation as scale * inner(gain * x) + shift: the matrices around it can absorb all but `inner`,
    which saves two passes over the buffer of three."""

    gain: float
    inner: Activation
    scale: float
    shift: float


def softsign(h: Tensor) -> Tensor:
    return h.div_(h.abs().add_(1))


def gelu(h: Tensor) -> Tensor:
    return h.copy_(F.gelu(h, approximate="tanh"))


def identity(h: Tensor) -> Tensor:
    return h


def softplus(h: Tensor) -> Tensor:
    return h.copy_(F.softplus(h))


def leaky_relu(h: Tensor) -> Tensor:
    return F.leaky_relu_(h, 0.1)


def mish(h: Tensor) -> Tensor:
    return F.mish(h, inplace=True)


def silu(h: Tensor) -> Tensor:
    return F.silu(h, inplace=True)


def softshrink(h: Tensor) -> Tensor:
    return h.copy_(F.softshrink(h, 0.5))


def log_sigmoid(h: Tensor) -> Tensor:
    return h.copy_(F.logsigmoid(h))


sin, cos, sigmoid, relu, abs = Tensor.sin_, Tensor.cos_, Tensor.sigmoid_, Tensor.relu_, Tensor.abs_
elu, selu, celu, hardtanh = F.elu_, F.selu_, F.celu_, F.hardtanh_


def activation(name: str) -> Activation:
    """The function of a name in `catalogue.ACTIVATIONS`."""
    return globals()[name]


AFFINE: dict[str, Affine] = {
    "tanh": Affine(2.0, Tensor.sigmoid_, 2.0, -1.0),
    "bump": Affine(1.0, gaussian, 2.0, -1.0),
}
"""Activations that can be evaluated so."""
