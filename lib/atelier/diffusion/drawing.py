"""Drawing digits step by step; each step carries what came before it, so that its picture is a function of it alone."""

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier import animation
from atelier.diffusion.catalogue import DEFAULT_STEPS
from atelier.diffusion.denoiser import Denoiser, Guidance, to_uint8
from atelier.diffusion.models import Model, guide, sampler_for, with_steps
from atelier.diffusion.sampling import MOST_SAMPLES, Sampler, SampleStep, sample, sampler_name
from atelier.diffusion.sheets import sheet
from atelier.drawing import Chart, Frame, Line, contact_sheet, encoded, npz
from atelier.errors import UserError
from atelier.settings import Number
from atelier.steps import time_left

MOST_SHOWN = 400
"""Digits on a page; files hold all of them, a PNG up to 1,000."""
_MOST_IN_PNG = 1000
_GROUP = 1000  # digits that are drawn together
_MOMENT_BYTES = 16 << 20
_MOST_MOMENTS = 60
_SHOWN_IN_FLOW, _FLOW_COLUMNS = 6, 3
_FPS = 8


@dataclass(frozen=True)
class Moment:
    """What there was to see after a step."""

    step: int
    noise_fraction: float
    seconds: float
    x_t: Tensor = field(repr=False)  # (M, 28, 28) uint8
    x0_hat: Tensor = field(repr=False)  # (M, 28, 28) uint8
    flow: Mapping[str, np.ndarray] = field(repr=False)  # what the network did with a few digits, name -> (H, W) uint8


@dataclass(frozen=True)
class Past:
    """What a drawing remembers: two curves, and moments for the replay and the animation."""

    steps: list[int] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Drawing:
    """Digits after one step of `draw`."""

    model: Model
    at: SampleStep  # on the CPU; of many digits the first group, then all that are finished
    progress: float  # share of the work that is done
    labels: Tensor | None
    start: Tensor = field(repr=False)  # (M, 1, 28, 28), the noise that the first ones began with
    past: Past = field(repr=False)
    asked: Mapping[str, Any] = field(default_factory=dict)  # the settings, JSON-able

    @property
    def step(self) -> int:
        return self.at.step

    @property
    def images(self) -> Tensor:
        """The digits as they are, (N, 28, 28) uint8."""
        return self.at.images


def draw(
    model: Model | Denoiser,
    *,
    digit: str = "all",
    samples: int = 60,
    sampler: str | Sampler = "dpmpp",
    sampling_steps: int = DEFAULT_STEPS,
    eta: float = 0.0,
    seed: int = 0,
    precision: str = "auto",
    layout: str = "auto",
    **guidance: Guidance | float | None,
) -> Iterator[Drawing]:
    """Draw digits out of noise, one `Drawing` a step. Of more than 1,000 digits one group is drawn after another.

    Args:
        digit: "all" (in turn), or one of "0" to "9".
        sampler: a name or a function, see `sampling.sample`. A name in `FEW` draws with a distilled network,
            where `models.with_steps` has one, else with DPM-Solver++.
        precision, layout: of the computation, as `sample` takes them.
        guidance: as `models.guide` takes it; by default that which suits the model.

    Raises:
        UserError: the model knows no labels and is asked for one, or a number is out of bounds.
    """
    model = with_steps(Model.of(model), sampler)
    few, sampler = len(model.denoiser.knots), sampler_for(model, sampler)
    chosen = guide(model, **guidance)
    samples = Number(1, MOST_SAMPLES, whole=True).check("The number of samples", samples)
    labels, guided = model.labels(digit, samples), model.denoiser.conditional
    asked = {
        "samples": samples,
        "sampler": sampler_name(sampler),
        "sampling_steps": few or sampling_steps,
        "guidance": chosen.scale if guided else None,
        "guidance_interval": list(chosen.interval) if guided else None,
        "guidance_by": ("early" if chosen.weak else "label") if guided else None,
        "seed": seed,
    }
    options = {"sampler": sampler, "guidance": chosen, "eta": eta, "seed": seed}
    options |= {"precision": precision, "layout": layout}
    options["steps"] = None if few else sampling_steps
    drawn = None
    for at, progress in _groups(model.denoiser, labels, samples, **options):
        if drawn is None:
            drawn = Drawing(model, at, progress, labels, at.x, Past(), asked)
            _remember(drawn)
        else:
            before, drawn = drawn.at, replace(drawn, at=at, progress=progress)
            if not before.last:  # later groups leave no trace but their digits
                _remember(drawn, before)
        yield drawn


