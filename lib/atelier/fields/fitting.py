"""Fitting a coordinate network to a picture or a volume, as an iterator of steps."""

import copy
import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn

from atelier.data.pictures import Picture
from atelier.devices import best_device, has_fast_bfloat16, unmeasured_format
from atelier.errors import UserError
from atelier.fields.catalogue import LOSSES, NETWORKS, OPTIMISERS, SAMPLINGS, NetworkKind
from atelier.fields.history import MOMENT_BYTES, History
from atelier.fields.metrics import psnr_of, ssim
from atelier.fields.networks import CoordinateNetwork, Field, as_field, pixels_of
from atelier.fields.plane import mesh, whole
from atelier.fields.rendering import evaluate
from atelier.optimisers import Adam, AdamW, Muon
from atelier.settings import Choice, Number

_POINTWISE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": lambda a, b: (a - b).square(),
    "l1": lambda a, b: (a - b).abs(),
}
_FINAL_RATE = 0.01
_SSIM_CROP = 96
_PREPARED_BYTES = 192 << 20
_WARMUP = 200
_FOREIGN = NetworkKind("A network of your own", "", {}, learning_rate=1e-3)
# β₂ = 0.99 and a tiny ε suit grids, whose vertices see few gradients (Instant-NGP, §4); the others do not mind.
_ADAM = {"betas": (0.9, 0.99), "eps": 1e-15, "fused": True}


class FitError(UserError):
    """Training cannot go on; the message says what to change."""


@dataclass(frozen=True)
class Measure:
    """The field as a picture at some step, against the original: (H, W, C), or (D, H, W, C), float32 in [0, 1]; PSNR in
    dB, over the held-out pixels too where there are any."""

    picture: Tensor = field(repr=False)
    psnr: float
    ssim: float
    held_out_psnr: float | None = None


