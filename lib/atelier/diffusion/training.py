"""Training as an iterator of steps.

All randomness of step k (which images, times, noise, dropped labels) is drawn from (seed, k) alone, so a run
needs no random state to resume: model, average, optimisers and k are enough to continue bit for bit. Under torchrun
each process takes its share of the batch of step k, so that a team of any size makes the same run but for rounding.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atelier import checkpoints
from atelier.checkpoints import Checkpoint
from atelier.devices import autocast, uses_bfloat16
from atelier.diffusion.catalogue import OPTIMISERS
from atelier.diffusion.denoiser import KIND, SIZE, Denoiser, part, refuse_other
from atelier.errors import UserError
from atelier.optimisers import Muon, matrices_of
from atelier.parallel import Team, team
from atelier.seeds import mixed_seed

TIME_BINS = 10
MUON_RMS = 0.5
"""Better than 0.2, that of AdamW, in 800 steps of our U-Net at rate 2e-3."""
OPTIMISER_STATE = {torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"), Muon: ("momentum_buffer",)}
BEFORE_MUON = {"optimiser": "adamw"}
"""What the recipe of a checkpoint means that does not name its optimiser."""
SHOULD_MATCH = (
    "optimiser",
    "batch_size",
    "seed",
    "label_dropout",
    "ema_decay",
    "learning_rate",
    "warmup",
    "weight_decay",
)


@dataclass(frozen=True)
class Recipe:
    """How to train. Exactly one of `steps`, `epochs` and `minutes` bounds the run.

    Args:
        batch_size: images per step.
        optimiser: "adamw", or "muon" for the wide matrices and convolutions (`optimisers.matrices_of`) with AdamW
            for the rest; our U-Net learns more by it in every step.
        learning_rate: peak rate; it warms up over `warmup` steps and falls as a half cosine to zero
            at the end of the budget.
        label_dropout: share of labels hidden, which trains the unconditional half of guidance.
        ema_decay: decay of the average of the weights, ramped from the start: min(decay, (1+k) / (10+k)).
        precision: "auto" (bfloat16 where the hardware is faster with it), "float32" or "bfloat16".
        checkpoint_seconds: at most this long between two checkpoints.

    Raises:
        UserError: a value out of bounds, or not exactly one budget.
    """

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    batch_size: int = 128
    optimiser: str = "muon"
    learning_rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 0.0
    label_dropout: float = 0.1
    ema_decay: float = 0.999
    seed: int = 0
    precision: str = "auto"
    checkpoint_seconds: float = 45.0

    def __post_init__(self) -> None:
        budgets = [b for b in (self.steps, self.epochs, self.minutes) if b is not None]
        if len(budgets) != 1 or not math.isfinite(budgets[0]) or budgets[0] <= 0:
            raise UserError("Give one budget above zero: steps, epochs or minutes.")
        if self.optimiser not in OPTIMISERS:
            raise UserError(f"The optimiser must be one of {', '.join(OPTIMISERS)}, and {self.optimiser!r} is not.")
        for name, low, high in (
            ("batch_size", 1, 65_536),
            ("learning_rate", 1e-7, 1.0),
            ("warmup", 0, 1_000_000),
            ("weight_decay", 0.0, 1.0),
            ("label_dropout", 0.0, 1.0),
            ("ema_decay", 0.0, 0.99999),
            ("seed", 0, 2**31 - 1),
            ("checkpoint_seconds", 0.0, 3600.0),
        ):
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                label = name.replace("_", " ").capitalize()
                raise UserError(f"{label} must be from {low:,g} to {high:,g}, and {value} is not.")


@dataclass(frozen=True)
class TrainStep:
    """What one step of training knows.

    step counts from 1 and goes on after a resume; images_seen counts repeats; loss is this batch's; epoch_losses the
    mean loss of every finished epoch; bin_losses the running mean of the loss in ten equal parts of [0, T] (NaN
    before a part was seen); seconds_left is measured, as is images_per_second, and elapsed is the time of training:
    what is done between two steps does not count. `average` is the live averaged denoiser:
    sample from it between steps, do not change it. `saved` is the checkpoint written after this step;
    `keep(path)` writes one of exactly this step, if called before the next is asked for.
    """

    step: int
    images_seen: int
    epoch: float
    loss: float
    epoch_losses: tuple[float, ...]
    bin_losses: tuple[float, ...]
    learning_rate: float
    images_per_second: float
    elapsed: float
    seconds_left: float
    progress: float
    last: bool
    average: Denoiser = field(repr=False)
    keep: Callable[[Path], Path] = field(repr=False)
    saved: Path | None = None


@dataclass
class _Position:
    """Where a run is: what a checkpoint holds beside the tensors."""

    step: int = 0
    elapsed: float = 0.0
    epoch_sum: float = 0.0
    epoch_losses: list[float] = field(default_factory=list)
    bin_losses: list[float] = field(default_factory=lambda: [math.nan] * TIME_BINS)


@dataclass
class _Run:
    """A run under way: the denoiser, its average and optimisers, the recipe and the position."""

    denoiser: Denoiser
    recipe: Recipe
    batches: int  # per epoch
    notes: Mapping[str, Any]
    team: Team = field(default_factory=team)
    average: Denoiser = field(init=False)
    optimisers: list[torch.optim.Optimizer] = field(init=False)
    at: _Position = field(default_factory=_Position)

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.denoiser).eval().requires_grad_(False)
        self.optimisers = _optimisers(self.denoiser, self.recipe)

    @property
    def images_seen(self) -> int:
        return self.at.step * self.recipe.batch_size

    @property
    def total_steps(self) -> int | None:
        """Steps in the budget; None where minutes bound the run."""
        if self.recipe.minutes is not None:
            return None
        return self.recipe.steps or math.ceil(self.recipe.epochs * self.batches)

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 1 or more at the end."""
        if self.total_steps is None:
            return self.at.elapsed / (60 * self.recipe.minutes)
        return self.at.step / self.total_steps

    @property
    def learning_rate(self) -> float:
        """Warm-up, then a half cosine down to zero at the end of the budget."""
        warm = min(1.0, (self.at.step + 1) / (self.recipe.warmup + 1))
        return self.recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress)))

    def seconds_left(self, seconds_per_step: float) -> float:
        if self.total_steps is None:
            return max(0.0, 60 * self.recipe.minutes - self.at.elapsed)
        return seconds_per_step * max(0, self.total_steps - self.at.step)


