"""The live painting fitter: one browser session's canvas, run and views, without any notebook."""

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from atelier import figures
from atelier.data.pictures import PAINTINGS, Picture, fitted_size, weights_file
from atelier.errors import UserError
from atelier.fields import networks, rendering
from atelier.fields.fitting import FitStep, Measure, warm_up
from atelier.fields.inside import stage_maps, unit_sheet
from atelier.fields.metrics import decibels
from atelier.fields.networks import CoordinateNetwork
from atelier.fields.recording import Moment
from atelier.fields.window import Window
from atelier.page.jobs import Job
from atelier.painting import exports
from atelier.painting.run import Run, check_fits, shipped_run
from atelier.painting.settings import PaintingSettings
from atelier.page import Curve, Line, LiveCanvas, Panel, Scene, encode_picture

_MEASURE_SECONDS = 0.5
"""Between two measurements (PSNR, SSIM, error, inside views); the picture itself is drawn more often."""
_FLOW_SIDE = 40
_PANEL_HEIGHT = 330
_LOOK_SIDE = 480
_CURVES = (
    Curve("loss", "Loss", digits=4, log=True),
    Curve("psnr", "PSNR", "dB", 2),
    Curve("ssim", "SSIM", "", 4),
)


class Studio:
    """What one visitor sees and drives. Settings that change while a run goes on apply to the next one."""

    def __init__(self, settings: PaintingSettings, picture: Picture) -> None:
        self.canvas = LiveCanvas()
        self.settings, self.picture = settings, picture
        self.run: Run | None = None
        self.loaded: bytes | None = None
        self._files = tempfile.TemporaryDirectory(prefix="atelier-")
        self._measured = 0.0
        self._configured = False
        threading.Thread(target=warm_up, name="atelier-warm-up", daemon=True).start()
        self.open()

    def close(self) -> None:
        """End the session: stop what runs, forget the widget, remove temporary files."""
        self.canvas.close()
        with contextlib.suppress(OSError):
            self._files.cleanup()

    def configure(self, settings: PaintingSettings, picture: Picture) -> None:
        """Take new settings; another picture opens at once, anything else applies to the next run."""
        other_picture = not same_pixels(picture, self.picture)
        # The learning rate is turned while the run goes on, so it is no reason to start again.
        changed = settings.replace(learning_rate=None) != self.settings.replace(learning_rate=None)
        self.settings, self.picture = settings, picture
        if other_picture:
            self.canvas.halt()
            self.open()
        elif changed and self._configured:
            if self.canvas.job is not None and self.canvas.job.active:
                self.canvas.publish(note="New settings: start again to use them")
            else:
                self.canvas.drive(self._job)
                self.canvas.publish(note="Play uses the new settings")
        self._configured = True

    def open(self) -> None:
        """Show the picture beside the finished network that ships with it, where there is one."""
        self.canvas.forget()
        self.canvas.drive(self._job)
        self.loaded = None
        weights = weights_file(self.settings.picture)
        painting = PAINTINGS.get(self.settings.picture)
        own = painting is not None and self.picture.title == painting.title  # an upload keeps the choice beside it
        shipped = own and not self.settings.gray and weights.is_file()
        self.run = shipped_run(self.picture, weights) if shipped else None
        self.canvas.show(self._scene(self.run))
        if shipped:
            self._publish_measure(self.run, self.run.last)
            self.canvas.publish(
                step=self.run.step,
                total="steps",
                seconds=self.run.seconds,
                labels={"now": f"finished network · {decibels(self.run.last.psnr)}"},
                note="Finished beforehand",
            )
        else:
            blank = encode_picture(np.full(self.picture.pixels.shape[:2], 128, np.uint8))
            self.canvas.publish({"now": blank, "error": blank}, note="Press Play")

    def load(self, data: bytes) -> str:
        """Take a checkpoint's bytes: the network is shown, and Play goes on from it.

        Raises:
            UserError: it cannot be used, or is of another network than the one chosen.
        """
        path = Path(self._files.name) / "loaded.safetensors"
        path.write_bytes(data)
        _, spec, extra = networks.load(path)
        check_fits(spec, self.settings, self.picture)
        self.canvas.halt()
        self.canvas.drive(self._job)
        self.loaded = data
        self.run = shipped_run(self.picture, path)
        self.canvas.show(self._scene(self.run))
        self._publish_measure(self.run, self.run.last)
        self.canvas.publish(step=int(extra.get("steps", 0)), total="steps", note="Play goes on from here")
        return f"Loaded: {self.run.last.psnr:.2f} dB on this picture."

    def set_learning_rate(self, rate: float) -> None:
        """Turn the knob of the run that is going on, and of the next one.

        Raises:
            UserError: a rate out of bounds.
        """
        self.settings = self.settings.replace(learning_rate=rate)
        if self.run is not None:
            self.run.knobs.learning_rate = rate

    def measured_run(self) -> Run:
        """The run to look at.

        Raises:
            UserError: nothing has been measured yet.
        """
        if self.run is None or self.run.last is None:
            raise UserError("There is nothing to show yet: press Play first.")
        return self.run

    def moments(self) -> list[Moment]:
        """The moments that can be gone back to, oldest first."""
        return list(self.run.recording.moments) if self.run is not None else []

    def window_for(self, window: Window) -> Window:
        """The same window if it fits the shape of the picture, else the whole picture."""
        return window if window.aspect == self.picture.aspect else Window(aspect=self.picture.aspect)

    def look(self, window: Window) -> dict[str, bytes]:
        """A window on the network's field and on the original's pixels, enlarged by bicubic interpolation:
        caption -> PNG."""
        height, width = fitted_size(window.aspect, 1.0, _LOOK_SIDE)
        views = {}
        if self.run is not None:
            moments = self.moments()
            network = self.run.network_at(moments[-1]) if moments else self.run.network
            field = rendering.render(network, window, height, width)
            views["the network"] = encode_picture(rendering.to_uint8(field))
        original = rendering.to_uint8(bicubic(self.picture.pixels, window, height, width))
        return views | {"the pixels it learned from, bicubic": encode_picture(original)}

    # Exports, each an iterator of ExportStep for an Exporter.

    def gif(self) -> Iterator[exports.ExportStep]:
        run = self.measured_run()
        if len(run.recording.moments) < 2:
            raise UserError("An animation needs a run: press Play first.")
        return exports.training_gif(run.picture.pixels, run.spec, run.recording.moments)

    def comparison(self) -> Iterator[exports.ExportStep]:
        run = self.measured_run()
        return iter([exports.ExportStep(1, 1, exports.comparison_png(run.picture.pixels, run.last, run.picture.title))])

    def checkpoint(self) -> Iterator[exports.ExportStep]:
        run = self.measured_run()
        network = run.network_at(run.recording.moments[-1])
        path = networks.save(
            Path(self._files.name) / "checkpoint.safetensors", network, run.spec, steps=run.step, seconds=run.seconds
        )
        return iter([exports.ExportStep(1, 1, path.read_bytes())])

    def large(self, longer: int) -> Iterator[exports.ExportStep]:
        run = self.measured_run()
        return exports.large_picture(run.network_at(run.recording.moments[-1]), run.spec.aspect, longer)

    # The live run.

    def _job(self) -> Job[FitStep]:
        settings = self.settings
        if self.loaded is not None:
            path = Path(self._files.name) / "loaded.safetensors"
            path.write_bytes(self.loaded)
            settings = settings.replace(checkpoint=str(path))
        run = Run.from_settings(settings, self.picture)
        self.run = run
        self._measured = 0.0
        self.canvas.show(self._scene(run))
        self.canvas.publish(step=0, seconds=0.0, total=_total(run), note="", curves={}, labels={"now": "network"})
        job: Job[FitStep] = Job(
            run.steps, on_step=lambda step: self._draw(job, run, step), on_change=lambda: self._settle(job, run)
        )
        return job

    def _draw(self, job: Job, run: Run, step: FitStep) -> None:
        if job is not self.canvas.job:
            return
        ends = step.progress == 1 or job.delay > 0 or job.holding
        if not ends and not self.canvas.due():
            return
        begin = time.monotonic()
        status = {"step": step.step, "seconds": step.seconds}
        if ends or begin >= self._measured:
            measure = run.note(step)
            self._publish_measure(run, measure, lossless=ends, **status)
            self._measured = time.monotonic() + max(_MEASURE_SECONDS, 4 * (time.monotonic() - begin))
        else:
            picture = rendering.to_uint8(step.render())
            self.canvas.publish({"now": encode_picture(picture, lossless=False)}, **status)
        self.canvas.rest(time.monotonic() - begin)

    def _settle(self, job: Job, run: Run) -> None:
        """Tell the page of a new state; a run that stands still is measured and drawn exactly."""
        if job is not self.canvas.job:
            return
        if job.latest is not None and job.state in ("paused", "finished"):
            step = job.latest
            self._publish_measure(run, run.note(step), step=step.step, seconds=step.seconds)
        else:
            self.canvas.publish()

    def _publish_measure(self, run: Run, measure: Measure, lossless: bool = True, **status) -> None:
        now, original = measure.picture, run.picture.pixels
        error = figures.error_map(now.numpy(), original.numpy())
        pictures = {
            "now": encode_picture(rendering.to_uint8(now), lossless),
            "error": encode_picture(error, lossless),
            **{f"flow {name}": encode_picture(sheet) for name, sheet in flow_sheets(run.network, run.spec).items()},
        }
        x = run.history["step"]
        label = f"network · {decibels(measure.psnr)}"
        if measure.held_out_psnr is not None:
            label += f", held-out pixels {measure.held_out_psnr:.1f} dB"
        self.canvas.publish(
            pictures, curves={c.name: [Line(x, run.history[c.name])] for c in _CURVES}, labels={"now": label}, **status
        )

    def _scene(self, run: Run | None) -> Scene:
        aspect = self.picture.aspect
        panels = (
            Panel("original", "original" if not self.picture.note else "to learn from", aspect),
            Panel("now", "network", aspect),
            Panel("error", "error: black none, yellow 0.2 and more", aspect),
        )
        network = (run or Run.from_settings(self.settings, self.picture)).network
        flow = tuple(Panel(f"flow {name}", label) for name, label in flow_labels(network).items())
        still = {"original": encode_picture(rendering.to_uint8(self.picture.pixels))}
        return Scene(panels, _CURVES, flow, still, _PANEL_HEIGHT)