def _remember(step: Drawing, before: SampleStep | None = None) -> None:
    """Note what a step of the first group looks like. before: the step before it."""
    at, past = step.at, step.past
    past.steps.append(at.step)
    past.noise.append(at.noise_fraction)
    if before is not None:
        past.change.append(float((at.x0_hat - before.x0_hat).square().mean().sqrt()) / 2)
    most = max(4, min(_MOST_MOMENTS, _MOMENT_BYTES // (2 * min(len(at.x), MOST_SHOWN) * 28 * 28)))
    if at.step % math.ceil(at.steps / most) == 0 or at.last:
        past.moments.append(_moment(step))


def _groups(denoiser: Denoiser, labels: Tensor | None, n: int, **options: Any) -> Iterator[tuple[SampleStep, float]]:
    """Steps of `sample` for at most _GROUP digits at a time, on the CPU, and the share of the work that is done. When
    the first group is finished, a step holds all digits that are."""
    done = None
    for first in range(0, n, _GROUP):
        count = min(_GROUP, n - first)
        mine = None if labels is None else labels[first : first + count]
        anew = options | {"sampler": copy.deepcopy(options["sampler"])}  # one of a reader's own may remember steps
        for at in sample(denoiser, mine, n=count, first=first, **anew):
            pictures = {name: getattr(at, name).cpu() for name in ("x", "x0_hat", "x_t")}
            if done is None:
                shown = replace(at, **pictures)
            else:
                shown = replace(done, seconds=done.seconds + at.seconds)
                if at.last:
                    joined = {name: torch.cat([getattr(done, name), found]) for name, found in pictures.items()}
                    shown = replace(shown, **joined)
            yield shown, (first + count * at.progress) / n
        done = shown


def panels(step: Drawing, full: bool = True) -> Frame:
    """x_t and x0_hat as sheets, the curves so far, and one step of the network on a few digits."""
    past, at = step.past, step.at
    charts = [
        Chart("Noise fraction σ/(α+σ)", [Line([0, *past.steps], [1.0, *past.noise])], height=64),
        Chart("Change of x̂₀ in a step", [Line(past.steps[1:], past.change)], digits=3, height=64),
    ]
    frame = _frame(_moment(step), at.steps, len(at.x_t), step.asked["samples"])
    frame = replace(frame, note=time_left(at.seconds, step.progress))
    return replace(frame, charts=charts) if full else frame


def moments(step: Drawing) -> Iterator[Frame]:
    """What there was to see on the way, for a replay."""
    for moment in step.past.moments:
        yield _frame(moment, step.at.steps, len(step.at.x_t), step.asked["samples"])


def _moment(step: Drawing) -> Moment:
    at, few = step.at, min(_SHOWN_IN_FLOW, len(step.at.x_t))
    flow = {
        "pure noise": step.start / 2,  # noise is shown at half contrast
        "xₜ, goes in": at.x.clamp(-2, 2) / 1.5,
        "network: “noise”": at.eps_hat / 2,
        "x̂₀, what is left": at.x0_hat,
        "next xₜ, cleaner": at.x_t,
    }
    small = {name: sheet(to_uint8(picture[:few]), min(_FLOW_COLUMNS, few), 1) for name, picture in flow.items()}
    x_t, x0_hat = (to_uint8(images[:MOST_SHOWN]) for images in (at.x_t, at.x0_hat))
    return Moment(at.step, at.noise_fraction, at.seconds, x_t, x0_hat, small)


def _frame(moment: Moment, steps: int, n: int, wanted: int) -> Frame:
    hidden = f", the first {MOST_SHOWN}" if n > MOST_SHOWN else ""
    return Frame(
        {"x_t": sheet(moment.x_t), "x0_hat": sheet(moment.x0_hat)},
        {
            "x_t": f"xₜ: {moment.noise_fraction:.0%} noise{hidden}",
            "x0_hat": "x̂₀: the digits the network believes are below the noise",
        },
        flow=moment.flow,
        step=moment.step,
        total=f"of {steps} step{'s' * (steps > 1)}" + (f" · {n:,} of {wanted:,} digits" if n < wanted else ""),
        seconds=moment.seconds,
    )


def _drawn(step: Drawing | None) -> Drawing:
    if step is None:
        raise UserError("There is nothing to save yet: press Play, and wait for the end or press Pause.")
    return step


def digits_png(step: Drawing | None) -> bytes:
    """The digits as one PNG, 1,000 at most; UserError if nothing was drawn yet, as the others."""
    return encoded(sheet(_drawn(step).images[:_MOST_IN_PNG]))


def digits_npz(step: Drawing | None) -> bytes:
    """`images` (N, 28, 28) uint8 and `labels` (N,), -1 where none were asked for, as numpy's .npz."""
    step = _drawn(step)
    labels = torch.full((len(step.images),), -1) if step.labels is None else step.labels[: len(step.images)]
    return npz(images=step.images.numpy(), labels=labels.numpy())


def digits_gif(step: Drawing | None) -> Iterator[animation.Written]:
    """The whole way from noise to digits, x_t beside x0_hat; rests at its end. The last step has the bytes."""
    found = _drawn(step).past.moments
    frames = (contact_sheet([sheet(moment.x_t), sheet(moment.x0_hat)], 2, 12, 128) for moment in found)
    return animation.encode(".gif", frames, _FPS, rest=2, count=len(found))


def summary(step: Drawing, learned: Any = None, judged: Any = None) -> dict[str, Any]:
    """What a command prints last, JSON-able.

    Args:
        learned: the last `learning.Learning` of a training, if there was one.
        judged: the last `evaluation.EvaluationStep`, if there was one.
    """
    drawn = len(step.images)
    found = {
        **step.asked,
        **({"drawn": drawn} if drawn < step.asked["samples"] else {}),
        "seconds": round(step.at.seconds, 3),
        "model": step.model.title,
        "parameters": step.model.parameters,
    }
    if learned is not None and learned.step:
        found["training"] = learned.figures()
        if learned.data_note:
            found["note"] = learned.data_note
    if judged is not None and judged.report is not None:
        figures = judged.report.figures.items()
        found["evaluation"] = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures}
    return found
