"""Training as an iterator of steps.

All randomness of step k (images, times, noise, hidden labels) comes from (seed, k) alone: model, average, optimisers
and k are enough to resume bit for bit in the same number format. Under torchrun each process takes its share of the
batch of step k, so a team of any size makes the same run but for rounding.
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
from atelier.devices import unmeasured_format
from atelier.diffusion.catalogue import OPTIMISERS
from atelier.diffusion.denoiser import KIND, SIZE, Denoiser, format_of, part, to_model
from atelier.errors import UserError
from atelier.optimisers import AdamW, Muon, matrices_of
from atelier.parallel import team
from atelier.seeds import mixed_seed
from atelier.settings import Choice, Number
from atelier.settings import label as title_of

TIME_BINS = 10
MUON_RMS = 0.5
"""Better than 0.2, that of AdamW, in 800 steps of our U-Net at rate 2e-3."""
OPTIMISER_STATE = {AdamW: ("step", "exp_avg", "exp_avg_sq"), Muon: ("momentum_buffer",)}
BEFORE_MUON = {"optimiser": "adamw"}
"""What a checkpoint's recipe means that names no optimiser."""
_DOMAINS = {
    "optimiser": Choice(tuple(OPTIMISERS)),
    "batch_size": Number(1, 65_536, whole=True),
    "learning_rate": Number(1e-7, 1),
    "warmup": Number(0, 1_000_000, whole=True),
    "weight_decay": Number(0, 1),
    "label_dropout": Number(0, 1),
    "ema_decay": Number(0, 0.99999),
    "seed": Number(0, 2**31 - 1, whole=True),
    "checkpoint_seconds": Number(0, 3600),
}
SHOULD_MATCH = tuple(name for name in _DOMAINS if name != "checkpoint_seconds")
"""What must not change when a run is resumed."""
DISTILLED = "This network was distilled and is not trained further; train another, or load another file."


@dataclass(frozen=True)
class Recipe:
    """How to train. Exactly one of `steps`, `epochs` and `minutes` bounds the run. Muon takes the wide matrices and
    convolutions (`optimisers.matrices_of`), AdamW the rest; our U-Net learns more by it in every step.

    Raises:
        UserError: a value out of bounds, or not exactly one budget.
    """

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    batch_size: int = 128  # images per step
    optimiser: str = "muon"  # or "adamw"
    learning_rate: float = 2e-3  # peak; falls as a half cosine to zero at the end of the budget
    warmup: int = 100  # steps until the peak
    weight_decay: float = 0.0
    label_dropout: float = 0.1  # share of labels hidden, which trains the unconditional half of guidance
    ema_decay: float = 0.999  # of the average of the weights, ramped from the start: min(decay, (1+k) / (10+k))
    seed: int = 0
    precision: str = "auto"  # "float32" or "bfloat16"; auto and the layout's auto are measured, see `format_of`
    layout: str = "auto"  # or "contiguous", "channels_last"
    checkpoint_seconds: float = 45.0  # at most so long between two checkpoints

    def __post_init__(self) -> None:
        budgets = [b for b in (self.steps, self.epochs, self.minutes) if b is not None]
        if len(budgets) != 1 or not math.isfinite(budgets[0]) or budgets[0] <= 0:
            raise UserError("Give one budget above zero: steps, epochs or minutes.")
        for name, domain in _DOMAINS.items():
            domain.check(title_of(name), getattr(self, name))


@dataclass(frozen=True)
class TrainStep:
    """What one step of training knows."""

    step: int  # from 1; goes on after a resume
    images_seen: int  # repeats count
    epoch: float
    loss: float  # of this batch
    epoch_losses: tuple[float, ...]  # mean loss of every finished epoch
    bin_losses: tuple[float, ...]  # running mean loss in ten equal parts of [0, T]; NaN before a part was seen
    learning_rate: float
    images_per_second: float
    elapsed: float  # seconds of training; what is done between two steps does not count
    seconds_left: float
    progress: float  # share of the budget that is spent
    last: bool
    average: Denoiser = field(repr=False)  # the live averaged denoiser: sample from it between steps, do not change it
    keep: Callable[[Path], Path] = field(repr=False)  # writes a checkpoint of this step, before the next is asked for
    saved: Path | None = None  # the checkpoint written after this step


@dataclass
class _Position:
    """Where a run is: what a checkpoint holds beside the tensors."""

    step: int = 0
    elapsed: float = 0.0
    epoch_sum: float = 0.0
    epoch_losses: list[float] = field(default_factory=list)
    bin_losses: list[float] = field(default_factory=lambda: [math.nan] * TIME_BINS)