def flow_labels(network: CoordinateNetwork) -> dict[str, str]:
    """The stations of a network and the words below them."""
    stages = [name for name, _ in network.stages(torch.zeros(2), torch.zeros(2))]
    words = {"coordinates": "coordinates x, y", "encoding": "encoding"}
    return {name: words.get(name, name) for name in stages}


def flow_sheets(network: CoordinateNetwork, spec: networks.NetworkSpec) -> dict[str, np.ndarray]:
    """A small picture for each station: its liveliest units in two rows, the colours at the end."""
    sheets = {}
    for name, maps in stage_maps(network, spec.aspect, _FLOW_SIDE).items():
        if name == "colour":
            sheets[name] = rendering.to_uint8(maps.clamp(0, 1).permute(1, 2, 0))
        elif name == "coordinates":
            sheets[name] = unit_sheet(maps, columns=1, rows=2)
        else:
            sheets[name] = unit_sheet(maps, columns=3, rows=2)
    return sheets


def bicubic(picture: Tensor, window: Window, height: int, width: int) -> Tensor:
    """The part of `picture` (H, W, C) in a window, (height, width, C), by bicubic interpolation; white outside."""
    whole_x, whole_y = Window(aspect=picture.shape[1] / picture.shape[0]).half_extent
    ys, xs = window.axes(height, width)
    grid = torch.stack(torch.meshgrid(xs / whole_x, ys / whole_y, indexing="xy"), dim=-1).float()
    image = picture.permute(2, 0, 1)[None]
    found = F.grid_sample(image, grid[None], mode="bicubic", padding_mode="border", align_corners=False)
    outside = (grid.abs() > 1).any(-1)
    return torch.where(outside[..., None], torch.ones(()), found[0].permute(1, 2, 0).clamp(0, 1))


def same_pixels(a: Picture, b: Picture) -> bool:
    return a.pixels.shape == b.pixels.shape and torch.equal(a.pixels, b.pixels)


def _total(run: Run) -> str:
    ends = []
    if run.options.steps:
        ends.append(f"of {run.options.steps:,} steps")
    if run.options.seconds:
        ends.append(f"steps in {run.options.seconds:g} s")
    return " or ".join(ends)
