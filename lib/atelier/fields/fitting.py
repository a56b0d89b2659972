"""Fitting a coordinate network to a picture, as an iterator of steps."""

import contextlib
import copy
import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from atelier.data.pictures import Picture
from atelier.devices import best_device, has_fast_bfloat16
from atelier.errors import UserError
from atelier.fields.catalogue import LOSSES, NETWORKS, OPTIMISERS, SAMPLINGS
from atelier.fields.history import MOMENT_BYTES, History
from atelier.fields.metrics import psnr_of, ssim
from atelier.fields.networks import Field, ForeignNetwork, as_field, pixels_of
from atelier.fields.plane import Window, mesh
from atelier.fields.rendering import evaluate
from atelier.optimisers import Muon
from atelier.settings import Choice, Number

_POINTWISE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": lambda a, b: (a - b).square(),
    "l1": lambda a, b: (a - b).abs(),
}
_FINAL_RATE = 0.01
_SSIM_CROP = 96
_PREPARED_BYTES = 192 << 20
_WARMUP = 200
_RATE, _BATCH = 1e-3, 8192  # for a network that is not of the catalogue


class FitError(UserError):
    """Training cannot go on; the message says what to change."""


@dataclass(frozen=True)
class Measure:
    """The field as a picture at some step, against the original: (H, W, C) float32 in [0, 1]; PSNR in dB, over
    the held-out pixels too where there are any."""

    picture: Tensor = field(repr=False)
    psnr: float
    ssim: float
    held_out_psnr: float | None = None


