"""The network of a field as a picture: data for any drawing, and an SVG that takes the page's colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import torch

from atelier.cppn.activations import ACTIVATIONS
from atelier.cppn.inputs import groups
from atelier.cppn.spec import FieldSpec
from atelier.cppn.topologies import INPUT, plan

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
    y = ACTIVATIONS[dot.activation](torch.linspace(-3, 3, 25))
    low, high = float(y.min()), float(y.max())
    reach = max(high - low, 1e-6)
    points = " ".join(
        f"{dot.x - 13 + 26 * i / 24:.1f},{dot.y + 9 - 18 * (float(v) - low) / reach:.1f}" for i, v in enumerate(y)
    )
    return f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.6"/>'
