"""Surprises: styles that a random spec is drawn from, other colours for a picture, and how far a child may fall.

A style is a region of specs that was tuned by eye; inside of it everything is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atelier.cppn import draws
from atelier.cppn.catalogue import PALETTES, STYLES, SURPRISE_PALETTES, SURPRISE_STYLES
from atelier.cppn.domains import LAST_SEED
from atelier.cppn.spec import FieldSpec
from atelier.settings import Choice, Number, Settings, Switch, setting


def silk(seed: int) -> dict[str, Any]:
    """Folded cloth: a perceptron of bumps and saturated layers."""
    return {
        "topology": draws.choice(seed, "topology", ("mlp", "conv", "dense")),
        "activations": draws.choice(
            seed, "activations", (("bump", "tanh"), ("bump", "tanh", "sin", "tanh"), ("sin", "tanh", "tanh"))
        ),
        "depth": draws.integer(seed, "depth", 3, 7),
        "std": _tenth(seed, "std", 1.4, 1.9),
        "scale": _tenth(seed, "scale", 1.4, 2.8),
    }


def agate(seed: int) -> dict[str, Any]:
    """Layers of stone: a smooth field under a palette that is run through many times."""
    return {
        "topology": draws.choice(seed, "topology", ("mlp", "residual", "dense")),
        "activations": draws.choice(seed, "activations", (("sin", "tanh"), ("tanh", "sin"), ("sin", "bump"))),
        "depth": draws.integer(seed, "depth", 3, 6),
        "std": _tenth(seed, "std", 1.1, 1.5),
        "scale": _tenth(seed, "scale", 1.0, 2.0),
        "cycles": _tenth(seed, "cycles", 2.5, 6.0),
        "relief": _tenth(seed, "relief", 0.1, 0.4),
    }


def small_world(seed: int) -> dict[str, Any]:
    """A random graph whose nodes have different activations."""
    return {
        "topology": "watts_strogatz",
        "nodes": draws.integer(seed, "nodes", 7, 15),
        "neighbours": draws.choice(seed, "neighbours", (2, 4, 4)),
        "rewiring": _tenth(seed, "rewiring", 0.3, 1.0),
        "activations": draws.choice(
            seed, "activations", (("random",), ("sin", "tanh", "gaussian"), ("bump", "triangle", "tanh"))
        ),
        "std": _tenth(seed, "std", 1.1, 1.5),
        "scale": _tenth(seed, "scale", 1.5, 2.5),
    }


def rosette(seed: int) -> dict[str, Any]:
    """Windows and flowers: a kaleidoscope over a rich field."""
    return {
        "topology": draws.choice(seed, "topology", ("mlp", "watts_strogatz", "dense")),
        "nodes": 9,
        "activations": ("sin", "tanh", "bump"),
        "operations": ("linear",),
        "symmetry": "kaleidoscope",
        "order": draws.integer(seed, "order", 3, 11),
        "std": _tenth(seed, "std", 1.2, 1.6),
        "scale": _tenth(seed, "scale", 2.0, 3.5),
    }


def tiles(seed: int) -> dict[str, Any]:
    """Ornament: mirrored tiles."""
    return {
        "activations": draws.choice(seed, "activations", (("tanh", "sin"), ("bump", "tanh"))),
        "inputs": ("x", "y", "r"),
        "symmetry": "tiling",
        "order": draws.integer(seed, "order", 2, 5),
        "std": _tenth(seed, "std", 1.3, 1.6),
        "scale": _tenth(seed, "scale", 1.5, 2.5),
        "cycles": _tenth(seed, "cycles", 1.5, 3.0),
    }


def whirlpool(seed: int) -> dict[str, Any]:
    """A spiral that a zoom by two leaves as it was, for ever."""
    return {
        "inputs": draws.choice(seed, "inputs", (("spiral",), ("spiral", "theta"))),
        "activations": draws.choice(seed, "activations", (("tanh", "sin"), ("bump", "tanh", "sin"))),
        "depth": draws.integer(seed, "depth", 3, 6),
        "std": _tenth(seed, "std", 1.2, 1.6),
    }


def marble(seed: int) -> dict[str, Any]:
    """Veins: Fourier features of a few low frequencies, bent by a small network."""
    return {
        "inputs": ("x", "y"),
        "fourier": draws.integer(seed, "fourier", 4, 12),
        "fourier_sigma": _tenth(seed, "fourier_sigma", 0.3, 0.6),
        "activations": draws.choice(seed, "activations", (("bump", "tanh"), ("tanh", "bump"), ("triangle", "tanh"))),
        "depth": draws.integer(seed, "depth", 3, 6),
        "std": _tenth(seed, "std", 1.1, 1.5),
        "cycles": _tenth(seed, "cycles", 1.0, 3.0),
    }


def siren_song(seed: int) -> dict[str, Any]:
    """Sines of sines."""
    return {
        "topology": "siren",
        "activations": ("sin",),
        "initialisation": "siren",
        "omega": _tenth(seed, "omega", 5.0, 11.0),
        "depth": draws.integer(seed, "depth", 3, 5),
        "cycles": _tenth(seed, "cycles", 1.5, 4.0),
    }


@dataclass(frozen=True)
class Mutation(Settings):
    """How far a child may fall from its parent.

    strength: 0 changes nothing, 0.2 is a tweak, 1 an overhaul. The switches say what may change.
    """

    strength: float = setting(0.35, Number(0, 1, 0.01), "from tweak to overhaul")
    weights: bool = setting(True, Switch(), "change the weights")
    activations: bool = setting(True, Switch(), "change activations")
    structure: bool = setting(True, Switch(), "change width, depth, topology, symmetry")
    latent: bool = setting(True, Switch(), "move the latent vector")
    colours: bool = setting(True, Switch(), "change the colours")


def surprise(seed: int, style: str | None = None) -> FieldSpec:
    """A random spec: of the given style, or of a drawn one. The same seed gives the same spec.

    Raises:
        SettingError: no such style.
    """
    name = style or draws.choice(seed, "style", SURPRISE_STYLES)
    Choice(tuple(STYLES)).check("The style", name)
    drawn = globals()[name.replace(" ", "_")](seed)
    return FieldSpec(**{"seed": seed, **_colours(seed, SURPRISE_PALETTES), **drawn})


def fitting_surprise(seed: int, style: str | None, topology: str | None) -> FieldSpec:
    """A surprise, of a style that goes with the topology where one is asked for."""
    if style or not topology:
        return surprise(seed, style)
    fitting = [name for name in dict.fromkeys(SURPRISE_STYLES) if surprise(seed, name).topology == topology]
    return surprise(seed, draws.choice(seed, "fitting style", fitting) if fitting else None)


def recolour(spec: FieldSpec, seed: int) -> FieldSpec:
    """The same picture in other colours: only colour space and palette are drawn anew."""
    drawn = _colours(seed, tuple(PALETTES))
    if drawn["colour"] == spec.colour == "palette" and drawn.get("palette") == spec.palette:
        names = list(PALETTES)
        drawn["palette"] = (names[(names.index(spec.palette[0]) + 1) % len(names)],)
    return spec.replace(**drawn)


def draw_latent(seed: int, size: int) -> tuple[float, ...]:
    """A standard normal latent vector of `size` numbers, rounded to what an address carries cheaply."""
    return tuple(round(float(v), 3) for v in draws.normal(seed, "latent", (size,)))


def new_seed(seed: int, label: str) -> int:
    """A seed drawn from another: children never share one by chance."""
    return draws.integer(seed, label, 0, LAST_SEED)


def _colours(seed: int, palettes: Sequence[str]) -> dict[str, Any]:
    if draws.number(seed, "colour space") < 0.12:
        return {"colour": "oklab", "cycles": _tenth(seed, "cycles", 1.4, 3.0)}
    return {
        "colour": "palette",
        "palette": (draws.choice(seed, "palette", palettes),),
        "cycles": _tenth(seed, "cycles", 1.0, 2.4),
        "relief": _tenth(seed, "relief", 0.2, 0.6),
    }


def _tenth(seed: int, label: str, low: float, high: float) -> float:
    return round(draws.number(seed, label, low, high), 1)
