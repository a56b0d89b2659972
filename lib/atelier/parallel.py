"""Several processes that compute one run together, started by `torchrun --nproc-per-node N …`.

Every process takes its share of each batch, and what they find is added up, so the run is the one that a single
process makes with the whole batch, but for rounding. Without torchrun there is a team of one.
"""

import atexit
import contextlib
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist


@dataclass(frozen=True)
class Team:
    """This process among `size`; the one of rank 0 leads: it alone speaks and writes files."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Which rows of a batch are this process's."""
        return slice(self.rank, None, self.size)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by its sum over the team, in one exchange."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def gathered(self, mine: Tensor, n: int) -> Tensor:
        """(n,) values of the whole batch, from everyone's shares."""
        if self.size == 1:
            return mine
        whole = mine.new_zeros(n)
        whole[self.share] = mine
        dist.all_reduce(whole)
        return whole

    def agreed(self, value: float, device: torch.device) -> float:
        """The leader's value, for decisions that all must take alike."""
        if self.size == 1:
            return value
        told = torch.tensor(value, dtype=torch.float32, device=device)
        dist.broadcast(told, 0)
        return float(told)


@functools.cache
def team() -> Team:
    """The team that torchrun started this process in; each member computes on a GPU of its own where there are any.

    Call it before anything is put on a device.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1 or not dist.is_torchelastic_launched():
        return Team()
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo")
    atexit.register(_leave)
    return Team(dist.get_rank(), size)


def _leave() -> None:
    """Wait a while for each other, then take the group down while the interpreter is still whole: processes that went
    each at its own time aborted now and then."""
    with contextlib.suppress(RuntimeError, ValueError):
        dist.monitored_barrier(timeout=timedelta(minutes=1))
    dist.destroy_process_group()
