"""Children: mutation, crossover, and a choice of those that are neither blank nor alike.

After Secretan et al., "Picbreeder: evolving pictures collaboratively online" (2008); novelty as the mean
distance to the nearest neighbours (Lehman & Stanley, "Abandoning objectives", 2011, section 4).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from atelier.cppn import draws
from atelier.cppn.catalogue import ACTIVATIONS, STRENGTH, SYMMETRIES, TOPOLOGIES, bred
from atelier.cppn.colour import oklab_from_srgb
from atelier.cppn.rendering import as_field, glances
from atelier.cppn.spec import GROUPS, LATENT, PROPERTIES, FieldSpec, blend, strand_length, trim
from atelier.cppn.styles import new_seed, recolour
from atelier.cppn.threads import in_order
from atelier.cppn.topologies import plan
from atelier.settings import Number, label, word

BLANK = 0.035  # least spread of OKLab over a picture that is worth showing
NOISE = 0.62  # greatest share of the spread that may lie between neighbouring pixels of a small picture


def mutate(parent: FieldSpec, seed: int, strength: float = STRENGTH, gentle: bool = False) -> FieldSpec:
    """A child: always a valid spec, the same for the same seed; at strength 0 the parent itself. gentle: it keeps the
    structure and the activations. Raises SettingError: a strength that is not from 0 to 1."""
    if Number(0, 1).check("Strength", strength) == 0:
        return parent
    # Weights are turned by an angle of up to 90 degrees towards a new seed, so that they keep their spread.
    own, angle = parent.weight_strands(), strength * math.pi / 2
    length = strand_length(own)
    turned = [(s, amount * math.cos(angle)) for s, amount in own]
    changes: dict[str, Any] = {"strands": trim([*turned, (new_seed(seed, "strand"), length * math.sin(angle))], length)}
    if parent.latent:
        steps = draws.normal(seed, "latent step", (len(parent.latent),)) * strength
        changes["latent"] = tuple(
            round(_clipped(LATENT, v + float(s)), 3) for v, s in zip(parent.latent, steps, strict=True)
        )
    if not gentle and _chance(seed, "activations", strength):  # written out, one of them drawn anew
        names = [node.activation for node in plan(parent)[:-1]]
        at = draws.integer(seed, "which", 0, len(names))
        names[at] = draws.choice(seed, "to", [name for name in bred(ACTIVATIONS) if name != names[at]])
        changes["activations"] = tuple(names)
    if not gentle:
        changes |= _structure(parent, seed, strength)
    child = parent.replace(**changes)
    if _chance(seed, "colours", strength):
        child = recolour(child, new_seed(seed, "recolour"))
    return child


def crossover(first: FieldSpec, second: FieldSpec, seed: int) -> FieldSpec:
    """A child of two: wiring, inputs and colours each from one parent, weights on the way between them.

    A field has one seed for all else that is drawn (the wiring of a web, Fourier frequencies, the hue). The child gets
    the seed of the parent whose draws it shows. Where two parts need different seeds, the later one in this order is
    taken from the parent of the earlier one.
    """
    wiring = draws.choice(seed, "wiring", (first, second))
    colours = draws.choice(seed, "colours", (first, second))
    inputs = draws.choice(seed, "inputs", (first, second))
    has_hue = colours.colour in ("oklab", "hsv")
    seeded = [(wiring, wiring.topology == "watts_strogatz"), (inputs, inputs.fourier), (colours, has_hue)]
    owner = next((parent for parent, draws_from_seed in seeded if draws_from_seed), wiring)
    inputs = owner if inputs.fourier else inputs
    colours = owner if has_hue else colours
    taken = {name: getattr(colours, name) for name in GROUPS["Colour"]}
    taken |= {name: getattr(inputs, name) for name in GROUPS["Inputs"] + GROUPS["Latent"]}
    strands = blend(first, second, draws.number(seed, "share", 0.3, 0.7))
    if owner.seed != wiring.seed:  # what "random" stands for is drawn from the seed, so it is written out
        taken["activations"] = tuple(node.activation for node in plan(wiring)[:-1])
    return wiring.replace(**taken, seed=owner.seed, strands=strands)


def descriptor(pixels: np.ndarray) -> np.ndarray:
    """What a picture (H, W, 3) uint8 looks like, from afar: 8 x 8 means in OKLab, (192,) float64."""
    lab = oklab_from_srgb(pixels / 255.0)
    h, w = (side // 8 * 8 for side in pixels.shape[:2])
    return lab[:h, :w].reshape(8, h // 8, 8, w // 8, 3).mean((1, 3)).ravel()


def novelty(found: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """Mean OKLab distance of a descriptor to its nearest three others; infinite where there is none."""
    if not others:
        return math.inf
    distances = np.sqrt(((np.stack(others) - found) ** 2).reshape(len(others), -1, 3).sum(2).mean(1))
    return float(np.sort(distances)[:3].mean())


def is_blank(pixels: np.ndarray) -> bool:
    """Whether a small picture (H, W, 3) uint8 shows next to nothing: one colour, or noise."""
    lab = oklab_from_srgb(pixels / 255.0)
    spread = lab.var((0, 1))
    rough = np.diff(lab, axis=1).var() + np.diff(lab, axis=0).var()
    return bool(math.sqrt(spread.sum()) < BLANK or rough / (4 * spread.mean() + 1e-12) > NOISE)


def hint(spec: FieldSpec) -> str:
    """A sentence on which knob to turn back where a field shows one colour or noise over [-1, 1]^2; "" where it shows
    a picture."""
    if not is_blank(next(glances([spec]))):
        return ""
    tried = [name for name in _CULPRITS if getattr(spec, name) != PROPERTIES[name].default]
    changed = [spec.replace(**{name: PROPERTIES[name].default}) for name in tried]
    for name, pixels in zip(tried, glances(changed), strict=True):
        if not is_blank(pixels):
            title, usual = PROPERTIES[name].title or label(name), word(PROPERTIES[name].default)
            return f"This field shows one colour, or noise. {title} is why: turn it back towards {usual}."
    return "This field shows one colour, or noise, and no single knob is why. Undo, or press Surprise me."


_CULPRITS = (
    "contrast", "brightness", "saturation", "cycles", "scale", "std", "bias", "mean", "initialisation",
    "depth", "width", "activations", "operations", "norm", "order", "symmetry", "frequency", "fourier", "fourier_sigma",
    "omega", "latent_scale", "inputs", "palette", "colour", "topology"
)  # fmt: skip
"""Properties that can leave a field blank, the likeliest first."""


def siblings(parents: Sequence[FieldSpec], count: int, seed: int, strength: float = STRENGTH) -> Iterator[FieldSpec]:
    """Children of one parent, or of several crossed: not blank, and kept apart from each other.

    Two candidates a child are glanced at; the one more novel is kept.
    """
    kept = [descriptor(pixels) for pixels in glances(parents)]

    def pair(i: int) -> list[tuple[FieldSpec, np.ndarray, bool]]:  # candidates, what they look like, whether blank
        found = [_candidate(parents, new_seed(seed, f"child {i} {j}"), strength) for j in range(2)]
        if all(blank for _, _, blank in found):
            found.append(_candidate(parents, new_seed(seed, f"child {i} again"), strength, gentle=True))
        return found

    for found in in_order(pair, range(count), later=True):
        worth = [-1.0 if blank else novelty(seen, kept) for _, seen, blank in found]
        spec, seen, _ = found[worth.index(max(worth))]
        kept.append(seen)
        yield spec


def _candidate(
    parents: Sequence[FieldSpec], seed: int, strength: float, gentle: bool = False
) -> tuple[FieldSpec, np.ndarray, bool]:
    spec = _child(parents, seed, strength, gentle)
    pixels = as_field(spec).glance()
    return spec, descriptor(pixels), is_blank(pixels)


def _child(parents: Sequence[FieldSpec], seed: int, strength: float, gentle: bool) -> FieldSpec:
    if len(parents) == 1:
        return mutate(parents[0], seed, strength, gentle)
    a = draws.integer(seed, "first", 0, len(parents))
    b = (a + draws.integer(seed, "second", 1, len(parents))) % len(parents)
    return mutate(crossover(parents[a], parents[b], seed), new_seed(seed, "mutation"), strength / 2, gentle)


def _structure(parent: FieldSpec, seed: int, strength: float) -> dict[str, Any]:
    """Changes of shape, each with a chance that grows with the strength; every bound is the spec's own."""
    changes: dict[str, Any] = {}
    for name, reach in (("depth", 2), ("nodes", 3), ("order", 2), ("width", 8)):
        if _chance(seed, name, strength * 0.3):
            step = draws.integer(seed, f"by {name}", -reach, reach + 1)
            changes[name] = _clipped(PROPERTIES[name].domain, getattr(parent, name) + step)
    for name, factor in (("scale", 1.6), ("cycles", 1.6), ("std", 1.25), ("rewiring", 1.5)):
        if _chance(seed, name, strength * 0.5):
            ratio = factor ** draws.number(seed, f"by {name}", -1, 1)
            changes[name] = round(_clipped(PROPERTIES[name].domain, getattr(parent, name) * ratio), 3)
    if strength > 0.5 and _chance(seed, "topology", (strength - 0.5) * 0.8):
        changes["topology"] = draws.choice(seed, "new topology", bred(TOPOLOGIES))
    if strength > 0.3 and _chance(seed, "symmetry", (strength - 0.3) * 0.3):
        changes["symmetry"] = draws.choice(seed, "new symmetry", bred(SYMMETRIES))
    return changes


def _chance(seed: int, label: str, p: float) -> bool:
    return draws.number(seed, f"chance of {label}") < p


def _clipped(domain: Number, value: float) -> float:
    return min(max(value, domain.low), domain.high)
