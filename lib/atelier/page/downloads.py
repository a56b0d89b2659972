"""A button that makes a file beside the interface, with progress and cancel, and saves it in the browser."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import anywidget
import traitlets

from atelier.errors import UserError
from atelier.page.jobs import Job
from atelier.page.packing import Commands, module_text, style_text

_UPDATES_PER_SECOND = 8


@dataclass(frozen=True)
class ExportStep:
    """Progress of an export; `data` is the finished file, in the last step only."""

    done: int
    total: int
    data: bytes | None = None


class Exporter(anywidget.AnyWidget):
    """Runs `make()` when pressed; the `data` of its last step is saved as `filename`.

    `make` may raise UserError at once when there is nothing to export yet.
    """

    _esm = module_text("exporter")
    _css = style_text("exporter")
    label = traitlets.Unicode().tag(sync=True)
    filename = traitlets.Unicode().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    file = traitlets.Bytes(b"").tag(sync=True)
    command = traitlets.Dict().tag(sync=True)

    def __init__(self, label: str, filename: str, make: Callable[[], Iterator[ExportStep]]) -> None:
        super().__init__(label=label, filename=filename, progress={"state": "new"})
        self._make: Callable[[], Iterator[ExportStep]] | None = make
        self._commands = Commands()
        self._next = 0.0
        self.job: Job[ExportStep] | None = None
        self.observe(self._obey, names="command")

    def close(self) -> None:
        """Cancel what runs and leave the registry of widgets; safe to call twice."""
        self._cancel()
        self.unobserve_all()
        self._make = None
        super().close()

    def _obey(self, change: Mapping[str, Any]) -> None:
        for name, _ in self._commands.fresh(change["new"]):
            if name == "cancel":
                self._cancel()
            elif name == "make" and self._make is not None and not (self.job and self.job.active):
                self._start(self._make)

    def _start(self, make: Callable[[], Iterator[ExportStep]]) -> None:
        try:
            steps = make()
        except UserError as error:
            self.progress = {"state": "failed", "message": str(error)}
            return
        self.job = Job(lambda: steps, on_step=self._tell, on_change=self._settle)
        self.job.start()

    def _cancel(self) -> None:
        if self.job is not None:
            self.job.stop()

    def _tell(self, step: ExportStep) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 1 / _UPDATES_PER_SECOND
            self.progress = {"state": "running", "done": step.done / step.total}

    def _settle(self) -> None:
        job = self.job
        message = ""
        if job.state == "failed":
            message = job.message
        elif job.state == "stopped":
            message = "Cancelled"
        elif job.state == "finished" and job.latest is not None and job.latest.data is not None:
            self.file = job.latest.data
            self.file = b""  # the page has its own copy now
            size = len(job.latest.data)
            message = f"Saved {self.filename} ({f'{size / 1e6:.1f} MB' if size >= 1e6 else f'{size / 1e3:.0f} kB'})"
        self.progress = {"state": job.state, "done": 0.0, "message": message}
        if not job.active:
            job.latest = None
