"""What can be chosen by name: tasks and methods, without torch.

A new method is one function in `methods.py` and one line of the same name in `METHODS`.
"""

from dataclasses import dataclass, replace
from typing import Any

from atelier.diffusion.catalogue import SAMPLERS
from atelier.settings import Choice, Control, Number, Text

SIDES = {"left": "left half", "right": "right half", "top": "upper half", "bottom": "lower half"}
LABELS = ("none", *"0123456789")
"""What the prior may be told: nothing, or the digit."""
MOST_NOISE = 1.0
"""The largest sigma, in grey values from 0 to 1."""


@dataclass(frozen=True)
class Task:
    """A way to break a digit: its title, one line about it, its DeepInv physics, and the controls that it uses."""

    title: str
    about: str
    physics: str
    uses: tuple[str, ...] = ()


TASKS = {
    "mask": Task("Cover half", "Half of the pixels are not measured.", "Inpainting", ("side",)),
    "painted": Task("Paint a mask", "The pixels that you paint over are not measured.", "Inpainting"),
    "pixels": Task("Keep random pixels", "Most pixels are not measured.", "Inpainting", ("kept",)),
    "columns": Task("Keep every n-th column", "Only some columns are measured.", "Inpainting", ("every",)),
    "blur": Task("Blur", "Each pixel is a weighted mean of its neighbours.", "BlurFFT", ("blur",)),
    "shrink": Task("Shrink to 7 × 7", "Each pixel measured is the mean of 4 × 4 pixels.", "Downsampling"),
    "noise": Task("Add noise only", "Every pixel is measured, with noise.", "Denoising"),
}
BREAKS: dict[str, Control] = {
    "side": Control(Choice(tuple(SIDES)), "top", "Covered", "half that is covered", SIDES),
    "kept": Control(Number(0.01, 1, 0.01), 0.15, "Share of pixels kept", "share of the pixels that is kept"),
    "every": Control(Number(2, 28, whole=True), 4, "Keep one column in", "one column in so many is kept"),
    "blur": Control(Number(0.3, 5, 0.1), 2.0, "Blur radius in pixels", "standard deviation of the blur in pixels"),
}
"""The controls of the tasks; that of a painted mask is the pad."""


WAYS: dict[str, Control] = {
    "strength": Control(Number(0, 100), None, about="strength of the method, auto is its default"),
    "steps": Control(Number(2, 1000, whole=True), None, about="steps, auto is the method's default"),
}
"""The controls of a method before it is known."""


def breaks_of(task: str) -> dict[str, Control]:
    """The controls that a task uses."""
    return {name: BREAKS[name] for name in TASKS[task].uses}


@dataclass(frozen=True)
class Method:
    """A way to sample the posterior.

    Args:
        about: what one step does. exact: on which priors its samples are exact, in the limit of many steps.
        strength: default, smallest and largest value of its one knob. knob: what that knob does.
        steps: the default number of steps.
        fits: the physics that it works with; all where it is empty.
        geometric: whether its noise levels sigma/alpha fall by a constant ratio, else they are even in time.
    """

    title: str
    about: str
    exact: str
    strength: tuple[float, float, float]
    knob: str
    steps: int
    fits: tuple[str, ...] = ()
    geometric: bool = False

    def suits(self, physics: str) -> bool:
        """Whether it works with a physics, by its name."""
        return not self.fits or physics in self.fits

    def filled(self, steps: int | None, strength: float | None) -> tuple[int, float]:
        """Steps and strength, by default its own."""
        return self.steps if steps is None else steps, self.strength[0] if strength is None else strength


@dataclass(frozen=True)
class Plane:
    """A distribution in the plane: its title, and the names of its parts, which are its labels."""

    title: str
    parts: tuple[str, ...]


PLANES = {
    "moons": Plane("Two moons", ("upper moon", "lower moon")),
    "spiral": Plane("Spiral", ("first arm", "second arm")),
    "islands": Plane("Three islands", ("large island", "middle island", "small island")),
    "drawn": Plane("The digit above", ("the digit",)),
}
"""Their means and covariances are in `plane.distribution`."""
_PARTS = "; ".join(", ".join(plane.parts) for plane in PLANES.values() if len(plane.parts) > 1)

