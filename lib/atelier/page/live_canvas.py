"""The live canvas: newest pictures, running curves and a transport bar, the same in every app."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import anywidget
import traitlets

from atelier.page.jobs import Job
from atelier.page.packing import Commands, module_text, pack, style_text

FRAMES_PER_SECOND = 15
SLOW_SECONDS = 0.4
_MOST_POINTS = 240


@dataclass(frozen=True)
class Panel:
    """A picture on the canvas: its name in messages, its caption, its shape (width ÷ height)."""

    name: str
    label: str
    aspect: float = 1.0


@dataclass(frozen=True)
class Curve:
    """A chart of running curves; `log` draws by ratio, `over` names what runs along the bottom, and with
    `newest` the last value of the first curve stands above in large figures."""

    name: str
    label: str
    unit: str = ""
    digits: int = 2
    log: bool = False
    over: str = "steps"
    height: int = 84
    newest: bool = True


@dataclass(frozen=True)
class Line:
    """One curve of a chart: its name where there are several, and its points."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""

    def thinned(self) -> dict[str, Any]:
        """At most a few hundred points, first and last kept, however long the run; plain numbers for JSON."""
        count = len(self.x)
        keep = range(count)
        if count > _MOST_POINTS:
            keep = [round(i * (count - 1) / (_MOST_POINTS - 1)) for i in range(_MOST_POINTS)]
        finite = [self.y[i] if math.isfinite(self.y[i]) else None for i in keep]
        return {"label": self.label, "x": [self.x[i] for i in keep], "y": finite}


@dataclass(frozen=True)
class Scene:
    """What does not change while a run goes on. `flow` lists the stations from input to output, left to right;
    `still` are encoded pictures by panel name; a `frozen` scene has no transport bar (exported pages). `verb` stands
    on the button that starts, `clock` behind the seconds; a `brief` run has neither single steps nor slow motion,
    and its pictures stand no wider than their shape."""

    panels: Sequence[Panel]
    curves: Sequence[Curve] = ()
    flow: Sequence[Panel] = ()
    still: Mapping[str, bytes] = field(default_factory=dict)
    height: int = 300
    frozen: bool = False
    verb: str = "Play"
    clock: str = "s of training"
    brief: bool = False


class LiveCanvas(anywidget.AnyWidget):
    """Shows a `Scene` and the run of a `Job`; buttons answer in the page at once and drive the job.

    Call `drive` to give it a run, `publish` from the job's thread to show a frame, `close` when done.
    """

    _esm = module_text("live_canvas")
    _css = style_text("live_canvas")
    scene = traitlets.Bytes(b"").tag(sync=True)
    frame = traitlets.Bytes(b"").tag(sync=True)
    command = traitlets.Dict().tag(sync=True)
    settled = traitlets.Int(0).tag(sync=True)
    """Counted up by the page when a run comes to rest, so that cells that look at the widget run again."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._commands = Commands()
        self._make_job: Callable[[], Job] | None = None
        self._status: dict[str, Any] = {"state": "new"}
        self._pictures: dict[str, bytes] = {}
        self._next = 0.0
        self._slow = False
        self.job: Job | None = None
        self.observe(self._obey, names="command")

    def show(self, scene: Scene) -> None:
        """Lay out panels, curves and flow, and draw what stands still."""
        header = asdict(scene)
        still = header.pop("still")
        self.scene = pack(header, still)

    def drive(self, make_job: Callable[[], Job]) -> None:
        """From now on the buttons start jobs made by `make_job`; a job that was running is stopped."""
        self.halt()
        self._make_job = make_job
        self.job = None

    def halt(self) -> None:
        """Stop the current job, if any."""
        if self.job is not None:
            self.job.stop()

    def due(self) -> bool:
        """Whether it is time for another frame."""
        return time.monotonic() >= self._next

    def rest(self, cost: float) -> None:
        """After a frame that took `cost` seconds to draw: the next one comes so that training keeps its share."""
        self._next = max(self._next, time.monotonic() + 0.5 * cost)

    def publish(self, pictures: Mapping[str, bytes] | None = None, **status: Any) -> None:
        """Send a frame. `status` may hold step, total (text), seconds, note, curves (chart -> list of `Line`), labels
        (panel -> caption); what is not given stays. Pictures that are not given stay on the page too."""
        if "curves" in status:
            status["curves"] = {name: [line.thinned() for line in lines] for name, lines in status["curves"].items()}
        with self._lock:
            self._next = time.monotonic() + 1 / FRAMES_PER_SECOND
            job = self.job
            self._status |= status
            self._status |= {
                "state": job.state if job else "new",
                "holding": bool(job and job.holding),
                "place": job.place if job else 0,
                "error": job.message if job else None,
                "slow": self._slow,
            }
            self._pictures |= pictures or {}
            self.frame = pack(self._status, pictures or {})

    def forget(self) -> None:
        """Remove pictures, curves and counters from the next message on."""
        with self._lock:
            self._status = {"state": "new"}
            self._pictures = {}
            self.frame = b""

    def play(self) -> None:
        self._current().start()

    def restart(self) -> None:
        self.halt()
        self.job = None
        self.play()

    def close(self) -> None:
        """Stop the job and leave the registry of widgets; safe to call twice."""
        self.halt()
        self.unobserve_all()
        self._make_job = None
        super().close()

    def _current(self) -> Job:
        """The job that the buttons mean: a fresh one when there is none or it is over."""
        if self.job is None or self.job.state in ("finished", "stopped", "failed"):
            if self._make_job is None:
                raise RuntimeError("the canvas has nothing to drive")
            self.job = self._make_job()
            self.job.delay = SLOW_SECONDS if self._slow else 0.0
        return self.job

    def _obey(self, change: Mapping[str, Any]) -> None:
        for name, value in self._commands.fresh(change["new"]):
            self._do(name, value)

    def _do(self, name: str, value: Any) -> None:
        if name == "hello":  # a page has opened, perhaps late: it gets the newest of every picture
            self.publish(self._pictures)
        if self._make_job is None:
            return
        match name:
            case "play":
                self.play()
                self.publish()
            case "restart":
                self.restart()
            case "pause" if self.job is not None:
                self.job.pause()
                self.publish()
            case "step":
                self._current().single_step()
            case "slow":
                self._slow = bool(value)
                if self.job is not None:
                    self.job.delay = SLOW_SECONDS if self._slow else 0.0
