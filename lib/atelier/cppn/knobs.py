"""A knob for every property that has an effect in a field, made from its bounds; and the field of turned knobs."""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from atelier.cppn.catalogue import INPUTS, PALETTES
from atelier.cppn.domains import PALETTE
from atelier.cppn.spec import GROUPS, PROPERTIES, FieldSpec
from atelier.data import PAINTINGS
from atelier.settings import Choice, Control, Number, SettingError, Switch, Text, label

_PAINTING = "painting:"
_SEES = "sees_"
_CONTROL = partial(Control, door="page")


def knobs_of(spec: FieldSpec) -> dict[str, dict[str, Control]]:
    """Controls in groups, standing where the field has them; those that would do nothing are left out.

    Besides the properties there are `sees_NAME` for each input, `own_colours`, `latent_size` and `z1`, `z2`, …
    """
    special, used = {"inputs": _inputs, "palette": _palette, "latent": _latent}, spec.used()
    found: dict[str, dict[str, Control]] = {group: {} for group in GROUPS}
    for group, names in GROUPS.items():
        for name in names:
            if name in used:
                found[group] |= special[name](spec) if name in special else {name: _knob(spec, name)}
    return found


def turned(spec: FieldSpec, values: Mapping[str, Any]) -> FieldSpec:
    """The field with its knobs at these values; a knob that stands where `spec` has it changes nothing. Raises
    UserError: a value out of bounds, words that cannot be read."""
    known = {name: control.default for group in knobs_of(spec).values() for name, control in group.items()}
    new = {name: value for name, value in values.items() if name in known and value != known[name]}
    changes: dict[str, Any] = {name: value for name, value in new.items() if name in PROPERTIES}
    if "palette" in changes:
        painting = changes["palette"].removeprefix(_PAINTING)
        changes["palette"] = painting_palette(painting) if painting in PAINTINGS else (painting,)
    if new.get("own_colours"):
        changes["palette"] = PALETTE.read("Own colours", new["own_colours"].lower())
    sees = [name for name in INPUTS if new.get(_SEES + name, name in spec.inputs)]
    if set(sees) != set(spec.inputs):
        if not sees:
            raise SettingError("A field must see something of a point; switch an input on.")
        changes["inputs"] = tuple(sorted(sees, key=[*spec.inputs, *INPUTS].index))  # the new ones last
    latent = tuple(new.get(f"z{i + 1}", value) for i, value in enumerate(spec.latent))
    size = new.get("latent_size", len(latent))
    changes["latent"] = latent[:size] + (0.0,) * (size - len(latent))
    return spec.replace(**changes)


def _knob(spec: FieldSpec, name: str) -> Control:
    found, value = PROPERTIES[name], getattr(spec, name)
    domain = found.domain
    if found.reach:
        low, high = min(found.reach[0], value), max(found.reach[1], value)
        domain = Number(low, high, 1 if domain.whole else 0.05, domain.whole)
    words = {option: entry.title for option, entry in found.options.items()}
    return _CONTROL(domain, value, found.title or label(name), found.about, words)


def _inputs(spec: FieldSpec) -> dict[str, Control]:
    return {
        _SEES + name: _CONTROL(Switch(), name in spec.inputs, f"Sees {entry.title}")
        for name, entry in INPUTS.items()
        if spec.solid or not entry.solid
    }


def _palette(spec: FieldSpec) -> dict[str, Control]:
    words = {name: name.replace("_", " ").capitalize() for name in PALETTES}
    words |= {_PAINTING + name: f"Colours of {painting.title}" for name, painting in PAINTINGS.items()}
    own = "" if spec.palette[0] in PALETTES and len(spec.palette) == 1 else ", ".join(spec.palette)
    words = ({"own": "Its own"} if own else {}) | words
    return {
        "palette": _CONTROL(Choice(tuple(words)), "own" if own else spec.palette[0], "Palette", words=words),
        "own_colours": _CONTROL(Text(200), own, "Own colours", "#0d1030, #d65a7c, … in place of a palette"),
    }


def _latent(spec: FieldSpec) -> dict[str, Control]:
    most = PROPERTIES["latent"].domain.longest
    values = {
        f"z{i + 1}": _CONTROL(Number(min(-4, value), max(4, value), 0.05), value, f"z{i + 1}")
        for i, value in enumerate(spec.latent)
    }
    size = _CONTROL(Number(0, most, 1, whole=True), len(spec.latent), "Length of the latent vector")
    return {"latent_size": size, **values}


@lru_cache
def painting_palette(name: str) -> tuple[str, ...]:
    """The leading colours of one of the paintings."""
    from atelier.cppn.colour import palette_from_picture
    from atelier.data import load_picture

    return palette_from_picture(load_picture(name, 128).pixels.numpy())
