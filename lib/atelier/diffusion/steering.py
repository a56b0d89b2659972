"""Steering: what guidance, starting noise, labels and samplers do to a digit.

Every function here only lays out calls of `sample` and `encode`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from atelier.diffusion.denoiser import DEFAULT_GUIDANCE, Denoiser, Guidance
from atelier.diffusion.sampling import (
    SampleStep,
    blend_labels,
    encode,
    initial_noise,
    sample,
    slerp,
)
from atelier.diffusion.training import to_uint8
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
