"""Running a step iterator beside the interface.

A `Job` drives any iterator in a thread of its own: start, pause, single step, slow motion, stop. One process may
serve many visitors, so the jobs that compute at the same time are limited, and the others wait in a queue whose
places can be shown. A job knows no notebook.
"""

import contextlib
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from atelier.errors import UserError
from atelier.processors import cores, use_free_processors

Step = TypeVar("Step")

ACTIVE = frozenset({"queued", "running", "paused"})
"""States of a job that is not over. The others: new, finished, stopped, failed."""


class Slots:
    """At most `limit` holders at a time, first come, first served."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._line: list[object] = []  # holders first, then those who wait, in order of arrival
        self._changed = threading.Condition()

    def acquire(self, who: object, still_wanted: Callable[[], bool], on_move: Callable[[], None] | None = None) -> bool:
        """Wait for a place; False if it is no longer wanted. on_move is called when the place in the queue changes."""
        with self._changed:
            self._line.append(who)
        told = 0
        while (place := self.place(who)) > 0:
            if not still_wanted():
                self.release(who)
                return False
            if place != told and on_move is not None:
                told = place
                on_move()
            with self._changed:
                self._changed.wait(0.2)
        return True

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """A place for the time of a block."""
        who = object()
        self.acquire(who, lambda: True)
        try:
            yield
        finally:
            self.release(who)

    def release(self, who: object) -> None:
        with self._changed:
            if who in self._line:
                self._line.remove(who)
                self._changed.notify_all()

    def holds(self, who: object) -> bool:
        """Whether `who` has a place."""
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
QUICK = Slots(cores())
"""The limit of short drawings that answer a visitor at once: they do not wait for the jobs, only for each other."""
LONGEST_SECONDS = _from_environment("ATELIER_JOB_SECONDS", 3600)
"""A job that has computed for so long is stopped: nobody may hold a public server's processor for ever."""


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
        on_step: Callable[[Step], None] | None = None,
        on_change: Callable[[], None] | None = None,
        slots: Slots = SLOTS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._steps = steps
        self._on_step = on_step
        self._on_change = on_change
        self._slots = slots
        self._longest = longest_seconds
        self._wake = threading.Condition()
        self._stop = False
        self._pause = False
        self._credits = 0
        self._thread: threading.Thread | None = None
        self.delay = 0.0
        """Slow motion: seconds to wait after each step."""
        self.state = "new"
        self.latest: Step | None = None
        self.count = 0
        self.seconds = 0.0
        """Time spent in steps and in `on_step`, slow motion and pauses left out."""
        self.error: Exception | None = None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def holding(self) -> bool:
        """Whether it will hold after the current step."""
        return self._pause

    @property
    def place(self) -> int:
        """Place in the queue; 0 when not waiting."""
        return self._slots.place(self)

    @property
    def message(self) -> str | None:
        """Why the job failed, in one sentence for the person at the screen."""
        if self.error is None:
            return None
        if isinstance(self.error, UserError):
            return str(self.error)
        return f"This run ended in an error ({type(self.error).__name__}: {self.error})."

    def start(self) -> None:
        """Begin, or go on after a pause."""
        with self._wake:
            self._pause = False
            if self._thread is None and not self._stop:
                self._thread = threading.Thread(target=self._run, name="atelier-job", daemon=True)
                self.state = "queued"
                self._thread.start()
            self._wake.notify_all()

    def pause(self) -> None:
        """Hold after the current step."""
        with self._wake:
            self._pause = True
            self._wake.notify_all()

    def single_step(self) -> None:
        """One more step, then hold."""
        with self._wake:
            self._credits += 1
        self.start_paused()

    def start_paused(self) -> None:
        """Begin if not begun, and hold after the current step."""
        self.start()
        self.pause()

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

    def _become(self, state: str) -> None:
        if state != self.state:
            self.state = state
            if self._on_change is not None:
                self._on_change()

    def _run(self) -> None:
        iterator = None
        end = "finished"
        try:
            if not self._ready():
                end = "stopped"
                return
            iterator = self._steps()
            end = self._drive(iterator)
        except Exception as error:
            self.error, end = error, "failed"
        finally:
            if iterator is not None and hasattr(iterator, "close"):
                iterator.close()
            self._slots.release(self)
            self._become(end)

    def _drive(self, iterator: Iterator[Step]) -> str:
        while True:
            begin = time.monotonic()
            step = next(iterator, None)
            if step is None:
                return "finished"
            self.latest = step
            self.count += 1
            if self._on_step is not None:
                self._on_step(step)
            self.seconds += time.monotonic() - begin
            if self.seconds > self._longest:
                raise UserError(f"This run was stopped after {self._longest / 60:.0f} minutes, the limit here.")
            if not self._ready():
                return "stopped"

    def _ready(self) -> bool:
        """Wait until the next step may run; False when the job is to end."""
        if self.count and self.delay > 0 and not self._pause:
            self._slots.release(self)  # others may compute while slow motion waits
            with self._wake:
                self._wake.wait_for(lambda: self._stop or self._pause or not self.delay, self.delay)
        with self._wake:
            if self._stop:
                return False
            must_wait = self._pause and self._credits == 0 and self.count > 0
        if must_wait:
            self._slots.release(self)
            self._become("paused")
            with self._wake:
                self._wake.wait_for(lambda: self._stop or not self._pause or self._credits > 0)
        if not self._slots.holds(self):
            if self.state != "running":
                self._become("queued")
            if not self._slots.acquire(self, lambda: not self._stop, self._on_change):
                return False
            self._become("running")
        use_free_processors(self._slots.holders)
        with self._wake:
            self._credits = max(0, self._credits - 1)
            return not self._stop
