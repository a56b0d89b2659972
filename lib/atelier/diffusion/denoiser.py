"""A denoiser: backbone, schedule and prediction target behind one call `(x_t, t, label) -> x0_hat`.

Images are float tensors in [-1, 1]. All preconditioning is done here: whatever the schedule, the backbone sees x
scaled so that alpha² + sigma² = 1, the noise fraction sigma / (alpha + sigma), and the weights of the label
embeddings. So one backbone serves every schedule.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from atelier import checkpoints
from atelier.checkpoints import Checkpoint
from atelier.data.digits import SIZE
from atelier.devices import PRECISIONS, Format, fastest, unmeasured_format
from atelier.diffusion.catalogue import BACKBONES, TARGETS
from atelier.diffusion.schedules import Schedule, build_schedule
from atelier.errors import UserError
from atelier.paths import WEIGHTS
from atelier.settings import Choice, Number

KIND = "denoiser"
SHIPPED = WEIGHTS / "digits-unet.safetensors"
"""The conditional U-Net that ships, made by `python -m atelier.diffusion.ship denoiser`."""
EARLY = WEIGHTS / "digits-early.safetensors"
"""Its average after the first steps of its training, made by `python -m atelier.diffusion.ship early`."""


def few_path(steps: int) -> Path:
    """Where the shipped U-Net lies that was distilled to so many steps, by `python -m atelier.diffusion.ship few`."""
    return WEIGHTS / f"digits-few{steps}.safetensors"


DATA_RANGE = (-1.0, 1.0)
_DATA = {"range": list(DATA_RANGE), "size": SIZE}
MOST_PARAMETERS = 150_000_000
"""Of a denoiser that is read from a file: DiffUNet has 94 million."""
_MOST_TRIED, _TRIED = 10_000_000, 16


def to_model(images: Tensor) -> Tensor:
    """uint8 (N, 28, 28) -> float32 (N, 1, 28, 28) in [-1, 1]."""
    return images[:, None].float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """float (N, 1, 28, 28) in [-1, 1] -> uint8 (N, 28, 28) on the CPU."""
    return ((images[:, 0].float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (Ho & Salimans 2022), with this convention everywhere:

        eps = eps_uncond + scale · (eps_cond - eps_uncond)

    so 0 ignores the label, 1 is plain conditional. It acts only where the noise fraction lies in `interval`
    (Kynkäänniemi et al. 2024, arXiv:2404.07724); elsewhere the scale is 1, at half the cost. Scale 0 acts everywhere.

    With `weak`, an early snapshot of the same network, it is autoguidance (Karras et al. 2024, arXiv:2406.02507):
    eps_weak stands in place of eps_uncond, both know the label, and 0 draws with the snapshot alone.

    Raises:
        UserError: scale outside 0 to 100 or not a number, interval not rising within [0, 1].
    """

    scale: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)
    weak: "Denoiser | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        Number(0, 100).check("Guidance", self.scale)
        low, high = self.interval
        if not 0 <= low <= high <= 1:
            raise UserError("The guidance interval must rise within 0 and 1, for instance 0.2 to 0.8.")

    def at(self, noise_fraction: float) -> float:
        """The scale that acts at this noise fraction."""
        low, high = self.interval
        return self.scale if low <= noise_fraction <= high or self.scale == 0 else 1.0


DEFAULT_GUIDANCE = Guidance(2.5, (0.2, 0.55))
"""Measured on the shipped weights: close to the best classifier-FID, with 99 % of the labels right (see
docs/figures.md). Guidance below noise fraction 0.6 improves digits; above, where the kind of digit is chosen, it costs
variety. Two thirds of the steps need no second network call."""
DISTILLED_SCALES = 1.0, 5.0
"""The scales of guidance that a distilled network learns."""
YOUNG_GUIDANCE = Guidance(1.5, (0.3, 0.8))
"""For a network of some minutes of training, which draws a wrong digit more often: weaker, but up to where the kind of
digit is chosen (measured after ten minutes; see docs/figures.md)."""
YOUNG_IMAGES = 1_000_000
"""A network trained on fewer images counts as young. At 0.33 and 1.01 million images (n = 2,000) the guidance of the
young got 99.3 and 99.5 % of the labels right, the default 97.9 and 98.9 %, at 1.03 and 1.12 times its FID."""


