"""What a field can be made of: names, titles, one line about each. Nothing here needs torch.

A new entry needs a line here, and a function of the same name in `topologies`, `functions` or `colour`.
"""

from dataclasses import dataclass

STRENGTH = 0.35
"""Strength of a mutation: 0 changes nothing, 0.2 is a tweak, 1 an overhaul."""


@dataclass(frozen=True)
class Entry:
    """One option of a property."""

    title: str
    about: str = ""
    uses: tuple[str, ...] = ()  # properties of a field that do nothing unless an option that lists them is chosen
    size: int = 1  # rows of an input, channels of a colour space
    noun: str = ""  # what a picture made with it is called, if nobody named it
    bred: bool = True  # whether mutation may choose it
    solid: bool = False  # an input that reads z, which a picture leaves at 0: with it a field fills a volume


_LAYERS, _WEB, _TURNED = ("depth",), ("nodes", "neighbours", "rewiring", "operations"), ("order",)

TOPOLOGIES: dict[str, Entry] = {
    "mlp": Entry("Perceptron", "Layers in a row; each input has a branch of its own.", _LAYERS, noun="silk"),
    "residual": Entry("Residual layers", "Each layer adds to the one before.", _LAYERS, noun="agate"),
    "dense": Entry("Densely joined layers", "Each layer sees all the layers before it.", _LAYERS, noun="strata"),
    "conv": Entry("1×1 convolutions", "Layers in a row; all inputs enter as channels of one.", _LAYERS, noun="glass"),
    "watts_strogatz": Entry(
        "Watts–Strogatz web", "A small-world graph; every node has a curve of its own.", _WEB, noun="web"
    ),
    "siren": Entry("SIREN", "Sines of sines.", (*_LAYERS, "omega"), noun="ripples", bred=False),
}
"""How layers are wired."""

ACTIVATIONS: dict[str, Entry] = {
    "tanh": Entry("tanh"),
    "sin": Entry("sine"),
    "cos": Entry("cosine"),
    "gaussian": Entry("Gaussian", "exp(-x²), from 0 to 1"),
    "bump": Entry("bump", "2 exp(-x²) - 1, from -1 to 1"),
    "triangle": Entry("triangle wave"),
    "sigmoid": Entry("sigmoid"),
    "softplus": Entry("softplus"),
    "relu": Entry("ReLU", bred=False),
    "leaky_relu": Entry("leaky ReLU"),
    "elu": Entry("ELU"),
    "selu": Entry("SELU"),
    "celu": Entry("CELU"),
    "gelu": Entry("GELU"),
    "mish": Entry("Mish"),
    "silu": Entry("SiLU"),
    "hardtanh": Entry("hard tanh"),
    "softshrink": Entry("soft shrink"),
    "log_sigmoid": Entry("log sigmoid"),
    "softsign": Entry("softsign"),
    "abs": Entry("absolute value", bred=False),
    "identity": Entry("identity", bred=False),
}
"""The curve that a node applies to its weighted sum."""

OPERATIONS: dict[str, Entry] = {
    "linear": Entry("mix"),
    "residual": Entry("add to the sources"),
    "gate": Entry("multiply with the sources"),
    "maximum": Entry("the larger of both"),
}
"""What a node of a web does with its sources."""

INITIALISATIONS: dict[str, Entry] = {
    "normal": Entry("normal", uses=("std", "mean")),
    "uniform": Entry("uniform", uses=("low", "high")),
    "dip": Entry("deep image prior"),
    "siren": Entry("SIREN"),
}

NORMS: dict[str, Entry] = {"none": Entry("none"), "layer": Entry("across a layer")}

INPUTS: dict[str, Entry] = {
    "x": Entry("x", uses=("scale",)),
    "y": Entry("y", uses=("scale",)),
    "z": Entry("z, depth", uses=("scale",), bred=False, solid=True),
    "r": Entry("r, distance", uses=("scale",)),
    "theta": Entry("θ, angle", size=2),
    "periodic_x": Entry("waves of x", uses=("frequency",), size=2),
    "periodic_y": Entry("waves of y", uses=("frequency",), size=2),
    "periodic_z": Entry("waves of z", uses=("frequency",), size=2, bred=False, solid=True),
    "spiral": Entry("spiral", "The same at every power of two.", size=2, noun="whirlpool"),
}
"""What the network sees of a point."""

SYMMETRIES: dict[str, Entry] = {
    "none": Entry("none"),
    "mirror_x": Entry("mirror, left and right"),
    "mirror_y": Entry("mirror, top and bottom"),
    "mirror_xy": Entry("mirror, both ways"),
    "rotation": Entry("rotation", uses=_TURNED, noun="rosette"),
    "kaleidoscope": Entry("kaleidoscope", uses=_TURNED, noun="kaleidoscope"),
    "tiling": Entry("tiling", uses=_TURNED, noun="tiles"),
}
"""How the plane is folded."""

