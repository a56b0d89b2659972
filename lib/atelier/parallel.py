"""Several processes that compute one run together, started by `torchrun --nproc-per-node N …`.

Each process takes its share of every batch and the gradients are summed, so the run is that of a single process with
the whole batch, but for rounding. Without torchrun there is a team of one.
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

from atelier.errors import UserError


@dataclass(frozen=True)
class Team:
    """This process among `size`; only the one of rank 0 leads: it prints and writes files."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @property
    def share(self) -> slice:
        """This process's rows of a batch."""
        return slice(self.rank, None, self.size)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the team."""
        if self.size > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def gathered(self, mine: Tensor, n: int) -> Tensor:
        """(n,) values of the whole batch, from the shares of all."""
        whole = mine.new_zeros(n)
        whole[self.share] = mine
        self.add_up([whole])
        return whole

    def agreed(self, value: float) -> float:
        """The leader's value, for decisions that all must take alike."""
        told = torch.tensor(value if self.leads else 0.0, dtype=torch.float64)
        self.add_up([told])
        return float(told)


@functools.cache
def team() -> Team:
    """The team that torchrun started this process in; each process has a GPU of its own where there are any.

    Call it before anything is put on a device.

    Raises:
        UserError: more processes than GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1 or not dist.is_torchelastic_launched():
        return Team()
    if torch.cuda.is_available():
        rank, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if rank >= count:
            raise UserError(f"Process {rank + 1} needs a GPU of its own; start torchrun with --nproc-per-node {count}.")
        torch.cuda.set_device(rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    atexit.register(_leave)
    return Team(dist.get_rank(), size)


def _leave() -> None:
    """Wait for each other, then end the group while the interpreter is whole: without it processes aborted at times."""
    with contextlib.suppress(RuntimeError, ValueError):
        dist.monitored_barrier(timeout=timedelta(minutes=1))
    dist.destroy_process_group()
