"""The live canvas: a run's newest pictures and curves under a transport bar, the same in every notebook.

In a browser `play` offers the run and drives it as a job. Without one it runs to its end at once, with a progress bar
on the terminal. Either way the canvas keeps moments of the run, and its slider goes back to them without any Python.
"""

import dataclasses
import functools
import io
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, Generic, TypeVar

import marimo as mo
import numpy as np
import traitlets

from atelier.drawing import Chart, Frame, Line, encoded
from atelier.errors import UserError
from atelier.page.command import STOPPED, ProgressBar
from atelier.page.jobs import Job
from atelier.page.packing import Widget, hang, hung, pack, unpack
from atelier.page.session import program, session

Step = TypeVar("Step")

FRAMES_PER_SECOND = 15
SLOW_SECONDS = 0.4
_MOST_POINTS = 240
_MOST_MOMENTS = 60
_RECORD_BYTES = 3 << 19  # 1.5 MB
_FULL_SECONDS = 0.5


class Run(Generic[Step]):
    """What a notebook knows of a run: `step` is the newest one at rest (the opening, paused, the last), or None."""

    def __init__(
        self,
        key: tuple,
        show: Callable[[Any, bool], Frame],
        make: Callable[[], Iterator[Step]],
        moments: Callable[[Any], Iterable[Frame]] | None = None,
    ) -> None:
        self.key, self.show, self.make, self.moments = key, show, make, moments
        self.step: Step | None = None
        self.newest: Step | None = None
        """The newest step, also while the run goes on; read it between two steps only."""

    def is_for(self, key: tuple) -> bool:
        """Whether the run was made from the same function and arguments."""
        return _same(self.key, key)


