"""The processors of this machine: how many this process may use, and how many of them other programs use.

Where torch splits an operation over threads, every thread waits for the slowest. One that shares its processor with
another program makes all of them wait for a time slice, a thousand times in a training step: beside one busy program a
step on two processors takes ten times as long as on one. So torch gets only the processors that other programs leave.
"""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import psutil

Step = TypeVar("Step")

_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")
_WINDOW = 1.0


@functools.cache
def most_threads() -> int:
    """What torch uses by itself: a thread for every processor, or as many as OMP_NUM_THREADS says (torchrun: 1)."""
    import torch

    return torch.get_num_threads()


def _allowed() -> set[int]:
    """The numbers of the processors that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def cores() -> int:
    """Processors this process may use."""
    return len(_allowed())


def busy_seconds() -> float:
    """Seconds that the processors this process may use have worked, for any program, since the machine started; 0 where
    the system does not tell."""
    try:
        times = psutil.cpu_times(percpu=True)
    except OSError:
        return 0.0
    if max(_allowed()) >= len(times):  # on systems with offline CPUs, psutil's list does not match the affinity mask
        return 0.0
    return sum(getattr(times[k], kind, 0.0) for k in _allowed() for kind in _BUSY)


class Others:
    """Measures the processors that other programs use, at most once a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before = self._now()
        self._load = 0.0

    def load(self) -> float:
        """How many processors they used since this was last asked, or in the second before; 0 in the first second."""
        with self._lock:
            now = self._now()
            seconds, busy, own = (new - old for new, old in zip(now, self._before, strict=True))
            if seconds >= _WINDOW:
                self._load, self._before = max(0.0, busy - own) / seconds, now
            return self._load

    def _now(self) -> tuple[float, float, float]:
        """Seconds of the clock, and seconds that all programs and that this process have computed."""
        return time.monotonic(), busy_seconds(), time.process_time()


_OTHERS = Others()
_SHARE = threading.local()


def threads_for(holders: int, others: float) -> int:
    """Torch threads for one of `holders` runs of this process while other programs use `others` processors: each
    processor is given once. Half a processor counts as one: measured with U-Net steps, that is where it evens out."""
    return min(most_threads(), max(1, (cores() - int(others + 0.5)) // max(1, holders)))


def use_free_processors(holders: int | None = None) -> None:
    """Let torch compute on this thread's share of the processors that nothing else uses, from now on.

    holders: runs of this process that share them; by default what this thread gave last, one at first.
    """
    import torch

    _SHARE.holders = getattr(_SHARE, "holders", 1) if holders is None else holders
    wanted = threads_for(_SHARE.holders, _OTHERS.load())
    if wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)


def on_free_processors(steps: Iterable[Step]) -> Iterator[Step]:
    """The same steps, each computed on the processors that are free by then.

    The number of threads changes the rounding of sums, and in a long run small differences grow: for bit-exact
    reproducibility iterate over `steps` itself.
    """
    import torch

    iterator, end = iter(steps), object()
    with contextlib.ExitStack() as closing:
        closing.callback(torch.set_num_threads, torch.get_num_threads())
        closing.callback(getattr(iterator, "close", lambda: None))
        use_free_processors()
        while (step := next(iterator, end)) is not end:
            yield step
            use_free_processors()
