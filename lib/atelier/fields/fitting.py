"""Fitting a coordinate network to a picture, as an iterator of steps."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from atelier.devices import has_fast_bfloat16
from atelier.errors import UserError
from atelier.fields.metrics import psnr_of, ssim
from atelier.fields.networks import CoordinateNetwork
from atelier.fields.rendering import evaluate
from atelier.fields.window import Window
from atelier.optimisers import Muon

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": lambda a, b: (a - b).square(),
    "l1": lambda a, b: (a - b).abs(),
}
"""Pointwise losses by name; "ssim", which needs neighbourhoods, is the third name that FitOptions takes."""
_FINAL_RATE = 0.01
_SSIM_CROP = 96
_PREPARED_BYTES = 256 << 20


class FitError(UserError):
    """Training cannot go on; the message says what to change."""


@dataclass(frozen=True)
class FitOptions:
    """How to fit. The run ends at `steps` or at `seconds` of training, whichever comes first; the rate decays
    along the same clock, so only a run bounded by steps alone is the same each time.

    batch: points a step. sampling: "lattice" takes a regular sub-grid of the picture, a different one each step,
    all of them in turn; "uniform" takes independent random pixels; "error" takes half of its pixels at random and
    half in proportion to their last known error (after EVOS, arXiv 2412.10153, in plain form).
    held_out: learn from a random half of the pixels only. warmup: steps over which the rate rises from nothing, which a
    network that has learned already needs, lest a fresh Adam throws it off.
    """

    steps: int | None = 2000
    seconds: float | None = None
    learning_rate: float = 1e-2
    loss: str = "l2"
    optimiser: str = "adam"
    decay: bool = True
    sampling: str = "lattice"
    batch: int = 4096
    held_out: bool = False
    warmup: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise UserError("A run needs an end: give a number of steps or of seconds.")
        if self.loss == "ssim" and (self.held_out or self.sampling == "error"):
            raise UserError(
                "SSIM compares whole neighbourhoods, so it cannot learn from single pixels: "
                "choose L2 or L1, or switch off held-out pixels and error-driven sampling."
            )


class Knobs:
    """What may be turned while the run goes on."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate


@dataclass(frozen=True)
class Measure:
    """The field as a picture at some step, against the original: (H, W, C) float32 in [0, 1]; PSNR in dB, over
    the held-out pixels too where there are any."""

    picture: Tensor
    psnr: float
    ssim: float
    held_out_psnr: float | None


@dataclass(frozen=True)
class FitStep:
    """One step: loss of its batch, seconds of training so far (drawing and measuring excluded), rate used.

    `render()` draws the field as it is now, (H, W, C) in [0, 1], and `measure()` compares it with the picture: call
    them before the iterator goes on.
    """

    step: int
    loss: float
    seconds: float
    learning_rate: float
    progress: float
    render: Callable[[], Tensor]
    measure: Callable[[], Measure]


Batch = Callable[[], tuple[Tensor, Tensor, Tensor | None]]
"""Draws a batch: prediction (N, C), target (N, C), and a mask (N,) of the pixels to learn from, or None."""


