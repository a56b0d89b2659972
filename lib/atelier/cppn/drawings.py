"""What a field looks like inside: its network as a drawing, its neurons as pictures; and the family as a tree."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import torch

from atelier.cppn.breeding import Family
from atelier.cppn.functions import ACTIVATIONS
from atelier.cppn.prints import thumbnail
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import feature_pictures
from atelier.cppn.spec import FieldSpec
from atelier.cppn.topologies import INPUT, groups, plan
from atelier.drawing import contact_sheet

Place = tuple[float, float]
STEP_X, STEP_Y, RADIUS = 118, 62, 20
_SHORT = {"periodic_x": "sin x", "periodic_y": "sin y", "theta": "θ", "output": "colour"}
_TREE_X, _TREE_Y, _TREE_SIDE = 108, 92, 72
_MOST_MEMBERS = 120


def graph_svg(spec: FieldSpec, selected: str = "") -> str:
    """The network of a spec as an SVG, laid out from left to right by the longest way from the input; lines and words
    are `currentColor`, so it suits a light and a dark page.

    Every node is a <g class="field-node" data-node="NAME" tabindex="0"> with its activation's curve inside.
    """
    nodes = {node.name: node for node in plan(spec)}
    inputs = [*groups(spec), *(["latent"] if spec.latent else [])]
    edges: list[tuple[str, str]] = []
    level = dict.fromkeys(inputs, 0)
    for node in nodes.values():
        sources = [s for source in node.sources for s in (inputs if source == INPUT else [source])]
        edges += [(source, node.name) for source in sources]
        level[node.name] = 1 + max(level[source] for source in sources)
    columns = [[name for name in level if level[name] == i] for i in range(max(level.values()) + 1)]
    tallest = max(map(len, columns))
    place: dict[str, Place] = {}
    for i, names in enumerate(columns):
        # every other column is shifted a little, so that an edge that skips one can be seen
        shift = STEP_Y * 0.28 * (i % 2) if len(columns) > 3 and spec.topology != "mlp" else 0
        for row, name in enumerate(_untangled(names, edges, place)):
            place[name] = (i + 0.5) * STEP_X, (row + (tallest - len(names)) / 2 + 0.7) * STEP_Y + shift
    parts = [_edge_svg(place[a], place[b], RADIUS) for a, b in edges]
    for name in level:
        x, y = place[name]
        inner = f'<circle cx="{x:g}" cy="{y:g}" r="{RADIUS}" fill="none" stroke="currentColor" '
        inner += f'stroke-width="{3 if name == selected else 1.3}"/>'
        if name == "output" or name in inputs:
            words, focus = name, ""
            inner += _text_svg(x, y + 4, _SHORT.get(name, name), 11)
        else:
            activation, operation = nodes[name].activation, nodes[name].operation
            words, focus = f"{name} {operation} {activation}", ' tabindex="0" style="cursor:pointer"'
            inner += _curve_svg(activation, x, y)
            inner += _text_svg(x, y + RADIUS + 12, activation + f", {operation}" * (operation != "linear"), 9)
        parts.append(f'<g class="field-node" data-node="{name}"{focus}><title>{words}</title>{inner}</g>')
    width = len(columns) * STEP_X
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {(tallest + 0.8) * STEP_Y:g}" role="img" '
        f'aria-label="The network: {len(level)} nodes, {len(edges)} connections" '
        f'style="width:100%;max-width:{width:g}px;height:auto;color:inherit" '
        f'font-family="system-ui, sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


def _untangled(names: Sequence[str], edges: Sequence[tuple[str, str]], place: Mapping[str, Place]) -> list[str]:
    """Names by the mean height of their sources (Sugiyama's barycentre heuristic, 1981)."""

    def height(name: str) -> float:
        heights = [place[a][1] for a, b in edges if b == name and a in place]
        return sum(heights) / len(heights) if heights else 0.0

    return sorted(names, key=height)


def _edge_svg(start: Place, end: Place, gap: float, opacity: float = 0.35, breadth: float = 1.3) -> str:
    """A curve from `gap` behind one place to `gap` before another."""
    (x0, y0), (x1, y1) = (start[0] + gap, start[1]), (end[0] - gap, end[1])
    middle = (x0 + x1) / 2
    return (
        f'<path d="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}" '
        f'fill="none" stroke="currentColor" stroke-opacity="{opacity}" stroke-width="{breadth}"/>'
    )


def _text_svg(x: float, y: float, text: str, size: int) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="currentColor" font-size="{size}">{text}</text>'


def _curve_svg(activation: str, x: float, y: float) -> str:
    """The activation over [-3, 3], fitted into the circle."""
    curve = ACTIVATIONS[activation](torch.linspace(-3, 3, 25)).tolist()
    low, reach = min(curve), max(max(curve) - min(curve), 1e-6)
    points = " ".join(f"{x - 13 + 26 * i / 24:.1f},{y + 9 - 18 * (v - low) / reach:.1f}" for i, v in enumerate(curve))
    return f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.6"/>'


def neuron_strips(recipe: Recipe) -> dict[str, np.ndarray]:
    """The first ten neurons of each layer or node side by side, each from black to white on its own scale: name and
    activation -> (64, W) uint8."""
    planes = feature_pictures(recipe.spec, recipe.window, (64, 64), 10)
    return {
        f"{node.name} · {node.activation}": contact_sheet(list(planes[node.name]), len(planes[node.name]), 3, 128)
        for node in plan(recipe.spec)
    }


def neuron_sheet(recipe: Recipe, node: str) -> np.ndarray:
    """All neurons of a layer or node (32 at most) in rows of eight, (H, W) uint8. Raises KeyError: no such node."""
    planes = feature_pictures(recipe.spec, recipe.window, (96, 96))[node]
    return contact_sheet(list(planes), min(8, len(planes)), 3, 128)


def family_tree(family: Family) -> str:
    """The family from left to right as an SVG, every member a picture whose `data-node` is its number; the ancestors of
    the current one are joined by thick lines."""
    first = max(0, len(family.members) - _MOST_MEMBERS)
    shown = family.members[first:]
    place = _places([member.parents for member in shown], first)
    lineage = {family.current, *family.ancestors(family.current)}
    width, height = (max(at) + 1 for at in zip(*place.values(), strict=True))
    width, height = width * _TREE_X, height * _TREE_Y + 18
    edges, parts = [], []
    for (number, (column, row)), member in zip(place.items(), shown, strict=True):
        x, y = column * _TREE_X + 4, row * _TREE_Y + 4
        for parent in member.parents:
            if parent in place:
                px, py = place[parent][0] * _TREE_X + _TREE_SIDE, place[parent][1] * _TREE_Y + 4 + _TREE_SIDE / 2
                line = (0.9, 2.4) if {number, parent} <= lineage else (0.3, 1.3)
                edges.append(_edge_svg((px, py), (x, y + _TREE_SIDE / 2), 0, *line))
        jpeg = base64.b64encode(thumbnail(member, _TREE_SIDE)).decode()
        box = f'x="{x}" y="{y}" width="{_TREE_SIDE - 4}" height="{_TREE_SIDE - 4}"'
        frame = (1, 3) if number == family.current else (0.25, 1)
        parts.append(
            f'<g data-node="{number}" tabindex="0" role="button" aria-label="{escape(member.name, quote=True)}">'
            f"<title>{escape(member.name)}</title>"
            f'<image href="data:image/jpeg;base64,{jpeg}" {box}/><rect {box} rx="4" '
            f'fill="none" stroke="currentColor" stroke-opacity="{frame[0]}" stroke-width="{frame[1]}"/></g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="group" aria-label="Family tree of {len(shown)} pictures">{"".join(edges + parts)}</svg>'
    )


def _places(parents: Sequence[Sequence[int]], first: int) -> dict[int, tuple[int, int]]:
    """(column, row) of each member: a generation is a column, a line of first children is a row."""
    place: dict[int, tuple[int, int]] = {}
    rows = 0
    for i, elders in enumerate(parents):
        known = [place[parent] for parent in elders if parent in place]
        column = 1 + max((at[0] for at in known), default=-1)
        row = known[0][1] if known else rows
        while (column, row) in place.values():
            row += 1
        place[first + i] = column, row
        rows = max(rows, row + 1)
    return place
