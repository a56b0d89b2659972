"""FieldSpec: everything that makes a random field, frozen, JSON-able and versioned."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from atelier.cppn import catalogue
from atelier.cppn.catalogue import COLOURS, INPUTS, PALETTES, SYMMETRIES, TOPOLOGIES, Entry
from atelier.cppn.domains import LAST_SEED, PALETTE, STRANDS, numbers, words
from atelier.errors import UserError
from atelier.settings import Choice, Control, Domain, Number, SettingError, label

FORMAT = 1
"""The version of the JSON; older versions are read, newer ones are refused."""
LATENT = Number(-8, 8)
"""A number of a latent vector."""


@dataclass(frozen=True)
class Property(Control):
    """A property of a field, with its default."""

    reach: tuple[float, float] | None = None  # of its knob: narrower, so that most pictures are worth seeing
    options: Mapping[str, Entry] = field(default_factory=dict)  # the registry behind its words


def _property(default: Any, domain: Domain, about: str, title: str = "", **more: Any) -> Any:
    return field(default=default, metadata={"property": Property(domain, default, title, about, **more)})


def _number(default: float, low: float, high: float, about: str, title: str = "", reach: tuple | None = None) -> Any:
    """A number from `low` to `high`, a whole one where the default is."""
    return _property(default, Number(low, high, whole=isinstance(default, int)), about, title, reach=reach)


def _choice(default: str, options: Mapping[str, Entry], about: str, title: str = "") -> Any:
    return _property(default, Choice(tuple(options)), about, title, options=options)


@dataclass(frozen=True)
class FieldSpec:
    """A random field: from a point of the plane to a colour, or, where z is one of its inputs, from a point of space to
    a colour and a density; a picture of such a field is its plane z = 0.

    Weights are drawn from `strands` (from `seed` alone where there is none): the sum of the strands' standard draws,
    scaled by the initialisation. So every point between two fields is a field with a spec of its own. Raises
    SettingError: a value out of its bounds; the message says which and what they are."""

    seed: int = _number(7, 0, LAST_SEED, "seed of everything that is drawn")
    topology: str = _choice("mlp", TOPOLOGIES, "how the layers are wired")
    width: int = _number(32, 1, 256, "neurons of a layer or node", "Neurons of a layer", (4, 64))
    depth: int = _number(4, 1, 16, "hidden layers", "Layers", (1, 8))
    nodes: int = _number(10, 2, 32, "nodes of a random graph", reach=(2, 20))
    neighbours: int = _property(4, Number(2, 8, 2, whole=True), "neighbours of a node in the ring (k)", "Neighbours, k")
    rewiring: float = _number(0.75, 0, 1, "chance that an edge is rewired (p)", "Rewiring, p")
    activations: tuple[str, ...] = _property(
        ("bump", "tanh", "sin", "tanh"),
        words(32, ("random", *catalogue.ACTIVATIONS)),
        "activation of each layer or node, repeated in turn",
    )
    operations: tuple[str, ...] = _property(
        ("random",), words(32, ("random", *catalogue.OPERATIONS)), "operation of each node of a random graph"
    )
    norm: str = _choice("none", catalogue.NORMS, "normalisation across the neurons of a point")
    initialisation: str = _choice("normal", catalogue.INITIALISATIONS, "law of the weights")
    mean: float = _number(0.0, -4, 4, "mean of normal weights, times 1/sqrt(fan-in)", reach=(-0.5, 0.5))
    std: float = _number(
        1.6, 0.01, 8, "spread of normal weights, times 1/sqrt(fan-in)", "Spread of weights", (0.6, 2.2)
    )
    low: float = _number(-2.5, -8, 8, "least uniform weight, times 1/sqrt(fan-in)", "Least weight", (-4, 0))
    high: float = _number(2.5, -8, 8, "greatest uniform weight, times 1/sqrt(fan-in)", "Greatest weight", (0, 4))
    bias: float = _number(1.0, 0, 4, "spread of the biases", "Spread of biases", (0, 2))
    omega: float = _number(6.0, 0.5, 60, "frequency of a SIREN's first layer", reach=(1, 12))
    inputs: tuple[str, ...] = _property(
        ("x", "y", "r"), words(len(INPUTS), tuple(INPUTS)), "what the network sees of a point", options=INPUTS
    )
    scale: float = _number(1.8, 0.01, 50, "scale of the coordinates: more is busier", "Busyness", (0.3, 5))
    frequency: float = _number(
        1.0, 0.1, 16, "periods of the periodic inputs over the picture", "Waves across", (0.2, 5)
    )
    symmetry: str = _choice("none", SYMMETRIES, "symmetry by folding the plane")
    order: int = _number(5, 1, 24, "order of a rotation, tiles across for a tiling", "Order of the symmetry", (1, 8))
    fourier: int = _number(0, 0, 64, "Fourier features (pairs of sine and cosine)", "Fourier features", (0, 16))
    fourier_sigma: float = _number(
        0.6, 0.01, 16, "spread of their frequencies, periods per unit", "Their spread", (0.1, 1.5)
    )
    latent: tuple[float, ...] = _property((), numbers(LATENT, 64), "latent vector")
    latent_scale: float = _number(1.0, 0, 8, "weight of the latent vector", "Weight of the latent vector", (0, 3))
    colour: str = _choice("palette", COLOURS, "colour space of the output", "Colour space")
    palette: tuple[str, ...] = _property(("dusk",), PALETTE, "a palette's name, or its colours")
    cycles: float = _number(1.5, 0.1, 12, "times that the palette is run through", "Runs through the palette", (0.5, 5))
    relief: float = _number(0.35, 0, 1, "light and shade over the palette")
    contrast: float = _number(1.0, 0.05, 8, "contrast of the tone mapping", reach=(0.4, 3))
    brightness: float = _number(0.0, -2, 2, "brightness of the tone mapping", reach=(-1, 1))
    saturation: float = _number(1.0, 0, 2, "saturation: 0 is gray")
    strands: tuple[tuple[int, float], ...] = _property(
        (), STRANDS, "blend of seeds that makes the weights", "Blend of seeds"
    )

    def __post_init__(self) -> None:
        for name, found in PROPERTIES.items():
            object.__setattr__(self, name, found.domain.check(label(name), getattr(self, name)))
        if self.low > self.high:
            raise SettingError("Low must not be above high; exchange them.")
        if self.neighbours % 2:
            raise SettingError("Neighbours must be even (half of them on each side); choose 2, 4, 6 or 8.")
        if len(set(self.inputs)) < len(self.inputs):
            raise SettingError("Inputs must name each input once.")

    def replace(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Every field and the format's version, ready for json.dumps."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The spec of a mapping that `to_json` made; fields that are left out take their defaults. Raises UserError:
        not a mapping, a newer version, an unknown field, a value out of bounds."""
        if not isinstance(data, Mapping):
            raise UserError("This is not the description of a field; choose a recipe that Atelier saved.")
        values = dict(data)
        version = values.pop("format", FORMAT)
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise UserError("The version of this field cannot be read; choose a recipe that Atelier saved.")
        if version > FORMAT:
            raise UserError(f"This field was saved by a newer Atelier (format {version}); update Atelier to read it.")
        if odd := sorted(str(name) for name in values.keys() - PROPERTIES.keys()):
            raise UserError(f"A field has no property {odd[0][:40]!r}; remove it from the recipe.")
        try:
            return cls(**{name: _tuples(value) for name, value in values.items()})
        except (OverflowError, RecursionError):
            raise UserError("A value of this field is far out of bounds; choose a recipe that Atelier saved.") from None

    def used(self) -> list[str]:
        """The properties that do something in this field."""
        needed = {"fourier_sigma": bool(self.fourier), "latent_scale": bool(self.latent)}
        for name, found in PROPERTIES.items():
            value = getattr(self, name)
            chosen = value if isinstance(value, tuple) else (value,)
            for option, entry in found.options.items():
                for used in entry.uses:
                    needed[used] = needed.get(used, False) or option in chosen
        return [name for name in PROPERTIES if needed.get(name, True)]

    @property
    def solid(self) -> bool:
        """Whether the field sees z, so that it fills a volume."""
        return any(INPUTS[name].solid for name in self.inputs)

    def weight_strands(self) -> tuple[tuple[int, float], ...]:
        """The strands of the weights, with the default of the seed alone written out."""
        return self.strands or ((self.seed, 1.0),)

    def palette_colours(self) -> tuple[str, ...]:
        """The colours "#rrggbb" of the palette."""
        return tuple(colour for word in self.palette for colour in PALETTES.get(word, (word,)))

    def name(self) -> str:
        """Two words for a picture that nobody named: its colours and its kind."""
        colours = self.palette[0].replace("_", " ") if self.colour == "palette" else COLOURS[self.colour].title
        colours = "own colours" if colours.startswith("#") else colours
        kinds = [*(INPUTS[name] for name in self.inputs), SYMMETRIES[self.symmetry], TOPOLOGIES[self.topology]]
        return f"{colours[:1].upper()}{colours[1:]} {next((kind.noun for kind in kinds if kind.noun), 'picture')}"


