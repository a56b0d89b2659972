"""Networks and ways to train them, by name: title, explanation, options, defaults. Nothing here imports torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atelier.settings import Choice, Control, Domain, Number


@dataclass(frozen=True)
class NetworkKind:
    """A network that can be chosen by name.

    Args:
        title: how people read its name. about: what it is, in one line.
        builder: the function of `fields.networks` that builds it.
        options: its options with their defaults, found by tests/benchmarks/tune_networks.py.
        learning_rate, batch: how it likes to learn.
    """

    title: str
    about: str
    builder: str
    options: Mapping[str, Any]
    learning_rate: float
    batch: int = 8192


NETWORKS: dict[str, NetworkKind] = {
    "hashgrid": NetworkKind(
        "Hash grid",
        "Learned features at the vertices of grids from coarse to fine, read by a small perceptron.",
        "hashgrid",
        {"width": 64, "depth": 2, "levels": 5, "table_size": 20, "finest": 256},
        1e-2,
        4096,
    ),
    "relu": NetworkKind(
        "ReLU perceptron",
        "The plain network. It learns broad shapes quickly and fine detail hardly at all.",
        "perceptron",
        {"width": 128, "depth": 4},
        1e-3,
        1024,
    ),
    "siren": NetworkKind(
        "SIREN", "Sines in place of ReLU.", "siren", {"width": 256, "depth": 3, "frequency": 30.0}, 1e-3
    ),
    "fourier": NetworkKind(
        "Fourier features",
        "Random waves of the coordinates, then ReLU layers.",
        "fourier",
        {"width": 256, "depth": 3, "frequency": 10.0},
        2e-3,
    ),
    "fourier_siren": NetworkKind(
        "Fourier → SIREN",
        "Random waves of the coordinates, then sine layers.",
        "fourier_siren",
        {"width": 256, "depth": 2, "frequency": 10.0},
        1e-3,
    ),
    "finer": NetworkKind(
        "FINER",
        "Sines whose frequency grows with their input.",
        "finer",
        {"width": 256, "depth": 3, "frequency": 30.0},
        1e-3,
    ),
    "wire": NetworkKind(
        "WIRE",
        "Complex Gabor wavelets: waves under a bell.",
        "wire",
        {"width": 128, "depth": 2, "frequency": 20.0, "scale": 10.0},
        1e-2,
    ),
    "gauss": NetworkKind(
        "Gauss", "Gaussian bumps in place of ReLU.", "gauss", {"width": 256, "depth": 3, "scale": 30.0}, 5e-3
    ),
    "conv": NetworkKind(
        "1×1 convolutions",
        "Convolutions of one pixel on waves of doubling frequency.",
        "convolution",
        {"width": 128, "depth": 4, "octaves": 7, "norm": "layer"},
        5e-3,
    ),
}

FINALS = {"none": "None: linear", "sigmoid": "Sigmoid", "tanh": "Tanh, moved to [0, 1]"}
"""What bounds the colours at the end of a network."""
LOSSES = {"l2": "L2: squared error", "l1": "L1: absolute error", "ssim": "1 − SSIM: local structure"}
OPTIMISERS = {"adam": "Adam", "adamw": "AdamW: with weight decay", "muon": "Muon on hidden matrices, Adam on the rest"}
SAMPLINGS = {
    "lattice": "Lattice: every k-th pixel, shifted each step",
    "uniform": "Uniform: random pixels",
    "error": "Error: half random, half where the error is large",
}
"""How the pixels of a step are chosen."""

DOMAINS: dict[str, Number | Choice] = {
    "width": Number(4, 1024, step=4, whole=True),
    "depth": Number(1, 12, step=1, whole=True),
    "frequency": Number(0.1, 200, step=0.1),
    "scale": Number(0.1, 200, step=0.1),
    "octaves": Number(1, 12, step=1, whole=True),
    "norm": Choice(("none", "layer", "batch")),
    "levels": Number(1, 12, step=1, whole=True),
    "table_size": Number(6, 23, step=1, whole=True),
    "finest": Number(2, 8192, step=1, whole=True),
}
"""Every option that any network has."""

BUDGET = 0.9
_FINAL = Control(Choice(tuple(FINALS)), "none", "Final activation", "bounds the colours", words=FINALS)
_RATE = Number(1e-6, 1, log=True)
_BUDGET = Control(Number(0.05, 4, step=0.05), BUDGET, "Parameters ÷ values", "hash grid: parameters per picture value")
_TITLES = {"table_size": "Table size, log₂", "norm": "Normalisation"}
_ABOUT = {
    "width": "units in a layer",
    "depth": "hidden layers",
    "frequency": "how fast the first waves are",
    "scale": "how narrow the bumps are",
    "octaves": "octaves of the positional encoding",
    "norm": "normalisation between convolutions",
    "levels": "levels of the grid",
    "table_size": "log2 of the most entries in a level's table; auto: large enough for the budget",
}


def _control(name: str, default: Any) -> Control:
    domain: Domain = DOMAINS[name]
    if default is None and isinstance(domain, Number):
        domain = dataclasses.replace(domain, optional=True)
    return Control(domain, default, _TITLES.get(name, ""), _ABOUT[name])


def options_of(network: str) -> dict[str, Control]:
    """A control for every option of a network, with its own defaults; `build` takes their values.

    A hash grid is made as fine as its budget of parameters allows, so `budget` takes the place of `finest`.
    """
    kind = NETWORKS[network]
    found = {name: _control(name, default) for name, default in kind.options.items() if name != "finest"}
    if "finest" in kind.options:
        found = {"budget": _BUDGET, **found, "table_size": _control("table_size", None)}
    return {**found, "final": _FINAL}


def rate_of(network: str) -> dict[str, Control]:
    """The control of the learning rate, with the network's own default. It can be turned while a run goes on."""
    return {"learning_rate": Control(_RATE, NETWORKS[network].learning_rate, about="learning rate", live=True)}


OPTIONS: dict[str, Control] = {
    "learning_rate": Control(
        dataclasses.replace(_RATE, optional=True), None, about="learning rate; auto: the network's own"
    ),
    "budget": _BUDGET,
    **{name: _control(name, None if isinstance(DOMAINS[name], Number) else "layer") for name in _ABOUT},
    "final": _FINAL,
}
"""Every option of `options_of` and `rate_of`, for those who do not know the network yet."""
