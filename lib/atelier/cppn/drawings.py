"""What a field looks like inside: its network as a drawing, its neurons as pictures; and the family as a tree."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import torch

from atelier.cppn.activations import activation
from atelier.cppn.breeding import Family, Member
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import feature_pictures, picture
from atelier.cppn.spec import FieldSpec
from atelier.cppn.topologies import INPUT, groups, plan
from atelier.drawing import contact_sheet, encoded

STEP_X, STEP_Y, RADIUS = 118, 62, 20


@dataclass(frozen=True)
class Dot:
    """A node of the picture: kind is "input", "node" or "output", the centre in units of the SVG."""

    name: str
    kind: str
    activation: str
    operation: str
    x: float
    y: float


@dataclass(frozen=True)
class GraphPicture:
    """Nodes with their places, and edges as (from, to) names."""

    dots: tuple[Dot, ...]
    edges: tuple[tuple[str, str], ...]
    width: float
    height: float


def graph(spec: FieldSpec) -> GraphPicture:
    """The network of a spec, laid out from left to right by the longest way from the input."""
    nodes = plan(spec)
    inputs = [name for name, _ in groups(spec)] + (["latent"] if spec.latent else [])
    edges: list[tuple[str, str]] = []
    level = dict.fromkeys(inputs, 0)
    for node in nodes:
        sources = [s for source in node.sources for s in (inputs if source == INPUT else [source])]
        edges += [(source, node.name) for source in sources]
        level[node.name] = 1 + max((level[source] for source in sources), default=0)
    columns: dict[int, list[str]] = {}
    for name, column in level.items():
        columns.setdefault(column, []).append(name)
    tallest = max(len(names) for names in columns.values())
    place = {}
    for column, names in columns.items():
        for row, name in enumerate(_untangled(names, edges, place)):
            # every other column is shifted a little, so that an edge that skips one can be seen
            shift = STEP_Y * 0.28 * (column % 2) if len(columns) > 3 and spec.topology != "mlp" else 0
            y = (row + (tallest - len(names)) / 2 + 0.7) * STEP_Y + shift
            place[name] = ((column + 0.5) * STEP_X, y)
    known = {node.name: node for node in nodes}
    dots = tuple(
        Dot(
            name,
            "output" if name == "output" else "node" if name in known else "input",
            known[name].activation if name in known else "",
            known[name].operation if name in known else "",
            *place[name],
        )
        for name in level
    )
    return GraphPicture(dots, tuple(edges), len(columns) * STEP_X, (tallest + 0.8) * STEP_Y)


def graph_svg(spec: FieldSpec, colours: Mapping[str, str] | None = None, selected: str = "") -> str:
    """The graph as an SVG; lines and words are `currentColor`, so it suits a light and a dark page.

    Every node is a <g class="field-node" data-node="NAME" tabindex="0"> with its activation's curve inside.
    colours: a fill by node name (the mean colour of its picture, for instance).
    """
    shown = graph(spec)
    place = {dot.name: dot for dot in shown.dots}
    parts = [_edge_svg(place[a], place[b]) for a, b in shown.edges]
    parts += [_dot_svg(dot, (colours or {}).get(dot.name, "none"), dot.name == selected) for dot in shown.dots]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {shown.width:g} {shown.height:g}" role="img" '
        f'aria-label="The network: {len(shown.dots)} nodes, {len(shown.edges)} connections" '
        f'style="width:100%;max-width:{shown.width:g}px;height:auto;color:inherit" '
        f'font-family="system-ui, sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


def _untangled(names: list[str], edges: list[tuple[str, str]], place: dict[str, tuple[float, float]]) -> list[str]:
    """Names by the mean height of their sources (Sugiyama's barycentre heuristic, 1981)."""

    def height(name: str) -> float:
        heights = [place[a][1] for a, b in edges if b == name and a in place]
        return sum(heights) / len(heights) if heights else 0.0

    return sorted(names, key=height)


def _edge_svg(a: Dot, b: Dot) -> str:
    x0, x1 = a.x + RADIUS, b.x - RADIUS
    bend = (x1 - x0) / 2
    return (
        f'<path d="M{x0:.1f} {a.y:.1f}C{x0 + bend:.1f} {a.y:.1f} '
        f'{x1 - bend:.1f} {b.y:.1f} {x1:.1f} {b.y:.1f}" '
        'fill="none" stroke="currentColor" stroke-opacity="0.35" stroke-width="1.3"/>'
    )


def _dot_svg(dot: Dot, fill: str, selected: bool) -> str:
    name = escape(dot.name, quote=True)
    words = " ".join(word for word in (dot.name, dot.operation, dot.activation) if word)
    inner = f'<circle cx="{dot.x:g}" cy="{dot.y:g}" r="{RADIUS}" fill="{escape(fill, quote=True)}" '
    inner += f'stroke="currentColor" stroke-width="{3 if selected else 1.3}"/>'
    if dot.kind == "node":
        inner += _curve_svg(dot)
        label = dot.activation if dot.operation == "linear" else f"{dot.activation}, {dot.operation}"
        inner += f'<text x="{dot.x:g}" y="{dot.y + RADIUS + 12:g}" text-anchor="middle" '
        inner += f'fill="currentColor" font-size="9">{escape(label)}</text>'
    else:
        short = {"periodic_x": "sin x", "periodic_y": "sin y", "theta": "θ", "output": "colour"}
        inner += f'<text x="{dot.x:g}" y="{dot.y + 4:g}" text-anchor="middle" fill="currentColor">'
        inner += f"{escape(short.get(dot.name, dot.name))}</text>"
    focus = ' tabindex="0" style="cursor:pointer"' if dot.kind == "node" else ""
    return f'<g class="field-node" data-node="{name}"{focus}><title>{escape(words)}</title>{inner}</g>'


def _curve_svg(dot: Dot) -> str:
    """The activation over [-3, 3], fitted into the circle."""
    y = activation(dot.activation)(torch.linspace(-3, 3, 25))
    low, high = float(y.min()), float(y.max())
    reach = max(high - low, 1e-6)
    points = " ".join(
        f"{dot.x - 13 + 26 * i / 24:.1f},{dot.y + 9 - 18 * (float(v) - low) / reach:.1f}" for i, v in enumerate(y)
    )
    return f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.6"/>'


def neuron_strips(recipe: Recipe, count: int = 10, side: int = 64) -> dict[str, np.ndarray]:
    """The first `count` neurons of each layer or node side by side, each from black to white on its own scale: name ->
    (side, W) uint8."""
    planes = feature_pictures(recipe.spec, recipe.window, (side, side), count)
    return {name: contact_sheet(list(tiles), len(tiles), 3, 128) for name, tiles in planes.items()}


def neuron_sheet(recipe: Recipe, node: str, side: int = 96, columns: int = 8) -> np.ndarray:
    """All neurons of a layer or node (32 at most) in rows of `columns`, (H, W) uint8.

    Raises:
        KeyError: no such node.
    """
    planes = feature_pictures(recipe.spec, recipe.window, (side, side), 32)[node]
    return contact_sheet(list(planes), min(columns, len(planes)), 3, 128)


def family_tree(family: Family, thumb: Callable[[Member], bytes] | None = None) -> str:
    """The family from left to right as an SVG, every member a picture whose `data-node` is its number; the ancestors of
    the current one are joined by thick lines. thumb: a member's picture as JPEG; drawn here by default."""
    shown = range(max(0, len(family.members) - _MOST_MEMBERS), len(family.members))
    place = _places([family.members[i].parents for i in shown], shown.start)
    lineage = {family.current, *family.ancestors(family.current)}
    columns, rows = (max(at[axis] for at in place.values()) + 1 for axis in (0, 1))
    width, height = columns * _TREE_X, rows * _TREE_Y + 18
    parts = []
    for number, (column, row) in place.items():
        for parent in family.members[number].parents:
            if parent in place:
                x0, y0 = place[parent][0] * _TREE_X + _TREE_SIDE, place[parent][1] * _TREE_Y + _TREE_SIDE / 2 + 4
                x1, y1 = column * _TREE_X + 4, row * _TREE_Y + _TREE_SIDE / 2 + 4
                opacity, breadth = (0.9, 2.4) if {number, parent} <= lineage else (0.3, 1.3)
                parts.append(
                    f'<path d="M{x0} {y0}C{(x0 + x1) / 2} {y0} {(x0 + x1) / 2} {y1} {x1} {y1}" fill="none" '
                    f'stroke="currentColor" stroke-opacity="{opacity}" stroke-width="{breadth}"/>'
                )
    for number, (column, row) in place.items():
        member = family.members[number]
        box = f'x="{column * _TREE_X + 4}" y="{row * _TREE_Y + 4}" width="{_TREE_SIDE - 4}" height="{_TREE_SIDE - 4}"'
        now = number == family.current
        source = base64.b64encode((thumb or _thumb)(member)).decode()
        parts.append(
            f'<g data-node="{number}" tabindex="0" role="button" aria-label="{escape(member.name, quote=True)}">'
            f'<title>{escape(member.name)}</title><image href="data:image/jpeg;base64,{source}" {box}/>'
            f'<rect {box} rx="4" fill="none" stroke="currentColor" stroke-opacity="{1 if now else 0.25}" '
            f'stroke-width="{3 if now else 1}"/></g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="group" aria-label="Family tree of {len(place)} pictures">{"".join(parts)}</svg>'
    )


_TREE_X, _TREE_Y, _TREE_SIDE = 108, 92, 72
_MOST_MEMBERS = 120


def _thumb(member: Member) -> bytes:
    return encoded(picture(member.spec, member.window, (_TREE_SIDE, _TREE_SIDE)), "JPEG")


def _places(parents: Sequence[Sequence[int]], first: int) -> dict[int, tuple[int, int]]:
    """(column, row) of each member: a generation is a column, a line of first children is a row."""
    place: dict[int, tuple[int, int]] = {}
    rows = 0
    used: set[tuple[int, int]] = set()
    for i, elders in enumerate(parents):
        known = [place[parent] for parent in elders if parent in place]
        column = 1 + max((at[0] for at in known), default=-1)
        row = known[0][1] if known else rows
        while (column, row) in used:
            row += 1
        place[first + i] = (column, row)
        used.add((column, row))
        rows = max(rows, row + 1)
    return place
