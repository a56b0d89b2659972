"""Steering on a live canvas: guidance, starting noise, blended labels, real digits, and a race of samplers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from atelier.data.digits import load_digits
from atelier.diffusion.steering import GUIDANCE_SCALES, RACERS, guidance_sweep, morph, morph_real, race
from atelier.digits import sheets
from atelier.digits.models import Model
from atelier.digits.page import SAMPLER_WORDS
from atelier.errors import UserError
from atelier.page.jobs import Job
from atelier.page import ExportStep, LiveCanvas, Panel, Scene, encode_picture

FRAMES = 9
_MORPH_ROWS = 4
_RACE_COLUMNS = 10
_HEIGHT = 560


@dataclass(frozen=True)
class SteerStep:
    """Progress of an experiment and what there is to see of it so far, one picture (H, W) uint8."""

    done: int
    total: int
    picture: np.ndarray = field(repr=False)
    words: str = ""


@dataclass(frozen=True)
class Steering:
    """What is tried: the kind of experiment, two labels, the number of a real test digit, a seed."""

    kind: str = "sweep"
    first: int = 3
    second: int = 8
    real: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in EXPERIMENTS:
            raise UserError(f"There is no experiment {self.kind!r}; choose one of {', '.join(EXPERIMENTS)}.")
        for name, high in (("first", 9), ("second", 9), ("real", 3_999), ("seed", 2**31 - 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
                label = {"first": "The first digit", "second": "The second digit", "real": "The real digit"}
                raise UserError(f"{label.get(name, 'The seed')} must be a whole number from 0 to {high:,}.")


def sweep(model: Model, asked: Steering) -> Iterator[SteerStep]:
    """Rows: digits; columns: guidance; one noise a row."""
    columns: list[torch.Tensor] = []
    words = [f"{scale:g}" for scale in GUIDANCE_SCALES]
    for found in guidance_sweep(model.denoiser, seed=asked.seed):
        columns.append(found.images)
        rows = list(torch.stack(columns, 1))
        picture = sheets.headed_sheet(rows, model.classes, words, columns=len(words))
        yield SteerStep(found.column, found.columns, picture)


def noises(model: Model, asked: Steering) -> Iterator[SteerStep]:
    """From one noise to another under one label; each row goes between two noises of its own."""
    yield from _morphs(model, asked, "slerp", asked.first)


def labels(model: Model, asked: Steering) -> Iterator[SteerStep]:
    """One noise a row, the label blended from one digit to the other."""
    yield from _morphs(model, asked, "fixed", asked.second)


def _morphs(model: Model, asked: Steering, noise: str, second: int) -> Iterator[SteerStep]:
    rows: list[torch.Tensor] = []
    words = [f"{k / (FRAMES - 1):.0%}" for k in range(FRAMES)]
    for row in range(_MORPH_ROWS):
        seed = (asked.seed + row) % 2**31
        for step in morph(
            model.denoiser, asked.first, second, frames=FRAMES, noise=noise, guidance=model.guidance, seed=seed
        ):
            picture = sheets.headed_sheet([*rows, step.images], [""] * _MORPH_ROWS, words, columns=FRAMES, scale=3)
            yield SteerStep(row * step.steps + step.step, _MORPH_ROWS * step.steps, picture)
        rows.append(step.images)


def real(model: Model, asked: Steering) -> Iterator[SteerStep]:
    """A real test digit, inverted to the noise it would come from, then drawn again under another label."""
    test = load_digits(model.dataset, "test")
    image, label = test.images[asked.real], int(test.labels[asked.real])
    words = ["real", "rebuilt", *(f"{k / (FRAMES - 1):.0%}" for k in range(1, FRAMES))]
    for step in morph_real(model.denoiser, image, label, asked.second, frames=FRAMES):
        shown = [image[None]] if step.frames is None else [torch.cat([image[None], step.frames])]
        picture = sheets.headed_sheet(shown, [f"{label} to {asked.second}"], words, columns=len(words), scale=3)
        told = f"{step.stage}; {test.title}" if test.stand_in else step.stage
        yield SteerStep(round(100 * step.progress), 100, picture, told)


def racers(model: Model, asked: Steering) -> Iterator[SteerStep]:
    """One noise, several samplers and step counts: x̂0 on the way, the digit at the end, and the time."""
    names = [f"{SAMPLER_WORDS[name].split(',')[0]}, {steps} steps" for name, steps in RACERS]
    rows: list[torch.Tensor] = []
    for lane in race(model.denoiser, asked.first, guidance=model.guidance, seed=asked.seed):
        picks = torch.linspace(0, len(lane.strip) - 1, _RACE_COLUMNS - 1).round().long()
        names[len(rows)] += f"  {lane.network_calls} calls  {lane.seconds:.2f} s"
        rows.append(torch.cat([lane.strip[picks], lane.image[None]]))
        picture = sheets.headed_sheet(rows, names, columns=_RACE_COLUMNS)
        yield SteerStep(len(rows), len(RACERS), picture)


@dataclass(frozen=True)
class Experiment:
    """An experiment: its title, what it shows in words, how it runs, and which parts of `Steering` it uses."""

    title: str
    about: str
    run: Callable[[Model, Steering], Iterator[SteerStep]]
    uses: tuple[str, ...] = ()


EXPERIMENTS: dict[str, Experiment] = {
    "sweep": Experiment(
        "Guidance sweep",
        "Rows: the label asked for. Columns: guidance. At 0 the label is ignored and the noise alone decides; from 1 "
        "on it is obeyed; the further to the right, the more every digit becomes the same bold textbook digit.",
        sweep,
        ("seed",),
    ),
    "labels": Experiment(
        "Between two labels",
        "The noise of a row stays, and the label is blended from one digit to the other. In the middle the network is "
        "asked for “half of each”, a label that it never saw.",
        labels,
        ("first", "second", "seed"),
    ),
    "noises": Experiment(
        "Between two noises",
        "The label stays, and the starting noise goes along the great circle from one noise to another (slerp): the "
        "handwriting changes, and each stop is as likely a digit as the ends.",
        noises,
        ("first", "seed"),
    ),
    "real": Experiment(
        "A real digit",
        "DDIM run backwards finds the noise that a *real* test digit would come from. Drawn again under its own label "
        "it comes back; under a label blended towards another digit it changes, and something of the hand stays.",
        real,
        ("real", "second"),
    ),
    "race": Experiment(
        "Sampler race",
        "One noise, one label, several samplers. Left to right: what each believes the digit is, on its way; the last "
        "picture is the result. All draw with the guidance that suits the network.",
        racers,
        ("first", "seed"),
    ),
}


class SteerStudio:
    """Runs one experiment at a time on one model."""

    def __init__(self, model: Model, asked: Steering) -> None:
        self.canvas = LiveCanvas()
        self.model, self.asked = model, asked
        self.picture: np.ndarray | None = None
        self._open()

    def close(self) -> None:
        """End the session: stop what runs, forget the widget."""
        self.canvas.close()

    def configure(self, model: Model, asked: Steering) -> None:
        """Run this experiment on this model now, unless it was run already.

        Raises:
            UserError: the model knows no labels, which every experiment needs.
        """
        if not model.denoiser.conditional:
            raise UserError("Steering needs a network that knows labels; this one was trained without.")
        if self.canvas.job is not None and (model.denoiser, asked) == (self.model.denoiser, self.asked):
            return
        self.model, self.asked = model, asked
        self._open()
        self.canvas.play()

    def png(self) -> Iterator[ExportStep]:
        """What is on the canvas, as PNG."""
        if self.picture is None:
            raise UserError("There is nothing to save yet: press Run.")
        return iter([ExportStep(1, 1, encode_picture(self.picture))])

    def _open(self) -> None:
        self.picture = None
        self.canvas.drive(self._job)
        self.canvas.forget()
        self.canvas.show(Scene((), clock="s", verb="Run", brief=True))
        self.canvas.publish(note="")

    def _job(self) -> Job[SteerStep]:
        model, asked = self.model, self.asked
        shown: list[int] = []

        def show(step: SteerStep) -> None:
            if job is not self.canvas.job:
                return
            self.picture = step.picture
            height, width = step.picture.shape
            if shown != [width, height]:  # the words before the rows may grow
                shown[:] = [width, height]
                panel = Panel("picture", EXPERIMENTS[asked.kind].title, width / height)
                self.canvas.show(Scene((panel,), height=min(height, _HEIGHT), clock="s", verb="Run", brief=True))
            if self.canvas.due() or step.done == step.total:
                self.canvas.publish(
                    {"picture": encode_picture(step.picture)},
                    step=step.done,
                    total=f"of {step.total}",
                    note="" if step.done == step.total else step.words,
                )

        job: Job[SteerStep] = Job(
            lambda: EXPERIMENTS[asked.kind].run(model, asked),
            on_step=show,
            on_change=lambda: self.canvas.publish() if job is self.canvas.job else None,
        )
        return job