class Live(Widget):
    """Shows the frames of one run after another. `play` gives it a run."""

    _source = "live"
    scene = traitlets.Bytes(b"").tag(sync=True)
    frame = traitlets.Bytes(b"").tag(sync=True)
    record = traitlets.Bytes(b"").tag(sync=True)
    settled = traitlets.Int(0).tag(sync=True)
    """Counted up by the page when a run comes to rest, so that the cells that use the run follow."""

    def __init__(
        self, poster: str = "", height: int = 300, verb: str = "Play", clock: str = "s", brief: bool = False
    ) -> None:
        super().__init__()
        self.job: Job | None = None
        self.run: Run | None = None
        self._waiting: Run | None = None
        self._look = {"height": height, "verb": verb, "clock": clock, "brief": brief}
        self._layout: dict[str, Any] = {}
        self._status: dict[str, Any] = {"state": "new"}
        self._pictures: dict[str, bytes] = {}
        self._recorder = Recorder()
        self._next = self._next_full = 0.0
        self._slow = self._left = False
        self.scene = pack(self._look, {})
        self._hang(poster)

    # What a notebook calls.

    def play(
        self,
        function: Callable[..., Iterator[Step]],
        *args: Any,
        show: Callable[[Step, bool], Frame],
        moments: Callable[[Step], Iterable[Frame]] | None = None,
        opening: Any = None,
        start: bool | None = None,
        aside: bool = False,
        alone: bool = True,
        held: bool = False,
        together: bool = False,
        **kwargs: Any,
    ) -> Run[Step]:
        """Offer the run that `function(*args, **kwargs)` makes, an iterator of steps.

        Called again with the same arguments (the same objects, or equal plain values) it changes nothing. With others,
        the run that was going on ends, and the canvas is ready for the new one.

        Args:
            show: show(step, full) is what a step looks like. With `full` false it may leave out what is slow to draw.
            moments: moments(step) gives frames of the run so far, for the slider that goes back, where steps remember
                them; else the canvas keeps some of what it has shown.
            opening: a finished step to show at first, or a Frame.
            start: whether the run begins by itself; by default where there is no opening.
            aside: a script that only writes files leaves this run out.
            alone: whether it is run at all where nobody looks on.
            held: once something has run, other arguments wait until the reader presses the button again; what was run
                stays until then.
            together: under torchrun all processes make this run; any other run is made by the first one, and the others
                end there.

        Returns:
            The run; its `step` is None until there is something to look at.
        """
        key = (function, args, kwargs)
        if self._waiting is not None and self._waiting.is_for(key):
            return self.run
        if self.run is not None and self.run.is_for(key):
            self._waiting = None
            if not _same(self.run.show, show):
                self.run.show = show
                if self.run.step is not None and not (self.job and self.job.state == "running"):
                    self.publish(show(self.run.step, True))
            return self.run
        run = Run(key, show, lambda: function(*args, **kwargs), moments)
        if held and self.job is not None:
            self._waiting = run
            return self.run
        running = self.job is not None and self.job.active and not self.job.holding
        self.halt()
        self.job, self._recorder, self._waiting = None, Recorder(), None
        self.run = run
        if not session().live:
            if not together and os.environ.get("RANK", "0") != "0":
                sys.exit(0)
            if alone and not (aside and session().script and not session().state.get("report")):
                self._run_through(run)
            return run
        self._pictures, self._status, self.record = {}, {"state": "new", "live": True}, b""
        if isinstance(opening, Frame):
            self.publish(opening)
        elif opening is not None:
            run.step = run.newest = opening
            self.publish(show(opening, True))
        if running or (start if start is not None else opening is None):
            self._current().start()
        self.publish()
        return run

    def halt(self) -> None:
        """End the current job, if any."""
        if self.job is not None:
            self.job.stop()

    def publish(self, frame: Frame | None = None, exact: bool = True) -> None:
        """Send a frame, or only the state of the job. exact: pictures as PNG, else as JPEG."""
        with self._lock:
            self._next = time.monotonic() + 1 / FRAMES_PER_SECOND
            pictures = {} if frame is None else self._take(frame, "PNG" if exact else "JPEG")
            job = self.job
            self._status |= {
                "state": job.state if job else "new",
                "holding": bool(job and job.holding),
                "place": job.place if job else 0,
                "error": job.message if job else None,
                "slow": self._slow,
            }
            self._pictures |= pictures
            self.frame = pack(self._status, pictures)

    def close(self) -> None:
        """Stop the job and leave the registry of widgets; safe to call twice."""
        self.halt()
        self.run = None
        super().close()

    # The job.

    def _current(self) -> Job:
        """The job that the buttons mean: a fresh one when there is none or it is over."""
        if self.job is None or self.job.state in ("finished", "stopped", "failed"):
            self.run = run = self._waiting or self.run
            self._waiting = None
            self._recorder, self._next_full = Recorder(), 0.0
            self._status = {
                "state": "new",
                "live": True,
                "captions": {},
                "step": 0,
                "charts": self._status.get("charts"),
            }
            self.record = b""
            job = Job(
                run.make, on_step=lambda step: self._draw(job, run, step), on_change=lambda: self._settle(job, run)
            )
            job.delay = SLOW_SECONDS if self._slow else 0.0
            self.job = job
        return self.job

    def _draw(self, job: Job, run: Run, step: Any) -> None:
        if job is not self.job:
            return
        run.newest = step
        begin = time.monotonic()
        ends = step.progress >= 1 or job.delay > 0 or job.holding
        if not ends and begin < self._next:
            return
        full = ends or begin >= self._next_full
        frame = run.show(step, full)
        self.publish(frame, exact=ends)
        if full:
            if run.moments is None:
                self._recorder.offer(frame, last=step.progress >= 1)
            cost = time.monotonic() - begin
            self._next_full = time.monotonic() + max(4 * cost, min(_FULL_SECONDS, 0.1 * job.seconds))
        self._next = max(self._next, time.monotonic() + 0.5 * (time.monotonic() - begin))

    def _settle(self, job: Job, run: Run) -> None:
        """A new state; a run that stands still is drawn exactly, and its moments can be gone back to."""
        if job is not self.job:
            return
        frame = None
        if job.state in ("paused", "finished", "stopped") and job.latest is not None:
            run.step = job.latest
            frame = run.show(job.latest, True)
        self.publish(frame)
        if frame is not None:
            self._remember(run, frame)

    def _remember(self, run: Run, frame: Frame) -> None:
        """Offer the moments of a run that stands still to the slider; `frame` is the newest."""
        if run.moments is not None:
            self._recorder = Recorder()
            for moment in run.moments(run.step):
                self._recorder.offer(moment)
        self._recorder.offer(frame, last=True)
        self.record = self._recorder.message()

    def _run_through(self, run: Run) -> None:
        """Without a browser: to the end, or until someone stops the program."""
        bar, moments, last = ProgressBar(None if os.environ.get("RANK", "0") == "0" else io.StringIO()), 0, None
        steps = run.make()
        try:
            for last in steps:
                bar(getattr(run.key[0], "__name__", "run").replace("_", " "), last.progress, f"step {last.step:,}")
                if run.moments is None and last.progress >= (moments / _MOST_MOMENTS) ** 1.5:
                    moments = math.ceil(_MOST_MOMENTS * last.progress ** (1 / 1.5) + 1e-9)
                    self._recorder.offer(run.show(last, True))
                if STOPPED.signal:
                    STOPPED.words = f" at step {last.step:,}"
                    break
        except UserError as error:
            if last is None or not session().script:
                sys.exit(f"{program()}: {error}")
            print(f"\n{program()}: {error}", file=sys.stderr)
        finally:
            if hasattr(steps, "close"):
                steps.close()
        if last is None:
            sys.exit(f"{program()}: This run had no step; give it a longer budget.")
        run.step = run.newest = last
        self._status |= {"live": True, "still": True}
        frame = run.show(last, True)
        self.publish(frame)
        self._remember(run, frame)

    # Messages.

    def _take(self, frame: Frame, kind: str) -> dict[str, bytes]:
        """Put a frame's words into the status and lay out the scene anew where it differs; its pictures, encoded."""
        layout = _layout(frame, self._layout)
        if layout != self._layout:
            self._layout = layout
            self.scene = pack({**layout, **self._look}, {})
        if frame.charts:
            self._status["charts"] = {chart.title: chart_values(chart) for chart in frame.charts}
        self._status |= {
            "step": frame.step,
            "total": frame.total,
            "seconds": frame.seconds,
            "note": frame.note,
            "captions": {**self._status.get("captions", {}), **frame.captions},
        }
        pictures = {name: encoded(pixels, kind) for name, pixels in frame.pictures.items()}
        return pictures | {f"flow {name}": encoded(pixels) for name, pixels in frame.flow.items()}

    def _hang(self, poster: str) -> None:
        """Show the stored first frame until the library is there."""
        if stored := hung(poster):
            header, pictures = unpack(stored)
            asked_for_more = bool(session().state.get("words") and session().state["words"].asked)
            self.scene = pack({**header["scene"], **self._look}, {})
            self._layout = header["scene"]
            self.frame = pack({**header["frame"], "note": "Opening"}, {} if asked_for_more else pictures)

    def _heard(self, name: str, value: Any) -> None:
        if name == "hello":  # a page has opened, perhaps late: it gets the newest of every picture
            if self._left and self.job is not None:
                self.job.start()
            self._left = False
            if self._pictures:
                with self._lock:
                    self.frame = pack(self._status, self._pictures)
            return
        if name == "bye":  # nobody looks on: the processor is for others
            self._left = self.job is not None and self.job.state in ("queued", "running") and not self.job.holding
            if self._left:
                self.job.pause()
            return
        if self.run is None:
            return
        match name:
            case "play":
                self._current().start()
            case "restart":
                self.halt()
                self.job = None
                self._current().start()
            case "pause" if self.job is not None:
                self.job.pause()
            case "step":
                self._current().single_step()
            case "slow":
                self._slow = bool(value)
                if self.job is not None:
                    self.job.delay = SLOW_SECONDS if self._slow else 0.0
        self.publish()