@dataclass(frozen=True)
class FitStep:
    """One step of a run."""

    step: int
    loss: float  # of this step's batch
    seconds: float  # of training so far, drawing and measuring excluded
    learning_rate: float  # used in this step
    progress: float  # in [0, 1]
    picture: Tensor = field(repr=False)  # to learn, (H, W, C) in [0, 1]
    history: History = field(repr=False)  # the run's curves and moments so far
    trained: Field = field(repr=False)  # the network that is being trained; it changes with the next step
    seen: Tensor | None = field(default=None, repr=False)  # (H, W) bool, the pixels to learn from, or None for all
    title: str = ""  # of the picture
    total: str = ""  # the end of the run in words ("of 3,000 steps")
    note: str = ""  # a few words on where the network comes from

    @functools.cached_property
    def network(self) -> nn.Module:
        """A copy of the network as it is at the first access: ask before the run goes on."""
        own = copy.deepcopy(self.trained).cpu().eval()
        return own if isinstance(own, CoordinateNetwork) else own.module

    @property
    def aspect(self) -> float:
        """Width ÷ height of the picture."""
        return self.picture.shape[1] / self.picture.shape[0]

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
    loss: str | Callable[[Tensor, Tensor], Tensor] = "l2",
    optimiser: str = "adam",
    decay: bool = True,
    sampling: str = "lattice",
    held_out: bool = False,
    known: Tensor | None = None,
    seed: int = 0,
    memory: int = MOMENT_BYTES,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[FitStep]:
    """Fit a copy of a network to a picture or a volume; yields after each step.

    Args:
        network: any module that maps places (N, 2) in [-1, 1]² to colours (N, C), nominally in [0, 1]; for a volume
            places (N, 3).
        picture: a Picture, (H, W, C) in [0, 1], or a volume (D, H, W, C). Below, pixels are also those of a volume.
        steps: length of the run. seconds: of training, to end by the clock instead. The rate decays along the same
            clock, so only a run that is bounded by steps comes out the same each time.
        learning_rate: a number, or a function that is called at every step; by default the network's own.
        batch: pixels a step, by default the network's own.
        loss: a name of LOSSES, or a function of colours and wanted colours, both (N, C), that gives losses (N, C).
        optimiser, sampling: names of OPTIMISERS and SAMPLINGS ("error": EVOS, arXiv 2412.10153, simplified).
        decay: lower the rate along a cosine to a hundredth.
        held_out: learn from a random half of the pixels only. known: (H, W) bool, learn from these pixels only.
        memory: bytes for weights along the way, see `History`; 0 keeps none. clock: gives seconds.

    Raises:
        UserError: an unknown name, a number out of bounds, a combination that cannot be, a network of another shape.
        FitError: the loss is no longer a number.
    """
    title, pixels = getattr(picture, "title", "original"), _to_learn(pixels_of(picture))
    Choice(tuple(OPTIMISERS)).check("Optimiser", optimiser)
    Choice(tuple(SAMPLINGS)).check("Sampling", sampling)
    Number(1, 10**9, whole=True, optional=seconds is not None).check("Steps", steps)
    Number(1e-3, 10**9, optional=True).check("Seconds", seconds)
    if held_out and known is not None:
        raise UserError("Give the known pixels, or hold out a random half, but not both.")
    _check_loss(loss, volume=pixels.ndim == 4, single=held_out or known is not None or sampling == "error")
    as_field(network, pixels.shape[-1], pixels.ndim - 1)
    own = as_field(copy.deepcopy(network)).to(best_device())
    kind = NETWORKS[network.spec.network] if isinstance(network, CoordinateNetwork) else _FOREIGN
    rate = kind.learning_rate if learning_rate is None else learning_rate
    batch = Number(1, 10**9, whole=True).check("Batch", batch or kind.batch)
    # Adam's first steps are too large for a network that has learned already.
    warmup = _WARMUP if getattr(network, "past", None) else 0

    picture = pixels.to(own.device)
    generator = Generator().manual_seed(seed)
    seen = held_in(picture, seed) if held_out else _checked(known, picture)
    draw = _ssim_crops if loss == "ssim" else _BATCHES[sampling]
    pointwise = _own_loss(loss) if callable(loss) else _POINTWISE.get(loss)
    losses = draw(own, picture, seen, batch, pointwise, generator)
    precision = "auto" if own.allows_bfloat16 and loss != "ssim" else "float32"
    number_format = unmeasured_format(own.device, precision)
    optimisers = _optimisers(own, optimiser)
    history = History(memory)
    total = f"of {steps:,} steps" if seconds is None else f"steps in {seconds:g} s"

    spent, step, progress = 0.0, 0, 0.0
    while progress < 1:
        begin = clock()
        base = rate() if callable(rate) else rate
        rate_now = base * (_cosine(progress) if decay else 1.0) * min(1.0, (step + 1) / (warmup + 1))
        own.train()
        with number_format.autocast(own.device):
            batch_loss = next(losses)
        own.zero_grad(set_to_none=True)
        batch_loss.backward()
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate_now
            optimiser.step()
        value = batch_loss.item()
        step += 1
        spent += clock() - begin
        if not math.isfinite(value):
            raise FitError(
                f"The loss is no longer a number at step {step:,}: a learning rate of {base:g} is too "
                "much here; start again with a tenth of it."
            )
        progress = min(1.0, step / steps if seconds is None else spent / seconds)
        history.offer(own, step, spent, value, last=progress == 1)
        yield FitStep(step, value, spent, rate_now, progress, pixels, history, own, seen, title, total)


def _check_loss(loss: str | Callable[[Tensor, Tensor], Tensor], *, volume: bool, single: bool) -> None:
    """Refuse an unknown loss, and SSIM where it cannot be. single: single pixels are learned."""
    if not callable(loss):
        Choice(tuple(LOSSES)).check("Loss", loss)
    if loss == "ssim" and single:
        raise UserError(
            "SSIM compares whole neighbourhoods, so it cannot learn from single pixels: "
            "choose L2 or L1, or switch off held-out pixels and error-driven sampling."
        )
    if loss == "ssim" and volume:
        raise UserError("SSIM compares pictures; choose L2 or L1 for a volume.")


