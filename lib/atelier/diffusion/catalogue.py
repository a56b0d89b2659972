"""What can be chosen by name: titles and explanations, without torch.

A new sampler, schedule or backbone is one class (or function) and one line here.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from atelier.settings import Control, Number


@dataclass(frozen=True)
class Entry:
    """A choice: how people read it, what it is in one line, and where it is made ("module:name" of this room)."""

    title: str
    about: str
    made_by: str = ""

    def load(self) -> Any:
        """The class or function that makes it."""
        module, _, name = self.made_by.partition(":")
        return getattr(importlib.import_module(f"atelier.diffusion.{module}"), name)


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
    "ddim": Entry("DDIM", "eta 0 is deterministic, eta 1 is DDPM", "sampling:DDIM"),
    "ddpm": Entry("DDPM, ancestral", "fresh noise at every step", "sampling:DDPM"),
    "heun": Entry("Heun", "second order, two network calls a step", "sampling:Heun"),
    "flow_euler": Entry("Flow, Euler", "straight lines, the same as deterministic DDIM", "sampling:FlowEuler"),
    "flow_heun": Entry("Flow, Heun", "second order on the flow, two network calls a step", "sampling:FlowHeun"),
}
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
        "x₀, the digit",
        "the clean image",
        lambda x0, eps, alpha, sigma: x0,
        lambda x0_hat, x_t, alpha, sigma: x0_hat,
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
    "unet": Entry("U-Net", "ours: 1.2 million parameters, with labels", "denoiser:_unet"),
    "diffunet": Entry("DiffUNet (DeepInv), no labels", "93.6 million parameters", "denoiser:_diffunet"),
    "admunet": Entry("ADMUNet (DeepInv)", "small, with labels", "denoiser:_admunet"),
}
OPTIMISERS = {"muon": "Muon", "adamw": "AdamW"}


@dataclass(frozen=True)
class Experiment(Entry):
    """An experiment of steering: `uses` names the controls that it needs."""

    uses: tuple[str, ...] = ()


EXPERIMENTS = {
    "sweep": Experiment(
        "Guidance sweep",
        "Rows: the label asked for. Columns: guidance. At 0 the label is ignored and the noise alone decides; from 1 "
        "on it is obeyed; the further to the right, the more every digit becomes the same bold textbook digit.",
        "steering:sweep",
        ("steer_seed",),
    ),
    "labels": Experiment(
        "Between two labels",
        "The noise of a row stays, and the label is blended from one digit to the other. In the middle the network is "
        "asked for “half of each”, a label that it never saw.",
        "steering:between_labels",
        ("first", "second", "steer_seed"),
    ),
    "noises": Experiment(
        "Between two noises",
        "The label stays, and the starting noise goes along the great circle from one noise to another (slerp): the "
        "handwriting changes, and each stop is as likely a digit as the ends.",
        "steering:between_noises",
        ("first", "steer_seed"),
    ),
    "real": Experiment(
        "A real digit",
        "DDIM run backwards finds the noise that a *real* test digit would come from. Drawn again under its own label "
        "it comes back; under a label blended towards another digit it changes, and something of the hand stays.",
        "steering:from_a_real_digit",
        ("real", "second"),
    ),
    "race": Experiment(
        "Sampler race",
        "One noise, one label, several samplers. Left to right: what each believes the digit is, on its way; the last "
        "picture is the result. All draw with the guidance that suits the network.",
        "steering:sampler_race",
        ("first", "steer_seed"),
    ),
}

DIGITS = ("all", *"0123456789")
"""What can be asked for: one digit, or all of them in turn."""
DEFAULT_STEPS = 30
DEFAULT_MINUTES = 10.0
LARGEST_T = 100_000
MOST_REAL = 3_999
"""The highest number of a test digit: font digits that stand in are 4,000."""
GUIDANCE_WORDS = "ε = ε∅ + g · (ε_label − ε∅): 0 ignores the label, 1 is plain, more insists."
"""The one convention of guidance, in words."""
_STOPS = (0, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 50, 100)


def _guidance(scale: float | None, low: float | None, high: float | None) -> dict[str, Control]:
    left_open = scale is None

    def control(default: float | None, most: float, title: str, about: str, **look: Any) -> Control:
        return Control(Number(0, most, optional=left_open, **look), default, title, about)

    return {
        "guidance": control(
            scale, 100, "Guidance g", "guidance, 0 ignores the label, 1 is plain, auto suits the network", stops=_STOPS
        ),
        "guidance_from": control(low, 1, "acts from noise fraction", "noise fraction above which it acts", step=0.05),
        "guidance_to": control(high, 1, "to noise fraction", "noise fraction below which it acts", step=0.05),
    }


GUIDANCE: dict[str, Control] = _guidance(None, None, None)
"""The words of guidance, for those who do not know the network yet."""


def guidance_of(model: Any) -> dict[str, Control]:
    """The controls of guidance, standing at what suits a `Model`; none where it knows no labels."""
    if not model.denoiser.conditional:
        return {}
    return _guidance(model.guidance.scale, *model.guidance.interval)
