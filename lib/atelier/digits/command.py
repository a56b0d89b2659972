"""Digit diffusion without a browser: train where asked, draw, judge where asked, write files."""

import io
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor

from atelier import figures
from atelier.data.digits import Digits, load_digits
from atelier.devices import best_device
from atelier.diffusion.denoiser import build_denoiser
from atelier.diffusion.evaluation import EvaluationReport, evaluate, load_judges
from atelier.diffusion.training import TrainStep, to_uint8, train
from atelier.digits import page, sheets
from atelier.digits.models import Model, just_trained, load_model, shipped_model
from atelier.digits.settings import DigitSettings
from atelier.digits.studio import SAMPLING, sample_as_asked
from atelier.errors import UserError
from atelier.parallel import team
from atelier.paths import write_whole
from atelier.processors import on_free_processors
from atelier.page.report import Report
from atelier.page.terminal import ProgressBar

_MOST_IN_PICTURE = 1000
_STRIP = 9


@dataclass
class Finished:
    """What a command made."""

    model: Model
    images: Tensor = field(repr=False)
    labels: Tensor | None = field(repr=False)
    strip: Tensor = field(repr=False)
    """x_t and below it x̂0 of the first digit, on the way (2 · K, 28, 28)."""
    seconds: float
    trained: TrainStep | None = None
    checkpoint: Path | None = None
    judged: EvaluationReport | None = None
    note: str = ""


def run_command(settings: DigitSettings, words: TextIO | None = None) -> dict[str, Any] | None:
    """Do what the settings ask for, write files into `settings.out`, and give the summary that is printed last.

    Under torchrun every process trains, and the rest is the leader's: the others get None.
    """
    if not team().leads:
        if settings.trains:
            _train(settings, ProgressBar(io.StringIO()))
        return None
    done = finish(settings, words)
    out = Path(settings.out)
    labels = done.labels if done.labels is not None else torch.full((len(done.images),), -1)
    packed = io.BytesIO()
    np.savez_compressed(packed, images=done.images.numpy(), labels=labels.numpy())
    files = [
        write_whole(out / "samples.png", sheets.png(done.images[:_MOST_IN_PICTURE])),
        write_whole(out / "samples.npz", packed.getvalue()),
    ]
    if done.checkpoint is not None:
        files.append(done.checkpoint)
    if settings.report:
        files.append(report(settings, done).write(Path(settings.report)))
    guidance = settings.guide(done.model.guidance) if done.model.denoiser.conditional else None
    summary = {
        "samples": len(done.images),
        "sampler": settings.sampler,
        "sampling_steps": settings.sampling_steps,
        "guidance": guidance and guidance.scale,
        "guidance_interval": guidance and list(guidance.interval),
        "seed": settings.seed,
        "seconds": round(done.seconds, 3),
        "model": done.model.title,
        "parameters": done.model.parameters,
    }
    if done.trained is not None:
        summary["training"] = {
            "steps": done.trained.step,
            "epochs": round(done.trained.epoch, 4),
            "loss": done.trained.loss,
            "seconds": round(done.trained.elapsed, 3),
            "images_per_second": round(done.trained.images_per_second, 1),
        }
    if done.judged is not None:
        found = done.judged.figures()
        summary["evaluation"] = {
            k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in found.items()
        }
    if done.note:
        summary["note"] = done.note
    return summary | {"files": [str(path) for path in files]}


def finish(settings: DigitSettings, words: TextIO | None = None) -> Finished:
    """Train, draw and judge as asked, with a progress bar on the terminal."""
    bar = ProgressBar(words or sys.stderr)
    trained = checkpoint = None
    note = ""
    if settings.trains:
        model, trained, note = _train(settings, bar)
        checkpoint = Path(settings.out) / "checkpoint.safetensors"
    elif settings.checkpoint:
        model = load_model(Path(settings.checkpoint))
    else:
        model = shipped_model()
    labels = model.labels(settings.digit, settings.samples)
    began, pairs = time.perf_counter(), []
    for step in sample_as_asked(model, settings):
        bar("drawing", step.step / step.steps, f"step {step.step} of {step.steps}")
        pairs.append(torch.stack([to_uint8(step.x_t[:1])[0], to_uint8(step.x0_hat[:1])[0]]))
    seconds = time.perf_counter() - began
    picked = torch.linspace(0, len(pairs) - 1, min(_STRIP, len(pairs))).round().long().tolist()
    strip = torch.stack([pairs[k] for k in picked], 1).flatten(0, 1)
    judged = _judge(settings, model, bar) if settings.evaluate else None
    return Finished(model, step.images, labels, strip, seconds, trained, checkpoint, judged, note)