METHODS = {
    "pigdm": Method(
        "ΠGDM",
        "Takes x̂₀ as the centre of a Gaussian, and moves x_t by the slope of the exact likelihood under it "
        "(Song et al. 2023). Needs the network's derivative.",
        "Exact for a Gaussian prior of unit variance.",
        (1.0, 0.0, 3.0),
        "weight of the likelihood; 0 ignores the measurement",
        30,
    ),
    "dps": Method(
        "DPS",
        "After each step x_t moves down the slope of ‖y − A x̂₀‖ (Chung et al. 2023). Needs the network's derivative.",
        "Approximate: it takes x̂₀ for the picture itself.",
        (4.0, 0.0, 10.0),
        "length of all steps together, in grey values of a pixel",
        30,
    ),
    "diffpir": Method(
        "DiffPIR",
        "Replaces x̂₀ by the picture between it and the measurement (Zhu et al. 2023). No derivative: fast.",
        "Approximate: right about what is measured, and it underrates the spread.",
        (3.0, 0.0, 100.0),
        "weight of the measurement, 1 / λ",
        50,
    ),
    "ddrm": Method(
        "DDRM",
        "Works on the singular values of A: what is measured well comes from y, the rest from the network "
        "(Kawar et al. 2022).",
        "Approximate: x̂₀ does not know the measurement.",
        (1.0, 0.0, 1.0),
        "η_b, share of the measurement where it is better than x_t",
        50,
        ("Inpainting", "BlurFFT", "Denoising"),
    ),
    "replacement": Method(
        "Replacement (RePaint)",
        "Replaces the known pixels of x_t by the measurement with fresh noise, and repeats each step "
        "(Lugmayr et al. 2022).",
        "Exact for noise only; for masks nearly so with many repetitions.",
        (4, 1, 20),
        "how often each step is repeated",
        30,
        ("Inpainting", "Denoising"),
    ),
    "langevin": Method(
        "Annealed Langevin",
        "At each noise level several noisy steps up the slope of prior and likelihood (Song & Ermon 2019; Jalal et al. "
        "2021).",
        "Exact for every prior in the limit of small and many steps.",
        (1.0, 0.0, 3.0),
        "weight of the likelihood; 0 ignores the measurement",
        40,
        geometric=True,
    ),
}


def fitting(physics: str) -> str:
    """The titles of all methods that work with a physics."""
    return ", ".join(found.title for found in METHODS.values() if found.suits(physics))


def ways_of(method: str) -> dict[str, Control]:
    """The controls of a method with its defaults."""
    found = METHODS[method]
    default, low, high = found.strength
    whole = isinstance(default, int)
    strength = Number(low, high, 1 if whole else 0.05 if high <= 10 else 0.5, whole)
    return {
        "strength": Control(strength, default, "Strength", found.knob),
        "steps": Control(Number(2, 1000, whole=True, log=True), found.steps, "Steps", "steps from noise to picture"),
    }


PLANE_METHODS = {name: found.title for name, found in METHODS.items() if not found.fits} | {
    name: f"{found.title}: no measurement" for name, found in SAMPLERS.items()
}
"""What samples in the plane: methods that fit every measurement, and the samplers of the digits."""
PLANE_OPTIONS: dict[str, Control] = {
    "angle": Control(Number(0, 180, 1), 60, "Direction measured, °", "direction measured in the plane, degrees"),
    "value": Control(Number(-2, 2, 0.05), 0.3, "Measured value y", "value that is measured along this direction"),
    "plane_noise": Control(Number(0.01, 1, 0.01, log=True), 0.1, "Noise σ", "standard deviation of its noise"),
    "plane_steps": Control(Number(2, 500, whole=True, log=True), None, "Steps", "steps in the plane"),
    "part": Control(Text(), "none", "Label that is told", f"part that is told: {_PARTS}"),
    "guidance": Control(Number(0, 5, 0.1), 1.0, "Guidance", "weight of the label; 1 is the distribution itself"),
}
"""What can be asked for in the plane, before distribution and method are known."""


def plane_options(plane: str, method: str = "") -> dict[str, Control]:
    """The controls that a distribution and a method (a name, or anything else for one of the reader's) use."""
    names = ["plane_steps"] if method in SAMPLERS else ["angle", "value", "plane_noise", "plane_steps"]
    found, parts = {name: PLANE_OPTIONS[name] for name in names}, PLANES[plane].parts
    if len(parts) > 1:
        found["part"] = replace(PLANE_OPTIONS["part"], domain=Choice(("none", *parts)))
        found["guidance"] = PLANE_OPTIONS["guidance"]
    return found


def method_title(method: Any) -> str:
    """How a page calls a method or a sampler, by its name, or one of the reader's."""
    known = METHODS.get(method) or SAMPLERS.get(method) if isinstance(method, str) else None
    return known.title if known else f"your {getattr(method, '__name__', type(method).__name__)}"


def fit_note(task: str, method: Any) -> str:
    """What the task and the method are, in Markdown, and a warning where the method does not fit."""
    broken = TASKS[task]
    if not isinstance(method, str):
        by = method_title(method)
        return f"**{broken.title}.** {broken.about} It is repaired by **{by}**, whatever is chosen above."
    found = METHODS[method]
    words = f"**{broken.title}.** {broken.about} **{found.title}.** {found.about} {found.exact} Strength: {found.knob}."
    if not found.suits(broken.physics):
        words += f" **It does not fit this task; choose one of {fitting(broken.physics)}.**"
    return words
