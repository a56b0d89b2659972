"""Notebooks as programs: progress on the terminal, files in a folder, and an orderly end when someone stops them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from atelier.errors import UserError
from atelier.page.session import Session, program
from atelier.paths import writable_folder

IN_REPORT = "ATELIER_REPORT_OF"
"""Set in the process that runs a notebook for its report, to the file that will hold it."""


class Stopped:
    """Whether someone asked the program to stop (Ctrl-C, SIGTERM): it then ends after the step it is at."""

    def __init__(self) -> None:
        self.signal = 0
        self.words = ""

    def listen(self) -> None:
        """Take over both signals. The second one of a kind acts at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: object) -> None:
        self.signal = number
        signal.signal(number, signal.SIG_DFL)

    @property
    def status(self) -> int:
        """The exit status by convention: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signal


STOPPED = Stopped()


def begin(now: Session, given: Mapping[str, Any]) -> None:
    """Prepare a script before anything long begins: signals are heard, the folder can be written to, and a report is
    handed to a process of its own, which runs the same notebook."""
    if not now.script:
        return
    try:
        now.state["out"] = Path(given.get("out", "out"))
        if "out" in given:
            now.state["out"] = writable_folder(given["out"])
        report = given.get("report", "")
        if report:
            writable_folder(Path(report).expanduser().parent)
            if Path(report).expanduser().is_dir():
                raise UserError(f"The report {report} is a folder; give the name of a file.")
    except UserError as error:
        sys.exit(f"{program()}: {error}")
    now.state["report"] = report
    if report and not os.environ.get(IN_REPORT):
        sys.exit(_report_process(report))
    if threading_is_main():
        STOPPED.listen()


def threading_is_main() -> bool:
    """Whether this is the main thread, the only one that may take over signals."""
    import threading

    return threading.current_thread() is threading.main_thread()


def _report_process(report: str) -> int:
    """Run the notebook again in a process that keeps what its cells show; gives its exit status."""
    from marimo._runtime.context import get_context

    notebook = str(get_context().filename)
    child = subprocess.Popen(
        [sys.executable, "-m", "atelier.page.report", notebook, *sys.argv[1:]],
        env={**os.environ, IN_REPORT: str(Path(report).expanduser())},
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: child.send_signal(number) if number == signal.SIGTERM else None)
    return child.wait()


class ProgressBar:
    """`bar(stage, progress, text)` with progress in [0, 1]: a moving bar on a terminal, one line for each
    finished stage in a log."""

    def __init__(self, words: TextIO | None = None) -> None:
        self._words = words or sys.stderr
        self._live = self._words.isatty()
        self._shown: tuple[str, int] | None = None

    def __call__(self, stage: str, progress: float, text: str = "") -> None:
        percent = int(100 * progress)
        if (stage, percent) == self._shown or not (self._live or progress == 1):
            return
        self._shown = (stage, percent)
        bar = "█" * (percent // 4) + "·" * (25 - percent // 4)
        end = "\n" if progress == 1 else ""
        print(f"\r{bar} {percent:3d} %  {stage}  {text}", end=end, file=self._words, flush=True)


def finish(summary: Mapping[str, Any], files: list[Path]) -> None:
    """Print the last line of a program, one JSON object, and end it if it was stopped."""
    report = os.environ.get(IN_REPORT)
    names = [str(path) for path in [*files, *([report] if report else [])]]
    print(json.dumps({**summary, "files": names}), flush=True)
    if STOPPED.signal and not report:
        end_stopped(names)


def end_stopped(names: list[str]) -> None:
    """Say what a stopped program leaves behind, and end it."""
    print(f"Stopped{STOPPED.words}; written: {', '.join(names)}.", file=sys.stderr)
    sys.exit(STOPPED.status)
