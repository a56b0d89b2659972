"""Training in the browser: a live run whose samples, losses and checkpoints can be watched and taken home."""

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from atelier import checkpoints
from atelier.data.digits import Digits, load_digits
from atelier.devices import best_device
from atelier.diffusion.denoiser import KIND, YOUNG_GUIDANCE, Denoiser, build_denoiser
from atelier.diffusion.sampling import sample
from atelier.diffusion.training import BEFORE_MUON, TIME_BINS, TrainStep, estimate, train
from atelier.digits import sheets
from atelier.digits.models import Model, just_trained
from atelier.digits.settings import DigitSettings
from atelier.errors import UserError
from atelier.page.jobs import Job
from atelier.page import Curve, ExportStep, Line, LiveCanvas, Panel, Scene

CHECKPOINT_SECONDS = 20.0
KEEP_AFTER = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Epochs after which samples may be kept."""
_SAMPLES, _SAMPLE_COLUMNS, _SAMPLE_STEPS, _SAMPLE_SEED = 60, 20, 8, 1
_REFRESH_SECONDS, _SHARE = 4.0, 12
_ROW_COLUMNS = 5
_PANEL_HEIGHT = 240
_CURVES = (
    Curve("loss", "Loss", digits=3, height=110),
    Curve("bins", "Loss by time t, ten bins", digits=3, over="= T", height=110, newest=False),
)


class TrainStudio:
    """Trains a denoiser as the settings say; settings that change while a run goes on apply to the next one."""

    def __init__(self, settings: DigitSettings) -> None:
        self.canvas = LiveCanvas()
        self.settings = settings
        self.keep_after: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0)
        self.note = ""
        self.loaded: dict[str, Any] | None = None
        self._snapshot: Model | None = None
        self._files = tempfile.TemporaryDirectory(prefix="atelier-")
        self._run_file = Path(self._files.name) / "none"
        self._runs = 0
        self._between_steps = threading.Lock()  # whoever holds it may read what training changes
        self._closed = False
        self._measuring: Job | None = None
        self._measured: tuple | None = None
        self.canvas.drive(self._job)
        self.canvas.show(self._scene())
        self.canvas.publish(curves={"loss": _losses()}, note="Press Train")

    def close(self) -> None:
        """End the session: stop what runs, forget the widget, remove temporary files."""
        self._closed = True
        self.canvas.close()
        if self._measuring is not None:
            self._measuring.stop()
        if not self.active:
            self._remove_files()

    @property
    def active(self) -> bool:
        return self.canvas.job is not None and self.canvas.job.active

    def configure(self, settings: DigitSettings, keep_after: Sequence[float]) -> None:
        """Take new settings for the next run; measure how long it would take, beside the page."""
        keep_after = tuple(sorted(keep_after))[:5]
        if self.loaded is not None:
            settings = settings.replace(**self.loaded)
        changed = keep_after != self.keep_after
        self.settings, self.keep_after = settings, keep_after
        if self.active:
            return
        if changed and self.canvas.job is None:
            self.canvas.show(self._scene())
        self._measure()

    def load(self, data: bytes) -> str:
        """Take the checkpoint of a training run: Train goes on from it, with its network and recipe.

        Raises:
            UserError: it cannot be used, or holds weights for sampling only.
        """
        path = Path(self._files.name) / "loaded.safetensors"
        path.write_bytes(data)
        found = checkpoints.load(path, KIND)
        recipe = found.extra.get("recipe")
        if recipe is None or not any(name.startswith("model.") for name in found.tensors):
            path.unlink()
            raise UserError("This checkpoint holds weights for drawing only; choose one of a training run to go on.")
        recipe = BEFORE_MUON | recipe
        self.loaded = {
            "backbone": found.spec["backbone"],
            "schedule": found.spec["schedule"],
            "timesteps": found.spec["schedule_options"]["T"],
            "target": found.spec["target"],
            "batch": recipe["batch_size"],
            "optimiser": recipe["optimiser"],
            "learning_rate": recipe["learning_rate"],
            "label_dropout": recipe["label_dropout"],
            "ema": recipe["ema_decay"],
            "seed": recipe["seed"],
        }
        self.settings = self.settings.replace(**self.loaded)
        self.canvas.drive(self._job)
        step = int(found.extra["run"]["step"])
        self.canvas.publish(step=step, total="steps, loaded", note="Train goes on from here")
        return f"Loaded at step {step:,}: Train goes on from there with its network and recipe; set the time in all."

    def model(self) -> Model | None:
        """A copy of the newest average, ready to draw from; None before the first samples."""
        return self._snapshot

    def checkpoint(self) -> Iterator[ExportStep]:
        """The run as it stands now, between two steps, for an Exporter.

        Raises:
            UserError: nothing was trained yet, or the run has failed before its first checkpoint.
        """
        job, path = self.canvas.job, self._run_file
        if job is None or not job.count:
            raise UserError("There is nothing to save yet; press Train.")
        return self._checkpoint(job, path)

    def _checkpoint(self, job: Job[TrainStep], path: Path) -> Iterator[ExportStep]:
        with self._between_steps:
            if (step := job.latest) is not None and job.active:
                step.keep(path)
        if not path.is_file():
            raise UserError("This run ended before its first checkpoint; press Train again.")
        yield ExportStep(1, 1, path.read_bytes())

    # The live run.

    def _measure(self) -> None:
        settings = self.settings
        parts = ("backbone", "batch", "dataset", "optimiser", "epochs", "train_minutes")
        wanted = tuple(getattr(settings, part) for part in parts)
        if wanted == self._measured:
            return
        self._measured = wanted
        if self._measuring is not None:
            self._measuring.stop()
        self.canvas.publish(note="Measuring how long it will take …")

        def steps() -> Iterator[str]:
            denoiser = fresh_denoiser(settings)
            images = 20_000 if settings.dataset == "fonts" else 60_000
            slow = settings.backbone == "diffunet"
            found = estimate(denoiser, images, settings.recipe(), measured_steps=1 if slow else 3)
            yield (
                f"Measured: {found.seconds_per_step:.2f} s a step, {in_words(found.seconds_per_epoch)} an epoch, "
                f"{in_words(found.seconds_in_all)} in all"
            )

        def tell(words: str) -> None:
            if job is self._measuring and not self.active:
                self.canvas.publish(note=words)

        def settle() -> None:
            if job is self._measuring and job.state == "failed" and not self.active:
                self.canvas.publish(note=job.message)

        job = self._measuring = Job(steps, on_step=tell, on_change=settle)
        job.start()

    def _job(self) -> Job[TrainStep]:
        settings, keep_after = self.settings, self.keep_after
        resume = Path(self._files.name) / "loaded.safetensors" if self.loaded is not None else None
        if self._measuring is not None:
            self._measuring.stop()
        self.note, self._snapshot = "", None
        self._runs += 1
        path = self._run_file = Path(self._files.name) / f"training-{self._runs}.safetensors"
        self.canvas.show(self._scene())
        self.canvas.forget()
        self.canvas.publish(step=0, seconds=0.0, total="steps", curves={"loss": _losses()}, note="Loading the digits …")
        history = _History(len(keep_after))
        digits: list[Digits] = []

        def steps() -> Iterator[TrainStep]:
            digits.append(load_digits(settings.dataset, progress=self._fetching))
            self.note = digits[0].note or (digits[0].title if digits[0].stand_in else "")
            self.canvas.publish(note="The first step takes a moment")
            run = train(
                fresh_denoiser(settings),
                digits[0].images,
                digits[0].labels,
                settings.recipe(CHECKPOINT_SECONDS),
                checkpoint=path,
                resume=resume,
                notes={"dataset": digits[0].title},
            )
            begun = False
            with contextlib.closing(run):
                while step := self._next(run):
                    begun = True
                    yield step
            if not begun:
                raise UserError("The checkpoint has used up that budget already; set more minutes or epochs in all.")

        def draw(step: TrainStep) -> None:
            if job is self.canvas.job:
                self._draw(job, step, history, keep_after, digits[0].title)

        def settle() -> None:
            self._settle(job, history, digits)
            if not job.active:
                job.latest = None  # it holds on to network and optimiser
                if self._closed:
                    self._remove_files()
                elif path != self._run_file:
                    path.unlink(missing_ok=True)

        job: Job[TrainStep] = Job(steps, on_step=draw, on_change=settle)
        return job

    def _next(self, run: Iterator[TrainStep]) -> TrainStep | None:
        with self._between_steps:
            return next(run, None)

    def _remove_files(self) -> None:
        with contextlib.suppress(OSError):
            self._files.cleanup()

    def _fetching(self, name: str, done: int, total: int) -> None:
        self.canvas.publish(note=f"Fetching {name}: {done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f}" if total else ""))

    def _draw(self, job: Job, step: TrainStep, history: "_History", keep_after: Sequence[float], title: str) -> None:
        history.add(step)
        begin = time.monotonic()
        pictures = {}
        passed = [k for k, epoch in enumerate(keep_after) if not history.kept[k] and step.epoch >= epoch]
        ends = step.last or job.holding or job.delay > 0
        if passed or ends or begin >= history.next_samples:
            self._snapshot = just_trained(step, title)
            images = draw_samples(self._snapshot)
            pictures["samples"] = sheets.png(images, _SAMPLE_COLUMNS)
            for k in passed:
                pictures[f"kept {k}"] = sheets.png(images[:10], _ROW_COLUMNS, 1)
                history.kept[k] = True
            history.next_samples = time.monotonic() + max(_REFRESH_SECONDS, _SHARE * (time.monotonic() - begin))
        if pictures or self.canvas.due():
            self._publish(step, history, pictures)
            self.canvas.rest(time.monotonic() - begin)

    def _publish(self, step: TrainStep, history: "_History", pictures: dict[str, bytes]) -> None:
        centres = [(k + 0.5) / TIME_BINS for k in range(TIME_BINS)]
        ends = [(k + 1) * step.step / step.epoch for k in range(len(step.epoch_losses))]
        words = f"{step.images_per_second:,.0f} digits/s"
        self.canvas.publish(
            pictures,
            step=step.step,
            total=f"steps, {step.epoch:.2f} epochs",
            seconds=step.elapsed,
            note=words if step.last else f"{in_words(step.seconds_left)} left · {words}",
            curves={
                "loss": _losses(history.steps, history.smooth, ends, step.epoch_losses),
                "bins": [Line(centres, step.bin_losses)],
            },
            **(
                {"labels": {"samples": f"Always the same {_SAMPLES} noises, after {step.epoch:.2f} epochs"}}
                if pictures
                else {}
            ),
        )

    def _settle(self, job: Job, history: "_History", digits: list[Digits]) -> None:
        if job is not self.canvas.job:
            return
        if job.latest is not None and job.state == "paused":
            self._snapshot = just_trained(job.latest, digits[0].title)
            self._publish(job.latest, history, {"samples": sheets.png(draw_samples(self._snapshot), _SAMPLE_COLUMNS)})
        else:
            self.canvas.publish()

    def _scene(self) -> Scene:
        row = tuple(
            Panel(f"kept {k}", f"{epoch:g} epochs", sheets.sheet_aspect(10, _ROW_COLUMNS))
            for k, epoch in enumerate(self.keep_after)
        )
        samples = Panel("samples", "Samples while it learns", sheets.sheet_aspect(_SAMPLES, _SAMPLE_COLUMNS))
        blank = sheets.png(torch.full((10, sheets.SIZE, sheets.SIZE), 24, dtype=torch.uint8), _ROW_COLUMNS, 1)
        still = {panel.name: blank for panel in row}
        return Scene((samples,), _CURVES, row, still, _PANEL_HEIGHT, verb="Train", clock="s")


class _History:
    """The loss of every step, smoothed, and what has been shown."""

    def __init__(self, kept: int) -> None:
        self.steps: list[int] = []
        self.smooth: list[float] = []
        self.kept = [False] * kept
        self.next_samples = 0.0

    def add(self, step: TrainStep) -> None:
        share = max(0.03, 1 / (1 + len(self.steps)))
        before = self.smooth[-1] if self.smooth else step.loss
        self.steps.append(step.step)
        self.smooth.append(before + share * (step.loss - before))


def _losses(steps=(), smooth=(), ends=(), means=()) -> list[Line]:
    """The curves of the loss; both are named from the start, so that nothing moves when the first epoch ends."""
    return [Line(steps, smooth, "steps, smoothed"), Line(ends, means, "whole epochs")]


def fresh_denoiser(settings: DigitSettings) -> Denoiser:
    """The denoiser of the settings with weights from their seed, where it is to be trained."""
    made = build_denoiser(
        settings.backbone, settings.schedule, settings.target, T=settings.timesteps, seed=settings.seed
    )
    return made.to(best_device())


def draw_samples(model: Model) -> torch.Tensor:
    """(60, 28, 28) uint8: always the same noises, labels and guidance, so that one sees it learn."""
    labels = model.labels("all", _SAMPLES)
    options = {"steps": _SAMPLE_STEPS, "guidance": YOUNG_GUIDANCE, "seed": _SAMPLE_SEED}
    *_, last = sample(model.denoiser, labels, n=_SAMPLES, **options)
    return last.images


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
