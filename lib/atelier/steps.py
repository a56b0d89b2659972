"""Steps of a run that carry the step of another one, and how long a run may still take."""

from typing import Any


class Around:
    """A step around `at`, which counts; `at` is None before the first one."""

    at: Any

    @property
    def step(self) -> int:
        return self.at.step if self.at else 0

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        return self.at.progress if self.at else 0.0


def time_left(seconds: float, progress: float) -> str:
    """How long the rest of a run takes that has spent `seconds` on a share of its work; "" where it is below 5
    seconds."""
    left = seconds * (1 / progress - 1)
    return f"about {in_words(left)} left" if left >= 5 else ""


def in_words(seconds: float) -> str:
    """Seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