def train(
    denoiser: Denoiser,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    resume: Path | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Iterator[TrainStep]:
    """Train `denoiser` in place on `images`, one TrainStep per optimiser step.

    Args:
        denoiser: on the device to train on; its labels are used where its backbone has labels.
        images: (N, 28, 28) uint8, kept in memory as they are.
        labels: (N,) whole numbers.
        recipe: see `Recipe`.
        checkpoint: a file written at least every `recipe.checkpoint_seconds`, at the end, and when the
            iterator is closed early.
        resume: a file written by an earlier run; training continues from its position.
        notes: JSON-able extras stored with every checkpoint, such as the name of the data set.

    Raises:
        UserError: no images, a checkpoint that does not match, a loss that is not finite, or a batch that
            does not fit in memory.
    """
    _check_data(denoiser, images, labels)
    run = _Run(denoiser, recipe, max(1, len(images) // recipe.batch_size), notes or {})
    if recipe.batch_size < run.team.size:
        raise UserError(
            f"A batch of {recipe.batch_size} cannot be shared by {run.team.size} processes; make it larger."
        )
    checkpoint = checkpoint if run.team.leads else None
    if resume is not None:
        _restore(resume, run)
    denoiser.train()
    began, earlier, first_step = time.monotonic(), run.at.elapsed, run.at.step
    saved_at, saved_step = began, run.at.step
    try:
        while run.progress < 1:
            rate = run.learning_rate
            loss, bins = _step(run, images, labels, rate)
            run.at.step += 1
            _average(run)
            _note(run, loss, bins)
            now = time.monotonic()
            run.at.elapsed = run.team.agreed(earlier + now - began, denoiser.device)
            due = run.progress >= 1 or now - saved_at >= recipe.checkpoint_seconds
            saved = _save(checkpoint, run) if checkpoint is not None and due else None
            if saved:
                saved_at, saved_step = time.monotonic(), run.at.step
            step = _report(run, loss, rate, (now - began) / (run.at.step - first_step), saved)
            handed_over = time.monotonic()
            yield step
            began += time.monotonic() - handed_over  # a pause, or drawing, is not training
    except GeneratorExit:
        if checkpoint is not None and run.at.step > saved_step:
            _save(checkpoint, run)
        raise


def _report(run: _Run, loss: float, rate: float, seconds_per_step: float, saved: Path | None) -> TrainStep:
    return TrainStep(
        step=run.at.step,
        images_seen=run.images_seen,
        epoch=run.at.step / run.batches,
        loss=loss,
        epoch_losses=tuple(run.at.epoch_losses),
        bin_losses=tuple(run.at.bin_losses),
        learning_rate=rate,
        images_per_second=run.recipe.batch_size / seconds_per_step,
        elapsed=run.at.elapsed,
        seconds_left=run.seconds_left(seconds_per_step),
        progress=min(1.0, run.progress),
        last=run.progress >= 1,
        average=run.average,
        keep=lambda path: _save(path, run),
        saved=saved,
    )


@dataclass(frozen=True)
class Estimate:
    """Measured on a few steps: seconds per step and epoch, and for the whole budget (seconds)."""

    seconds_per_step: float
    seconds_per_epoch: float
    seconds_in_all: float


def estimate(denoiser: Denoiser, n_images: int, recipe: Recipe, *, measured_steps: int = 3) -> Estimate:
    """Time a few training steps on a copy of `denoiser`, so that the whole can be known before the start."""
    trial = copy.deepcopy(denoiser)
    images = torch.zeros(recipe.batch_size, SIZE, SIZE, dtype=torch.uint8)
    labels = torch.zeros(recipe.batch_size, dtype=torch.long)
    short = replace(recipe, steps=1 + measured_steps, epochs=None, minutes=None)
    elapsed = [step.elapsed for step in train(trial, images, labels, short)]
    per_step = (elapsed[-1] - elapsed[0]) / measured_steps  # the first step also pays for warming up
    batches = max(1, n_images // recipe.batch_size)
    if recipe.minutes is not None:
        in_all = 60 * recipe.minutes
    else:
        in_all = per_step * (recipe.steps or math.ceil(recipe.epochs * batches))
    return Estimate(per_step, per_step * batches, in_all)


def to_model(images: Tensor) -> Tensor:
    """uint8 (N, 28, 28) -> float32 (N, 1, 28, 28) in [-1, 1]."""
    return images[:, None].float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """float (N, 1, 28, 28) in [-1, 1] -> uint8 (N, 28, 28)."""
    return ((images[:, 0].float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()


def _check_data(denoiser: Denoiser, images: Tensor, labels: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 3 or images.shape[1:] != (SIZE, SIZE) or not len(images):
        raise UserError(f"Training needs uint8 images of {SIZE} x {SIZE} pixels; give a data set of these.")
    if len(labels) != len(images) or not 0 <= int(labels.min()) <= int(labels.max()) < denoiser.classes:
        raise UserError(f"Training needs one label from 0 to {denoiser.classes - 1} for every image.")


def _batch(images: Tensor, labels: Tensor, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Images and labels of step `step`: every epoch walks through its own permutation."""
    n, size = len(images), recipe.batch_size
    if size >= n:
        generator = torch.Generator().manual_seed(mixed_seed(recipe.seed, 1, step))
        index = torch.randint(n, (size,), generator=generator)
    else:
        epoch, position = divmod(step, n // size)
        generator = torch.Generator().manual_seed(mixed_seed(recipe.seed, 2, epoch))
        index = torch.randperm(n, generator=generator)[position * size : (position + 1) * size]
    return to_model(images[index]), labels[index]


def _step(run: _Run, images: Tensor, labels: Tensor, rate: float) -> tuple[float, tuple[Tensor, Tensor]]:
    """One optimiser step; returns the loss and, per image, (time bin, loss)."""
    denoiser, recipe, step = run.denoiser, run.recipe, run.at.step
    x0, label = _batch(images, labels, recipe, step)
    generator = torch.Generator().manual_seed(mixed_seed(recipe.seed, 3, step))
    t = denoiser.schedule.training_times(len(x0), generator)
    eps = torch.randn(x0.shape, generator=generator)
    hidden = torch.rand(len(x0), generator=generator) < recipe.label_dropout
    weights = None
    if denoiser.conditional:
        no_label, given = (denoiser.label_weights(which, len(x0)) for which in (None, label))
        weights = torch.where(hidden[:, None], no_label, given)[run.team.share].to(denoiser.device)
    mine = [tensor[run.team.share] for tensor in (x0, eps, t)]
    for optimiser in run.optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
    with _enough_memory(recipe.batch_size):
        with autocast(denoiser.device, recipe.precision):
            losses = denoiser.loss(*(tensor.to(denoiser.device) for tensor in mine), weights)
        denoiser.zero_grad(set_to_none=True)
        (losses.sum() / len(x0)).backward()
        run.team.add_up([p.grad for p in denoiser.parameters() if p.grad is not None])
        torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        losses = run.team.gathered(losses.detach().float(), len(x0)).cpu()
        loss = float(losses.mean())
        if not math.isfinite(loss):
            raise UserError(
                f"The loss at step {step + 1} is not a number; lower the learning rate "
                f"(it is {recipe.learning_rate:g}) and start again from the last checkpoint."
            )
        for optimiser in run.optimisers:
            optimiser.step()
    bins = (t / denoiser.schedule.T * TIME_BINS).long().clamp(0, TIME_BINS - 1)
    return loss, (bins, losses)


def _optimisers(denoiser: Denoiser, recipe: Recipe) -> list[torch.optim.Optimizer]:
    matrices = matrices_of(denoiser) if recipe.optimiser == "muon" else []
    taken = {id(p) for p in matrices}
    adamw = torch.optim.AdamW(
        [p for p in denoiser.parameters() if id(p) not in taken],
        betas=(0.9, 0.99),
        weight_decay=recipe.weight_decay,
        fused=denoiser.device.type in ("cpu", "cuda"),
    )
    if not matrices:
        return [adamw]
    half = uses_bfloat16(denoiser.device, recipe.precision)
    return [adamw, Muon(matrices, weight_decay=recipe.weight_decay, rms=MUON_RMS, bfloat16=half)]


@contextmanager
def _enough_memory(batch_size: int) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        short = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "memory" in str(error).lower()
        if not short:
            raise
        raise UserError(
            f"A batch of {batch_size} does not fit in memory; try a batch of {max(1, batch_size // 2)}."
        ) from error


@torch.no_grad()
def _average(run: _Run) -> None:
    decay = min(run.recipe.ema_decay, (1 + run.at.step) / (10 + run.at.step))
    torch._foreach_lerp_(list(run.average.parameters()), list(run.denoiser.parameters()), 1 - decay)


def _note(run: _Run, loss: float, bins: tuple[Tensor, Tensor]) -> None:
    """Book the loss: per epoch, and as a running mean per time bin."""
    run.at.epoch_sum += loss
    if run.at.step % run.batches == 0:
        run.at.epoch_losses.append(run.at.epoch_sum / run.batches)
        run.at.epoch_sum = 0.0
    which, losses = bins
    for k in which.unique().tolist():
        seen, old = float(losses[which == k].mean()), run.at.bin_losses[k]
        run.at.bin_losses[k] = seen if math.isnan(old) else old + 0.02 * (seen - old)


def _save(path: Path, run: _Run) -> Path:
    tensors = {f"model.{name}": t for name, t in run.denoiser.state_dict().items()}
    tensors |= {f"ema.{name}": t for name, t in run.average.state_dict().items()}
    for name, parameter in run.denoiser.named_parameters():
        for optimiser in run.optimisers:
            for key, value in optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{key}.{name}"] = value
    position = asdict(run.at)
    position["bin_losses"] = [None if math.isnan(b) else b for b in run.at.bin_losses]
    extra = dict(run.notes) | {"recipe": asdict(run.recipe), "run": position}
    return checkpoints.save(path, Checkpoint(KIND, run.denoiser.spec, tensors, extra))


def images_seen_in(extra: Mapping[str, Any]) -> int | None:
    """How many images the network of a checkpoint with these extras was trained on, repeats counted; None where they
    do not tell."""
    try:
        step, batch_size = extra["run"]["step"], extra["recipe"]["batch_size"]
    except (KeyError, TypeError):
        return None
    return step * batch_size if type(step) is int and type(batch_size) is int else None


def recipe_from(stored: Any, budget: Recipe) -> Recipe:
    """The recipe that a checkpoint's extras tell, with the budget of another.

    Raises:
        UserError: it is not one of ours.
    """
    try:
        stored = BEFORE_MUON | dict(stored or {})
        return replace(budget, **{key: stored[key] for key in SHOULD_MATCH if key in stored})
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError("The recipe in this checkpoint cannot be read; choose another checkpoint.") from error


def _restore(path: Path, run: _Run) -> None:
    """Put everything back where the checkpoint left it.

    Raises:
        UserError: of another network, schedule, target, range or recipe, or for sampling only.
    """
    checkpoint = checkpoints.load(path, KIND)
    name = Path(path).name
    refuse_other(checkpoint.spec, run.denoiser.spec)
    if not isinstance(checkpoint.extra.get("run"), dict) or not part(checkpoint.tensors, "model."):
        raise UserError(f"{name} holds weights for sampling only; resume from a checkpoint of a training run.")
    stored = checkpoint.extra.get("recipe")
    refuse_other(
        BEFORE_MUON | (stored if isinstance(stored, dict) else {}),
        {key: getattr(run.recipe, key) for key in SHOULD_MATCH},
    )
    checkpoints.load_into(run.denoiser, part(checkpoint.tensors, "model."), name)
    checkpoints.load_into(run.average, part(checkpoint.tensors, "ema."), name)
    names = {parameter: full for full, parameter in run.denoiser.named_parameters()}
    for optimiser in run.optimisers:
        on_device = optimiser.defaults.get("fused", True)  # AdamW counts steps on the CPU unless fused
        for parameter in (p for group in optimiser.param_groups for p in group["params"]):
            held = {key: f"optimiser.{key}.{names[parameter]}" for key in OPTIMISER_STATE[type(optimiser)]}
            if set(held.values()) <= checkpoint.tensors.keys():  # nothing is kept where there never was a gradient
                optimiser.state[parameter] = {
                    key: checkpoint.tensors[full].to("cpu" if key == "step" and not on_device else parameter.device)
                    for key, full in held.items()
                }
    run.at = _position(checkpoint.extra["run"], name)


def _position(stored: Mapping[str, Any], name: str) -> _Position:
    """The position that a checkpoint tells.

    Raises:
        UserError: it is not as `_save` writes it.
    """
    try:
        bins = [math.nan if b is None else float(b) for b in stored["bin_losses"]]
        losses = [float(loss) for loss in stored["epoch_losses"]]
        at = _Position(int(stored["step"]), float(stored["elapsed"]), float(stored["epoch_sum"]), losses, bins)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"The position of training in {name} cannot be read; choose another checkpoint.") from error
    if not 0 <= at.step < 2**40 or not 0 <= at.elapsed < math.inf or len(bins) != TIME_BINS:
        raise UserError(f"The position of training in {name} is out of bounds; choose another checkpoint.")
    return at
