"""Drawing digits step by step: each step carries what came before it, so that its picture is a function of it alone."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atelier import animation
from atelier.diffusion.catalogue import DEFAULT_STEPS
from atelier.diffusion.denoiser import Denoiser, Guidance
from atelier.diffusion.models import Model, guide
from atelier.diffusion.sampling import Sampler, SampleStep, initial_noise, sample
from atelier.diffusion.sheets import sheet
from atelier.diffusion.training import to_uint8
from atelier.drawing import Chart, Frame, Line, encoded
from atelier.errors import UserError

MOST_SHOWN = 400
"""Digits on a page; files hold all of them, a PNG up to 1,000."""
_MOST_IN_PNG = 1000
_MOMENT_BYTES = 16 << 20
_MOST_MOMENTS = 60
_SHOWN_IN_FLOW, _FLOW_COLUMNS = 6, 3
_MILLISECONDS, _REST = 120, 2000


@dataclass(frozen=True)
class Moment:
    """What there was to see after a step: x_t and x0_hat, (M, 28, 28) uint8; flow: what the network did with a few digits
    in it, name -> (H, W) uint8."""

    step: int
    noise_fraction: float
    seconds: float
    x_t: Tensor = field(repr=False)
    x0_hat: Tensor = field(repr=False)
    flow: Mapping[str, np.ndarray] = field(repr=False)


@dataclass(frozen=True)
class Past:
    """What a drawing remembers: two curves, and moments for the replay and the animation."""

    steps: list[int] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Drawing:
    """Digits after one step of `draw`.

    Args:
        at: the step of the sampler.
        x: (N, 1, 28, 28) what went into the network in this step. eps_hat: what it took for noise in it.
        start: (N, 1, 28, 28) the noise that everything began with.
        asked: what the drawing was asked for, JSON-able.
    """

    model: Model
    at: SampleStep
    labels: Tensor | None
    x: Tensor = field(repr=False)
    eps_hat: Tensor = field(repr=False)
    start: Tensor = field(repr=False)
    past: Past = field(repr=False)
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> int:
        return self.at.step

    @property
    def progress(self) -> float:
        """Share of the steps that are done."""
        return self.at.progress

    @property
    def images(self) -> Tensor:
        """The digits as they are, (N, 28, 28) uint8."""
        return self.at.images


def draw(
    model: Model | Denoiser,
    *,
    digit: str = "all",
    samples: int = 60,
    sampler: str | Sampler | Callable = "dpmpp",
    sampling_steps: int = DEFAULT_STEPS,
    guidance: Guidance | float | None = None,
    guidance_from: float | None = None,
    guidance_to: float | None = None,
    eta: float = 0.0,
    seed: int = 0,
) -> Iterator[Drawing]:
    """Draw digits out of noise, one `Drawing` a step.

    Args:
        digit: "all" (in turn), or one of "0" to "9".
        sampler: a name, a `Sampler`, or a function like its `step`, see `sampling.sample`.
        guidance, guidance_from, guidance_to: see `models.guide`; that which suits the model by default.

    Raises:
        UserError: the model knows no labels and is asked for one, or a number is out of bounds.
    """
    model = Model.of(model)
    guidance = guide(model, guidance, guidance_from, guidance_to)
    labels = model.labels(digit, samples)
    run = sample(
        model.denoiser,
        labels,
        n=samples,
        sampler=sampler,
        steps=sampling_steps,
        guidance=guidance,
        eta=eta,
        seed=seed,
    )
    guided = model.denoiser.conditional
    asked = {
        "samples": samples,
        "sampler": sampler if isinstance(sampler, str) else getattr(sampler, "__name__", type(sampler).__name__),
        "sampling_steps": sampling_steps,
        "guidance": guidance.scale if guided else None,
        "guidance_interval": list(guidance.interval) if guided else None,
        "seed": seed,
    }
    schedule, past = model.denoiser.schedule, Past()
    shown = min(samples, MOST_SHOWN)
    most = max(4, min(_MOST_MOMENTS, _MOMENT_BYTES // (2 * shown * 28 * 28)))
    every = -(-sampling_steps // most)
    start = x = initial_noise(seed, samples)
    alpha, sigma = (float(rate) for rate in schedule.rates(torch.zeros(1), float(schedule.T)))
    before = None
    for step in run:
        step = replace(step, x_t=step.x_t.cpu(), x0_hat=step.x0_hat.cpu())
        # x_t = alpha x0_hat + sigma eps_hat: what the network took for noise in the picture that it was given
        eps_hat = (x - alpha * step.x0_hat) / sigma
        past.steps.append(step.step)
        past.noise.append(step.noise_fraction)
        if before is not None:
            past.change.append(float((step.x0_hat - before).square().mean().sqrt()) / 2)
        drawn = Drawing(model, step, labels, x, eps_hat, start, past, asked)
        if step.step % every == 0 or step.last:
            past.moments.append(_moment(drawn))
        yield drawn
        x, before = step.x_t, step.x0_hat
        alpha, sigma = (float(rate) for rate in schedule.rates(torch.zeros(1), step.time))


def panels(step: Drawing, full: bool = True) -> Frame:
    """x_t and x0_hat as sheets, the curves so far, and one step of the network on a few digits."""
    past, at = step.past, step.at
    charts = [
        Chart("Noise fraction σ/(α+σ)", [Line([0, *past.steps], [1.0, *past.noise])], height=64),
        Chart("Change of x̂₀ in a step", [Line(past.steps[1:], past.change)], digits=3, height=64),
    ]
    frame = _frame(_moment(step), at.steps, len(at.x_t))
    return replace(frame, charts=charts) if full else frame


def moments(step: Drawing) -> Iterator[Frame]:
    """What there was to see on the way, for a replay."""
    for moment in step.past.moments:
        yield _frame(moment, step.at.steps, len(step.at.x_t))


def _moment(step: Drawing) -> Moment:
    at, few = step.at, min(_SHOWN_IN_FLOW, len(step.at.x_t))
    flow = {
        "pure noise": step.start / 2,  # noise is shown at half contrast
        "xₜ, goes in": step.x.clamp(-2, 2) / 1.5,
        "network: “noise”": step.eps_hat / 2,
        "x̂₀, what is left": at.x0_hat,
        "next xₜ, cleaner": at.x_t,
    }
    small = {name: sheet(to_uint8(picture[:few]), min(_FLOW_COLUMNS, few), 1) for name, picture in flow.items()}
    x_t, x0_hat = (to_uint8(images[:MOST_SHOWN]) for images in (at.x_t, at.x0_hat))
    return Moment(at.step, at.noise_fraction, at.seconds, x_t, x0_hat, small)


def _frame(moment: Moment, steps: int, n: int) -> Frame:
    hidden = f", the first {MOST_SHOWN}" if n > MOST_SHOWN else ""
    return Frame(
        {"x_t": sheet(moment.x_t), "x0_hat": sheet(moment.x0_hat)},
        {
            "x_t": f"xₜ: {moment.noise_fraction:.0%} noise{hidden}",
            "x0_hat": "x̂₀: the digits the network believes are below the noise",
        },
        flow=moment.flow,
        step=moment.step,
        total=f"of {steps} steps",
        seconds=moment.seconds,
    )


def _drawn(step: Drawing | None) -> Drawing:
    if step is None:
        raise UserError("There is nothing to save yet: press Play, and wait for the end or press Pause.")
    return step


def digits_png(step: Drawing | None) -> bytes:
    """The digits as one PNG, 1,000 at most.

    Raises:
        UserError: nothing was drawn yet; as do the others.
    """
    return encoded(sheet(_drawn(step).images[:_MOST_IN_PNG]))


def digits_npz(step: Drawing | None) -> bytes:
    """`images` (N, 28, 28) uint8 and `labels` (N,), -1 where none were asked for, as numpy's .npz."""
    step = _drawn(step)
    labels = torch.full((len(step.images),), -1) if step.labels is None else step.labels
    packed = io.BytesIO()
    np.savez_compressed(packed, images=step.images.numpy(), labels=labels.numpy())
    return packed.getvalue()


