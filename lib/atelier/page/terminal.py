"""What the command lines of the apps print."""

import json
from typing import Any, TextIO


class ProgressBar:
    """`bar(stage, progress, text)` with progress in [0, 1]: a moving bar on a terminal, one line for each
    finished stage in a log."""

    def __init__(self, words: TextIO) -> None:
        self._words = words
        self._live = words.isatty()
        self._shown: tuple[str, int] | None = None

    def __call__(self, stage: str, progress: float, text: str = "") -> None:
        percent = int(100 * progress)
        if (stage, percent) == self._shown or not (self._live or progress == 1):
            return
        self._shown = (stage, percent)
        bar = "█" * (percent // 4) + "·" * (25 - percent // 4)
        end = "\n" if progress == 1 else ""
        print(f"\r{bar} {percent:3d} %  {stage}  {text}", end=end, file=self._words, flush=True)

    def say(self, text: str) -> None:
        """A line between the bars."""
        print(text, file=self._words, flush=True)


def print_summary(summary: dict[str, Any] | None) -> None:
    """The last line of a command: one JSON object; nothing from a process that has nothing to say."""
    if summary is not None:
        print(json.dumps(summary), flush=True)
