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


FUNCTIONS: dict[str, Activation] = {
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