def _cosine(progress: float) -> float:
    """From 1 to a hundredth."""
    return _FINAL_RATE + (1 - _FINAL_RATE) * (1 + math.cos(math.pi * progress)) / 2


def _to_learn(pixels: Tensor) -> Tensor:
    """What a network can learn: (H, W, C) or (D, H, W, C), of finite numbers."""
    if not isinstance(pixels, Tensor) or pixels.ndim not in (3, 4) or not pixels.is_floating_point():
        got = f"{pixels.dtype} {tuple(pixels.shape)}" if isinstance(pixels, Tensor) else type(pixels).__name__
        raise UserError(f"What is to be learned must be a float tensor (H, W, C) or (D, H, W, C), and this is {got}.")
    if not pixels.isfinite().all():
        raise UserError("What is to be learned holds numbers that are not finite, NaN or infinity; replace them first.")
    return pixels


def rendered(network: nn.Module, picture: Tensor) -> Tensor:
    """What a network draws at the size of `picture` (H, W, C), in [0, 1] on the CPU."""
    return evaluate(as_field(network).eval(), *whole(*picture.shape[:-1]))


def compared(now: Tensor, picture: Tensor, seen: Tensor | None = None) -> Measure:
    """A rendered field against its picture, both (H, W, C); `seen` (H, W) marks the pixels that were learned."""
    picture = picture.cpu()
    error = (now - picture).square().mean(-1)  # (H, W)
    held_out = None if seen is None else psnr_of(error[~seen.cpu()].mean().item())
    return Measure(now, psnr_of(error.mean().item()), ssim(now, picture).item(), held_out)


