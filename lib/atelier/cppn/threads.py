"""The threads that render: torch works on one core in each of them.

The operations of a field are small: they lose more to waking other cores than they gain, and far more on a busy
machine. And a result that never depends on how work was split is bit-exact on any number of cores.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial, wraps
from typing import ParamSpec, TypeVar

import torch

from atelier.processors import cores

P, T, R = ParamSpec("P"), TypeVar("T"), TypeVar("R")
_here = threading.local()
_first: deque[tuple[Future, Callable[[], object]]] = deque()
_later: deque[tuple[Future, Callable[[], object]]] = deque()


def on_one_core(task: Callable[P, R]) -> Callable[P, R]:
    """`task`, run in a rendering thread (at once, if it is called in one)."""

    @wraps(task)
    def run(*args: P.args, **named: P.kwargs) -> R:
        if getattr(_here, "renders", False):
            return task(*args, **named)
        return _asked(_first, partial(task, *args, **named)).result()

    return run


def in_order(task: Callable[[T], R], items: Iterable[T], *, later: bool = False) -> Iterator[R]:
    """task(item) of each item, a few ahead at a time; closing the iterator drops what has not begun. later: all else
    that waits for a thread goes first."""
    waiting: deque[Future] = deque()
    try:
        for item in items:
            waiting.append(_asked(_later if later else _first, partial(task, item)))
            if len(waiting) > 2 * cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _asked(queue: deque[tuple[Future, Callable[[], object]]], work: Callable[[], object]) -> Future:
    """What `work` will give. Each call of `_next` does one piece of work, and not always the one that it came with."""
    future = Future()
    queue.append((future, work))
    _POOL.submit(_next)
    return future


def _next() -> None:
    try:
        future, work = _first.popleft()
    except IndexError:
        future, work = _later.popleft()
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)


def _started() -> ThreadPoolExecutor:
    """The limit of one core belongs to a thread, but setting it also changes what later threads start with:
    so the caller's own is set again afterwards."""
    before, started = torch.get_num_threads(), threading.Barrier(cores() + 1)

    def limit() -> None:
        torch.get_num_threads()  # torch gives a thread its default on the first question, not before
        torch.set_num_threads(1)
        _here.renders = True
        started.wait()

    pool = ThreadPoolExecutor(cores(), thread_name_prefix="field", initializer=limit)
    for _ in range(cores()):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(before)
    return pool


_POOL = _started()  # once, while this module is imported, whoever asks for the first picture