class Recorder:
    """Moments of a run of unknown length, at most 60 and within a budget of bytes, the first and the newest among them.

    When it is full every second moment goes and the stride doubles, so the moments stay evenly spread.
    """

    def __init__(self, most: int = _MOST_MOMENTS, most_bytes: int = _RECORD_BYTES) -> None:
        self.most, self.most_bytes = most, most_bytes
        self.moments: list[tuple[dict[str, Any], dict[str, bytes]]] = []
        self._stride, self._offered = 1, 0

    def offer(self, frame: Frame, last: bool = False) -> None:
        """Consider a frame; the last one of a run is always kept."""
        if self.moments and self.moments[-1][0]["step"] == frame.step:
            return
        self._offered += 1
        if not frame.pictures or (self._offered % self._stride and not last):
            return
        header = {"step": frame.step, "total": frame.total, "seconds": frame.seconds, "captions": dict(frame.captions)}
        pictures = {name: encoded(pixels, "WEBP") for name, pixels in frame.pictures.items()}
        pictures |= {f"flow {name}": encoded(pixels, "WEBP") for name, pixels in frame.flow.items()}
        self.moments.append((header, pictures))
        while len(self.moments) > 2 and (len(self.moments) > self.most or self.bytes > self.most_bytes):
            self.moments = [*self.moments[:-1:2], self.moments[-1]]
            self._stride *= 2

    @property
    def bytes(self) -> int:
        """Size of the pictures."""
        return sum(len(data) for _, pictures in self.moments for data in pictures.values())

    def message(self) -> bytes:
        """All moments as one message; empty where there are fewer than two."""
        if len(self.moments) < 2:
            return b""
        pictures = {f"{k} {name}": data for k, (_, found) in enumerate(self.moments) for name, data in found.items()}
        return pack({"moments": [header for header, _ in self.moments]}, pictures)