def held_in(picture: Tensor, seed: int) -> Tensor:
    """The random half of the pixels to learn from: (H, W) bool, the same for the same seed."""
    sides = picture.shape[:-1]
    order = torch.randperm(sides.numel(), generator=Generator().manual_seed(seed)).view(sides)
    return (order < sides.numel() // 2).to(picture.device)


def _checked(known: Tensor | None, picture: Tensor) -> Tensor | None:
    """The mask of known pixels, on the device of the picture (H, W, C); None for all."""
    if known is None:
        return None
    if not isinstance(known, Tensor) or known.dtype != torch.bool or known.shape != picture.shape[:-1]:
        raise UserError(f"Known pixels must be a Boolean tensor of {tuple(picture.shape[:-1])}, one for each.")
    if not known.any() or known.all():
        raise UserError("Some pixels must be known and some unknown; give another mask, or none to learn from all.")
    return known.to(picture.device)


def _optimisers(network: Field, name: str) -> list[torch.optim.Optimizer]:
    """Optimisers over all parameters. Muon takes hidden matrices only, Adam the rest (Jordan et al. 2024)."""
    hidden = network.hidden_matrices() if name == "muon" else []
    taken = {id(p) for p in hidden}
    kind = AdamW if name == "adamw" else Adam
    adam = kind([p for p in network.parameters() if id(p) not in taken], **_ADAM)
    return [adam, Muon(hidden, bfloat16=has_fast_bfloat16(network.device.type))] if hidden else [adam]


def _own_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss of the reader's, with a sentence where it gives something else."""

    def pointwise(colours: Tensor, wanted: Tensor) -> Tensor:
        found = loss(colours, wanted)
        if not isinstance(found, Tensor) or found.shape != wanted.shape:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(
                f"The loss must map colours and wanted colours, both {tuple(wanted.shape)}, to losses of that shape; "
                f"yours gave {got}."
            )
        return found

    return pointwise


# Each of these gives the losses of one batch after another. picture: (H, W, C) or (D, H, W, C); seen: bool without the
# channels, or None for all; pointwise: (N, C), (N, C) -> (N, C).


def _lattice(network, picture, seen, batch, pointwise, generator) -> Iterator[Tensor]:
    """Regular sub-grids: every pixel once in each round, memory in order, and separable interpolation."""
    *sides, channels = picture.shape
    axes, dims = whole(*sides), len(sides)
    stride = max(1, min(round((math.prod(sides) / batch) ** (1 / dims)), *sides))
    kept: dict[int, tuple[Any, Tensor, Tensor | None]] = {}
    room = _PREPARED_BYTES

    def sub_grid(index: int) -> tuple[Any, Tensor, Tensor | None]:
        part = tuple(slice(index // stride**k % stride, None, stride) for k in reversed(range(dims)))
        mask = None if seen is None else seen[part].reshape(-1)
        plan = network.prepare(*(line[along] for line, along in zip(axes, part, strict=True)))
        return plan, picture[part].reshape(-1, channels), mask

    while True:
        for index in torch.randperm(stride**dims, generator=generator).tolist():
            part = kept.get(index) or sub_grid(index)
            if index not in kept and (size := _bytes_of(part)) <= room:
                kept[index] = part
                room -= size
            plan, target, mask = part
            if mask is not None and not mask.any():
                continue
            error = pointwise(network.on_grid(plan), target)
            yield error.mean() if mask is None else error[mask].mean()


def _bytes_of(part: Any) -> int:
    """Memory of all tensors in nested tuples and lists."""
    if isinstance(part, Tensor):
        return part.nbytes
    return sum(map(_bytes_of, part)) if isinstance(part, tuple | list) else 0


def _points(picture: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    """Coordinates (N, 2) or (N, 3) and colours (N, C) of the pixels to learn from."""
    coords, colours = mesh(*whole(*picture.shape[:-1])).to(picture.device), picture.reshape(-1, picture.shape[-1])
    return (coords, colours) if seen is None else (coords[seen.flatten()], colours[seen.flatten()])


def _uniform(network, picture, seen, batch, pointwise, generator) -> Iterator[Tensor]:
    coords, colours = _points(picture, seen)
    while True:
        index = torch.randint(len(coords), (batch,), generator=generator).to(coords.device)
        yield pointwise(network(coords[index]), colours[index]).mean()


def _error_driven(network, picture, seen, batch, pointwise, generator) -> Iterator[Tensor]:
    coords, colours = _points(picture, seen)
    known = torch.ones(len(coords))  # last known error of each pixel; all alike before the first visit
    while True:
        anywhere = torch.randint(len(coords), (batch // 2,), generator=generator)
        ladder = known.cumsum(0)
        hard = torch.searchsorted(ladder, torch.rand(batch - batch // 2, generator=generator) * ladder[-1])
        index = torch.cat([anywhere, hard.clamp_(max=len(coords) - 1)])
        here = index.to(coords.device)
        error = pointwise(network(coords[here]), colours[here])
        known[index] = error.detach().float().mean(-1).cpu()
        yield error.mean()


_BATCHES = {"lattice": _lattice, "uniform": _uniform, "error": _error_driven}


def _ssim_crops(network, picture, seen, batch, pointwise, generator) -> Iterator[Tensor]:
    """1 - SSIM of random crops."""
    height, width, _ = picture.shape
    ys, xs = whole(height, width)
    rows, columns = min(_SSIM_CROP, height), min(_SSIM_CROP, width)
    while True:
        top = int(torch.randint(height - rows + 1, (), generator=generator))
        left = int(torch.randint(width - columns + 1, (), generator=generator))
        part = slice(top, top + rows), slice(left, left + columns)
        colours = network.on_grid(network.prepare(ys[part[0]], xs[part[1]]))
        yield 1 - ssim(colours.view(rows, columns, -1), picture[part])
