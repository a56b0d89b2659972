"""What a reader takes home: buttons that make files on the page, and the same files in a folder from a script."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import marimo as mo
import traitlets

from atelier.errors import UserError
from atelier.page import command
from atelier.page.jobs import Job
from atelier.page.packing import Widget
from atelier.page.session import program, session
from atelier.paths import writable_folder, write_whole

_UPDATES_PER_SECOND = 8
Make = Callable[[], "bytes | Iterator[Any]"]


@dataclass(frozen=True)
class File:
    """A file to take home.

    Args:
        title: on the page, before the button. about: a few words on what is inside.
        make: gives its bytes, or an iterator of steps with `progress` in [0, 1], of which the last has the bytes as
            `data`. It may raise UserError where there is nothing to save yet.
        written: whether a script writes it, too.
    """

    title: str
    about: str
    make: Make
    written: bool = True


class Download(Widget):
    """A button that makes a file beside the page, with progress and cancel, and saves it in the browser."""

    _source = "download"
    label = traitlets.Unicode().tag(sync=True)
    filename = traitlets.Unicode().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    file = traitlets.Bytes(b"").tag(sync=True)

    def __init__(self, filename: str, make: Make) -> None:
        label = Path(filename).suffix.lstrip(".").upper()
        super().__init__(label=label, filename=filename, progress={"state": "new"})
        self._make: Make | None = make
        self._next = 0.0
        self.job: Job | None = None

    def makes(self, make: Make) -> None:
        """Make the file so from now on."""
        self._make = make

    def close(self) -> None:
        """Cancel what runs and leave the registry of widgets; safe to call twice."""
        if self.job is not None:
            self.job.stop()
        self._make = None
        super().close()

    def _heard(self, name: str, value: Any) -> None:
        if name == "cancel" and self.job is not None:
            self.job.stop()
        elif name == "make" and self._make is not None and not (self.job and self.job.active):
            make = self._make
            job = Job(lambda: _steps(make), on_step=self._tell, on_change=lambda: self._settle(job))
            self.job = job
            job.start()

    def _tell(self, step: "_Part") -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 1 / _UPDATES_PER_SECOND
            self.progress = {"state": "running", "done": step.progress}

    def _settle(self, job: Job) -> None:
        message = ""
        if job.state == "failed":
            message = job.message
        elif job.state == "stopped":
            message = "Cancelled"
        elif job.state == "finished" and job.latest is not None:
            self.file = job.latest.data
            self.file = b""  # the page has its own copy now
            message = f"Saved {self.filename} ({_size(len(job.latest.data))})"
        self.progress = {"state": job.state, "done": 0.0, "message": message}
        if not job.active:
            job.latest = None


@dataclass(frozen=True)
class _Part:
    progress: float
    data: bytes = b""


def _steps(make: Make) -> Iterator[_Part]:
    """The progress of a file, and its bytes in the last step."""
    made = make()
    if isinstance(made, bytes):
        yield _Part(1.0, made)
        return
    for step in made:
        yield _Part(step.progress, getattr(step, "data", None) or b"")


def take_home(files: Mapping[str, File], summary: Callable[[], Mapping[str, Any]] | None = None) -> mo.Html:
    """Files by name: buttons on the page. A script writes them into the folder that --out names, and prints `summary()`
    with their paths as one JSON object, the last line of its output; nothing where there is nothing to write."""
    now = session()
    asked = summary is not None or any(file.written for file in files.values())
    if now.script and asked and os.environ.get("RANK", "0") == "0":
        _write(files, summary, now.state.get("out", Path("out")))
    rows = []
    for name, file in files.items():
        words = mo.md(f"**{file.title}**: {file.about}")
        if now.live:
            button = now.lasting(name, lambda: mo.ui.anywidget(Download(name, file.make)))  # noqa: B023
            button.widget.makes(file.make)
            rows.append(mo.hstack([words, button], widths=[2, 3], align="center"))
        else:
            rows.append(words)
    return mo.vstack(rows, gap=0.4)


def written(name: str) -> Path | None:
    """Where a script writes a file of that name; None on a page, where readers save files themselves."""
    now = session()
    return now.state.get("out", Path("out")) / name if now.script else None


def _write(files: Mapping[str, File], summary: Callable[[], Mapping[str, Any]] | None, out: Path) -> None:
    bar, written = command.ProgressBar(), []
    try:
        told = dict(summary()) if summary else {}
        folder = writable_folder(out)
        for name, file in files.items():
            if file.written:
                part = _Part(0.0)
                for part in _steps(file.make):
                    bar(name, part.progress)
                written.append(write_whole(folder / name, part.data))
    except UserError as error:
        kept = f" Written before: {', '.join(map(str, written))}." if written else ""
        sys.exit(f"{program()}: {error}{kept}")
    command.finish(told, written)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