def live(poster: str = "", *, height: int = 300, verb: str = "Play", clock: str = "s", brief: bool = False) -> Any:
    """A live canvas as an element of the page; make it in a cell of its own.

    Args:
        poster: name of the stored picture that stands there until the first frame.
        height: most pixels of a picture's height.
        verb: on the button that starts. clock: what the seconds count.
        brief: neither single steps nor slow motion, for runs that are not watched step by step.
    """
    made = Live(poster, height, verb, clock, brief)
    session().keep(made.close)
    return mo.ui.anywidget(made)


def replay(frames: Iterator[Frame] | list[Frame], *, height: int = 360) -> Any:
    """Frames under a slider, the last one shown at first; alive in a report, too."""
    recorder = Recorder(most=200)
    last = None
    for last in frames:
        recorder.offer(last, last=True)
    made = Live(height=height)
    made._look["frozen"] = True
    made._status |= {"live": True, "still": True}
    if last is not None:
        made.publish(last)
    made.record = recorder.message()
    session().keep(made.close)
    return mo.ui.anywidget(made)


def write_poster(name: str, frame: Frame) -> Path:
    """Store the first frame of a notebook, to hang it before the library is there."""
    made = Live()
    pictures = {key: encoded(pixels, "WEBP") for key, pixels in frame.pictures.items()}
    pictures |= {f"flow {key}": encoded(pixels, "WEBP") for key, pixels in frame.flow.items()}
    made._take(frame, "JPEG")
    header = {"scene": made._layout, "frame": {**made._status, "state": "new"}}
    made.close()
    return hang(name, pack(header, pictures))


def _layout(frame: Frame, before: Mapping[str, Any]) -> dict[str, Any]:
    """What of a frame's look does not change from step to step. A part that is left out stays as it was."""

    def panels(pictures: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        return [
            {"name": name, "label": frame.captions.get(name, name), "aspect": pixels.shape[1] / pixels.shape[0]}
            for name, pixels in pictures.items()
        ]

    charts = [chart_words(chart) for chart in frame.charts]
    found = {"panels": panels(frame.pictures), "charts": charts, "flow": panels(frame.flow)}
    shown = {key: [{k: v for k, v in part.items() if k != "label"} for part in parts] for key, parts in found.items()}
    result = {}
    for key, parts in found.items():
        old = before.get(key, [])
        names = [part["name"] for part in parts]
        alike = shown[key] == [{k: v for k, v in part.items() if k != "label"} for part in old]
        keep = alike or {*names} < {part["name"] for part in old}
        result[key] = old if keep else parts
    return result


def chart_words(chart: Chart) -> dict[str, Any]:
    """How a chart looks, for `chart` in chart.js."""
    look = {name: getattr(chart, name) for name in ("unit", "digits", "log", "over", "height", "newest")}
    return {"name": chart.title, **look}


def chart_values(chart: Chart) -> list[dict[str, Any]]:
    """The curves of a chart, for `update` in chart.js."""
    return [_thinned(line) for line in chart.lines]


def _thinned(line: Line) -> dict[str, Any]:
    """At most a few hundred points, first and last kept, however long the run; plain numbers for JSON."""
    count = len(line.x)
    keep = range(count)
    if count > _MOST_POINTS:
        keep = [round(i * (count - 1) / (_MOST_POINTS - 1)) for i in range(_MOST_POINTS)]
    finite = [float(line.y[i]) if math.isfinite(line.y[i]) else None for i in keep]
    return {"label": line.label, "x": [float(line.x[i]) for i in keep], "y": finite}


_PLAIN = (int, float, str, bool, bytes, type(None))


def _same(a: Any, b: Any) -> bool:
    """Whether two arguments mean the same: the same object, equal plain values (also within tuples, dicts and partial
    functions), or functions made again by the same line of a notebook."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, FunctionType):
        held = [tuple(cell.cell_contents for cell in f.__closure__ or ()) for f in (a, b)]
        return a.__code__ == b.__code__ and _same(*held) and _same(a.__defaults__, b.__defaults__)
    if isinstance(a, functools.partial):
        return all(map(_same, (a.func, a.args, a.keywords), (b.func, b.args, b.keywords)))
    if isinstance(a, MethodType):
        return a.__func__ is b.__func__ and a.__self__ is b.__self__
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if dataclasses.is_dataclass(a) and a.__dataclass_params__.frozen:
        return _same(vars(a), vars(b))
    return isinstance(a, _PLAIN) and a == b