COLOURS: dict[str, Entry] = {
    "palette": Entry("palette", uses=("palette", "cycles", "relief", "saturation"), size=2),
    "oklab": Entry("OKLab", uses=("cycles", "saturation"), size=3),
    "rgb": Entry("RGB", uses=("saturation",), size=3),
    "hsv": Entry("HSV", uses=("saturation",), size=3),
    "gray": Entry("gray"),
}
"""Colour spaces."""

PALETTES: dict[str, tuple[str, ...]] = {
    "dusk": ("#0d1030", "#2b2a6b", "#7a3b8f", "#d65a7c", "#f7a072", "#ffe8c2"),
    "ember": ("#0b0709", "#3d0c1f", "#8f1d2c", "#e0522d", "#f9a03f", "#fff3c4"),
    "lagoon": ("#04151f", "#0b3c5d", "#127e8c", "#52c4a3", "#c5ebc3", "#fdf6e3"),
    "sakura": ("#2a1a2e", "#6b2d5c", "#c74b7b", "#f08fa8", "#fbd1d1", "#fff8f0"),
    "moss": ("#0c1410", "#1f3a2b", "#4a6b3a", "#95a84f", "#dcd28a", "#f9f4dc"),
    "ink": ("#0a0a0f", "#23283a", "#50607a", "#a0b0be", "#e4e6e1", "#fbfaf5"),
    "nordic": ("#14202e", "#274c63", "#5b8a9a", "#c9d6cf", "#e8b89a", "#b5524a"),
    "carnival": ("#1b1147", "#5a189a", "#e0218a", "#ff7a3d", "#ffd23f", "#2ec4b6"),
    "porcelain": ("#fdfbf4", "#cfe0ea", "#7ba7cc", "#2e5fa3", "#132a5e", "#e7c08b"),
    "desert": ("#1d1a2b", "#58354b", "#a9573f", "#dd9c56", "#f0d9a7", "#7fb7b2"),
    "aurora": ("#050b1f", "#0f2f4f", "#0d7a6f", "#4bd18b", "#c6f29b", "#8a5bd6"),
    "orchid": ("#100a1c", "#33206a", "#7b3fc4", "#cd7ae0", "#f7c6e4", "#fff4e6"),
    "copper": ("#07181c", "#0f4c4f", "#3f8f82", "#c99a5f", "#e8b27d", "#fbe9d0"),
    "lava_lamp": ("#2b0a3d", "#8c1c6a", "#f2385a", "#f5a503", "#f9e9a0", "#35b0ab"),
    "tropics": ("#062c30", "#05595b", "#18a999", "#f4d35e", "#ee964b", "#d62246"),
    "bauhaus": ("#f2ead8", "#e3b23c", "#d1362f", "#1d3a6e", "#12141c", "#f2ead8"),
}
"""Name to colours from one end to the other."""

WALKS = {
    "zoom": "Zoom in and back",
    "latent": "Wander in the latent space",
    "weights": "Breathe: to other weights and back",
}
PATHS = {"spline": "closed spline", "lerp": "straight lines", "slerp": "great circles", "eight": "figure of eight"}
"""Loops through a field; name to what people read."""

# Part of format 1: a saved field may say "random", and a seed alone names a surprise, so these pools decide what kept
# pictures look like. They may never change; a new entry of a registry above is not drawn from here.

RANDOM_ACTIVATIONS = (
    "tanh", "sin", "cos", "gaussian", "bump", "triangle", "sigmoid", "softplus", "leaky_relu", "elu", "selu", "celu",
    "gelu", "mish", "silu", "hardtanh", "softshrink", "log_sigmoid", "softsign"
)  # fmt: skip
RANDOM_OPERATIONS = ("linear", "residual", "gate", "maximum")
SURPRISE_STYLES = (
    "silk", "silk", "agate", "agate", "small world", "small world", "rosette", "tiles", "whirlpool", "marble", "marble",
    "siren song"
)  # fmt: skip
SURPRISE_PALETTES = (
    "dusk", "ember", "lagoon", "sakura", "moss", "ink", "nordic", "carnival", "porcelain", "desert", "aurora", "orchid",
    "copper", "lava_lamp", "tropics", "bauhaus"
)  # fmt: skip


def bred(registry: dict[str, Entry]) -> list[str]:
    """The names that mutation may choose."""
    return [name for name, entry in registry.items() if entry.bred]
