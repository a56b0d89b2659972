"""The memory of a run: weights at moments spread evenly over it, so that any of them can be drawn again."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Moment:
    """Weights after `step` steps and `seconds` of training, with the figures measured then."""

    step: int
    seconds: float
    loss: float
    psnr: float
    ssim: float
    weights: dict[str, Tensor] = field(repr=False)


class Recording:
    """Keeps at most `most` moments of a run of unknown length, the first and the newest among them.

    When it is full every second moment goes and the stride doubles, so the moments stay evenly spread.
    """

    def __init__(self, most: int = 96) -> None:
        self.most = most
        self.moments: list[Moment] = []
        self._stride = 1
        self._offered = 0

    def offer(self, network: nn.Module, **figures: Any) -> None:
        """Consider the network as it is now; `figures` are the other fields of `Moment`."""
        self._offered += 1
        if self._offered % self._stride:
            return
        weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}
        self.moments.append(Moment(**figures, weights=weights))
        if len(self.moments) >= self.most:
            self.moments = self.moments[::2]
            self._stride *= 2

    def finish(self, network: nn.Module, **figures: Any) -> None:
        """Add the end of the run, whatever the stride."""
        self._stride = 1
        if not self.moments or self.moments[-1].step != figures["step"]:
            self.offer(network, **figures)
