"""What can be chosen by name: titles and explanations, without torch.

A new sampler, schedule or backbone is one class (or function) and one line here.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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

DEFAULT_STEPS = 30
DEFAULT_MINUTES = 10.0
GUIDANCE = "ε = ε∅ + g · (ε_label − ε∅): 0 ignores the label, 1 is plain, more insists."
"""The one convention of guidance, in words."""
