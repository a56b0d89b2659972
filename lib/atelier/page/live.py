"""The live canvas: a run's newest pictures and curves under a transport bar, the same in every notebook.

In a browser `play` offers the run and drives it as a job. Without one it runs to its end at once, with a progress bar
on the terminal. Either way the canvas keeps moments of the run, and its slider goes back to them without any Python.
"""

import dataclasses
import functools
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType
from typing import Any, Generic, TypeVar

import numpy as np
import traitlets

from atelier.drawing import Chart, Frame, encoded
from atelier.errors import UserError
from atelier.page.command import LEADS, STOPPED, ProgressBar
from atelier.page.jobs import OVER, Job
from atelier.page.packing import Widget, element, hung, pack
from atelier.page.session import give_up, program, session

Step = TypeVar("Step")

FRAMES_PER_SECOND = 15
SLOW_SECONDS = 0.4
FULL_SECONDS = 0.5
KEPT_SECONDS = 20.0  # a paused run of more is not ended by a change
DRAWING_SHARE = 0.25  # of the time of a run that nobody watches, for the moments to go back to
MOST_POINTS = 240
MOST_MOMENTS = 60
RECORD_BYTES = 1 << 20
_IDLE: Job = Job(lambda: iter(()))  # in place of a job before the first one


@dataclass(eq=False)
class Run(Generic[Step]):
    """What a notebook knows of a run: `step` is the newest one at rest (the opening, paused, the last), or None.

    `newest` is the newest step also while the run goes on; read it between two steps only. `watch` is called between
    two steps, whenever one is drawn.
    """

    make: functools.partial[Iterator[Step]]
    show: Callable[[Any, bool], Frame]
    moments: Callable[[Any], Iterable[Frame]] | None = None
    step: Step | None = None
    newest: Step | None = None
    watch: Callable[[Step], object] | None = None

    @property
    def args(self) -> tuple[Any, ...]:
        """What the function of the run was called with. While another run waits, a notebook has newer values."""
        return self.make.args


