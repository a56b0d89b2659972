"""A knob for every property that does something in a field, made from its bounds; and what turning them means."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from atelier.cppn.catalogue import INPUTS, PALETTES
from atelier.cppn.domains import Palette
from atelier.cppn.spec import FieldSpec
from atelier.data import PAINTINGS
from atelier.settings import Choice, Control, Number, SettingError, Switch, Text, label

GROUPS: dict[str, tuple[str, ...]] = {
    "Structure": ("topology", "width", "depth", "nodes", "neighbours", "rewiring", "operations", "activations", "norm"),
    "Inputs": ("inputs", "scale", "frequency", "symmetry", "order", "fourier", "fourier_sigma"),
    "Colour": ("colour", "palette", "cycles", "relief", "contrast", "brightness", "saturation"),
    "Weights": ("seed", "initialisation", "std", "mean", "low", "high", "bias", "omega", "strands"),
    "Latent": ("latent", "latent_scale"),
}
"""Group to properties, in the order of the page."""
_PAINTING = "painting:"
_SEES = "sees_"
_MOST_LATENT = FieldSpec.domain("latent").longest


def knobs_of(spec: FieldSpec) -> dict[str, dict[str, Control]]:
    """Controls in groups, standing where the field has them; those that would do nothing are left out.

    Besides the properties there are `sees_NAME` for each input, `own_colours`, `latent_size` and `z1`, `z2`, …
    """
    used = set(spec.used())
    found: dict[str, dict[str, Control]] = {}
    for group, names in GROUPS.items():
        found[group] = {}
        for name in names:
            if name in used:
                found[group] |= _SPECIAL[name](spec) if name in _SPECIAL else {name: _knob(spec, name)}
    return found


def turned(spec: FieldSpec, values: Mapping[str, Any]) -> FieldSpec:
    """The field with its knobs at these values; a knob that stands where `spec` has it changes nothing.

    Raises:
        UserError: a value out of bounds, words that cannot be read.
    """
    known = {name: control.default for group in knobs_of(spec).values() for name, control in group.items()}
    new = {name: value for name, value in values.items() if name in known and value != known[name]}
    changes: dict[str, Any] = {name: value for name, value in new.items() if name in vars(spec)}
    if "palette" in changes:
        painting = changes["palette"].removeprefix(_PAINTING)
        changes["palette"] = painting_palette(painting) if painting in PAINTINGS else (painting,)
    if new.get("own_colours"):
        changes["palette"] = Palette().read("Own colours", new["own_colours"].lower())
    sees = {name: new.get(_SEES + name, name in spec.inputs) for name in INPUTS}
    if sees != {name: name in spec.inputs for name in INPUTS}:
        kept = [name for name in spec.inputs if sees[name]]
        changes["inputs"] = (*kept, *(name for name in INPUTS if sees[name] and name not in spec.inputs))
        if not changes["inputs"]:
            raise SettingError("A field must see something of a point; switch an input on.")
    latent = [new.get(f"z{i + 1}", value) for i, value in enumerate(spec.latent)]
    size = new.get("latent_size", len(latent))
    if new.keys() & {f"z{i + 1}" for i in range(len(latent))} or size != len(latent):
        changes["latent"] = (*latent[:size], *([0.0] * (size - len(latent))))
    return spec.replace(**changes)


def _knob(spec: FieldSpec, name: str) -> Control:
    more = FieldSpec.__dataclass_fields__[name].metadata
    domain, value, words = more["domain"], getattr(spec, name), {}
    if isinstance(domain, Number) and more["reach"]:
        low, high = more["reach"]
        low, high = min(low, value), max(high, value)
        domain = Number(low, high, 1 if domain.whole else 0.05, domain.whole)
    elif isinstance(domain, Choice):
        words = {option: entry.title for option, entry in more["options"].items()}
    return Control(domain, value, more["title"] or label(name), more["about"], words, door="page")


def _inputs(spec: FieldSpec) -> dict[str, Control]:
    return {
        _SEES + name: Control(Switch(), name in spec.inputs, f"Sees {entry.title}", door="page")
        for name, entry in INPUTS.items()
    }


def _palette(spec: FieldSpec) -> dict[str, Control]:
    words = {name: name.replace("_", " ").capitalize() for name in PALETTES}
    words |= {_PAINTING + name: f"Colours of {painting.title}" for name, painting in PAINTINGS.items()}
    own = "" if spec.palette[0] in PALETTES and len(spec.palette) == 1 else ", ".join(spec.palette)
    now = "own" if own else spec.palette[0]
    words = ({"own": "Its own"} if own else {}) | words
    texts = "#0d1030, #d65a7c, … in place of a palette"
    return {
        "palette": Control(Choice(tuple(words)), now, "Palette", words=words, door="page"),
        "own_colours": Control(Text(200), own, "Own colours", texts, door="page"),
    }


def _latent(spec: FieldSpec) -> dict[str, Control]:
    size = Control(Number(0, _MOST_LATENT, 1, whole=True), len(spec.latent), "Length of the latent vector", door="page")
    values = {
        f"z{i + 1}": Control(Number(min(-4, value), max(4, value), 0.05), value, f"z{i + 1}", door="page")
        for i, value in enumerate(spec.latent)
    }
    return {"latent_size": size, **values}


_SPECIAL = {"inputs": _inputs, "palette": _palette, "latent": _latent}


@lru_cache
def painting_palette(name: str) -> tuple[str, ...]:
    """The leading colours of one of the paintings."""
    from atelier.cppn.colour import palette_from_picture
    from atelier.data import load_picture

    return palette_from_picture(load_picture(name, 128).pixels.numpy())
