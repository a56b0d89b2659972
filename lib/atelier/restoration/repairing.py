"""A digit is broken, and repaired step by step; each step carries what its picture needs."""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier import animation
from atelier.data.digits import load_digits
from atelier.diffusion.denoiser import to_uint8
from atelier.diffusion.models import Model
from atelier.diffusion.sampling import sampler_name
from atelier.diffusion.sheets import sheet
from atelier.drawing import Chart, Frame, Line, captioned, encoded, npz, side_by_side
from atelier.errors import UserError
from atelier.restoration.catalogue import LABELS, METHODS, TASKS, method_title
from atelier.restoration.problems import Problem, measure, pseudo_inverse
from atelier.restoration.sampling import PosteriorStep, posterior_samples
from atelier.restoration.scores import Scores, score, shares, shares_words, verdict
from atelier.settings import Choice
from atelier.steps import Around

SCALE = 8
_MOST_SHOWN, _MOST_MOMENTS = 100, 60
_FPS = 8


@dataclass(frozen=True)
class Moment:
    """What there was to see after a step."""

    step: int
    seconds: float
    pictures: Tensor = field(repr=False)  # (M, 28, 28) uint8
    mean: Tensor = field(repr=False)  # (28, 28) uint8
    spread: Tensor = field(repr=False)  # (28, 28) uint8, the standard deviation, white at half of the range


@dataclass(frozen=True)
class Past:
    """What a repair remembers: curves, and moments for the replay and the animation."""

    steps: list[int] = field(default_factory=list)
    consistency: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Repair(Around):
    """Samples after one step of `repair`; at step 0 there is only what was measured."""

    model: Model
    problem: Problem
    truth: Tensor = field(repr=False)  # (28, 28) uint8
    label: int | None  # the true label, where it is known
    past: Past = field(repr=False)
    asked: Mapping[str, Any]  # the settings, JSON-able
    by: str  # title of the method
    at: PosteriorStep | None = None
    scores: Scores | None = None  # of the samples, at the end only
    mean_scores: Scores | None = None  # of their mean, at the end only

    @property
    def images(self) -> Tensor:
        """The samples as they are, (N, 28, 28) uint8."""
        return _begun(self).at.images

    @property
    def sentence(self) -> str:
        """What the judge reads in the samples; empty before the end."""
        return f"{shares_words(self.scores.labels)} {verdict(self.scores.labels)}" if self.scores else ""


def repair(
    model: Model,
    *,
    digit: int = 0,
    drawn: Any = None,
    task: str = "mask",
    noise: float = 0.05,
    painted: Any = None,
    method: str = "pigdm",
    samples: int = 16,
    steps: int | None = None,
    strength: float | None = None,
    told: str = "none",
    seed: int = 0,
    **breaks: Any,
) -> Iterator[Repair]:
    """Break a digit, and draw digits that it could have been; one `Repair` a step, the first before any network call.

    Args:
        digit: number of a digit of the test split.
        drawn: (28, 28) uint8, a digit of one's own in its place.
        task, noise, painted, breaks: what is done to it, as `problems.measure` takes it.
        method, steps, strength: as `posterior_samples` takes them.
        told: "none", or the label that the prior is told.

    Raises:
        UserError: as `measure` and `posterior_samples`; a number that no test digit has.
    """
    told = Choice(LABELS).check("The label that the network is told", str(told))
    image, label, note = digit_of(model, digit, drawn)
    problem = measure(image[None], task, noise=noise, seed=seed, painted=painted, **breaks)
    if isinstance(method, str) and method in METHODS:
        steps, strength = METHODS[method].filled(steps, strength)
    asked = {
        "task": task,
        "noise": noise,
        **breaks,
        "digit": None if drawn is not None else digit,
        "method": sampler_name(method),
        "samples": samples,
        "steps": steps,
        "strength": strength,
        "told": told,
        "seed": seed,
        **({"note": note} if note else {}),
    }
    begun = Repair(model, problem, image, label, Past(), asked, method_title(method))
    yield begun
    options = {"method": method, "steps": steps, "strength": strength, "seed": seed}
    options["label"] = None if told == "none" else int(told)
    for at in posterior_samples(model.denoiser, problem, n=samples, **options):
        past, estimate, scores, mean_scores = begun.past, at.estimate, None, None
        past.steps.append(at.step)
        past.consistency.append(float(problem.consistency(estimate).mean()))
        past.spread.append(float(_spread(estimate).mean()) / 2)
        if at.step % math.ceil(at.steps / _MOST_MOMENTS) == 0 or at.last:
            past.moments.append(_moment(at))
        if at.last:
            scores, mean_scores = (score(problem, x, image[None]) for x in (estimate, estimate.mean(0, keepdim=True)))
        yield replace(begun, at=at, scores=scores, mean_scores=mean_scores)


