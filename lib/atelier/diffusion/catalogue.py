"""What can be chosen by name: titles and explanations, without torch.

A new sampler, schedule or backbone is one class (or function) and one line here.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from atelier.errors import UserError
from atelier.settings import Choice, Control, Number


@dataclass(frozen=True)
class Entry:
    """A choice: its title, one line about it, where it is made ("module:name" of this room), and the controls that an
    experiment uses."""

    title: str
    about: str
    made_by: str = ""
    uses: tuple[str, ...] = ()

    def load(self) -> Any:
        """The class or function that makes it."""
        return pkgutil.resolve_name(f"atelier.diffusion.{self.made_by}")


@dataclass(frozen=True)
class Target:
    """What the network predicts: `of(x0, eps, alpha, sigma)`, and `x0_hat(prediction, x_t, alpha, sigma)` back. Both
    are exact for every alpha and sigma."""

    title: str
    about: str
    of: Callable[..., Any]
    x0_hat: Callable[..., Any]


SAMPLERS = {
    "dpmpp": Entry("DPM-Solver++ (2M)", "second order, one network call a step", "sampling:DPMSolverPP"),
    "ddim": Entry("DDIM", "eta 0 is deterministic, eta 1 is DDPM", "sampling:ddim"),
    "ddpm": Entry("DDPM, ancestral", "fresh noise at every step", "sampling:ddpm"),
    "heun": Entry("Heun", "second order, two network calls a step", "sampling:heun"),
    "flow_euler": Entry("Flow, Euler", "straight lines, the same as deterministic DDIM", "sampling:flow_euler"),
    "flow_heun": Entry("Flow, Heun", "second order on the flow, two network calls a step", "sampling:flow_heun"),
}
FEW = {
    "few4": Entry("Distilled, 4 steps", "one network call a step; the shipped network only"),
    "few2": Entry("Distilled, 2 steps", "rougher, twice as fast; the shipped network only"),
    "few1": Entry("Distilled, 1 step", "roughest, noise to digit at once; the shipped network only"),
}
"""Ways to draw with a distilled network; the number in the name counts its steps."""
SCHEDULES = {
    "linear": Entry("Linear β", "β rises in a line (Ho et al. 2020)", "schedules:Linear"),
    "cosine": Entry("Cosine", "ᾱ falls as a squared cosine (Nichol & Dhariwal 2021)", "schedules:Cosine"),
    "sigmoid": Entry("Sigmoid", "ᾱ falls as a sigmoid (Jabri et al. 2022)", "schedules:Sigmoid"),
    "zero_snr": Entry("Zero terminal SNR", "linear, moved so that nothing is left at T", "schedules:ZeroTerminalSNR"),
    "flow": Entry("Rectified flow", "a straight line from digit to noise (Liu et al. 2022)", "schedules:RectifiedFlow"),
}
TARGETS = {
    "eps": Target(
        "ε, the noise",
        "Ho et al. 2020",
        lambda x0, eps, alpha, sigma: eps,
        lambda eps_hat, x_t, alpha, sigma: (x_t - sigma * eps_hat) / alpha,
    ),
    "x0": Target(
        "x₀, the digit", "the clean image", lambda x0, eps, alpha, sigma: x0, lambda x0_hat, x_t, alpha, sigma: x0_hat
    ),
    "v": Target(
        "v, the velocity",
        "alpha eps - sigma x0 (Salimans & Ho 2022)",
        lambda x0, eps, alpha, sigma: alpha * eps - sigma * x0,
        lambda v, x_t, alpha, sigma: (alpha * x_t - sigma * v) / (alpha**2 + sigma**2),
    ),
    "flow": Target(
        "flow, ε − x₀",
        "eps - x0 (Liu et al. 2022)",
        lambda x0, eps, alpha, sigma: eps - x0,
        lambda flow, x_t, alpha, sigma: (x_t - sigma * flow) / (alpha + sigma),
    ),
}
BACKBONES = {
    "unet": Entry("U-Net", "ours: 1.1 million parameters, with labels", "unet:UNet"),
    "diffunet": Entry("DiffUNet (DeepInv), no labels", "93.6 million parameters", "deepinv_backbones:DiffUNetBackbone"),
    "admunet": Entry("ADMUNet (DeepInv)", "small, with labels", "deepinv_backbones:ADMUNetBackbone"),
}
OPTIMISERS = {"muon": "Muon", "adamw": "AdamW"}
EXPERIMENTS = {
    "sweep": Entry(
        "Guidance sweep",
        "Rows: the label asked for. Columns: guidance. At 0 the network ignores the label and the noise alone decides. "
        "From 1 on it obeys the label. The stronger the guidance, the more the digits look the same, bold and clear.",
        "steering:sweep",
        ("steer_seed",),
    ),
    "labels": Entry(
        "Between two labels",
        "Each row keeps its noise, and its label is blended from one digit to the other. In the middle the network is "
        "asked for “half of each”, a label that it never saw.",
        "steering:between_labels",
        ("first", "second", "steer_seed"),
    ),
    "noises": Entry(
        "Between two noises",
        "The label stays, and the starting noise goes along the great circle from one noise to another (slerp): the "
        "handwriting changes, and each stop is as likely a digit as the ends.",
        "steering:between_noises",
        ("first", "steer_seed"),
    ),
    "real": Entry(
        "A real digit",
        "DDIM run backwards finds the noise that a *real* test digit would come from. Drawn again under its own label "
        "it comes back. Under a label blended towards another digit it changes and keeps some of the handwriting.",
        "steering:real_digit",
        ("real", "second"),
    ),
    "race": Entry(
        "Sampler race",
        "One noise, one label, several samplers. Left to right: what each believes the digit is, on its way; the last "
        "picture is the result. All draw with the guidance that suits the network.",
        "steering:race",
        ("first", "steer_seed"),
    ),
}

DIGITS = ("all", *"0123456789")
"""What can be asked for: one digit, or all of them in turn."""
DEFAULT_STEPS = 30
DEFAULT_MINUTES = 10.0
LARGEST_T = 100_000
MOST_REAL = 3_999
"""The highest number of a test digit: there are 4,000 font digits, the smallest data set."""
_STOPS = (0, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 50, 100)


GUIDES = {
    "label": Entry(
        "itself without the label",
        "ε = ε∅ + g · (ε_label − ε∅): 0 ignores the label, 1 is plain, more follows it more strictly.",
    ),
    "early": Entry(
        "its early snapshot",
        "ε = ε_early + g · (ε − ε_early), autoguidance: 0 draws as the network once did, 1 is plain, more goes on.",
    ),
}
"""What guidance leads away from."""


_ABOUT_GUIDANCE = "guidance, 0 ignores the label, 1 is plain, auto suits the network"
_FRACTION = Number(0, 1, 0.05)
_AWAY_FROM = {name: entry.title for name, entry in GUIDES.items()}
GUIDANCE: dict[str, Control] = {
    "guidance": Control(Number(0, 100, stops=_STOPS), None, "Guidance g", _ABOUT_GUIDANCE),
    "guidance_from": Control(_FRACTION, None, "acts from noise fraction", "noise fraction above which it acts"),
    "guidance_to": Control(_FRACTION, None, "to noise fraction", "noise fraction below which it acts"),
    "guidance_by": Control(Choice(tuple(GUIDES)), None, "leads away from", "what guidance leads away from", _AWAY_FROM),
}
"""The controls of guidance before the network is known: all are left open."""


def guidance_of(model: Any) -> dict[str, Control]:
    """The controls of guidance with the defaults that suit a `Model`: for a distilled one only the scale, none where it
    knows no labels."""
    if not model.denoiser.conditional:
        return {}
    suited = model.guidance.scale, *model.guidance.interval, "label"
    found = {name: replace(GUIDANCE[name], default=value) for name, value in zip(GUIDANCE, suited, strict=True)}
    if model.denoiser.knots:
        stops = tuple(stop for stop in _STOPS if stop == 0 or 1 <= stop <= 5)
        return {"guidance": replace(found["guidance"], domain=Number(0, 5, stops=stops))}
    if model.early is None:
        del found["guidance_by"]
    return found


def trains(
    *,
    epochs: float | None = None,
    train_minutes: float | None = None,
    resume: str = "",
    checkpoint: str = "",
    **others: Any,
) -> bool:
    """Whether the options of a command line ask for training; UserError if they do not go together."""
    asked = epochs is not None or train_minutes is not None
    if resume and not asked:
        raise UserError("Say how long to train in all, for instance --epochs 10, to resume a checkpoint.")
    if checkpoint and asked:
        raise UserError("To go on training a checkpoint give it as --resume; --checkpoint only draws from it.")
    return asked
