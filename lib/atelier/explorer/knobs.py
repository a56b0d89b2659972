"""A control for every property of a field, in groups, made from the bounds of `FieldSpec`."""

from functools import lru_cache
from typing import Any

import marimo as mo

from atelier.page.controls import ratio_steps
from atelier.data.pictures import PAINTINGS, load_picture
from atelier.cppn.colour import PALETTES, palette_from_picture
from atelier.cppn.spec import LAST_SEED, FieldSpec, Words
from atelier.cppn.topologies import TOPOLOGIES
from atelier.settings import Choice, Number, label

GROUPS: dict[str, tuple[str, ...]] = {
    "Structure": ("topology", "width", "depth", "activations", "norm", "nodes", "neighbours", "rewiring", "operations"),
    "Weights": ("seed", "initialisation", "std", "mean", "low", "high", "bias", "omega", "strands"),
    "Inputs": ("inputs", "scale", "symmetry", "order", "frequency", "fourier", "fourier_sigma"),
    "Colour": ("colour", "palette", "colours", "cycles", "relief", "contrast", "brightness", "saturation"),
    "Latent": ("latent_scale",),
}
"""Group to properties; `colours` writes the palette out. The latent vector has sliders of its own."""

_TEXTS = {
    "width": "Neurons of a layer",
    "depth": "Layers",
    "std": "Spread (std)",
    "nodes": "Nodes (web)",
    "neighbours": "Neighbours, k (web)",
    "rewiring": "Rewiring, p (web)",
    "operations": "Operations (web)",
    "low": "Low (uniform)",
    "high": "High (uniform)",
    "mean": "Mean (normal)",
    "omega": "Omega (siren)",
    "strands": "Blend of seeds",
    "order": "Order of the symmetry",
    "fourier": "Fourier features",
    "fourier_sigma": "Their spread",
    "scale": "Busyness (scale)",
    "colour": "Colour space",
    "colours": "Own colours, #rrggbb, …",
    "cycles": "Runs through the palette",
    "latent_scale": "Weight of the latent vector",
}
_OPTIONS = {
    "topology": {name: topology.title for name, topology in TOPOLOGIES.items()},
    "norm": {"layer": "across a layer"},
    "initialisation": {"dip": "deep image prior", "siren": "SIREN"},
    "inputs": {"r": "r, distance", "theta": "θ, angle", "periodic_x": "waves of x", "periodic_y": "waves of y"},
    "symmetry": {
        "mirror_x": "mirror, left and right",
        "mirror_y": "mirror, top and bottom",
        "mirror_xy": "mirror, both ways",
    },
    "colour": {"oklab": "OKLab", "rgb": "RGB", "hsv": "HSV"},
}
_PAINTING = "painting:"


def knobs(spec: FieldSpec, names: tuple[str, ...]) -> dict[str, Any]:
    """Controls of some properties, standing where the field has them."""
    return {name: _knob(spec, name) for name in names}


def latent_sliders(spec: FieldSpec) -> list[Any]:
    """A slider for each number of the latent vector."""
    return [
        mo.ui.slider(-4, 4, step=0.01, value=min(max(v, -4), 4), label=f"z{i + 1}", show_value=True, full_width=True)
        for i, v in enumerate(spec.latent)
    ]


def changes(first: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What was turned: the properties whose control no longer stands where it stood at `first`.

    Raises:
        UserError: words or numbers that cannot be read.
    """
    found = {}
    for name, value in now.items():
        if value != first[name]:
            if name == "palette" and value.startswith(_PAINTING):
                found["palette"] = painting_palette(value.removeprefix(_PAINTING))
            elif name == "colours":
                found["palette"] = FieldSpec.domain("palette").read("Own colours", value)
            elif name == "inputs":
                found["inputs"] = tuple(value)
            else:
                found[name] = FieldSpec.domain(name).read(label(name), value) if isinstance(value, str) else value
    if "palette" in found:
        found.setdefault("colour", "palette")
    return found


@lru_cache
def painting_palette(name: str) -> tuple[str, ...]:
    """The leading colours of one of the paintings."""
    return palette_from_picture(load_picture(name, 128).pixels.numpy())


def _knob(spec: FieldSpec, name: str) -> Any:
    text = _TEXTS.get(name, label(name))
    if name == "colours":
        own = ", ".join(spec.palette) if spec.palette[0].startswith("#") else ""
        return mo.ui.text(own, placeholder="#0d1030, #d65a7c, …", label=text, full_width=True)
    value, domain = getattr(spec, name), FieldSpec.domain(name)
    if name == "palette":
        return _palette(spec, text)
    if name == "inputs":
        shown = _shown(name, domain.options)
        chosen = [words for words, option in shown.items() if option in value]
        return mo.ui.multiselect(shown, value=chosen, label=text, full_width=True)
    match domain:
        case Words():
            return mo.ui.text(", ".join(value), label=text, full_width=True)
        case Choice():
            shown = _shown(name, domain.options)
            first = next(words for words, option in shown.items() if option == value)
            return mo.ui.dropdown(shown, value=first, label=text, full_width=True)
        case Number(high=high) if high == LAST_SEED:
            return mo.ui.number(0, LAST_SEED, step=1, value=value, label=text, full_width=True)
        case Number(log=True):
            return mo.ui.slider(steps=ratio_steps(domain, value), value=value, label=text, **_WIDE)
        case Number():
            step = domain.step or (1 if domain.whole else 0.01)
            return mo.ui.slider(domain.low, domain.high, step=step, value=value, label=text, **_WIDE)
    words = ", ".join(f"{seed}:{amount:g}" for seed, amount in value)
    return mo.ui.text(words, placeholder="7:0.9, 12:0.4", label=text, full_width=True)


def _shown(name: str, options: tuple[str, ...]) -> dict[str, str]:
    """How people read the options of a property -> the options."""
    return {_OPTIONS.get(name, {}).get(option, option): option for option in options}


_WIDE = {"show_value": True, "full_width": True}


def _palette(spec: FieldSpec, text: str) -> Any:
    shown = {name.replace("_", " ").capitalize(): name for name in PALETTES}
    shown |= {f"Colours of {painting.title}": _PAINTING + name for name, painting in PAINTINGS.items()}
    now = ", ".join(spec.palette)
    if now not in shown.values():
        shown = {"Its own": now} | shown
    first = next(key for key, word in shown.items() if word == now)
    return mo.ui.dropdown(shown, value=first, label=text, full_width=True)
