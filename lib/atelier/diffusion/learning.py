"""Training to watch: `train` on a data set, with samples on the way, a smoothed loss, a checkpoint at any moment."""

import copy
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier import checkpoints
from atelier.data.catalogue import FONTS
from atelier.data.digits import load_digits
from atelier.devices import best_device
from atelier.diffusion.catalogue import DEFAULT_MINUTES
from atelier.diffusion.denoiser import KIND, YOUNG_GUIDANCE, Denoiser, build_from_spec, parameter_count
from atelier.diffusion.models import Model
from atelier.diffusion.sampling import sample
from atelier.diffusion.sheets import sheet
from atelier.diffusion.training import TIME_BINS, Recipe, TrainStep, estimate, recipe_from, train
from atelier.drawing import Chart, Frame, Line
from atelier.errors import UserError
from atelier.parallel import team
from atelier.paths import spare_file
from atelier.processors import on_free_processors
from atelier.steps import Around, in_words

KEEP_AFTER = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Epochs after which samples are kept."""
_SAMPLES, _SAMPLE_COLUMNS, _SAMPLE_STEPS, _SAMPLE_SEED = 60, 20, 8, 1
_SHORTEST_WAIT, _SHARE = 4.0, 12
_KEPT_COLUMNS = 5
_DARK = 24
_EARLY_SHARE, _MOST_KEPT = 8, 10_000_000  # of the steps so far; parameters of a network of which snapshots are kept


@dataclass(frozen=True)
class Learned:
    """What a training remembers."""

    steps: list[int] = field(default_factory=list)
    smooth: list[float] = field(default_factory=list)  # the loss of these steps, smoothed
    kept: dict[float, Tensor] = field(default_factory=dict, repr=False)  # epoch -> samples (10, 28, 28) uint8 after it
    early: dict[int, Denoiser] = field(default_factory=dict, repr=False)  # step -> the average after it
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)  # held while the weights change

    def add(self, step: TrainStep) -> None:
        """Book the loss of a step."""
        share = max(0.03, 1 / (1 + len(self.steps)))
        before = self.smooth[-1] if self.smooth else step.loss
        self.steps.append(step.step)
        self.smooth.append(before + share * (step.loss - before))
        if step.step & (step.step - 1) == 0 and parameter_count(step.average) <= _MOST_KEPT:  # powers of two
            self.early[step.step] = copy.deepcopy(step.average)
            for earlier in [k for k in self.early if 2 * k * _EARLY_SHARE <= step.step]:
                del self.early[earlier]


@dataclass(frozen=True)
class Learning(Around):
    """A network after one step of `learn`."""

    at: TrainStep | None  # None before the first step
    past: Learned = field(repr=False)
    samples: Tensor | None = field(repr=False)  # (60, 28, 28) uint8, the newest drawn; always from the same noises
    keep_after: tuple[float, ...]  # epochs after which samples are kept
    data: str = ""  # title of the data set
    data_note: str = ""  # a sentence on it, or nothing
    note: str = ""

    @functools.cached_property
    def model(self) -> Model:
        """A copy of the averaged network as it is now, ready to draw with."""
        with self.past.lock:
            average = copy.deepcopy(self.at.average)
            early = [self.past.early[k] for k in sorted(self.past.early) if k * _EARLY_SHARE <= self.at.step]
        about = {"dataset": self.data}, self.at.images_seen
        return Model("Trained here", average, *about, early=early[-1] if early else None)

    def checkpoint(self) -> bytes:
        """The run as it is now, to resume from; UserError before the first step."""
        if self.at is None:
            raise UserError("There is nothing to save yet; wait for the first step.")
        with spare_file("digits.safetensors") as path, self.past.lock:
            return self.at.keep(path).read_bytes()

    def figures(self) -> dict[str, Any]:
        """The numbers of the run, JSON-able."""
        return {
            "steps": self.at.step,
            "epochs": round(self.at.epoch, 4),
            "loss": self.at.loss,
            "seconds": round(self.at.elapsed, 3),
            "images_per_second": round(self.at.images_per_second, 1),
        }


_OPTIONS = {"batch": "batch_size", "ema": "ema_decay"}
_OPTIONS |= {name: name for name in ("optimiser", "learning_rate", "label_dropout", "precision", "layout")}


def recipe_of(words: Mapping[str, Any], seed: int = 0) -> Recipe:
    """A `Recipe` from the words of the page: epochs or train_minutes (ten minutes where neither is given), batch,
    optimiser, learning_rate, label_dropout, ema, precision, layout. Other words are left alone.

    Raises:
        UserError: both budgets, or a value out of bounds.
    """
    epochs, minutes = words.get("epochs"), words.get("train_minutes")
    if epochs is not None and minutes is not None:
        raise UserError("Give epochs or minutes of training, one of them.")
    if epochs is None and minutes is None:
        minutes = DEFAULT_MINUTES
    options = {name: words[word] for word, name in _OPTIONS.items() if word in words}
    return Recipe(epochs=epochs, minutes=minutes, seed=seed, checkpoint_seconds=30.0, **options)


Lesson = Callable[[], tuple[Denoiser, str, Recipe]]
"""Gives what is trained, the name of the data set, and how."""


def learn(
    lesson: Lesson,
    *,
    keep_after: Sequence[float] = KEEP_AFTER,
    resume: str | bytes = "",
    checkpoint: Path | None = None,
) -> Iterator[Learning]:
    """Train the denoiser of a lesson, one `Learning` a step, and draw samples on the way.

    Args:
        lesson: called once, when training begins. The data set is downloaded where it is missing.
        resume: a checkpoint to go on from. A path must hold this network and recipe. The bytes of an upload replace the
            network and the recipe, but not the budget.
        checkpoint: a file that is written every 30 seconds, and at the end.

    Raises:
        UserError: see `train`; a checkpoint that has used up the budget, or holds weights for drawing only.
    """
    past, keep_after = Learned(), tuple(sorted(keep_after))
    denoiser, dataset, recipe = lesson()
    yield Learning(None, past, None, keep_after, note="Loading the digits …")
    digits = load_digits(dataset)
    about = {"data": digits.title, "data_note": digits.note or (digits.title if digits.stand_in else "")}
    source = checkpoints.load(resume, KIND) if resume else None
    if isinstance(resume, bytes) and source:
        recipe = recipe_from(source.extra.get("recipe"), recipe)
        denoiser = build_from_spec(source.spec)
    denoiser.to(best_device())
    options = {"checkpoint": checkpoint, "resume": source, "notes": {"dataset": digits.title}}
    run = train(denoiser, digits.images, digits.labels, recipe, **options)
    if recipe.minutes is not None:
        run = on_free_processors(run)  # a run by the clock is never the same twice
    samples, due = None, time.monotonic()
    with closing(run):
        while True:
            with past.lock:
                at = next(run, None)
                if at is None:
                    break
                past.add(at)
            begin = time.monotonic()
            passed = [epoch for epoch in keep_after if epoch not in past.kept and at.epoch >= epoch]
            if team().leads and (passed or at.last or begin >= due):
                samples = _draw_samples(at.average)
                past.kept.update(dict.fromkeys(passed, samples[:10]))
                due = time.monotonic() + max(_SHORTEST_WAIT, _SHARE * (time.monotonic() - begin))
            yield Learning(at, past, samples, keep_after, **about)
    if not past.steps:
        raise UserError("This checkpoint has used up that budget already; give more minutes or epochs in all.")


def saved(step: Learning | None) -> bytes:
    """The checkpoint of a training; UserError if nothing was trained yet."""
    if step is None:
        raise UserError("There is nothing to save yet: press Train.")
    return step.checkpoint()


def before_learning(keep_after: Sequence[float] = KEEP_AFTER) -> Frame:
    """The panels of `learning_panels` while there is nothing to show yet."""
    blank = torch.full((_SAMPLES, 28, 28), _DARK, dtype=torch.uint8)
    pictures = {"samples": sheet(blank, _SAMPLE_COLUMNS)}
    return Frame(pictures, {"samples": "Samples while it learns"}, _charts(), _kept({}, sorted(keep_after)))


def _charts(losses: Sequence[Line] = (), by_time: Sequence[Line] = ()) -> list[Chart]:
    look = {"digits": 3, "height": 110}
    return [Chart("Loss", losses, **look), Chart("Loss by time t, ten bins", by_time, over="= T", newest=False, **look)]


def _kept(kept: Mapping[float, Tensor], keep_after: Sequence[float]) -> dict[str, np.ndarray]:
    """The samples that are kept, dark where none are yet."""
    blank = torch.full((10, 28, 28), _DARK, dtype=torch.uint8)
    return {f"{epoch:g} epochs": sheet(kept.get(epoch, blank), _KEPT_COLUMNS, 1) for epoch in keep_after}


def learning_panels(step: Learning, full: bool = True) -> Frame:
    """The samples, the loss so far and by time, and the samples that were kept."""
    at, past = step.at, step.past
    if at is None:
        return replace(before_learning(step.keep_after), note=step.note)
    centres = [(k + 0.5) / TIME_BINS for k in range(TIME_BINS)]
    ends = [(k + 1) * at.step / at.epoch for k in range(len(at.epoch_losses))]
    losses = [Line(past.steps, past.smooth, "steps, smoothed"), Line(ends, at.epoch_losses, "whole epochs")]
    speed = f"{at.images_per_second:,.0f} digits/s"
    return Frame(
        {} if step.samples is None else {"samples": sheet(step.samples, _SAMPLE_COLUMNS)},
        {"samples": f"Always the same {_SAMPLES} noises, after {at.epoch:.2f} epochs"},
        _charts(losses, [Line(centres, at.bin_losses)]) if full else (),
        _kept(past.kept, step.keep_after) if full else {},
        step=at.step,
        total=f"steps, {at.epoch:.2f} epochs",
        seconds=at.elapsed,
        note=speed if at.last else f"{in_words(at.seconds_left)} left · {speed}",
    )


@dataclass(frozen=True)
class Measuring:
    """Progress of `measure`, in words; the result at the last step."""

    progress: float
    note: str
    step: int = 0  # steps tried


def measure(lesson: Lesson) -> Iterator[Measuring]:
    """How long training would take, measured on three steps."""
    denoiser, dataset, recipe = lesson()
    yield Measuring(0.5, "a few steps")
    images = 20_000 if dataset == FONTS else 60_000
    found = estimate(denoiser.to(best_device()), images, recipe, measured_steps=3)
    an_epoch, in_all = in_words(found.seconds_per_epoch), in_words(found.seconds_in_all)
    yield Measuring(1.0, f"{found.seconds_per_step:.2f} s a step, {an_epoch} an epoch, {in_all} in all", 3)


def measured(step: Measuring, full: bool = True) -> Frame:
    """The result of `measure` in words."""
    return Frame(step=step.step, total="steps tried" if step.step else "", note=step.note)


def _draw_samples(average: Denoiser) -> Tensor:
    """(60, 28, 28) uint8: always the same noises, labels and guidance, so that one sees it learn."""
    labels = torch.arange(_SAMPLES) % average.classes if average.conditional else None
    options = {"steps": _SAMPLE_STEPS, "guidance": YOUNG_GUIDANCE, "seed": _SAMPLE_SEED}
    *_, last = sample(average, labels, n=_SAMPLES, **options)
    return last.images