def report(settings: DigitSettings, done: Finished) -> Report:
    """What was made, as a page of its own."""
    made = Report(
        "Digits out of noise",
        f"{len(done.images):,} digits by {page.SAMPLER_WORDS[settings.sampler]} in {settings.sampling_steps} steps, "
        f"{_guidance_words(settings, done.model)}, seed {settings.seed}",
    )
    numbers = {
        "model": done.model.title,
        "parameters": f"{done.model.parameters:,}",
        "seconds of drawing": f"{done.seconds:.1f}",
    }
    if done.trained is not None:
        numbers |= {"training steps": f"{done.trained.step:,}", "last loss": f"{done.trained.loss:.4f}"}
    made.numbers(numbers)
    if done.note:
        made.text(done.note)
    made.pictures({"The digits, each from noise of its own": sheets.png(done.images[:200])})
    made.heading("From noise to a digit").text(
        "Every step asks the network what the digit below the noise looks like, and goes a little of the way there. "
        "Above the picture as it is, below what the network believes is under the noise."
    )
    made.pictures({"One digit on its way": sheets.png(done.strip, len(done.strip) // 2, 4)})
    schedule = done.model.denoiser.schedule
    made.heading("The noise").text(page.leak_words(schedule).replace("**", ""))
    made.drawing(figures.svg(page.schedule_curves(schedule, schedule.T)), f"The {schedule.name} schedule")
    found = done.judged.figures() if done.judged is not None else done.model.figures
    if found:
        made.heading("How good they are").text(page.verdict(found).replace("**", ""))
        rows = page.figure_rows(found)
        made.table(list(rows[0]), [list(row.values()) for row in rows])
        made.text(page.figure_note(found, stored=done.judged is None))
    if done.judged is not None:
        classes = done.model.classes
        if done.labels is not None:
            made.drawing(figures.svg(page.confusion_figure(done.judged, classes)), "Asked for and judged")
        made.drawing(figures.svg(page.histogram_figure(done.judged, classes)), "How often each digit comes")
    told = vars(settings).keys() - {"out", "report"}
    if done.trained is None:  # the network was made by other settings
        told &= {*SAMPLING, "guidance", "guidance_from", "guidance_to", "checkpoint", "evaluate"}
    chosen = {k: str(v) for k, v in vars(settings).items() if k in told and v not in (None, "")}
    made.heading("Settings").table(["setting", "value"], [[k.replace("_", " "), v] for k, v in chosen.items()])
    return made


def _guidance_words(settings: DigitSettings, model: Model) -> str:
    if not model.denoiser.conditional:
        return "without labels"
    guidance = settings.guide(model.guidance)
    return f"guidance {page.guidance_words(guidance.scale, guidance.interval)}"


def _train(settings: DigitSettings, bar: ProgressBar) -> tuple[Model, TrainStep, str]:
    digits = _data(settings.dataset, "train", bar)
    denoiser = build_denoiser(
        settings.backbone, settings.schedule, settings.target, T=settings.timesteps, seed=settings.seed
    ).to(best_device())
    checkpoint = Path(settings.out) / "checkpoint.safetensors"
    last = None
    run = train(
        denoiser,
        digits.images,
        digits.labels,
        settings.recipe(),
        checkpoint=checkpoint,
        resume=Path(settings.resume) if settings.resume else None,
        notes={"dataset": digits.title},
    )
    # A run by the clock never comes out twice the same, so it may use what is free.
    for last in run if settings.epochs is not None else on_free_processors(run):
        bar("training", last.progress, f"step {last.step:,}  loss {last.loss:.3f}  {last.seconds_left:.0f} s left")
    if last is None:
        raise UserError(
            "This checkpoint has come to the end of that budget already; give more epochs or minutes in all."
        )
    return just_trained(last, digits.title), last, digits.note


def _judge(settings: DigitSettings, model: Model, bar: ProgressBar) -> EvaluationReport:
    training, test = _data(model.dataset, "train", bar), _data(model.dataset, "test", bar)
    run = evaluate(
        model.denoiser,
        training,
        test,
        load_judges(model.dataset),
        n=settings.evaluate,
        sampler=settings.sampler,
        steps=settings.sampling_steps,
        guidance=settings.guide(model.guidance),
        seed=settings.seed,
    )
    for step in run:
        bar(step.stage, step.progress, f"{step.seconds_left:.0f} s left")
    return step.report


def _data(name: str, split: str, bar: ProgressBar) -> Digits:
    digits = load_digits(name, split, progress=lambda file, at, total: bar(f"fetching {file}", at / max(total, at), ""))
    if digits.note:
        bar.say(digits.note)
    return digits