def digit_of(model: Model, number: int = 0, drawn: Any = None) -> tuple[Tensor, int | None, str]:
    """The digit that is broken, (28, 28) uint8: a drawn one, or a test digit of the data set that the model was trained
    on; its label where it is known, and a note where digits from fonts stand in.

    Raises:
        UserError: a number that no test digit has, a drawing of another shape.
    """
    if drawn is not None:
        image = torch.as_tensor(np.asarray(drawn))
        if image.shape != (28, 28) or image.dtype != torch.uint8:
            raise UserError(f"A drawing must be 28 x 28 pixels of uint8, and this one is {tuple(image.shape)}.")
        return image, None, ""
    digits = load_digits(model.dataset, "test")
    if not 0 <= number < len(digits.images):
        raise UserError(f"There are test digits 0 to {len(digits.images) - 1:,}, and {number} is none of them.")
    return digits.images[number], int(digits.labels[number]), digits.note


def _spread(estimate: Tensor) -> Tensor:
    """(1, 28, 28) standard deviation of the samples, at most about 1."""
    return estimate.std(0) if len(estimate) > 1 else torch.zeros_like(estimate[0])


def _moment(at: PosteriorStep) -> Moment:
    mean, spread = at.estimate.mean(0, keepdim=True), 2 * _spread(at.estimate)[None] - 1
    return Moment(at.step, at.seconds, at.images[:_MOST_SHOWN], to_uint8(mean)[0], to_uint8(spread)[0])


def panels(step: Repair, full: bool = True) -> Frame:
    """The digit, what was measured of it, samples, their mean and standard deviation, and curves."""
    frame = _frame(step, _moment(step.at) if step.at else None)
    if not (full and step.at):
        return frame
    past, level = step.past, step.problem.sigma / 2
    lines = [Line(past.steps, past.consistency, "samples"), Line(past.steps, [level] * len(past.steps), "the noise")]
    charts = [
        Chart("Distance to the measurement", lines, digits=3, log=True, height=64),
        Chart("Standard deviation of the samples", [Line(past.steps, past.spread)], digits=3, height=64),
    ]
    return replace(frame, charts=charts)


def moments(step: Repair) -> Iterator[Frame]:
    """What there was to see on the way, for a replay."""
    for moment in step.past.moments:
        yield _frame(step, moment)


def _frame(step: Repair, moment: Moment | None) -> Frame:
    """Before the first moment the pictures of samples stay as they were."""
    dark = torch.full((28, 28), 24, dtype=torch.uint8)
    measured, n = step.problem.shown()[0], step.asked["samples"]
    hidden = f", the first {_MOST_SHOWN}" if n > _MOST_SHOWN else ""
    flow = {
        "x, the digit" if step.label is None else f"x, the digit: {step.label}": step.truth,
        "y = A x + noise": measured,
        "A⁺ y, no prior": to_uint8(pseudo_inverse(step.problem))[0] if moment else dark,
        "mean of samples": moment.mean if moment else dark,
        "their deviation": moment.spread if moment else dark,
    }
    pictures = {"measured": sheet(measured[None], 1, SCALE)}
    if moment:
        columns = math.ceil(len(moment.pictures) ** 0.5)
        pictures["samples"] = sheet(moment.pictures, columns, max(2, round(SCALE / columns)))
        pictures["mean"] = sheet(moment.mean[None], 1, SCALE)
    return Frame(
        pictures,
        {
            "measured": f"measured: {TASKS[step.asked['task']].title.lower()}",
            "samples": f"samples of what it could be{hidden}, by {step.by}",
            "mean": "their mean",
        },
        flow={name: sheet(image[None], 1, 3) for name, image in flow.items()},
        step=moment.step if moment else 0,
        total=f"of {step.at.steps} steps" if step.at else "",
        seconds=moment.seconds if moment else None,
        note="" if step.at else _beginning(),
    )


