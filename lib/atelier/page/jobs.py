"""Running a step iterator beside the interface.

A `Job` drives any iterator in a thread of its own: start, pause, single step, slow motion, stop. One process may
serve many visitors, so the jobs that compute at the same time are limited, and the others wait in a queue. A job knows
no notebook.
"""

import contextlib
import math
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from atelier.errors import NotYet, UserError, sentence
from atelier.processors import cores, use_free_processors

Step = TypeVar("Step")
OVER = "finished", "stopped", "failed", "missing"  # missing: it ended in a NotYet


class Slots:
    """At most `limit` holders at a time, first come, first served."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._line: list[object] = []  # holders first, then those who wait, in order of arrival
        self._changed = threading.Condition()

    def acquire(self, who: object, wanted: Callable[[], bool], on_move: Callable[[], object]) -> bool:
        """Wait for a place; False once it is no longer wanted. on_move is called when the place changes."""
        told = 0
        with self._changed:
            self._line.append(who)
        while (place := self.place(who)) > 0:
            if not wanted():
                self.release(who)
                return False
            if place != told:
                told = place
                on_move()
            with self._changed:
                self._changed.wait(0.2)
        return True

    def release(self, who: object) -> None:
        with self._changed:
            if who in self._line:
                self._line.remove(who)
                self._changed.notify_all()

    def holds(self, who: object) -> bool:
        return who in self._line[: self.limit]

    def place(self, who: object) -> int:
        """0 for a holder, k for the k-th in the queue."""
        line = list(self._line)
        return max(0, line.index(who) + 1 - self.limit) if who in line else 0

    @property
    def holders(self) -> int:
        return min(len(self._line), self.limit)


def _from_environment(name: str, default: float) -> float:
    """A number of 1 or more that the environment gives, or the default, with a warning where it is no such number."""
    text = os.environ.get(name, str(default))
    with contextlib.suppress(ValueError):
        if float(text) >= 1:
            return float(text)
    warnings.warn(f"{name} must be a number from 1 on, and {text!r} is not; {default:g} is used.", stacklevel=2)
    return default


SLOTS = Slots(int(_from_environment("ATELIER_MAX_JOBS", cores())))
"""The process-wide limit: as many jobs as there are processors, or ATELIER_MAX_JOBS."""
QUICK = threading.Semaphore(cores())
"""The limit of short drawings that answer a visitor at once: they do not wait for the jobs, only for each other."""
LONGEST_SECONDS = _from_environment("ATELIER_JOB_SECONDS", 3600)
"""A job that has computed for so long is stopped, so that nobody holds a public server's processor for ever."""


class Job(Generic[Step]):
    """Runs `steps()` in a thread, once.

    Args:
        steps: makes the iterator; called in the job's thread.
        on_step: called in the job's thread after each step, while the iterator waits.
        on_change: called after each change of state or of the place in the queue, from whichever thread changed it.
    """

    def __init__(
        self,
        steps: Callable[[], Iterator[Step]],
        on_step: Callable[[Step], object] = lambda step: None,
        on_change: Callable[[], object] = lambda: None,
        slots: Slots = SLOTS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._steps, self._on_step, self._on_change = steps, on_step, on_change
        self._slots, self._longest = slots, longest_seconds
        self._wake = threading.Condition()
        self._stop = False
        self._allowed = math.inf  # steps until it holds
        self._thread: threading.Thread | None = None
        self.state = "new"  # then queued, running, paused; at last one of OVER
        self.delay = 0.0  # slow motion: seconds to wait after each step
        self.latest: Step | None = None
        self.count = 0
        self.seconds = 0.0  # in steps and in `on_step`, without slow motion and pauses
        self.error: Exception | None = None

    @property
    def active(self) -> bool:
        return self.state not in ("new", *OVER)

    @property
    def holding(self) -> bool:
        """Whether it will hold after the current step or soon after."""
        return self._allowed < math.inf

    @property
    def place(self) -> int:
        """Place in the queue; 0 when not waiting."""
        return self._slots.place(self)

    @property
    def message(self) -> str | None:
        """Why the job failed, or what is missing, in one sentence."""
        return sentence(self.error) if self.error else None

    def start(self) -> None:
        """Begin, or go on after a pause."""
        self._allow(math.inf)

    def pause(self) -> None:
        """Hold after the current step."""
        self._allow(0)

    def single_step(self) -> None:
        """One more step, then hold."""
        self._allow(1 + (self._allowed if self.holding else 0))

    def stop(self) -> None:
        """End for good after the current step. Returns at once; `join` waits."""
        with self._wake:
            self._stop = True
            if self._thread is None:
                self.state = "stopped"
            self._wake.notify_all()

    def join(self, timeout: float | None = None) -> None:
        if self._thread is not None:
            self._thread.join(timeout)

    def _allow(self, steps: float) -> None:
        with self._wake:
            self._allowed = steps
            if steps and self._thread is None and not self._stop:
                self._thread = threading.Thread(target=self._run, name="atelier-job", daemon=True)
                self.state = "queued"
                self._thread.start()
            self._wake.notify_all()

    def _become(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._on_change()

    def _run(self) -> None:
        try:
            self._become(self._end())
        except Exception as error:
            self.error = error
            self._become("missing" if isinstance(error, NotYet) else "failed")

    def _end(self) -> str:
        """Take all steps; gives the state at the end."""
        steps = None
        try:
            while self._may_step():
                begin = time.monotonic()
                steps = self._steps() if steps is None else steps
                step = next(steps, None)
                if step is None:
                    return "finished"
                self.latest, self.count = step, self.count + 1
                self._on_step(step)
                self.seconds += time.monotonic() - begin
                if self.seconds > self._longest:
                    raise UserError(f"This run was stopped after {self._longest / 60:.0f} minutes, the limit here.")
            return "stopped"
        finally:
            if hasattr(steps, "close"):
                steps.close()
            self._slots.release(self)

    def _may_step(self) -> bool:
        """Wait until the next step may run; False when the job is to end."""
        if self.count and self.delay and not self.holding:
            self._slots.release(self)  # others may compute while slow motion waits
            with self._wake:
                self._wake.wait_for(lambda: self._stop or self.holding or not self.delay, self.delay)
        while not self._stop:
            if not self._allowed:
                self._slots.release(self)
                self._become("paused")
                with self._wake:
                    self._wake.wait_for(lambda: self._stop or self._allowed)
            elif self._slots.holds(self) or self._queue():
                self._become("running")
                use_free_processors(self._slots.holders)
                with self._wake:
                    self._allowed = max(0, self._allowed - 1)
                return True
        return False

    def _queue(self) -> bool:
        if self.state != "running":  # after a wait of slow motion it still is
            self._become("queued")
        return self._slots.acquire(self, lambda: not self._stop and self._allowed > 0, self._on_change)
