"""Surprises: styles that a random spec is drawn from, other colours for a picture, and how much a child may differ.

A style is a region of specs that was tuned by eye; inside of it everything is drawn.
"""

from collections.abc import Callable, Sequence
from typing import Any

from atelier.cppn import draws
from atelier.cppn.catalogue import PALETTES, SURPRISE_PALETTES, SURPRISE_STYLES
from atelier.cppn.domains import LAST_SEED
from atelier.cppn.spec import FieldSpec
from atelier.settings import Choice

Draw = Callable[[int, str], Any]
"""From a seed and a label to a value."""


def _one(*options: Any) -> Draw:
    return lambda seed, label: draws.choice(seed, label, options)


def _whole(low: int, high: int) -> Draw:
    """From `low` to `high` - 1."""
    return lambda seed, label: draws.integer(seed, label, low, high)


def _tenth(low: float, high: float) -> Draw:
    return lambda seed, label: round(draws.number(seed, label, low, high), 1)


STYLES: dict[str, dict[str, Any]] = {
    "silk": {  # folded cloth: a perceptron of bumps and saturated layers
        "topology": _one("mlp", "conv", "dense"),
        "activations": _one(("bump", "tanh"), ("bump", "tanh", "sin", "tanh"), ("sin", "tanh", "tanh")),
        "depth": _whole(3, 7),
        "std": _tenth(1.4, 1.9),
        "scale": _tenth(1.4, 2.8),
    },
    "agate": {  # layers of stone: a smooth field under a palette that is run through many times
        "topology": _one("mlp", "residual", "dense"),
        "activations": _one(("sin", "tanh"), ("tanh", "sin"), ("sin", "bump")),
        "depth": _whole(3, 6),
        "std": _tenth(1.1, 1.5),
        "scale": _tenth(1.0, 2.0),
        "cycles": _tenth(2.5, 6.0),
        "relief": _tenth(0.1, 0.4),
    },
    "small world": {  # a random graph whose nodes have different activations
        "topology": "watts_strogatz",
        "nodes": _whole(7, 15),
        "neighbours": _one(2, 4, 4),
        "rewiring": _tenth(0.3, 1.0),
        "activations": _one(("random",), ("sin", "tanh", "gaussian"), ("bump", "triangle", "tanh")),
        "std": _tenth(1.1, 1.5),
        "scale": _tenth(1.5, 2.5),
    },
    "rosette": {  # windows and flowers: a kaleidoscope over a rich field
        "topology": _one("mlp", "watts_strogatz", "dense"),
        "nodes": 9,
        "operations": ("linear",),
        "activations": ("sin", "tanh", "bump"),
        "symmetry": "kaleidoscope",
        "order": _whole(3, 11),
        "std": _tenth(1.2, 1.6),
        "scale": _tenth(2.0, 3.5),
    },
    "tiles": {  # ornament: mirrored tiles
        "inputs": ("x", "y", "r"),
        "symmetry": "tiling",
        "order": _whole(2, 5),
        "activations": _one(("tanh", "sin"), ("bump", "tanh")),
        "std": _tenth(1.3, 1.6),
        "scale": _tenth(1.5, 2.5),
        "cycles": _tenth(1.5, 3.0),
    },
    "whirlpool": {  # a spiral that looks the same after a zoom by two
        "inputs": _one(("spiral",), ("spiral", "theta")),
        "activations": _one(("tanh", "sin"), ("bump", "tanh", "sin")),
        "depth": _whole(3, 6),
        "std": _tenth(1.2, 1.6),
    },
    "marble": {  # veins: Fourier features of a few low frequencies, bent by a small network
        "inputs": ("x", "y"),
        "fourier": _whole(4, 12),
        "fourier_sigma": _tenth(0.3, 0.6),
        "activations": _one(("bump", "tanh"), ("tanh", "bump"), ("triangle", "tanh")),
        "depth": _whole(3, 6),
        "std": _tenth(1.1, 1.5),
        "cycles": _tenth(1.0, 3.0),
    },
    "siren song": {  # sines of sines
        "topology": "siren",
        "activations": ("sin",),
        "initialisation": "siren",
        "omega": _tenth(5.0, 11.0),
        "depth": _whole(3, 5),
        "cycles": _tenth(1.5, 4.0),
    },
}
"""Style to properties: a value, or a draw, whose label is the property's name."""


def surprise(seed: int, style: str | None = None, topology: str | None = None) -> FieldSpec:
    """A random spec: of the given style, or of a drawn one, which goes with the topology if one is given. The same seed
    gives the same spec. Raises SettingError: no such style."""
    if topology and not style:
        fitting = [name for name in dict.fromkeys(SURPRISE_STYLES) if surprise(seed, name).topology == topology]
        style = draws.choice(seed, "fitting style", fitting) if fitting else None
    name = style or draws.choice(seed, "style", SURPRISE_STYLES)
    drawn = STYLES[Choice(tuple(STYLES)).check("The style", name)]
    return FieldSpec(**{"seed": seed, **_colours(seed, SURPRISE_PALETTES), **_drawn(seed, drawn)})


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
    """A seed drawn from another seed and a label."""
    return draws.integer(seed, label, 0, LAST_SEED)


def _drawn(seed: int, properties: dict[str, Any]) -> dict[str, Any]:
    return {name: draw(seed, name) if callable(draw) else draw for name, draw in properties.items()}


def _colours(seed: int, palettes: Sequence[str]) -> dict[str, Any]:
    if draws.number(seed, "colour space") < 0.12:
        return _drawn(seed, {"colour": "oklab", "cycles": _tenth(1.4, 3.0)})
    palette = (draws.choice(seed, "palette", palettes),)
    return _drawn(
        seed, {"colour": "palette", "palette": palette, "cycles": _tenth(1.0, 2.4), "relief": _tenth(0.2, 0.6)}
    )
