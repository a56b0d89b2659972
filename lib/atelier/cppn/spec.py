"""FieldSpec: everything that makes a random field, frozen, JSON-able and versioned."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from atelier.errors import UserError
from atelier.cppn.activations import ACTIVATIONS
from atelier.settings import Choice, Number, SettingError, Settings, setting

FORMAT = 1
"""The version of the JSON; older versions are read, newer ones are refused."""

TOPOLOGY_NAMES = ("mlp", "residual", "dense", "conv", "watts_strogatz", "siren")
INPUT_NAMES = ("x", "y", "r", "theta", "periodic_x", "periodic_y", "spiral")
SYMMETRY_NAMES = ("none", "mirror_x", "mirror_y", "mirror_xy", "rotation", "kaleidoscope", "tiling")
COLOUR_NAMES = ("palette", "oklab", "rgb", "hsv", "gray")
OPERATION_NAMES = ("linear", "residual", "gate", "maximum")
LAST_SEED = 2**53 - 1  # what a browser's number can hold


@dataclass(frozen=True)
class Words:
    """A tuple of words, each one of the options (or matching the pattern, where there is one)."""

    options: tuple[str, ...]
    longest: int
    pattern: str | None = None
    shortest: int = 1

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise SettingError(f"{name} must be {self.describe()}, and {value!r} is not.")
        if not self.shortest <= len(value) <= self.longest:
            raise SettingError(f"{name} must be {self.describe()}, and {len(value)} words are given.")
        for word in value:
            matches = self.pattern and isinstance(word, str) and re.fullmatch(self.pattern, word)
            if not matches:
                Choice(self.options).check(f"Each word of {name.lower()}", word)
        return tuple(value)

    def read(self, name: str, word: str) -> Any:
        return tuple(part.strip() for part in word.split(",") if part.strip())

    def describe(self) -> str:
        return f"{self.shortest} to {self.longest} words of {', '.join(self.options)}"


@dataclass(frozen=True)
class Numbers:
    """A tuple of numbers in [low, high]."""

    low: float
    high: float
    longest: int

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > self.longest:
            raise SettingError(f"{name} must be {self.describe()}.")
        return tuple(Number(self.low, self.high).check(f"Each number of {name.lower()}", v) for v in value)

    def read(self, name: str, word: str) -> Any:
        return tuple(Number(self.low, self.high).read(name, part) for part in word.split(",") if part.strip())

    def describe(self) -> str:
        return f"at most {self.longest} numbers from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Strands:
    """Pairs (seed, amount): the drawn weights of several seeds, added with these amounts."""

    longest: int = 12

    def check(self, name: str, value: Any) -> tuple[tuple[int, float], ...]:
        sentence = f"{name} must be {self.describe()}."
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > self.longest:
            raise SettingError(sentence)
        pairs = []
        for pair in value:
            if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
                raise SettingError(sentence)
            seed = Number(0, LAST_SEED, whole=True).check("The seed of a strand", pair[0])
            pairs.append((seed, Number(-4, 4).check("The amount of a strand", pair[1])))
        return tuple(pairs)

    def read(self, name: str, word: str) -> Any:
        pairs = [part.split(":") for part in word.split(",") if part.strip()]
        try:
            return tuple((int(seed), float(amount)) for seed, amount in pairs)
        except ValueError:
            raise SettingError(f"{name} must be {self.describe()}, written 7:0.9,12:0.4.") from None

    def describe(self) -> str:
        return f"at most {self.longest} pairs of a seed and an amount from -4 to 4"


@dataclass(frozen=True)
class FieldSpec(Settings):
    """A random field: from a point of the plane to a colour.

    Weights are drawn from `strands` (from `seed` alone where there is none): the sum of the strands' standard
    draws, scaled by the initialisation. Blending amounts is therefore a walk through weight space that never
    leaves the description, and every frame and every child has a spec of its own.

    Raises:
        SettingError: a field out of its bounds; the message says which and what they are.
    """

    seed: int = setting(7, Number(0, LAST_SEED, whole=True), "seed of everything that is drawn")
    topology: str = setting("mlp", Choice(TOPOLOGY_NAMES), "how the layers are wired")
    width: int = setting(32, Number(1, 256, whole=True), "neurons of a layer or node")
    depth: int = setting(4, Number(1, 16, whole=True), "hidden layers")
    nodes: int = setting(10, Number(2, 32, whole=True), "nodes of a random graph")
    neighbours: int = setting(4, Number(2, 8, 2, whole=True), "neighbours of a node in the ring (k)")
    rewiring: float = setting(0.75, Number(0, 1), "chance that an edge is rewired (p)")
    activations: tuple[str, ...] = setting(
        ("bump", "tanh", "sin", "tanh"),
        Words(("random", *ACTIVATIONS), 32),
        "activation of each layer or node, repeated in turn",
    )
    operations: tuple[str, ...] = setting(
        ("random",), Words(("random", *OPERATION_NAMES), 32), "operation of each node of a random graph"
    )
    norm: str = setting("none", Choice(("none", "layer")), "normalisation across the neurons of a point")
    initialisation: str = setting("normal", Choice(("normal", "uniform", "dip", "siren")), "law of the weights")
    mean: float = setting(0.0, Number(-4, 4), "mean of normal weights, times 1/sqrt(fan-in)")
    std: float = setting(1.6, Number(0.01, 8), "spread of normal weights, times 1/sqrt(fan-in)")
    low: float = setting(-2.5, Number(-8, 8), "least uniform weight, times 1/sqrt(fan-in)")
    high: float = setting(2.5, Number(-8, 8), "greatest uniform weight, times 1/sqrt(fan-in)")
    bias: float = setting(1.0, Number(0, 4), "spread of the biases")
    omega: float = setting(6.0, Number(0.5, 60), "frequency of a SIREN's first layer")
    inputs: tuple[str, ...] = setting(("x", "y", "r"), Words(INPUT_NAMES, 7), "what the network sees of a point")
    scale: float = setting(1.8, Number(0.01, 50, log=True), "scale of the coordinates: more is busier")
    frequency: float = setting(1.0, Number(0.1, 16), "periods of the periodic inputs over the picture")
    symmetry: str = setting("none", Choice(SYMMETRY_NAMES), "symmetry by folding the plane")
    order: int = setting(5, Number(1, 24, whole=True), "order of a rotation, tiles across for a tiling")
    fourier: int = setting(0, Number(0, 64, whole=True), "Fourier features (pairs of sine and cosine)")
    fourier_sigma: float = setting(0.6, Number(0.01, 16), "spread of their frequencies, periods per unit")
    latent: tuple[float, ...] = setting((), Numbers(-8, 8, 64), "latent vector")
    latent_scale: float = setting(1.0, Number(0, 8), "weight of the latent vector")
    colour: str = setting("palette", Choice(COLOUR_NAMES), "colour space of the output")
    palette: tuple[str, ...] = setting(
        ("dusk",),
        Words(("the name of a palette", "#rrggbb"), 16, r"[a-z_]{1,24}|#[0-9a-f]{6}"),
        "a palette's name, or its colours",
    )
    cycles: float = setting(1.5, Number(0.1, 12), "times that the palette is run through")
    relief: float = setting(0.35, Number(0, 1), "light and shade over the palette")
    contrast: float = setting(1.0, Number(0.05, 8), "contrast of the tone mapping")
    brightness: float = setting(0.0, Number(-2, 2), "brightness of the tone mapping")
    saturation: float = setting(1.0, Number(0, 2), "saturation: 0 is gray")
    strands: tuple[tuple[int, float], ...] = setting((), Strands(), "blend of seeds that makes the weights")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise SettingError("Low must not be above high; exchange them.")
        if self.neighbours % 2:
            raise SettingError("Neighbours must be even (half of them on each side); choose 2, 4, 6 or 8.")
        if len(set(self.inputs)) < len(self.inputs):
            raise SettingError("Inputs must name each input once.")

    def to_json(self) -> dict[str, Any]:
        """Every field and the format's version, ready for json.dumps."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The spec of a mapping that `to_json` made; fields that are left out take their defaults.

        Raises:
            UserError: not a mapping, a newer version, an unknown field, a value out of bounds.
        """
        if not isinstance(data, Mapping):
            raise UserError("This is not the description of a field; choose a recipe that Atelier saved.")
        values = dict(data)
        version = values.pop("format", FORMAT)
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise UserError("The version of this field cannot be read; choose a recipe that Atelier saved.")
        if version > FORMAT:
            raise UserError(f"This field was saved by a newer Atelier (format {version}); update Atelier to read it.")
        known = {spec.name for spec in dataclasses.fields(cls)}
        odd = sorted(str(name) for name in values.keys() - known)
        if odd:
            raise UserError(f"A field has no property {odd[0]!r}; remove it from the recipe.")
        return cls(**{name: _tuples(value) for name, value in values.items()})

    def weight_strands(self) -> tuple[tuple[int, float], ...]:
        """The strands of the weights, with the default of the seed alone written out."""
        return self.strands or ((self.seed, 1.0),)


def blend(first: FieldSpec, second: FieldSpec, t: float) -> tuple[tuple[int, float], ...]:
    """Strands on the arc from `first` (t = 0) to `second` (t = 1), of unit length so that the weights keep
    their spread; the ends are exact."""
    if t <= 0:
        return first.weight_strands()
    if t >= 1:
        return second.weight_strands()
    a, b = dict(first.weight_strands()), dict(second.weight_strands())
    amounts = {seed: (1 - t) * a.get(seed, 0.0) + t * b.get(seed, 0.0) for seed in {**a, **b}}
    length = (1 - t) * strand_length(a.items()) + t * strand_length(b.items())
    return trim(amounts.items(), length)


def strand_length(pairs) -> float:
    return math.sqrt(sum(amount * amount for _, amount in pairs))


def trim(pairs, length: float = 1.0) -> tuple[tuple[int, float], ...]:
    """The largest strands, as many as a spec may have, scaled to `length`."""
    most = FieldSpec.domain("strands").longest
    kept = sorted(pairs, key=lambda pair: (-abs(pair[1]), pair[0]))[:most]
    factor = length / max(strand_length(kept), 1e-9)
    return tuple((seed, max(-4.0, min(4.0, round(amount * factor, 6)))) for seed, amount in kept)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