def _beginning() -> str:
    if "deepinv" in sys.modules:
        return "The repair begins"
    return "DeepInv is imported first: 10 to 20 seconds"


def _begun(step: Repair | None) -> Repair:
    if step is None or step.at is None:
        raise UserError("There is nothing to save yet: press Play, and wait for the end or press Pause.")
    return step


def sample_rows(step: Repair | None) -> list[dict[str, str]]:
    """A table of the samples and of their mean: PSNR, SSIM, distance to the measurement, and the judge's label; empty
    before the end."""
    if step is None or step.scores is None:
        return []
    each = [(str(k + 1), step.scores, k) for k in range(len(step.scores.labels))]
    return [
        {
            "Sample": name,
            "PSNR": f"{scores.psnr[k]:.1f} dB",
            "SSIM": f"{scores.ssim[k]:.2f}",
            "Distance to the measurement": f"{scores.consistency[k]:.3f}",
            "Read as": str(int(scores.labels[k])),
        }
        for name, scores, k in [("mean of all", step.mean_scores, 0), *each]
    ]


def samples_png(step: Repair | None) -> bytes:
    """The digit, the measurement, the samples, their mean and deviation, as one PNG; UserError if nothing was repaired
    yet, as the others."""
    moment = _moment(_begun(step).at)
    frame = _frame(step, moment)
    pictures = [sheet(step.truth[None], 1, SCALE), *frame.pictures.values(), sheet(moment.spread[None], 1, SCALE)]
    return encoded(captioned(pictures, ["the digit", *frame.captions.values(), "their standard deviation"]))


def samples_npz(step: Repair | None) -> bytes:
    """`samples` (N, 28, 28) float32 in [-1, 1], `truth` (28, 28) uint8, `measured` (the y of y = A x + noise), `labels`
    (N,) as the judge reads them, -1 before the end; as numpy's .npz."""
    step = _begun(step)
    samples = step.at.estimate[:, 0].numpy()
    labels = step.scores.labels.numpy() if step.scores else np.full(len(samples), -1)
    measured = step.problem.y[0, 0].numpy()
    return npz(samples=samples, truth=step.truth.numpy(), measured=measured, labels=labels)


def samples_gif(step: Repair | None) -> Iterator[animation.Written]:
    """The way from noise to samples beside the measurement; rests at its end. The last step has the bytes."""
    step = _begun(step)
    found = step.past.moments or [_moment(step.at)]
    frames = (side_by_side(list(_frame(step, moment).pictures.values())) for moment in found)
    return animation.encode(".gif", frames, _FPS, rest=2, count=len(found))


def summary(step: Repair | None) -> dict[str, Any]:
    """What a command prints last, JSON-able."""
    step = _begun(step)
    found = {**step.asked, "model": step.model.title, "true_label": step.label, "seconds": round(step.at.seconds, 3)}
    if step.scores is None:
        return found
    scores, mean = step.scores, step.mean_scores

    def average(values: Tensor) -> float | None:
        value = float(values.double().mean())
        return round(value, 4) if math.isfinite(value) else None

    return found | {
        "psnr": average(scores.psnr),
        "ssim": average(scores.ssim),
        "consistency": average(scores.consistency),
        "psnr_of_mean": average(mean.psnr),
        "labels": scores.labels.tolist(),
        "shares": {str(label): count / len(scores.labels) for label, count in shares(scores.labels).items()},
        "sentence": step.sentence,
    }


def summary_json(step: Repair | None) -> bytes:
    """`summary` with the scores of each sample, as JSON."""
    found = summary(step)
    if step.scores is not None:
        columns = {name: getattr(step.scores, name) for name in ("psnr", "ssim", "consistency")}
        found["samples_scored"] = [
            {name: round(float(values[k]), 4) for name, values in columns.items()}
            | {"label": int(step.scores.labels[k])}
            for k in range(len(step.scores.labels))
        ]
    return json.dumps(found, indent=1, ensure_ascii=False).encode()