def digits_gif(step: Drawing | None) -> Iterator[animation.Written]:
    """The whole way from noise to digits, x_t beside x0_hat; rests at its end. The last step has the bytes."""
    found = _drawn(step).past.moments
    frames = (_beside(moment.x_t, moment.x0_hat) for moment in found)
    durations = [_MILLISECONDS] * (len(found) - 1) + [_REST]
    return animation.encode(".gif", frames, durations=durations, count=len(found))


def _beside(x_t: Tensor, x0_hat: Tensor) -> np.ndarray:
    left, right = sheet(x_t), sheet(x0_hat)
    return np.hstack([left, np.full((len(left), 12), 128, np.uint8), right])


def summary(step: Drawing, learned: Any = None, judged: Any = None) -> dict[str, Any]:
    """What a command prints last, JSON-able.

    Args:
        learned: the last `learning.Learning` of a training, if there was one.
        judged: the last `evaluation.EvaluationStep`, if there was one.
    """
    told = dict(step.asked) | {
        "seconds": round(step.at.seconds, 3),
        "model": step.model.title,
        "parameters": step.model.parameters,
    }
    if learned is not None:
        told |= {"training": learned.figures()} | ({"note": learned.data_note} if learned.data_note else {})
    if judged is not None and judged.report is not None:
        found = judged.report.figures()
        told["evaluation"] = {name: value if _finite(value) else None for name, value in found.items()}
    return told


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or bool(np.isfinite(value))
