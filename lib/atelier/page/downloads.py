"""What a reader takes home: buttons that make files on the page, and the same files in a folder from a script."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import marimo as mo
import traitlets

from atelier.animation import Written
from atelier.errors import UserError
from atelier.page.command import LEADS, STOPPED, ProgressBar, finish
from atelier.page.jobs import Job
from atelier.page.packing import Widget, pack
from atelier.page.session import give_up, session
from atelier.paths import writable_folder, write_whole

_UPDATES_PER_SECOND = 8
Make = Callable[[], bytes | Iterator[Written]]


@dataclass(frozen=True)
class File:
    """A file to take home.

    Args:
        title: on the page, before the button. about: a few words on what is inside.
        make: gives its bytes, or an iterator of steps as `animation.Written`, with `progress` in [0, 1] and in the last
            one the bytes as `data`. It may raise UserError where there is nothing to save yet.
        written: whether a script writes it, too.
    """

    title: str
    about: str
    make: Make
    written: bool = True


def _parts(make: Make) -> Iterator[Written]:
    made = make()
    return iter([Written(1, 1, made)]) if isinstance(made, bytes) else made


class Download(Widget):
    """A button that makes a file beside the page, with progress and cancel, and saves it in the browser."""

    _source = "download"
    filename = traitlets.Unicode().tag(sync=True)
    progress = traitlets.Dict({"state": "new"}).tag(sync=True)
    file = traitlets.Bytes(b"").tag(sync=True)

    def __init__(self, filename: str, make: Make) -> None:
        super().__init__()
        self._next = 0.0
        self.job: Job | None = None
        self.makes(filename, make)

    def makes(self, filename: str, make: Make) -> None:
        """Make this file from now on."""
        self.filename, self._acts = filename, {"make": make}

    def close(self) -> None:
        """Cancel what runs and leave the registry of widgets; safe to call twice."""
        if self.job:
            self.job.stop()
        super().close()

    def _heard(self, name: str, value: Any) -> None:
        if name == "cancel" and self.job:
            self.job.stop()
        elif name in self._acts and not (self.job and self.job.active):
            make, filename = self._acts[name], self.filename
            job = self.job = Job(lambda: _parts(make), self._tell, lambda: self._settle(job, filename))
            job.start()

    def _tell(self, part: Written) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 1 / _UPDATES_PER_SECOND
            self.progress = {"state": "running", "done": part.progress}

    def _settle(self, job: Job, filename: str) -> None:
        message = "Cancelled" if job.state == "stopped" else job.message or ""
        if job.state == "finished" and job.latest is not None and job.latest.data:
            size = len(job.latest.data)
            self.file = pack({"name": filename}, {"file": job.latest.data})
            self.file = b""  # the page has its own copy now
            message = f"Saved {filename} ({f'{size / 1e6:.1f} MB' if size >= 1e6 else f'{size / 1e3:.0f} kB'})"
        self.progress = {"state": job.state, "done": 0.0, "message": message}
        if not job.active:
            job.latest = None


def take_home(files: Mapping[str, File], summary: Callable[[], Mapping[str, Any]] | None = None) -> mo.Html:
    """Files by name: buttons on the page. Where there is a summary, a script writes them into the folder that --out
    names, and prints `summary()` with their paths as one JSON object, the last line of its output; a report says where
    they are."""
    now = session()
    if now.script and summary and LEADS:
        _write(files, summary)
    rows = []
    for place, (name, file) in enumerate(files.items()):
        words = f"**{file.title}**: {file.about}"
        if now.live:  # one button for each place, however often the files change their names
            button = now.lasting(place, lambda: mo.ui.anywidget(Download(name, file.make)))  # noqa: B023
            button.widget.makes(name, file.make)
            rows.append(mo.hstack([mo.md(words), button], widths=[2, 3], align="center"))
        elif now.script and summary and file.written:
            rows.append(mo.md(f"{words}, in `{out_file(name)}`"))
    return mo.vstack(rows, gap=0.4)


def out_file(name: str) -> Path | None:
    """Where a script writes a file of that name; None on a page, where readers save files themselves."""
    now = session()
    return now.state.get("out", Path("out")) / name if now.script else None


def _write(files: Mapping[str, File], summary: Callable[[], Mapping[str, Any]]) -> None:
    """Write the files one by one. A file is left out if someone stops the program while it is made."""
    bar, paths, stopped = ProgressBar(), [], STOPPED.signal
    try:
        told = summary()
        folder = writable_folder(out_file(""))
        for name in [name for name, file in files.items() if file.written]:
            for part in _parts(files[name].make):
                bar(name, part.progress)
                if part.data or part.path:
                    paths.append(part.path or write_whole(folder / name, part.data))
                elif STOPPED.signal != stopped:
                    STOPPED.words = STOPPED.words or f" while {name} was made"
                    break
    except UserError as error:
        kept = f" Written before: {', '.join(map(str, paths))}." if paths else ""
        give_up(f"{error}{kept}")
    finish(told, paths)