class _Run:
    """A run under way: the denoiser, its average and optimisers, the recipe and the position."""

    def __init__(
        self, denoiser: Denoiser, recipe: Recipe, n_images: int, notes: Mapping[str, Any], objective: "Denoising"
    ) -> None:
        self.denoiser, self.recipe, self.notes, self.team, self.at = denoiser, recipe, notes, team(), _Position()
        self.objective = objective
        if self.team.size == 1:
            self.format = format_of(denoiser, recipe.precision, recipe.layout, training=True)
        else:  # all must take the same
            self.format = unmeasured_format(denoiser.device, recipe.precision, recipe.layout)
        self.format.lay_out(denoiser)
        self.batches = max(1, n_images // recipe.batch_size)  # per epoch
        self.average = copy.deepcopy(denoiser).eval().requires_grad_(False)
        self.optimisers = _optimisers(denoiser, recipe)

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 1 or more at the end."""
        if self.recipe.minutes is not None:
            return self.at.elapsed / (60 * self.recipe.minutes)
        return self.at.step / total_steps(self.recipe, self.batches)

    @property
    def learning_rate(self) -> float:
        """Warm-up, then a half cosine down to zero at the end of the budget."""
        warm = min(1.0, (self.at.step + 1) / (self.recipe.warmup + 1))
        return self.recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress)))


class Denoising:
    """What a network learns by default: to predict its target, at the times of its schedule. An objective of your own
    has these two methods."""

    def training_times(self, denoiser: Denoiser, n: int, generator: torch.Generator) -> Tensor:
        """(n,) float64 times in [0, T] to train at."""
        return denoiser.schedule.training_times(n, generator)

    def loss(self, denoiser: Denoiser, x0: Tensor, eps: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """(N,) losses of clean images x0 and noises eps (N, 1, 28, 28) at times (N,), with label weights."""
        return denoiser.loss(x0, eps, t, label)


def total_steps(recipe: Recipe, batches: int) -> int:
    """Steps in a budget of steps, or of epochs of so many batches."""
    return recipe.steps or math.ceil(recipe.epochs * batches)


def seconds_in_all(recipe: Recipe, batches: int, seconds_per_step: float) -> float:
    """How long the whole budget takes."""
    return 60 * recipe.minutes if recipe.minutes is not None else seconds_per_step * total_steps(recipe, batches)


def train(
    denoiser: Denoiser,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    resume: Path | Checkpoint | None = None,
    notes: Mapping[str, Any] | None = None,
    objective: Denoising | None = None,
) -> Iterator[TrainStep]:
    """Train `denoiser` in place on `images`, one TrainStep per optimiser step.

    Args:
        denoiser: on the device to train on; its labels are used where its backbone has labels.
        images: (N, 28, 28) uint8, kept in memory as they are.
        labels: (N,) whole numbers.
        recipe: see `Recipe`.
        checkpoint: a file written at least every `recipe.checkpoint_seconds`, at the end, and when the
            iterator is closed early.
        resume: a checkpoint of an earlier run, or its file; training continues from its position.
        notes: JSON-able extras stored with every checkpoint, such as the name of the data set.
        objective: what is learned, see `Denoising`.

    Raises:
        UserError: no images, a checkpoint that does not match, a loss that is not finite, or a batch that
            does not fit in memory.
    """
    _check_data(denoiser, images, labels)
    if denoiser.knots and objective is None:
        raise UserError(DISTILLED)
    run = _Run(denoiser, recipe, len(images), notes or {}, objective or Denoising())
    if recipe.batch_size < run.team.size:
        raise UserError(
            f"A batch of {recipe.batch_size} cannot be shared by {run.team.size} processes; make it larger."
        )
    checkpoint = checkpoint if run.team.leads else None
    if resume is not None:
        _restore(resume if isinstance(resume, Checkpoint) else checkpoints.load(resume, KIND), run)
    denoiser.train()
    began, earlier, first_step = time.monotonic(), run.at.elapsed, run.at.step
    saved_at, saved_step = began, run.at.step
    try:
        while run.progress < 1:
            rate = run.learning_rate
            loss = _step(run, images, labels, rate)
            now = time.monotonic()
            run.at.elapsed = run.team.agreed(earlier + now - began)
            due = run.progress >= 1 or now - saved_at >= recipe.checkpoint_seconds
            saved = _save(checkpoint, run) if checkpoint is not None and due else None
            if saved:
                saved_at, saved_step = time.monotonic(), run.at.step
            seconds_per_step = (now - began) / (run.at.step - first_step)
            step = TrainStep(
                step=run.at.step,
                images_seen=run.at.step * recipe.batch_size,
                epoch=run.at.step / run.batches,
                loss=loss,
                epoch_losses=tuple(run.at.epoch_losses),
                bin_losses=tuple(run.at.bin_losses),
                learning_rate=rate,
                images_per_second=recipe.batch_size / seconds_per_step,
                elapsed=run.at.elapsed,
                seconds_left=max(0.0, 1 - run.progress) * seconds_in_all(recipe, run.batches, seconds_per_step),
                progress=min(1.0, run.progress),
                last=run.progress >= 1,
                average=run.average,
                keep=lambda path: _save(path, run),
                saved=saved,
            )
            handed_over = time.monotonic()
            yield step
            began += time.monotonic() - handed_over  # a pause, or drawing, is not training
    except GeneratorExit:
        if checkpoint is not None and run.at.step > saved_step:
            _save(checkpoint, run)
        raise


@dataclass(frozen=True)
class Estimate:
    """Measured on a few steps: seconds per step and epoch, and for the whole budget (seconds)."""

    seconds_per_step: float
    seconds_per_epoch: float
    seconds_in_all: float


def estimate(denoiser: Denoiser, n_images: int, recipe: Recipe, *, measured_steps: int = 3) -> Estimate:
    """How long training takes, measured on a few steps of a copy of `denoiser`."""
    trial = copy.deepcopy(denoiser)
    images = torch.zeros(recipe.batch_size, SIZE, SIZE, dtype=torch.uint8)
    labels = torch.zeros(recipe.batch_size, dtype=torch.long)
    short = replace(recipe, steps=1 + measured_steps, epochs=None, minutes=None)
    elapsed = [step.elapsed for step in train(trial, images, labels, short)]
    per_step = (elapsed[-1] - elapsed[0]) / measured_steps  # the first step also warms up
    batches = max(1, n_images // recipe.batch_size)
    return Estimate(per_step, per_step * batches, seconds_in_all(recipe, batches, per_step))


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


def _step(run: _Run, images: Tensor, labels: Tensor, rate: float) -> float:
    """One optimiser step with the average and the books kept; returns the loss."""
    denoiser, recipe, step = run.denoiser, run.recipe, run.at.step
    x0, label = _batch(images, labels, recipe, step)
    generator = torch.Generator().manual_seed(mixed_seed(recipe.seed, 3, step))
    t = run.objective.training_times(denoiser, len(x0), generator)
    eps = torch.randn(x0.shape, generator=generator)
    hidden = torch.rand(len(x0), generator=generator) < recipe.label_dropout
    batch = [x0, eps]
    if denoiser.conditional:
        no_label, given = (denoiser.label_weights(which, len(x0)) for which in (None, label))
        batch.append(torch.where(hidden[:, None], no_label, given))
    x0_mine, eps_mine, *weights = (tensor[run.team.share].to(denoiser.device) for tensor in batch)
    t_mine = t[run.team.share]  # stays on the CPU: it is float64, which Apple's GPUs do not have
    with _enough_memory(recipe.batch_size):
        with run.format.autocast(denoiser.device):
            losses = run.objective.loss(denoiser, x0_mine, eps_mine, t_mine, *weights)
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
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
    run.at.step += 1
    decay = min(recipe.ema_decay, (1 + run.at.step) / (10 + run.at.step))
    with torch.no_grad():
        torch._foreach_lerp_(list(run.average.parameters()), list(denoiser.parameters()), 1 - decay)
        for kept, now in zip(run.average.buffers(), denoiser.buffers(), strict=True):  # of batch norm, for instance
            kept.copy_(now)
    _note(run, losses, (t / denoiser.schedule.T * TIME_BINS).long().clamp(0, TIME_BINS - 1))
    return loss


def _note(run: _Run, losses: Tensor, bins: Tensor) -> None:
    """Book the losses (N,): per epoch, and as a running mean per time bin (N,)."""
    at = run.at
    at.epoch_sum += float(losses.mean())
    if at.step % run.batches == 0:
        at.epoch_losses.append(at.epoch_sum / run.batches)
        at.epoch_sum = 0.0
    for k in bins.unique().tolist():
        seen, old = float(losses[bins == k].mean()), at.bin_losses[k]
        at.bin_losses[k] = seen if math.isnan(old) else old + 0.02 * (seen - old)


def _optimisers(denoiser: Denoiser, recipe: Recipe) -> list[torch.optim.Optimizer]:
    matrices = matrices_of(denoiser) if recipe.optimiser == "muon" else []
    taken = {id(p) for p in matrices}
    adamw = AdamW(
        [p for p in denoiser.parameters() if id(p) not in taken],
        betas=(0.9, 0.99),
        weight_decay=recipe.weight_decay,
        fused=denoiser.device.type in ("cpu", "cuda"),
    )
    if not matrices:
        return [adamw]
    half = unmeasured_format(denoiser.device, recipe.precision).precision == "bfloat16"
    return [adamw, Muon(matrices, weight_decay=recipe.weight_decay, rms=MUON_RMS, bfloat16=half)]


@contextmanager
def _enough_memory(batch_size: int) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        short = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not short and "memory" not in str(error).lower():
            raise
        raise UserError(
            f"A batch of {batch_size} does not fit in memory; try a batch of {max(1, batch_size // 2)}."
        ) from error


# Checkpoints of a run.


def _save(path: Path, run: _Run) -> Path:
    tensors = {f"model.{name}": t for name, t in run.denoiser.state_dict().items()}
    tensors |= {f"ema.{name}": t for name, t in run.average.state_dict().items()}
    for name, parameter in run.denoiser.named_parameters():
        for optimiser in run.optimisers:
            for key, value in optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{key}.{name}"] = value
    position = asdict(run.at) | {"bin_losses": [None if math.isnan(b) else b for b in run.at.bin_losses]}
    extra = dict(run.notes) | {"recipe": asdict(run.recipe), "run": position}
    return checkpoints.save(path, Checkpoint(KIND, run.denoiser.spec, tensors, extra))


def recipe_from(stored: Any, budget: Recipe) -> Recipe:
    """The recipe in a checkpoint's extras, with the budget of another; UserError if it cannot be read."""
    try:
        stored = BEFORE_MUON | dict(stored or {})
        return replace(budget, **{key: stored[key] for key in SHOULD_MATCH if key in stored})
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError("The recipe in this checkpoint cannot be read; choose another checkpoint.") from error


def _refuse_other(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """UserError with the first difference between what a checkpoint tells and what is asked for."""
    for name, value in wanted.items():
        if found.get(name) != value:
            raise UserError(
                f"This checkpoint has {name} {found.get(name)}, and {value} is asked for; "
                f"change the {name.replace('_', ' ')} to match, or choose another checkpoint."
            )


def _restore(checkpoint: Checkpoint, run: _Run) -> None:
    """Put everything back where the checkpoint left it; refuse another network, schedule, target, range or recipe."""
    if checkpoint.spec.get("knots") and not run.denoiser.knots:
        raise UserError(DISTILLED)
    _refuse_other(checkpoint.spec, run.denoiser.spec)
    model, average = part(checkpoint.tensors, "model."), part(checkpoint.tensors, "ema.")
    if not isinstance(checkpoint.extra.get("run"), dict) or not model:
        raise UserError("This checkpoint holds weights for sampling only; resume from one of a training run.")
    stored = checkpoint.extra.get("recipe")
    found = BEFORE_MUON | (stored if isinstance(stored, dict) else {})
    _refuse_other(found, {key: getattr(run.recipe, key) for key in SHOULD_MATCH})
    at = _position(checkpoint.extra["run"])
    checkpoints.load_into(run.denoiser, model)
    checkpoints.load_into(run.average, average)
    names = {parameter: full for full, parameter in run.denoiser.named_parameters()}
    for optimiser in run.optimisers:
        on_device = optimiser.defaults.get("fused", True)  # AdamW counts steps on the CPU unless fused
        for parameter in (p for group in optimiser.param_groups for p in group["params"]):
            held = {key: f"optimiser.{key}.{names[parameter]}" for key in OPTIMISER_STATE[type(optimiser)]}
            if set(held.values()) <= checkpoint.tensors.keys():  # a weight that never had a gradient has no state
                optimiser.state[parameter] = {
                    key: _laid_out(checkpoint.tensors[full], parameter, key != "step" or on_device)
                    for key, full in held.items()
                }
    run.at = at


def _laid_out(state: Tensor, parameter: Tensor, on_device: bool) -> Tensor:
    """State on the device and in the memory layout of its parameter: the fused AdamW takes both for the same."""
    if state.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=state.dtype).copy_(state)
    return state.to(parameter.device if on_device else "cpu")


def _position(stored: Mapping[str, Any]) -> _Position:
    """The position in a checkpoint; UserError if it is not as `_save` writes it."""
    try:
        bins = [math.nan if b is None else float(b) for b in stored["bin_losses"]]
        losses = [float(loss) for loss in stored["epoch_losses"]]
        at = _Position(int(stored["step"]), float(stored["elapsed"]), float(stored["epoch_sum"]), losses, bins)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError("The position of training in this checkpoint cannot be read; choose another.") from error
    if not 0 <= at.step < 2**40 or not 0 <= at.elapsed < math.inf or len(bins) != TIME_BINS:
        raise UserError("The position of training in this checkpoint is out of bounds; choose another.")
    return at
