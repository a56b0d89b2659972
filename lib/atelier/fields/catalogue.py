"""Networks and ways to train them, by name: title, explanation, options, defaults. Nothing here imports torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atelier.settings import Choice, Control, Number


@dataclass(frozen=True)
class NetworkKind:
    """A network that can be chosen by name; the function of that name in `fields.networks` builds it.

    The default options come from tests/benchmarks/tune_networks.py.
    """

    title: str
    about: str
    options: Mapping[str, Any]
    learning_rate: float
    batch: int = 8192
    bfloat16: bool = False  # whether training may use bfloat16 autocast; sine phases need float32, grids are slower


NETWORKS: dict[str, NetworkKind] = {
    "hashgrid": NetworkKind(
        "Hash grid",
        "Learned features at the vertices of grids from coarse to fine, read by a small perceptron.",
        {"width": 64, "depth": 2, "levels": 5, "table_size": 20, "finest": 256},
        learning_rate=1e-2,
        batch=4096,
    ),
    "relu": NetworkKind(
        "ReLU perceptron",
        "The plain network. It learns broad shapes quickly and fine detail hardly at all.",
        {"width": 128, "depth": 4},
        learning_rate=1e-3,
        batch=1024,
    ),
    "siren": NetworkKind("SIREN", "Sines in place of ReLU.", {"width": 256, "depth": 3, "frequency": 30.0}, 1e-3),
    "fourier": NetworkKind(
        "Fourier features",
        "Random waves of the coordinates, then ReLU layers.",
        {"width": 256, "depth": 3, "frequency": 10.0},
        learning_rate=2e-3,
        bfloat16=True,
    ),
    "fourier_siren": NetworkKind(
        "Fourier → SIREN",
        "Random waves of the coordinates, then sine layers.",
        {"width": 256, "depth": 2, "frequency": 10.0},
        1e-3,
    ),
    "finer": NetworkKind(
        "FINER", "Sines whose frequency grows with their input.", {"width": 256, "depth": 3, "frequency": 30.0}, 1e-3
    ),
    "wire": NetworkKind(
        "WIRE",
        "Complex Gabor wavelets: waves under a bell.",
        {"width": 128, "depth": 2, "frequency": 20.0, "scale": 10.0},
        1e-2,
    ),
    "gauss": NetworkKind("Gauss", "Gaussian bumps in place of ReLU.", {"width": 256, "depth": 3, "scale": 30.0}, 5e-3),
    "conv": NetworkKind(
        "1×1 convolutions",
        "Convolutions of one pixel on waves of doubling frequency.",
        {"width": 128, "depth": 4, "octaves": 7, "norm": "layer"},
        learning_rate=5e-3,
        bfloat16=True,
    ),
}

FINALS = {"none": "None: linear", "sigmoid": "Sigmoid", "tanh": "Tanh, moved to [0, 1]"}
"""The function that bounds the colours at the end of a network."""
LOSSES = {"l2": "L2: squared error", "l1": "L1: absolute error", "ssim": "1 − SSIM: local structure"}
OPTIMISERS = {"adam": "Adam", "adamw": "AdamW: with weight decay", "muon": "Muon on hidden matrices, Adam on the rest"}
SAMPLINGS = {
    "lattice": "Lattice: every k-th pixel, shifted each step",
    "uniform": "Uniform: random pixels",
    "error": "Error: half random, half where the error is large",
}
"""How the pixels of a step are chosen."""
KNOWN = {
    "half": "a random half",
    "tenth": "a random tenth",
    "grid": "every fourth pixel in both directions",
    "hole": "all but a hole",
    "painted": "all but what you paint over",
}
"""Pixels of a picture that are left when others are to be repaired."""

BUDGET = 0.9
_RATE = Number(1e-6, 1, log=True)
_BUDGET = Control(Number(0.05, 4, step=0.05), BUDGET, "Parameters ÷ values", "hash grid: parameters per picture value")
_FINAL = Control(Choice(tuple(FINALS)), "none", "Final activation", "bounds the colours", words=FINALS)
_TABLE = "log2 of the most entries in a level's table; auto: large enough for the budget"
_ASKED = {
    "width": Control(Number(4, 1024, step=4, whole=True), about="units in a layer"),
    "depth": Control(Number(1, 12, step=1, whole=True), about="hidden layers"),
    "frequency": Control(Number(0.1, 200, step=0.1), about="how fast the first waves are"),
    "scale": Control(Number(0.1, 200, step=0.1), about="how narrow the bumps are"),
    "octaves": Control(Number(1, 12, step=1, whole=True), about="octaves of the positional encoding"),
    "norm": Control(Choice(("none", "layer", "batch")), "layer", "Normalisation", "normalisation between convolutions"),
    "levels": Control(Number(1, 12, step=1, whole=True), about="levels of the grid"),
    "table_size": Control(Number(6, 23, step=1, whole=True), None, "Table size, log₂", _TABLE),
}
# With a default, so that None is refused.
DOMAINS = {name: dataclasses.replace(control, default=0).domain for name, control in _ASKED.items()}
DOMAINS["finest"] = Number(2, 8192, step=1, whole=True)
"""Every option that any network has."""


def options_of(network: str) -> dict[str, Control]:
    """A control for every option of a network, with its own defaults; `build` takes their values.

    A hash grid is made as fine as its budget of parameters allows, so `budget` takes the place of `finest`.
    """
    options = NETWORKS[network].options
    found = {name: dataclasses.replace(_ASKED[name], default=options[name]) for name in options if name in _ASKED}
    if "finest" in options:
        found = {"budget": _BUDGET, **found, "table_size": _ASKED["table_size"]}
    return {**found, "final": _FINAL}


def rate_of(network: str) -> dict[str, Control]:
    """The control of the learning rate, with the network's own default. The rate may change while a run goes on."""
    return {"learning_rate": Control(_RATE, NETWORKS[network].learning_rate, about="learning rate", live=True)}


OPTIONS: dict[str, Control] = {
    "learning_rate": Control(_RATE, about="learning rate; auto: the network's own"),
    "budget": _BUDGET,
    **_ASKED,
    "final": _FINAL,
}
"""Every option of `options_of` and `rate_of`, for those who do not know the network yet."""