@dataclass(frozen=True)
class FitStep:
    """One step of a run.

    Args:
        loss: of its batch. seconds: of training so far, drawing and measuring excluded.
        learning_rate: used in this step. progress: in [0, 1].
        picture: what is learned, (H, W, C) in [0, 1]; title: what it is called.
        history: the run's curves and moments so far.
        total: the end of the run in words ("of 3,000 steps"). note: a few words on where the network comes from.
        trained: the network that is being trained; it changes with the next step.
        seen: (H, W) bool, the pixels to learn from, or None for all.
    """

    step: int
    loss: float
    seconds: float
    learning_rate: float
    progress: float
    picture: Tensor = field(repr=False)
    history: History = field(repr=False)
    trained: Field = field(repr=False)
    seen: Tensor | None = field(default=None, repr=False)
    title: str = ""
    total: str = ""
    note: str = ""

    @functools.cached_property
    def network(self) -> nn.Module:
        """A copy of the network as it is when this is first asked for: ask before the run goes on."""
        own = copy.deepcopy(self.trained).cpu().eval()
        return own.module if isinstance(own, ForeignNetwork) else own

    def render(self) -> Tensor:
        """The field now, at the size of the picture: (H, W, C) in [0, 1] on the CPU."""
        return self._picture

    def measure(self) -> Measure:
        """The field now against the picture; a point of the curves is added to the history."""
        return self._measure

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio now, in dB."""
        return self.measure().psnr

    @functools.cached_property
    def _picture(self) -> Tensor:
        return rendered(self.trained, self.picture)

    @functools.cached_property
    def _measure(self) -> Measure:
        found = compared(self._picture, self.picture, self.seen)
        self.history.measured(self.step, seconds=self.seconds, loss=self.loss, psnr=found.psnr, ssim=found.ssim)
        return found


def fit(
    network: nn.Module,
    picture: Picture | Tensor,
    *,
    steps: int | None = 3000,
    seconds: float | None = None,
    learning_rate: float | Callable[[], float] | None = None,
    batch: int | None = None,
    loss: str = "l2",
    optimiser: str = "adam",
    decay: bool = True,
    sampling: str = "lattice",
    held_out: bool = False,
    seed: int = 0,
    memory: int = MOMENT_BYTES,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[FitStep]:
    """Fit a copy of a network to a picture; yields after each step.

    Args:
        network: any module that maps places (N, 2) in [-1, 1]² to colours (N, C), nominally in [0, 1].
        picture: a Picture, or (H, W, C) in [0, 1].
        steps: where the run ends. seconds: of training, to end by the clock instead. The rate decays along the same
            clock, so only a run that is bounded by steps comes out the same each time.
        learning_rate: a number, or a function that is asked at every step; by default the network's own.
        batch: pixels a step, by default the network's own.
        loss, optimiser, sampling: names of LOSSES, OPTIMISERS, SAMPLINGS ("error": EVOS, arXiv 2412.10153, simplified).
        decay: lower the rate along a cosine to a hundredth.
        held_out: learn from a random half of the pixels only.
        memory: bytes for weights along the way, see `History`; 0 keeps none. clock: gives seconds.

    Raises:
        UserError: an unknown name, a number out of bounds, a combination that cannot be, a network of another shape.
        FitError: the loss is no longer a number.
    """
    title, pixels = getattr(picture, "title", "original"), pixels_of(picture)
    Choice(tuple(LOSSES)).check("Loss", loss)
    Choice(tuple(OPTIMISERS)).check("Optimiser", optimiser)
    Choice(tuple(SAMPLINGS)).check("Sampling", sampling)
    Number(1, 10**9, whole=True, optional=seconds is not None).check("Steps", steps)
    Number(1e-3, 10**9, optional=True).check("Seconds", seconds)
    if loss == "ssim" and (held_out or sampling == "error"):
        raise UserError(
            "SSIM compares whole neighbourhoods, so it cannot learn from single pixels: "
            "choose L2 or L1, or switch off held-out pixels and error-driven sampling."
        )
    as_field(network, pixels.shape[-1])
    own = as_field(copy.deepcopy(network)).to(best_device())
    spec = getattr(network, "spec", None)
    kind = NETWORKS[spec.network] if spec else None
    rate_now = _asked(learning_rate if learning_rate is not None else kind.learning_rate if kind else _RATE)
    batch = Number(1, 10**9, whole=True).check("Batch", batch or (kind.batch if kind else _BATCH))
    # Adam's first steps are too large for a network that has learned already.
    warmup = _WARMUP if getattr(network, "past", None) else 0

    picture = pixels.to(own.device)
    generator = torch.Generator().manual_seed(seed)
    seen = held_in(picture, seed) if held_out else None
    loss_of = _loss(own, picture, seen, loss, sampling, batch, generator)
    optimisers = _optimisers(own, optimiser)
    autocast = _autocast(own, loss)
    history = History(memory)
    total = f"of {steps:,} steps" if seconds is None else f"steps in {seconds:g} s"

    spent, step, progress = 0.0, 0, 0.0
    while progress < 1:
        begin = clock()
        rate = rate_now() * (_cosine(progress) if decay else 1.0) * min(1.0, (step + 1) / (warmup + 1))
        own.train()
        with autocast():
            value = loss_of()
        _update(optimisers, value, rate)
        value = value.item()
        step += 1
        spent += clock() - begin
        if not math.isfinite(value):
            raise FitError(
                f"The loss is no longer a number at step {step:,}: a learning rate of {rate_now():g} is too "
                "much here; start again with a tenth of it."
            )
        progress = min(1.0, step / steps if seconds is None else spent / seconds)
        history.offer(own, step, spent, value, last=progress == 1)
        yield FitStep(step, value, spent, rate, progress, pixels, history, own, seen, title, total)


def _asked(rate: float | Callable[[], float]) -> Callable[[], float]:
    return rate if callable(rate) else lambda: rate


def rendered(network: Field, picture: Tensor) -> Tensor:
    """The field at the size of `picture` (H, W, C), in [0, 1] on the CPU."""
    network.eval()
    return evaluate(network, *Window().axes(*picture.shape[:2]))


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


def _autocast(network: Field, loss: str) -> Callable[[], Any]:
    kind = network.device.type
    if network.allows_bfloat16 and has_fast_bfloat16(kind) and loss != "ssim":
        return functools.partial(torch.autocast, kind, torch.bfloat16)
    return contextlib.nullcontext


# β₂ = 0.99 and a tiny ε suit grids, whose vertices see few gradients (Instant-NGP, §4); the others do not mind.
_ADAM = {"betas": (0.9, 0.99), "eps": 1e-15}


def _optimisers(network: Field, name: str) -> list[torch.optim.Optimizer]:
    """Optimisers over all parameters. Muon takes hidden matrices only, Adam the rest (Jordan et al. 2024)."""
    hidden = network.hidden_matrices() if name == "muon" else []
    taken = {id(p) for p in hidden}
    others = [p for p in network.parameters() if id(p) not in taken]
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    optimisers: list[torch.optim.Optimizer] = [kind(others, fused=True, **_ADAM)]
    if hidden:
        optimisers.append(Muon(hidden, bfloat16=has_fast_bfloat16(network.device.type)))
    return optimisers


def _loss(
    network: Field,
    picture: Tensor,
    seen: Tensor | None,
    loss: str,
    sampling: str,
    batch: int,
    generator: torch.Generator,
) -> Callable[[], Tensor]:
    """A function that draws the next batch and gives its loss."""
    if loss == "ssim":
        return _ssim_loss(network, picture, generator)
    draw = {"lattice": _lattice, "uniform": _uniform, "error": _error_driven}[sampling]
    return draw(network, picture, seen, batch, _POINTWISE[loss], generator)


def _lattice(network, picture, seen, batch, pointwise, generator) -> Callable[[], Tensor]:
    """Regular sub-grids: every pixel once in each round, memory in order, and separable interpolation."""
    height, width, channels = picture.shape
    ys, xs = (axis.float() for axis in Window().axes(height, width))
    stride = max(1, min(round(math.sqrt(height * width / batch)), height, width))
    cosets = [(top, left) for top in range(stride) for left in range(stride)]
    kept: dict[tuple[int, int], tuple[Any, Tensor, Tensor | None]] = {}
    room = _PREPARED_BYTES

    def prepared(top: int, left: int) -> tuple[Any, Tensor, Tensor | None]:
        nonlocal room
        if (top, left) in kept:
            return kept[top, left]
        part = (slice(top, None, stride), slice(left, None, stride))
        target = picture[part].reshape(-1, channels)
        mask = None if seen is None else seen[part].reshape(-1)
        made = network.prepare(ys[part[0]], xs[part[1]]), target, mask
        size = _bytes_of(made)
        if size <= room:
            room -= size
            kept[top, left] = made
        return made

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


def _bytes_of(made: Any) -> int:
    """Memory of all tensors in nested tuples and lists."""
    if isinstance(made, Tensor):
        return made.nbytes
    return sum(map(_bytes_of, made)) if isinstance(made, tuple | list) else 0


def _points(picture: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    """Coordinates (N, 2) and colours (N, C) of the pixels to learn from."""
    height, width, channels = picture.shape
    coords = mesh(*Window().axes(height, width)).float().to(picture.device)
    colours = picture.reshape(-1, channels)
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
    ys, xs = (axis.float() for axis in Window().axes(height, width))
    rows, columns = min(_SSIM_CROP, height), min(_SSIM_CROP, width)

    def loss() -> Tensor:
        top = int(torch.randint(height - rows + 1, (), generator=generator))
        left = int(torch.randint(width - columns + 1, (), generator=generator))
        part = (slice(top, top + rows), slice(left, left + columns))
        colours = network.on_grid(network.prepare(ys[part[0]], xs[part[1]]))
        return 1 - ssim(colours.view(rows, columns, -1), picture[part])

    return loss
