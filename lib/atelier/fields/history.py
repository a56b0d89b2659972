"""The memory of a run: its curves, and its weights at moments that are spread by quality."""

import math
from collections import defaultdict
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

MOMENT_BYTES = 40 << 20
"""Memory for the weights of one run's moments."""
MOST_MOMENTS = 80
_GAP = 0.5  # dB
_GROWTH = 1.25
_SMOOTH = 0.1


@dataclass(frozen=True)
class Moment:
    """Weights, as float16, after `step` steps and `seconds` of training; `level` is the loss then, in decibels."""

    step: int
    seconds: float
    level: float
    weights: dict[str, Tensor] = field(repr=False)

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.weights.values())

    def restore(self, network: nn.Module) -> nn.Module:
        """Put the weights into a network of the same shape; gives it back."""
        network.load_state_dict(self.weights)
        return network.eval()


class History:
    """The curves and the moments of a run.

    Attributes:
        curves: step, seconds, loss, psnr and ssim of every measurement, each a list.
        moments: oldest first; the first step, the last, and in between one wherever the loss has fallen by half a
            decibel or the number of steps has grown by a quarter. When they take too much memory, the one whose
            neighbours are most alike goes.
    """

    def __init__(self, most_bytes: int = MOMENT_BYTES) -> None:
        self.curves: dict[str, list[float]] = defaultdict(list)
        self.moments: list[Moment] = []
        self._most_bytes = most_bytes
        self._smooth: float | None = None

    def measured(self, step: int, **figures: float) -> None:
        """Add a point to the curves, once a step."""
        if not self.curves["step"] or step > self.curves["step"][-1]:
            for name, value in {"step": step, **figures}.items():
                self.curves[name].append(value)

    def offer(self, network: nn.Module, step: int, seconds: float, loss: float, last: bool = False) -> None:
        """Keep the network as it is now, if it differs enough from the last moment."""
        if not self._most_bytes:
            return
        old = loss if self._smooth is None else self._smooth
        self._smooth = old + max(_SMOOTH, 1 / step) * (loss - old)
        level = -10 * math.log10(max(self._smooth, 1e-12))
        before = self.moments[-1] if self.moments else None
        if before and not last and level < before.level + _GAP and step < before.step * _GROWTH:
            return
        weights = {
            name: tensor.detach().to("cpu", torch.float16 if tensor.is_floating_point() else tensor.dtype, copy=True)
            for name, tensor in network.state_dict().items()
        }
        self.moments.append(Moment(step, seconds, level, weights))
        most = min(MOST_MOMENTS, self._most_bytes // self.moments[-1].bytes)
        while len(self.moments) > max(2, most):
            del self.moments[min(range(1, len(self.moments) - 1), key=self._span)]

    def _span(self, k: int) -> float:
        """How much the neighbours of a moment differ, in quality and in time."""
        before, after = self.moments[k - 1], self.moments[k + 1]
        return abs(after.level - before.level) + 2 * math.log(after.step / before.step)