def suited_guidance(images_seen: int | None) -> Guidance:
    """The guidance that suits a network trained on so many images (repeats count); None: not known."""
    return YOUNG_GUIDANCE if images_seen is not None and images_seen < YOUNG_IMAGES else DEFAULT_GUIDANCE


class Denoiser(nn.Module):
    """`denoiser(x_t, t, label) -> x0_hat`.

    Args:
        backbone: a module with `conditional`, `options` and `forward(x, noise_fraction, label_weights)`.
        schedule: gives alpha(t) and sigma(t).
        target: a name in `TARGETS`.
        name: the backbone's name in `BACKBONES`.

    Attributes:
        knots: of a distilled network (see `distilling`) the falling noise fractions that it draws at, the first of them
            1; else empty. The scale of guidance is then an input of the network, and its interval is built in.

    Raises:
        UserError: an unknown target, or eps with a schedule that leaves no signal at T.
    """

    def __init__(
        self, backbone: nn.Module, schedule: Schedule, target: str = "flow", *, name: str = "unet", classes: int = 10
    ) -> None:
        super().__init__()
        Choice(tuple(TARGETS)).check("The target", target)
        if target == "eps" and schedule.terminal_signal == 0:
            raise UserError(
                f"With the {schedule.name} schedule x_T is pure noise and eps says nothing about the image; "
                "choose the target v, flow or x0."
            )
        self.backbone, self.schedule, self.target = backbone, schedule, target
        self.name, self.classes = name, classes
        self.knots: tuple[float, ...] = ()

    @property
    def conditional(self) -> bool:
        return self.backbone.conditional

    @property
    def device(self) -> torch.device:
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))

    @property
    def spec(self) -> dict[str, Any]:
        """What `build_from_spec` rebuilds it from; JSON-able."""
        return {
            "backbone": self.name,
            "options": self.backbone.options,
            "schedule": self.schedule.name,
            "schedule_options": self.schedule.options,
            "target": self.target,
            "classes": self.classes,
            "data": _DATA,
            **({"knots": list(self.knots)} if self.knots else {}),
        }

    def predict(self, x_t: Tensor, t: Tensor | float, label: Tensor | None = None) -> Tensor:
        """The network's prediction in units of the target, float32 (N, 1, 28, 28)."""
        alpha, sigma = self.schedule.rates(x_t, t)
        x = x_t / (alpha**2 + sigma**2).sqrt()
        fraction = (sigma / (alpha + sigma)).flatten()  # (N,)
        weights = self.label_weights(label, len(x_t)).to(x_t)
        return self.backbone(x, fraction, weights).float()

    def forward(self, x_t: Tensor, t: Tensor | float, label: Tensor | None = None) -> Tensor:
        """The clean image that x_t is expected to come from.

        Args:
            x_t: (N, 1, 28, 28) noisy images alpha x0 + sigma eps.
            t: time in [0, T], a number or (N,).
            label: None for no label; (N,) whole numbers in [0, classes); or (N, classes) weights, so that a
                blend of labels (half 3, half 4) is allowed.

        Returns:
            (N, 1, 28, 28) float32, not clipped.

        Raises:
            UserError: a label out of range, or a label for an unconditional backbone.
        """
        return TARGETS[self.target].x0_hat(self.predict(x_t, t, label), x_t, *self.schedule.rates(x_t, t))

    def guided(self, x_t: Tensor, t: float, label: Tensor | None, guidance: Guidance, *, clip: bool = True) -> Tensor:
        """x0_hat under classifier-free guidance, clipped to [-1, 1] unless `clip` is off.

        Guiding x0_hat is guiding eps: at fixed x_t one is an affine function of the other. A distilled network takes
        the scale as an input.

        Raises:
            UserError: a scale that a distilled network did not learn.
        """
        if self.knots:
            x0_hat = self(x_t, t, self.guided_weights(label, len(x_t), guidance.scale))
        elif guidance.weak is not None and guidance.scale == 0:
            x0_hat = guidance.weak(x_t, t, label)
        elif not self.calls_twice(t, label, guidance):
            x0_hat = self(x_t, t, label if guidance.scale else None)
        elif guidance.weak is not None:
            x0_hat = torch.lerp(guidance.weak(x_t, t, label), self(x_t, t, label), guidance.scale)
        else:
            x0_hat = self.extrapolated(x_t, t, label, guidance.scale)
        return x0_hat.clamp(*DATA_RANGE) if clip else x0_hat

    def calls_twice(self, t: float, label: Tensor | None, guidance: Guidance) -> bool:
        """Whether `guided` costs a second network call at this time."""
        if self.knots or (label is None and guidance.weak is None):
            return False
        return guidance.at(float(self.schedule.noise_fraction(torch.tensor(float(t))))) not in (0, 1)

    def extrapolated(self, x_t: Tensor, t: float, label: Tensor, scale: float | Tensor) -> Tensor:
        """x0_hat without the label, and from there `scale` times the way to x0_hat with it; scale: a number, or
        (N, 1, 1, 1)."""
        weights = torch.cat([self.label_weights(label, len(x_t)), self.label_weights(None, len(x_t)).to(label.device)])
        conditional, unconditional = self(torch.cat([x_t, x_t]), t, weights).chunk(2)
        return unconditional + scale * (conditional - unconditional)

    def guided_weights(self, label: Tensor | None, n: int, scale: float | Tensor) -> Tensor:
        """(n, classes + 1) label weights that tell a distilled network the scale of guidance, a number or (n, 1):
        null + scale · (label - null), as guidance extrapolates eps."""
        null = self.label_weights(None, n)
        if label is None:
            return null
        low, high = DISTILLED_SCALES
        if not isinstance(scale, Tensor) and scale != 0 and not low <= scale <= high:
            raise UserError(
                f"A distilled network takes guidance 0, or from {low:g} to {high:g}, and {scale:g} is not; choose "
                "another sampler for it."
            )
        null = null.to(label.device)
        return null + scale * (self.label_weights(label, n) - null)

    def label_weights(self, label: Tensor | None, n: int) -> Tensor:
        """(n, classes + 1) float32 weights of the label embeddings; the last column stands for no label."""
        if label is None:
            return nn.functional.one_hot(torch.full((n,), self.classes), self.classes + 1).float()
        if not self.conditional:
            raise UserError(f"{self.name} is unconditional: it cannot be asked for a digit; leave the labels out.")
        if label.ndim == 1 and not label.is_floating_point():
            if len(label) != n or (label.numel() and not 0 <= int(label.min()) <= int(label.max()) < self.classes):
                raise UserError(f"Give {n} labels, each a whole number from 0 to {self.classes - 1}.")
            return nn.functional.one_hot(label.long(), self.classes + 1).float()
        if label.shape not in ((n, self.classes), (n, self.classes + 1)) or not label.isfinite().all():
            raise UserError(f"Label weights must be {n} rows of {self.classes} finite numbers.")
        return nn.functional.pad(label.float(), (0, self.classes + 1 - label.shape[1]))

    def loss(self, x0: Tensor, eps: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """(N,) mean squared error of the prediction at x_t = alpha x0 + sigma eps."""
        alpha, sigma = self.schedule.rates(x0, t)
        wanted = TARGETS[self.target].of(x0, eps, alpha, sigma)
        prediction = self.predict(alpha * x0 + sigma * eps, t, label)
        return (prediction - wanted).square().mean((1, 2, 3))


def build_denoiser(
    backbone: str | nn.Module = "unet",
    schedule: str | Schedule = "flow",
    target: str = "flow",
    *,
    T: int = 1000,
    options: dict[str, Any] | None = None,
    schedule_options: dict[str, Any] | None = None,
    classes: int = 10,
    seed: int = 0,
) -> Denoiser:
    """A fresh denoiser with weights drawn from `seed`.

    Args:
        backbone: a name in `BACKBONES`, or a module of your own that maps (x, noise_fraction, label_weights), of shapes
            (N, 1, 28, 28), (N,) and (N, classes + 1), to (N, 1, 28, 28). Its weights are taken as they are.
        schedule: a name in `SCHEDULES` (T and `schedule_options` are for it), or a `Schedule`.

    Raises:
        UserError: an unknown backbone, schedule, target or option; a module that gives another shape.
    """
    if not isinstance(schedule, Schedule):
        with torch.device("cpu"):  # also where everything else is on "meta"
            schedule = build_schedule(schedule, **({"T": T} | (schedule_options or {})))
    if isinstance(backbone, nn.Module):
        return Denoiser(_own(backbone, classes), schedule, target, name="own", classes=classes)
    Choice(tuple(BACKBONES)).check("The backbone", backbone)
    try:
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation draws from the global generator
            network = BACKBONES[backbone].load()(**((options or {}) | {"classes": classes}))
    except TypeError as error:
        raise UserError(f"The backbone {backbone} does not take these options: {options}.") from error
    initialise(network, torch.Generator().manual_seed(seed))
    return Denoiser(network, schedule, target, name=backbone, classes=classes)


@torch.no_grad()
def _own(backbone: nn.Module, classes: int) -> nn.Module:
    """A module of your own, tried once, with the attributes of a backbone."""
    x, fraction = torch.zeros(2, 1, SIZE, SIZE), torch.full((2,), 0.5)
    wanted = f"The network must map (x, noise_fraction, label_weights) to (N, 1, {SIZE}, {SIZE})"
    try:
        given = backbone(x, fraction, torch.zeros(2, classes + 1))
    except Exception as error:
        raise UserError(f"{wanted}; yours ended in an error ({type(error).__name__}: {error}).") from error
    if not isinstance(given, Tensor) or given.shape != x.shape:
        shape = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        raise UserError(f"{wanted}; yours gave {shape} for N = 2.")
    backbone.conditional = getattr(backbone, "conditional", True)
    backbone.options = getattr(backbone, "options", {})
    return backbone


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Redraw the weights uniformly within 1/sqrt(fan-in), torch's and EDM's default, from an explicit generator.
    Constant tensors (zeros, ones: zero-initialised layers and norms) stay as they are."""
    for module in network.modules():
        weight = getattr(module, "weight", None)
        for parameter in module.parameters(recurse=False):
            if weight is None or weight.is_meta or weight.ndim < 2 or bool((parameter == parameter.flatten()[0]).all()):
                continue
            bound = weight[0].numel() ** -0.5
            parameter.copy_(torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator))


def format_of(denoiser: Denoiser, precision: str = "auto", layout: str = "auto", *, training: bool = False) -> Format:
    """How the denoiser computes fastest, see `devices.fastest`: measured on calls for a few images, which on all
    machines tried gave what is fastest for training, too. A network of more than 10 million parameters takes the number
    format by the processor's flags, without a trial, and a module of your own computes in float32.

    Raises:
        UserError: an unknown precision or layout; float16 for training, where its gradients vanish.
    """
    numbers, device = PRECISIONS[1:], denoiser.device
    if training or (device.type == "cpu" and precision == "auto"):  # float16 is never the fastest on a CPU
        numbers = ("float32", "bfloat16")
    if precision == layout == "auto" and denoiser.name == "own":
        return Format()
    if precision == layout == "auto" and parameter_count(denoiser) > _MOST_TRIED:
        return unmeasured_format(device)
    trials: dict[str, Denoiser] = {}
    x = torch.randn(_TRIED, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(device)

    @torch.no_grad()
    def run(form: Format) -> None:
        if form.layout not in trials:
            trials[form.layout] = copy.deepcopy(denoiser)
            form.lay_out(trials[form.layout])
        with form.autocast(device):
            trials[form.layout](x, denoiser.schedule.T / 2)

    return fastest(f"{denoiser.name} {denoiser.backbone.options}", run, device, precision, layout, numbers)


def parameter_count(denoiser: Denoiser) -> int:
    """Number of trained weights."""
    return sum(p.numel() for p in denoiser.parameters())


def cost_per_image(denoiser: Denoiser) -> int:
    """Multiply-accumulates of one network call for one image, counted by running it once."""
    from torch.utils.flop_counter import FlopCounterMode

    x = torch.zeros(1, 1, SIZE, SIZE, device=denoiser.device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        denoiser(x, denoiser.schedule.T / 2)
    return counter.get_total_flops() // 2


def are_knots(values: Any) -> bool:
    """Whether these are 1 to 64 numbers that fall from 1 and stay above 0."""
    numbers = isinstance(values, list | tuple) and all(type(u) in (int, float) for u in values)
    return numbers and 1 <= len(values) <= 64 and values[0] == 1 and all(a > b for a, b in pairwise((*values, 0)))


# Checkpoints: spec, the averaged weights as "ema.…", and for a run to go on with also "model.…" and "optimiser.…".


def build_from_spec(spec: dict[str, Any]) -> Denoiser:
    """The denoiser that a checkpoint describes, with fresh weights; UserError if the spec is not one of ours, or of
    another data range or image size."""
    unknown = UserError("This checkpoint does not say how its denoiser is built; choose another.")
    kinds = {"backbone": str, "schedule": str, "target": str, "options": dict, "schedule_options": dict, "classes": int}
    if any(type(spec.get(key)) is not kind for key, kind in kinds.items()):
        raise unknown
    if spec.get("data") != _DATA:
        raise UserError(
            f"This checkpoint was trained on images of another range or size ({str(spec.get('data'))[:80]}), "
            f"and {_DATA} is needed; choose another."
        )
    options, knots = spec["options"], spec.get("knots", [])
    if knots != [] and not are_knots(knots):
        raise unknown
    counts = (options.get("blocks", 1), 16), (options.get("width", 1), 1024), (spec["classes"], 1000)
    if any(type(n) is not int or not 0 < n <= most for n, most in counts) or len(str(options.get("widths"))) > 80:
        raise unknown
    try:
        denoiser = build_denoiser(**{key: spec[key] for key in kinds})
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise unknown from error
    denoiser.knots = tuple(knots)
    return denoiser


def denoiser_in(checkpoint: Checkpoint, name: str = "The checkpoint") -> Denoiser:
    """The averaged denoiser of a checkpoint, in eval mode; UserError if the spec or the weights do not fit."""
    weights = part(checkpoint.tensors, "ema.")
    return checkpoints.rebuild(lambda: build_from_spec(checkpoint.spec), weights, name, MOST_PARAMETERS).eval()


def load_denoiser(path: str | Path) -> tuple[Denoiser, dict[str, Any]]:
    """The denoiser of a checkpoint, and the checkpoint's extras (figures, training position, data set); UserError if it
    is broken, or not a denoiser's."""
    checkpoint = checkpoints.load(path, KIND)
    return denoiser_in(checkpoint, Path(path).name), checkpoint.extra


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def save_denoiser(path: Path, denoiser: Denoiser, extra: dict[str, Any]) -> Path:
    """Write a denoiser for sampling only (no optimiser state), in half precision."""
    tensors = {f"ema.{name}": tensor for name, tensor in denoiser.state_dict().items()}
    return checkpoints.save(path, Checkpoint(KIND, denoiser.spec, tensors, extra), half=True)
