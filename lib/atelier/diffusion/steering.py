"""Steering: what guidance, starting noise, labels and samplers do to a digit.

Every function here only lays out calls of `sample` and `encode`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from atelier.data.digits import load_digits
from atelier.diffusion.catalogue import EXPERIMENTS, MOST_REAL, SAMPLERS
from atelier.diffusion.denoiser import DEFAULT_GUIDANCE, Denoiser, Guidance
from atelier.diffusion.models import Model
from atelier.diffusion.sampling import SampleStep, blend_labels, encode, initial_noise, sample, slerp
from atelier.diffusion.sheets import headed_sheet
from atelier.diffusion.training import to_uint8
from atelier.drawing import Frame, encoded
from atelier.errors import UserError

GUIDANCE_SCALES = (0.0, 1.0, 1.5, 3.0, 5.0, 7.0, 10.0, 15.0)
RACERS = (
    ("ddpm", 50),
    ("ddim", 50),
    ("ddim", 10),
    ("dpmpp", 10),
    ("dpmpp", 20),
    ("heun", 10),
    ("flow_heun", 10),
)


@dataclass(frozen=True)
class SweepColumn:
    """Digits at one guidance scale: images (rows, 28, 28) uint8; column counts from 1 to columns."""

    scale: float
    column: int
    columns: int
    images: Tensor = field(repr=False)


def guidance_sweep(
    denoiser: Denoiser,
    digits: Sequence[int] = tuple(range(10)),
    scales: Sequence[float] = GUIDANCE_SCALES,
    *,
    interval: tuple[float, float] = (0.0, 1.0),
    sampler: str = "dpmpp",
    steps: int = 20,
    seed: int = 0,
) -> Iterator[SweepColumn]:
    """The same noise under rising guidance: one row per digit, one SweepColumn per scale."""
    labels = torch.tensor(list(digits))
    for column, scale in enumerate(scales, 1):
        guidance = Guidance(scale, interval)
        *_, last = sample(denoiser, labels, sampler=sampler, steps=steps, guidance=guidance, seed=seed)
        yield SweepColumn(scale, column, len(scales), last.images)


def morph(
    denoiser: Denoiser,
    first: int,
    second: int,
    *,
    frames: int = 9,
    noise: str = "slerp",
    sampler: str = "ddim",
    steps: int = 30,
    guidance: Guidance = DEFAULT_GUIDANCE,
    seed: int = 0,
) -> Iterator[SampleStep]:
    """A path from one digit to another; the last SampleStep's images are its frames, in order.

    Args:
        first, second: the labels at the two ends; the same label twice morphs the handwriting alone.
        noise: "slerp" goes from one starting noise to another, "fixed" keeps one noise and only blends the
            label embeddings (halfway from 3 to 4 is "3½").

    Raises:
        UserError: fewer than 2 or more than 200 frames, an unknown kind of noise, labels out of range.
    """
    weights = _path(frames)
    start, end = initial_noise(seed, 2)
    if noise not in ("slerp", "fixed"):
        raise UserError(f"The noise of a morph must be slerp or fixed, and {noise!r} is not.")
    path = slerp(start, end if noise == "slerp" else start, weights)
    labels = blend_labels(first, second, weights, denoiser.classes)
    yield from sample(denoiser, labels, sampler=sampler, steps=steps, guidance=guidance, noise=path, seed=seed)


@dataclass(frozen=True)
class RealMorphStep:
    """Progress in [0, 1] of inverting and morphing a real digit. At the last step: `code` (1, 1, 28, 28) is
    the noise found for it, `rebuilt` (28, 28) what that noise gives under its own label, `frames` (F, 28, 28)
    the way to the other label, all images uint8."""

    stage: str
    progress: float
    code: Tensor | None = field(default=None, repr=False)
    rebuilt: Tensor | None = field(default=None, repr=False)
    frames: Tensor | None = field(default=None, repr=False)


def morph_real(
    denoiser: Denoiser,
    image: Tensor,
    label: int,
    other: int,
    *,
    frames: int = 9,
    steps: int = 30,
    guidance: float = 3.0,
) -> Iterator[RealMorphStep]:
    """DDIM inversion of a real digit (28, 28) uint8, then the same noise under labels blended towards
    `other`: the handwriting stays, the digit changes.

    The guidance rises along the way from 1, which rebuilds the digit, to `guidance`, which overrules what the
    noise still knows of it.
    """
    weights = _path(frames)
    labels = blend_labels(label, other, weights, denoiser.classes)
    scales = [Guidance(1 + float(weight) * (guidance - 1)) for weight in weights]
    for climbing in encode(denoiser, image[None], labels[:1], steps=steps):
        yield RealMorphStep("inverting", 0.5 * climbing.step / climbing.steps)
    code, images = climbing.x_t.cpu(), []
    for k, scale in enumerate(scales):
        # Unclipped and in float32 where the way up has to be retraced.
        exact = {"clip": False, "precision": "float32"} if k == 0 else {}
        *_, last = sample(denoiser, labels[k : k + 1], sampler="ddim", steps=steps, guidance=scale, noise=code, **exact)
        images.append(last.images)
        if k + 1 < frames:
            yield RealMorphStep("morphing", 0.5 + 0.5 * (k + 1) / frames)
    yield RealMorphStep("done", 1.0, code, images[0][0], torch.cat(images))


@dataclass(frozen=True)
class Lane:
    """One racer: its x0_hat at every step, (K, 28, 28) uint8, the finished image, seconds and calls."""

    sampler: str
    steps: int
    seconds: float
    network_calls: int
    strip: Tensor = field(repr=False)
    image: Tensor = field(repr=False)


def race(
    denoiser: Denoiser,
    digit: int,
    racers: Sequence[tuple[str, int]] = RACERS,
    *,
    guidance: Guidance = DEFAULT_GUIDANCE,
    seed: int = 0,
) -> Iterator[Lane]:
    """Several samplers and step counts from one and the same noise, one Lane after the other."""
    for sampler, steps in racers:
        run = list(sample(denoiser, torch.tensor([digit]), sampler=sampler, steps=steps, guidance=guidance, seed=seed))
        strip = torch.cat([to_uint8(step.x0_hat) for step in run])
        last = run[-1]
        yield Lane(sampler, steps, last.seconds, last.network_calls, strip, last.images[0])


def _path(frames: int) -> Tensor:
    if isinstance(frames, bool) or int(frames) != frames or not 2 <= frames <= 200:
        raise UserError(f"The number of frames must be a whole number from 2 to 200, and {frames} is not.")
    return torch.linspace(0, 1, int(frames))


# The experiments of the page: each an iterator of `SteerStep`.


@dataclass(frozen=True)
class SteerStep:
    """Progress of an experiment (`step` of `total`) and what there is to see of it so far, one picture (H, W) uint8."""

    step: int
    total: int
    picture: np.ndarray = field(repr=False)
    title: str = ""
    note: str = ""

    @property
    def progress(self) -> float:
        return self.step / self.total


def experiment(
    model: Model | Denoiser, kind: str = "sweep", *, first: int = 3, second: int = 8, real: int = 0, steer_seed: int = 0
) -> Iterator[SteerStep]:
    """An experiment of `EXPERIMENTS`, step by step.

    Args:
        first, second: labels, 0 to 9. real: the number of a test digit. steer_seed: of the noise.

    Raises:
        UserError: an unknown experiment, a number out of bounds, a model that knows no labels.
    """
    model = Model.of(model)
    if kind not in EXPERIMENTS:
        raise UserError(f"There is no experiment {kind!r}; choose one of {', '.join(EXPERIMENTS)}.")
    if not model.denoiser.conditional:
        raise UserError("Steering needs a network that knows labels; this one was trained without.")
    given = {"first": first, "second": second, "real": real, "steer_seed": steer_seed}
    for name, high in (("first", 9), ("second", 9), ("real", MOST_REAL), ("steer_seed", 2**31 - 1)):
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
            raise UserError(f"{_NAMES[name]} must be a whole number from 0 to {high:,}.")
    entry = EXPERIMENTS[kind]
    for step in entry.load()(model, **{name: given[name] for name in entry.uses}):
        yield replace(step, title=entry.title)


_NAMES = {"first": "The first digit", "second": "The second digit", "real": "The real digit", "steer_seed": "The seed"}
_FRAMES = 9
_MORPH_ROWS = 4
_RACE_COLUMNS = 10


def sweep(model: Model, *, steer_seed: int) -> Iterator[SteerStep]:
    """Rows: digits; columns: guidance; one noise a row."""
    columns: list[Tensor] = []
    words = [f"{scale:g}" for scale in GUIDANCE_SCALES]
    for found in guidance_sweep(model.denoiser, seed=steer_seed):
        columns.append(found.images)
        rows = list(torch.stack(columns, 1))
        picture = headed_sheet(rows, model.classes, words, columns=len(words))
        yield SteerStep(found.column, found.columns, picture)


def between_noises(model: Model, *, first: int, steer_seed: int) -> Iterator[SteerStep]:
    """From one noise to another under one label; each row goes between two noises of its own."""
    return _morphs(model, "slerp", first, first, steer_seed)


def between_labels(model: Model, *, first: int, second: int, steer_seed: int) -> Iterator[SteerStep]:
    """One noise a row, the label blended from one digit to the other."""
    return _morphs(model, "fixed", first, second, steer_seed)


def _morphs(model: Model, noise: str, first: int, second: int, seed: int) -> Iterator[SteerStep]:
    rows: list[Tensor] = []
    words = [f"{k / (_FRAMES - 1):.0%}" for k in range(_FRAMES)]
    options = {"frames": _FRAMES, "noise": noise, "guidance": model.guidance}
    for row in range(_MORPH_ROWS):
        for step in morph(model.denoiser, first, second, seed=(seed + row) % 2**31, **options):
            picture = headed_sheet([*rows, step.images], [""] * _MORPH_ROWS, words, columns=_FRAMES, scale=3)
            yield SteerStep(row * step.steps + step.step, _MORPH_ROWS * step.steps, picture)
        rows.append(step.images)


def from_a_real_digit(model: Model, *, real: int, second: int) -> Iterator[SteerStep]:
    """A real test digit, inverted to the noise it would come from, then drawn again under another label."""
    test = load_digits(model.dataset, "test")
    image, label = test.images[real], int(test.labels[real])
    words = ["real", "rebuilt", *(f"{k / (_FRAMES - 1):.0%}" for k in range(1, _FRAMES))]
    for step in morph_real(model.denoiser, image, label, second, frames=_FRAMES):
        shown = [image[None]] if step.frames is None else [torch.cat([image[None], step.frames])]
        picture = headed_sheet(shown, [f"{label} to {second}"], words, columns=len(words), scale=3)
        note = f"{step.stage}; {test.title}" if test.stand_in else step.stage
        yield SteerStep(round(100 * step.progress), 100, picture, note=note)


def sampler_race(model: Model, *, first: int, steer_seed: int) -> Iterator[SteerStep]:
    """One noise, several samplers and step counts: x0_hat on the way, the digit at the end, and the time."""
    names = [f"{SAMPLERS[name].title.split(',')[0]}, {steps} steps" for name, steps in RACERS]
    rows: list[Tensor] = []
    for lane in race(model.denoiser, first, guidance=model.guidance, seed=steer_seed):
        picks = torch.linspace(0, len(lane.strip) - 1, _RACE_COLUMNS - 1).round().long()
        names[len(rows)] += f"  {lane.network_calls} calls  {lane.seconds:.2f} s"
        rows.append(torch.cat([lane.strip[picks], lane.image[None]]))
        yield SteerStep(len(rows), len(RACERS), headed_sheet(rows, names, columns=_RACE_COLUMNS))


def picture(step: SteerStep | None) -> bytes:
    """The picture of an experiment as PNG.

    Raises:
        UserError: none has run yet.
    """
    if step is None:
        raise UserError("There is no experiment to save yet: press Run under Steer.")
    return encoded(step.picture)


def steering_panels(step: SteerStep, full: bool = True) -> Frame:
    """The picture of an experiment so far."""
    return Frame(
        {"picture": step.picture},
        {"picture": step.title},
        step=step.step,
        total=f"of {step.total}",
        note="" if step.progress == 1 else step.note,
    )