PROPERTIES: dict[str, Property] = {each.name: each.metadata["property"] for each in dataclasses.fields(FieldSpec)}
"""Every property of a field with its default, its bounds and what people read about it."""
GROUPS: dict[str, tuple[str, ...]] = {
    "Structure": ("topology", "width", "depth", "nodes", "neighbours", "rewiring", "operations", "activations", "norm"),
    "Inputs": ("inputs", "scale", "frequency", "symmetry", "order", "fourier", "fourier_sigma"),
    "Colour": ("colour", "palette", "cycles", "relief", "contrast", "brightness", "saturation"),
    "Weights": ("seed", "initialisation", "std", "mean", "low", "high", "bias", "omega", "strands"),
    "Latent": ("latent", "latent_scale"),
}
"""What belongs together, in the order of the page; a crossed child has a group from one of its parents."""


def blend(first: FieldSpec, second: FieldSpec, t: float) -> tuple[tuple[int, float], ...]:
    """Strands on the way from `first` (t = 0) to `second` (t = 1), with a length between theirs, so that the weights
    keep their spread; the ends are exact."""
    if t <= 0:
        return first.weight_strands()
    if t >= 1:
        return second.weight_strands()
    a, b = dict(first.weight_strands()), dict(second.weight_strands())
    amounts = {seed: (1 - t) * a.get(seed, 0.0) + t * b.get(seed, 0.0) for seed in {**a, **b}}
    length = (1 - t) * strand_length(a.items()) + t * strand_length(b.items())
    return trim(amounts.items(), length)


def strand_length(pairs: Iterable[tuple[int, float]]) -> float:
    return math.sqrt(sum(amount * amount for _, amount in pairs))


def trim(pairs: Iterable[tuple[int, float]], length: float) -> tuple[tuple[int, float], ...]:
    """The largest strands, as many as a spec may have, scaled to `length`."""
    most = PROPERTIES["strands"].domain.longest
    kept = sorted(pairs, key=lambda pair: (-abs(pair[1]), pair[0]))[:most]
    factor = length / max(strand_length(kept), 1e-9)
    return tuple((seed, max(-4.0, min(4.0, round(amount * factor, 6)))) for seed, amount in kept)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
