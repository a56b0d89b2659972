"""Notebooks as programs: progress on the terminal, files in a folder, and an orderly end after Ctrl-C or SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marimo._runtime.context import get_context

from atelier.page.session import Session, check
from atelier.paths import writable_file, writable_folder

IN_REPORT = "ATELIER_REPORT_OF"
"""Set in the process that runs a notebook for its report, to the file that will hold it."""
LEADS = os.environ.get("RANK", "0") == "0"
"""Whether this process prints and writes files: of those that torchrun starts, only the first one does."""

_TOGETHER = 0.5  # seconds


class Stopped:
    """Whether someone asked the program to stop (Ctrl-C, SIGTERM): it then ends after the step it is at.

    signal: the number of the signal, 0 for none. words: where the run was stopped.
    """

    signal = 0
    words = ""
    _since: float | None = None

    def listen(self) -> None:
        """Take over both signals. A second one ends the program at once, unless it comes with the first: `timeout` and
        systemd signal uv, which hands it on, and the program itself."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: object) -> None:
        if self._since is not None and time.monotonic() - self._since > _TOGETHER:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._since = self._since or time.monotonic()
        self.signal = number

    def end(self, files: Sequence[str]) -> None:
        """Say what a stopped program leaves behind, and end it: by convention with 130 after Ctrl-C, 143 after SIGTERM.
        A program that nobody stopped goes on."""
        if self.signal:
            print(f"Stopped{self.words}; written: {', '.join(files) or 'nothing'}.", file=sys.stderr)
            sys.exit(128 + self.signal)


STOPPED = Stopped()


def begin(now: Session, given: Mapping[str, Any]) -> None:
    """Prepare a script before anything long begins: signals are heard, the folder can be written to, and a report is
    handed to a process of its own, which runs the same notebook."""
    if not now.script:
        return
    report = now.state["report"] = given.get("report", "")
    with check():
        now.state["out"] = writable_folder(given["out"]) if "out" in given else Path("out")
        target = writable_file(report) if report else None
    if target and not os.environ.get(IN_REPORT):
        sys.exit(_report_process(target))
    notebook = get_context().filename
    now.shown = bool(target) or not notebook or Path(sys.argv[0]).resolve() != Path(notebook).resolve()
    if threading.current_thread() is threading.main_thread():
        STOPPED.listen()


def _report_process(target: Path) -> int:
    """Run the notebook again in a process that keeps what its cells show; gives its exit status."""
    words = ["-m", "atelier.page.report", str(get_context().filename), *sys.argv[1:]]
    child = subprocess.Popen([sys.executable, *words], env={**os.environ, IN_REPORT: str(target)})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
    signal.signal(signal.SIGTERM, lambda number, frame: child.terminate())
    return child.wait()


class ProgressBar:
    """`bar(stage, progress, text)` with progress in [0, 1]: a moving bar on a terminal, one line for each
    finished stage in a log."""

    _shown: tuple[str, int] | None = None

    def __call__(self, stage: str, progress: float, text: str = "") -> None:
        percent = int(100 * progress)
        if (stage, percent) == self._shown or not LEADS or not (sys.stderr.isatty() or progress == 1):
            return
        self._shown = (stage, percent)
        bar = "█" * (percent // 4) + "·" * (25 - percent // 4)
        end = "\n" if progress == 1 else ""
        print(f"\r{bar} {percent:3d} %  {stage}  {text}", end=end, file=sys.stderr, flush=True)


def finish(summary: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Print the last line of a program, one JSON object, and end it if it was stopped."""
    report = os.environ.get(IN_REPORT)
    names = [*map(str, files), *([report] if report else [])]
    print(json.dumps({**summary, "files": names}), flush=True)
    if not report:
        STOPPED.end(names)