def fit(
    network: CoordinateNetwork,
    picture: Tensor,
    options: FitOptions,
    knobs: Knobs | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[FitStep]:
    """Fit `network` to `picture` (H, W, C) in [0, 1], in place; yields after each step.

    Raises:
        FitError: the loss is no longer a number.
    """
    knobs = knobs or Knobs(options.learning_rate)
    picture = picture.to(network.device)
    generator = torch.Generator().manual_seed(options.seed)
    seen = held_in(picture, options.seed) if options.held_out else None
    loss_of = _loss(network, picture, seen, options, generator)
    optimisers = _optimisers(network, options.optimiser)
    autocast = _autocast(network, options)

    seconds, step, progress = 0.0, 0, 0.0
    while progress < 1:
        begin = clock()
        rate = knobs.learning_rate * (_cosine(progress) if options.decay else 1.0)
        rate *= min(1.0, (step + 1) / (options.warmup + 1))
        network.train()
        with autocast():
            loss = loss_of()
        _update(optimisers, loss, rate)
        value = loss.item()
        step += 1
        seconds += clock() - begin
        if not math.isfinite(value):
            raise FitError(
                f"The loss is no longer a number at step {step:,}: a learning rate of {knobs.learning_rate:g} is too "
                "much here; start again with a tenth of it."
            )
        progress = max(step / (options.steps or math.inf), seconds / (options.seconds or math.inf))
        render = functools.cache(functools.partial(rendered, network, picture))
        measure = functools.cache(lambda draw=render: compared(draw(), picture, seen))
        yield FitStep(step, value, seconds, rate, min(progress, 1.0), render, measure)


def warm_up() -> None:
    """Make torch import what its first optimiser needs (seconds), before anyone waits for it."""
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def rendered(network: CoordinateNetwork, picture: Tensor) -> Tensor:
    """The field at the size of `picture` (H, W, C), in [0, 1] on the CPU."""
    height, width, _ = picture.shape
    network.eval()
    return evaluate(network, *Window(aspect=width / height).axes(height, width))


def compared(now: Tensor, picture: Tensor, seen: Tensor | None = None) -> Measure:
    """A rendered field against its picture, both (H, W, C); `seen` (H, W) marks the pixels that were learned."""
    picture = picture.cpu()
    error = (now - picture).square().mean(-1)  # (H, W)
    held_out = None if seen is None else psnr_of(error[~seen.cpu()].mean().item())
    return Measure(now, psnr_of(error.mean().item()), ssim(now, picture).item(), held_out)


def held_in(picture: Tensor, seed: int) -> Tensor:
    """The random half of the pixels to learn from: (H, W) bool, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    height, width = picture.shape[:2]
    order = torch.randperm(height * width, generator=generator).view(height, width)
    return (order < height * width // 2).to(picture.device)


def _cosine(progress: float) -> float:
    """Cosine decay from 1 to 1/100."""
    return _FINAL_RATE + (1 - _FINAL_RATE) * (1 + math.cos(math.pi * progress)) / 2


def _update(optimisers: list[torch.optim.Optimizer], loss: Tensor, rate: float) -> None:
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()


def _autocast(network: CoordinateNetwork, options: FitOptions) -> Callable[[], Any]:
    kind = network.device.type
    if network.allows_bfloat16 and has_fast_bfloat16(kind) and options.loss != "ssim":
        return functools.partial(torch.autocast, kind, torch.bfloat16)
    return contextlib.nullcontext


# β₂ = 0.99 and a tiny ε suit grids, whose vertices see few gradients (Instant-NGP, §4); the others do not mind.
_ADAM = {"betas": (0.9, 0.99), "eps": 1e-15}


def _optimisers(network: CoordinateNetwork, name: str) -> list[torch.optim.Optimizer]:
    """Optimisers over all parameters. Muon takes hidden matrices only, Adam the rest (Jordan et al. 2024)."""
    hidden = network.hidden_matrices() if name == "muon" else []
    taken = {id(p) for p in hidden}
    others = [p for p in network.parameters() if id(p) not in taken]
    match name:
        case "adam" | "muon":
            optimisers: list[torch.optim.Optimizer] = [torch.optim.Adam(others, fused=True, **_ADAM)]
        case "adamw":
            optimisers = [torch.optim.AdamW(others, fused=True, **_ADAM)]
        case _:
            raise UserError(f"The optimiser must be one of {', '.join(OPTIMISERS)}, and {name!r} is not.")
    if hidden:
        optimisers.append(Muon(hidden, bfloat16=has_fast_bfloat16(network.device.type)))
    return optimisers


OPTIMISERS = ("adam", "adamw", "muon")
SAMPLINGS = ("lattice", "uniform", "error")


def _loss(
    network: CoordinateNetwork, picture: Tensor, seen: Tensor | None, options: FitOptions, generator: torch.Generator
) -> Callable[[], Tensor]:
    """A function that draws the next batch and gives its loss."""
    if options.loss == "ssim":
        return _ssim_loss(network, picture, generator)
    if options.loss not in LOSSES:
        raise UserError(f"The loss must be one of l2, l1, ssim, and {options.loss!r} is not.")
    pointwise = LOSSES[options.loss]
    draw = {"lattice": _lattice, "uniform": _uniform, "error": _error_driven}[options.sampling]
    return draw(network, picture, seen, options.batch, pointwise, generator)


def _lattice(network, picture, seen, batch, pointwise, generator) -> Callable[[], Tensor]:
    """Regular sub-grids: every pixel once in each round, memory in order, and separable interpolation."""
    height, width, channels = picture.shape
    ys, xs = (axis.float() for axis in Window(aspect=width / height).axes(height, width))
    stride = max(1, min(round(math.sqrt(height * width / batch)), height, width))
    cosets = [(top, left) for top in range(stride) for left in range(stride)]
    keeps = height * width * network.encoding.features * 4 <= _PREPARED_BYTES

    def prepare(top: int, left: int) -> tuple[Any, Tensor, Tensor | None]:
        part = (slice(top, None, stride), slice(left, None, stride))
        target = picture[part].reshape(-1, channels)
        mask = None if seen is None else seen[part].reshape(-1)
        return network.prepare(ys[part[0]], xs[part[1]]), target, mask

    prepared = functools.cache(prepare) if keeps else prepare

    def order() -> Iterator[tuple[int, int]]:
        while True:
            for index in torch.randperm(len(cosets), generator=generator).tolist():
                yield cosets[index]

    turns = order()

    def loss() -> Tensor:
        plan, target, mask = prepared(*next(turns))
        error = pointwise(network.on_grid(plan), target)
        return error.mean() if mask is None else error[mask].mean()

    return loss


def _points(picture: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    """Coordinates (N, 2) and colours (N, C) of the pixels to learn from."""
    height, width, channels = picture.shape
    ys, xs = Window(aspect=width / height).axes(height, width)
    grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).float().to(picture.device)
    coords, colours = grid.reshape(-1, 2), picture.reshape(-1, channels)
    if seen is None:
        return coords, colours
    return coords[seen.flatten()], colours[seen.flatten()]


def _uniform(network, picture, seen, batch, pointwise, generator) -> Callable[[], Tensor]:
    coords, colours = _points(picture, seen)

    def loss() -> Tensor:
        index = torch.randint(len(coords), (batch,), generator=generator).to(coords.device)
        return pointwise(network(coords[index]), colours[index]).mean()

    return loss


def _error_driven(network, picture, seen, batch, pointwise, generator) -> Callable[[], Tensor]:
    coords, colours = _points(picture, seen)
    known = torch.ones(len(coords))  # last known error of each pixel; all alike before the first visit

    def loss() -> Tensor:
        anywhere = torch.randint(len(coords), (batch // 2,), generator=generator)
        ladder = known.cumsum(0)
        hard = torch.searchsorted(ladder, torch.rand(batch - batch // 2, generator=generator) * ladder[-1])
        index = torch.cat([anywhere, hard.clamp_(max=len(coords) - 1)])
        here = index.to(coords.device)
        error = pointwise(network(coords[here]), colours[here])
        known[index] = error.detach().float().mean(-1).cpu()
        return error.mean()

    return loss


def _ssim_loss(network, picture, generator) -> Callable[[], Tensor]:
    """1 - SSIM of a random crop."""
    height, width, _ = picture.shape
    ys, xs = (axis.float() for axis in Window(aspect=width / height).axes(height, width))
    rows, columns = min(_SSIM_CROP, height), min(_SSIM_CROP, width)

    def loss() -> Tensor:
        top = int(torch.randint(height - rows + 1, (), generator=generator))
        left = int(torch.randint(width - columns + 1, (), generator=generator))
        part = (slice(top, top + rows), slice(left, left + columns))
        colours = network.on_grid(network.prepare(ys[part[0]], xs[part[1]]))
        return 1 - ssim(colours.view(rows, columns, -1), picture[part])

    return loss
