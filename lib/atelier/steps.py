"""Steps of a run that carry the step of another one."""

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