class Live(Widget):
    """Shows the frames of one run after another; make it in a cell of its own. `play` gives it a run.

    Args:
        poster: name of the stored picture that stands there until the first frame.
        height: most pixels of a picture's height.
        verb: on the button that starts. clock: what the seconds count.
        brief: neither single steps nor slow motion, for runs that are not watched step by step.
    """

    _source = "live"
    scene = traitlets.Dict().tag(sync=True)
    frame = traitlets.Bytes(b"").tag(sync=True)
    record = traitlets.Bytes(b"").tag(sync=True)
    settled = traitlets.Int(0).tag(sync=True)
    """Counted up by the page when a run comes to rest, so that the cells that use the run follow."""

    def __init__(
        self, poster: str = "", *, height: int = 300, verb: str = "Play", clock: str = "s", brief: bool = False
    ) -> None:
        super().__init__()
        self.job: Job | None = None
        self.run: Run | None = None
        self._waiting: Run | None = None
        self._look = {"height": height, "verb": verb, "clock": clock, "brief": brief}
        self._status: dict[str, Any] = {"state": "new"}
        self._recorder = Recorder()
        self._next = self._next_full = 0.0
        self._slow = self._left = False
        header, self._pictures = hung(poster)
        self._layout: dict[str, Any] = header.get("scene", {})
        self.scene = self._layout | self._look
        if header:
            self._status |= header["frame"] | {"note": "Opening"}
            self.frame = pack(self._status, self._pictures)

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
        the run that was going on ends, and the canvas is ready for the new one; but a paused run of more than 20
        seconds stays until the reader presses the button.

        Args:
            show: show(step, full) is what a step looks like. With `full` false it may leave out what is slow to draw.
            moments: moments(step) gives frames of the run so far, for the slider that goes back, where steps remember
                them; else the canvas keeps some of what it has shown.
            opening: a finished step to show at first, or a Frame.
            start: whether the run begins by itself; by default where there is no opening.
            aside: a script without a report leaves this run out.
            alone: whether scripts and exports make this run.
            held: once something has run, other arguments wait until the reader presses the button again; what was run
                stays until then.
            together: under torchrun all processes make this run; any other run is made by the first one, and the others
                end there.

        Returns:
            The run; its `step` is None until there is something to look at.
        """
        run = Run(functools.partial(function, *args, **kwargs), show, moments)
        if self._waiting and _same(self._waiting.make, run.make):
            return self.run
        if self.run and _same(self.run.make, run.make):
            self._wait_with(None)
            if not _same(self.run.show, show):
                self.run.show = show
                if self.run.step is not None and not (self.job and self.job.state == "running"):
                    self.publish(show(self.run.step, True))
            return self.run
        job = self.job
        if job and (held or _costly(job)):
            self._wait_with(run)
            return self.run
        if start is None:
            start = opening is None
        start = start or bool(job and job.active and not job.holding)
        self.halt()
        self.send({"problem": ""})  # what a run told that has ended now
        stays, first = opening is None and not start, self.run is None
        with self._lock:
            self.job, self.run, self._recorder, self._waiting = None, run, Recorder(), None
        if not session().live:
            if not (together or LEADS):
                sys.exit(0)
            if alone and not (aside and session().script and not session().state.get("report")):
                self._run_through(run)
            return run
        self._renew(stays, first)
        if opening is not None and not isinstance(opening, Frame):
            run.step = run.newest = opening
            opening = show(opening, True)
        self.publish(opening)
        if start:
            self._current().start()
        return run

    def _renew(self, stays: bool, first: bool) -> None:
        """The status of a run that has not begun. Till its first frame the canvas shows a poster or, unless this is the
        `first` run, what another one has left, which the page dims. stays: nothing replaces it by itself."""
        with self._lock:
            kept = {key: self._status[key] for key in ("captions", "charts") if stays and key in self._status}
            self._status, self.record = {"state": "new", "live": True, "left": not first, **kept}, b""
            if not stays:
                self._pictures = {}
            elif self._layout and not first:
                self._status["note"] = "Not run yet with what is chosen now"

    def halt(self) -> None:
        """End the current job, if any."""
        if self.job:
            self.job.stop()

    def publish(self, frame: Frame | None = None, exact: bool = True) -> None:
        """Send a frame, or only the state of the job. exact: pictures as PNG, else as JPEG; a page that stands
        still, such as a report, takes the smaller WebP."""
        with self._lock:
            self._next = time.monotonic() + 1 / FRAMES_PER_SECOND
            kind = ("PNG" if exact else "JPEG") if self._watched else "WEBP"
            pictures = self._take(frame, kind) if frame else {}
            job = self.job or _IDLE
            told = {"state": job.state, "holding": job.holding, "place": job.place, "error": job.message}
            self._status |= told | {"slow": self._slow, "waiting": self._waiting is not None}
            self._pictures |= pictures
            self.frame = pack(self._status, pictures)

    def close(self) -> None:
        """Stop the job and leave the registry of widgets; safe to call twice."""
        self.halt()
        self.run = None
        super().close()

    def _wait_with(self, run: Run | None) -> None:
        """Let this run wait for the button, or none."""
        if run is not self._waiting:
            self._waiting = run
            self.publish()

    # The job. Its thread draws without the lock, and shows what it drew only if no other job has begun meanwhile.

    def _current(self) -> Job:
        """The job that the buttons mean: a fresh one when there is none or it is over."""
        with self._lock:
            if self.job is None or self.job.state in OVER:
                left, self.run = self._waiting is not None, self._waiting or self.run
                run, self._waiting, self._recorder, self._next_full, self.record = self.run, None, Recorder(), 0.0, b""
                shown = {key: self._status[key] for key in ("charts", "captions") if key in self._status}
                left = left or self._status.get("left", False)
                self._status = {"state": "new", "live": True, "step": 0, "left": left} | shown
                job = Job(run.make, lambda step: self._draw(job, run, step), lambda: self._settle(job, run))
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
        with self._lock:
            if job is not self.job:
                return
            self.publish(frame, exact=ends)
            if full and run.moments is None:
                self._recorder.offer(frame, last=step.progress >= 1)
        if full:
            cost = time.monotonic() - begin
            self._next_full = time.monotonic() + max(4 * cost, min(FULL_SECONDS, 0.1 * job.seconds))
        self._next = max(self._next, time.monotonic() + 0.5 * (time.monotonic() - begin))
        if run.watch:
            with self._telling():
                run.watch(step)

    def _settle(self, job: Job, run: Run) -> None:
        """A new state; a run that stands still is drawn exactly, and its moments can be gone back to."""
        if job is not self.job:
            return
        if job.state in ("paused", "finished", "stopped") and job.latest is not None:
            self._rest(job, run, job.latest)
        else:
            self.publish()

    def _rest(self, job: Job | None, run: Run, step: Any) -> None:
        run.step = run.newest = step
        if not self._session.shown:
            return
        frame, recorder = run.show(step, True), Recorder()
        for moment in run.moments(step) if run.moments else ():
            recorder.offer(moment)
        with self._lock:
            if job is not self.job:
                return
            if run.moments:
                self._recorder = recorder
            self._recorder.offer(frame, last=True)
            self.record = self._recorder.message()  # first, so that a page which says "Finished" can go back
            self.publish(frame)

    def _run_through(self, run: Run) -> None:
        """Without a browser: to the end, or until someone stops the program."""
        bar, moments, last, began, drawing = ProgressBar(), 0, None, time.monotonic(), 0.0
        name = getattr(run.make.func, "__name__", "run").replace("_", " ")
        steps, most = run.make(), MOST_MOMENTS // 3 if self._look["brief"] else MOST_MOMENTS
        try:
            for last in steps:
                bar(name, last.progress, f"step {last.step:,}")
                now = time.monotonic()
                wanted = self._session.shown and run.moments is None and last.progress >= (moments / most) ** 1.5
                if wanted and drawing <= 0.5 + DRAWING_SHARE * (now - began):
                    moments = math.ceil(most * last.progress ** (1 / 1.5) + 1e-9)
                    self._recorder.offer(run.show(last, True))
                    drawing += time.monotonic() - now
                if STOPPED.signal:
                    STOPPED.words = f" at step {last.step:,}"
                    break
        except UserError as error:
            if last is None or not session().script:
                give_up(error)
            print(f"\n{program()}: {error}", file=sys.stderr)
        finally:
            if hasattr(steps, "close"):
                steps.close()
        if last is None:
            give_up("This run had no step; give it a longer budget.")
        self._status |= {"live": True, "still": True}
        self._rest(None, run, last)

    # Messages.

    def _take(self, frame: Frame, kind: str) -> dict[str, bytes]:
        """Put a frame's words into the status and its layout into the scene; gives its pictures, encoded.

        The scene holds what does not change from step to step. A part that a frame leaves out stays as it was.
        """
        for key, parts in _layout(frame).items():
            if not {part["name"] for part in parts} < {part["name"] for part in self._layout.get(key, [])}:
                self._layout[key] = parts
        self.scene = self._layout | self._look
        self._status["left"] = False
        if frame.charts:
            self._status["charts"] = {chart.title: chart_values(chart) for chart in frame.charts}
        self._status["captions"] = self._status.get("captions", {}) | frame.captions
        self._status |= {name: getattr(frame, name) for name in ("step", "total", "seconds", "note")}
        return _pictures(frame, kind)

    def _heard(self, name: str, value: Any) -> None:
        match name:
            case "hello":  # a page has opened, perhaps late: it gets the newest of every picture
                if self._left and self.job:
                    self.job.start()
                self._left = False
                if self._pictures:
                    with self._lock:
                        self.frame = pack(self._status, self._pictures)
                return
            case "bye":  # the page was closed: others may use the processor
                self._left = bool(self.job and self.job.state in ("queued", "running") and not self.job.holding)
                if self._left:
                    self.job.pause()
                return
            case _ if self.run is None:
                return
            case "play":
                self._current().start()
            case "restart":
                self.halt()
                with self._lock:
                    self.job = None
                    job = self._current()
                job.start()
            case "pause" if self.job:
                self.job.pause()
            case "step":
                self._current().single_step()
            case "slow":
                self._slow = bool(value)
                if self.job:
                    self.job.delay = SLOW_SECONDS if self._slow else 0.0
        self.publish()


class Recorder:
    """Moments of a run of unknown length, at most 60 and within a budget of bytes, the first and the newest among them.

    When it is full every second moment goes and the stride doubles, so the moments stay evenly spread.
    """

    def __init__(self, most: int = MOST_MOMENTS, most_bytes: int = RECORD_BYTES) -> None:
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
        self.moments.append((header, _pictures(frame, "WEBP")))
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


live = element(Live)


def replay(frames: Iterable[Frame]) -> Any:
    """Frames under a slider, the last one shown at first; alive in a report, too."""
    recorder, made = Recorder(most=200), live(height=360)
    widget, last = made.widget, None
    for last in frames:
        recorder.offer(last, last=True)
    widget._look["frozen"] = True
    widget._status |= {"live": True, "still": True}
    widget.publish(last)
    widget.record = recorder.message()
    return made


def _costly(job: Job) -> bool:
    """Whether a job that is paused, or about to be, took so long that a change may not end it."""
    return (job.state == "paused" or (job.active and job.holding)) and job.seconds > KEPT_SECONDS


def _pictures(frame: Frame, kind: str) -> dict[str, bytes]:
    """All pictures of a frame, encoded, under the names that live.js knows."""
    named = {**frame.pictures, **{f"flow {name}": pixels for name, pixels in frame.flow.items()}}
    return {name: encoded(pixels, kind) for name, pixels in named.items()}


def _layout(frame: Frame) -> dict[str, list[dict[str, Any]]]:
    """The parts of a frame: panels and small pictures with their width ÷ height, charts with their looks."""

    def panels(pictures: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        return [{"name": name, "aspect": pixels.shape[1] / pixels.shape[0]} for name, pixels in pictures.items()]

    charts = [chart_words(chart) for chart in frame.charts]
    return {"panels": panels(frame.pictures), "charts": charts, "flow": panels(frame.flow)}


def chart_words(chart: Chart) -> dict[str, Any]:
    """How a chart looks, for `chart` in chart.js."""
    look = {name: getattr(chart, name) for name in ("unit", "digits", "log", "over", "height", "newest")}
    return {"name": chart.title, **look}


def chart_values(chart: Chart) -> list[dict[str, Any]]:
    """The curves of a chart, for `update` in chart.js: at most a few hundred points, first and last kept, and None for
    what JSON does not know."""
    curves = []
    for line in chart.lines:
        keep = np.linspace(0, len(line.x) - 1, min(len(line.x), MOST_POINTS)).round().astype(int).tolist()
        y = [float(line.y[i]) if math.isfinite(line.y[i]) else None for i in keep]
        curves.append({"label": line.label, "x": [float(line.x[i]) for i in keep], "y": y})
    return curves


def _same(a: Any, b: Any) -> bool:
    """Whether two arguments mean the same: the same object, equal plain values (also within tuples, dicts and partial
    functions), or functions made again by the same line of a notebook."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (int, float, str, bytes, CodeType)):
        return a == b
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    mine, other = _parts(a), _parts(b)
    return mine is not None and len(mine) == len(other) and all(map(_same, mine, other))


def _parts(value: Any) -> tuple | list | None:
    """What a value consists of, where it may be made again by the same line; else None."""
    match value:
        case tuple() | list():
            return value
        case FunctionType():
            return value.__code__, value.__defaults__, tuple(held.cell_contents for held in value.__closure__ or ())
        case MethodType():
            return value.__func__, value.__self__
        case functools.partial():
            return value.func, value.args, value.keywords
        case _ if dataclasses.is_dataclass(value) and value.__dataclass_params__.frozen:
            return (vars(value),)
    return None
