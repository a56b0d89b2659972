"""Steering: what guidance, starting noise, labels and samplers do to a digit.

An experiment of `EXPERIMENTS` is a function here that lays out calls of `sample` and `encode` as rows of digits.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from atelier.data.digits import load_digits
from atelier.diffusion.catalogue import EXPERIMENTS, FEW, MOST_REAL, SAMPLERS
from atelier.diffusion.denoiser import Denoiser, Guidance, to_uint8
from atelier.diffusion.models import Model, with_steps
from atelier.diffusion.sampling import blend_labels, encode, initial_noise, sample, slerp
from atelier.diffusion.sheets import headed_sheet, sheet
from atelier.drawing import Frame, encoded
from atelier.errors import UserError
from atelier.settings import Choice, Number

GUIDANCE_SCALES = (0.0, 1.0, 1.5, 3.0, 5.0, 7.0, 10.0, 15.0)
RACERS = (("ddpm", 50), ("ddim", 50), ("ddim", 10), ("dpmpp", 10), ("dpmpp", 20), ("heun", 10), ("flow_heun", 10))
_FRAMES, _MORPH_ROWS, _RACE_COLUMNS = 9, 4, 10
_PATH = torch.linspace(0, 1, _FRAMES)
_PER_CENT = [f"{float(weight):.0%}" for weight in _PATH]
_REAL_GUIDANCE = 3.0
_MORPHED, _MORPH_STEPS = 10, 8


@dataclass(frozen=True)
class SteerStep:
    """What an experiment has drawn so far, after step `step` of `total`."""

    step: int
    total: int
    rows: Sequence[Tensor] = field(repr=False)  # each (K, 28, 28) uint8
    row_words: Sequence[str] = ()
    column_words: Sequence[str] = ()
    scale: int = 2
    note: str = ""
    title: str = ""

    @property
    def progress(self) -> float:
        return self.step / self.total

    @functools.cached_property
    def picture(self) -> np.ndarray:
        """The rows under each other with their words, (H, W) uint8."""
        columns = len(self.column_words) or _RACE_COLUMNS
        return headed_sheet(self.rows, self.row_words, self.column_words, columns=columns, scale=self.scale)


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
    entry = EXPERIMENTS[Choice(tuple(EXPERIMENTS)).check("The experiment", kind)]
    if not model.denoiser.conditional:
        raise UserError("Steering needs a network that knows labels; this one was trained without.")
    given = {
        "first": Number(0, 9, whole=True).check("The first digit", first),
        "second": Number(0, 9, whole=True).check("The second digit", second),
        "real": Number(0, MOST_REAL, whole=True).check("The real digit", real),
        "steer_seed": Number(0, 2**31 - 1, whole=True).check("The seed", steer_seed),
    }
    for step in entry.load()(model, **{name: given[name] for name in entry.uses}):
        yield replace(step, title=entry.title)


def sweep(model: Model, *, steer_seed: int) -> Iterator[SteerStep]:
    """One row per label, one column per scale of guidance, which acts everywhere; the noise of a row stays."""
    columns: list[Tensor] = []
    words = [f"{scale:g}" for scale in GUIDANCE_SCALES]
    for scale in GUIDANCE_SCALES:
        *_, last = sample(model.denoiser, torch.arange(10), steps=20, guidance=Guidance(scale), seed=steer_seed)
        columns.append(last.images)
        yield SteerStep(len(columns), len(words), list(torch.stack(columns, 1)), model.classes, words)


def between_noises(model: Model, *, first: int, steer_seed: int) -> Iterator[SteerStep]:
    """One label; each row goes along the great circle between two noises of its own."""
    return _morphs(model, first, first, steer_seed, fixed_noise=False)


def between_labels(model: Model, *, first: int, second: int, steer_seed: int) -> Iterator[SteerStep]:
    """One noise a row, the label blended from one digit to the other (halfway from 3 to 4 is "3½")."""
    return _morphs(model, first, second, steer_seed, fixed_noise=True)


def _morphs(model: Model, first: int, second: int, seed: int, fixed_noise: bool) -> Iterator[SteerStep]:
    rows: list[Tensor] = []
    labels = blend_labels(first, second, _PATH, model.denoiser.classes)
    options = {"sampler": "ddim", "guidance": model.guidance}
    for row in range(_MORPH_ROWS):
        start, end = initial_noise((seed + row) % 2**31, 2)
        path = slerp(start, start if fixed_noise else end, _PATH)
        for step in sample(model.denoiser, labels, noise=path, **options):
            done, total = row * step.steps + step.step, _MORPH_ROWS * step.steps
            yield SteerStep(done, total, [*rows, step.images], [""] * _MORPH_ROWS, _PER_CENT, scale=3)
        rows.append(step.images)


def real_digit(model: Model, *, real: int, second: int) -> Iterator[SteerStep]:
    """DDIM inversion of a real test digit, then the noise found for it under labels blended towards another digit: the
    handwriting stays, the digit changes. The row is the digit, the digit rebuilt, and the way to the other label.

    The guidance rises along the way from 1, which rebuilds the digit, to 3, which overrules what the noise still knows
    of it.
    """
    test, steps = load_digits(model.dataset, "test"), 30
    image, label = test.images[real : real + 1], int(test.labels[real])
    labels = blend_labels(label, second, _PATH, model.denoiser.classes)

    def step(stage: str, share: float, row: Tensor = image) -> SteerStep:
        note = f"{stage}; {test.title}" if test.stand_in else stage
        words = ["real", "rebuilt", *_PER_CENT[1:]]
        return SteerStep(round(100 * share), 100, [row], [f"{label} to {second}"], words, scale=3, note=note)

    for climbing in encode(model.denoiser, image, labels[:1], steps=steps):
        yield step("inverting", 0.5 * climbing.progress)
    code, images = climbing.x_t.cpu(), [image]
    for k, weight in enumerate(_PATH.tolist()):
        # Unclipped and in float32 where the way up has to be retraced.
        exact = {"clip": False, "precision": "float32"} if k == 0 else {}
        options = {"sampler": "ddim", "steps": steps, "guidance": Guidance(1 + weight * (_REAL_GUIDANCE - 1))}
        *_, last = sample(model.denoiser, labels[k : k + 1], noise=code, **options, **exact)
        images.append(last.images)
        if k + 1 < _FRAMES:
            yield step("morphing", 0.5 + 0.5 * (k + 1) / _FRAMES)
    yield step("done", 1.0, torch.cat(images))


def race(model: Model, *, first: int, steer_seed: int) -> Iterator[SteerStep]:
    """One noise, one sampler and number of steps a row: x0_hat on the way, the digit at the end, calls and seconds. The
    shipped network also races distilled."""
    racers = [(model, name, steps, f"{SAMPLERS[name].title.split(',')[0]}, {steps} steps") for name, steps in RACERS]
    distilled = [(with_steps(model, name), name) for name in FEW]
    racers += [(few, None, None, FEW[name].title) for few, name in distilled if few is not model]
    words, rows = [title for *_, title in racers], []
    for k, (racer, sampler, steps, _) in enumerate(racers):
        how = {"sampler": sampler, "steps": steps, "guidance": racer.guidance, "seed": steer_seed}
        run = list(sample(racer.denoiser, torch.tensor([first]), **how))
        picks = torch.linspace(0, len(run) - 1, _RACE_COLUMNS - 1).round().long()
        calls = run[-1].network_calls
        words[k] += f"  {calls} call{'s' * (calls > 1)}  {1000 * run[-1].seconds:.0f} ms"
        rows.append(torch.cat([*(to_uint8(run[at].x0_hat) for at in picks), run[-1].images]))
        yield SteerStep(k + 1, len(racers), list(rows), list(words))


def morphing(model: Model | Denoiser, corners: Sequence[int], seed: int = 0) -> Callable[..., tuple[np.ndarray, str]]:
    """A function draw(x, y, walk, guidance) of ten digits under one blended label, and a line about it.

    x, y in [0, 1] blend the labels of the four corners (top left, top right, bottom left, bottom right) bilinearly.
    walk, from 0 on, goes along great circles from one noise to the next, another way for each digit. A network that was
    not distilled draws in 8 steps, and of one that knows no labels only walk moves the digits.

    Raises:
        UserError: a label out of range.
    """
    model = Model.of(model)
    denoiser = model.denoiser
    if not all(0 <= corner < denoiser.classes for corner in corners):
        raise UserError(f"The labels of the corners must be from 0 to {denoiser.classes - 1}.")
    how = {} if denoiser.knots else {"sampler": "dpmpp", "steps": _MORPH_STEPS}
    labels = torch.nn.functional.one_hot(torch.tensor(list(corners)), denoiser.classes).float()  # (4, classes)

    def draw(x: float, y: float, walk: float, guidance: float) -> tuple[np.ndarray, str]:
        corner_shares = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
        shares = torch.tensor(corner_shares, dtype=torch.float32) @ labels  # (classes,)
        begin, rest = int(walk), torch.tensor([walk % 1])
        ends = [initial_noise(seed, _MORPHED, first=stop * _MORPHED) for stop in (begin, begin + 1)]
        noise = torch.cat([slerp(a, b, rest) for a, b in zip(*ends, strict=True)])
        asked = replace(model.guidance, scale=guidance)
        given = shares.expand(_MORPHED, -1) if denoiser.conditional else None
        *_, last = sample(denoiser, given, noise=noise, guidance=asked, **how)
        words = ", ".join(f"{s:.0%} {model.classes[k]}" for k, s in enumerate(shares.tolist()) if s >= 0.005)
        words = words if denoiser.conditional else "this network knows no labels"
        return sheet(last.images, 5, 4), f"{words} · {last.network_calls} network calls, {1000 * last.seconds:.0f} ms"

    return draw


def picture(step: SteerStep | None) -> bytes:
    """The picture of an experiment as PNG; UserError if none has run yet."""
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
