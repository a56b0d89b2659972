"""What stands still on the page: the network, what its nodes see, the family tree."""

import base64
import html
from collections.abc import Sequence

import numpy as np

from atelier.explorer.studio import Explorer, jpeg
from atelier.cppn.graph import graph_svg
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import feature_pictures
from atelier.cppn.spec import FieldSpec
from atelier.cppn.topologies import Node, plan

_TILE, _GAP = 64, 3
_STEP_X, _STEP_Y, _SIDE = 108, 92, 72
_MOST_MEMBERS = 120


def nodes(spec: FieldSpec) -> list[Node]:
    """The nodes of a field's network whose activation can be chosen."""
    return plan(spec)[:-1]


def network(spec: FieldSpec, selected: str = "") -> str:
    """The graph of a field as SVG."""
    return graph_svg(spec, selected=selected)


def node_strips(found: Recipe, count: int = 10, side: int = _TILE) -> dict[str, bytes]:
    """Each node's first neurons side by side, as they answer over the window: name -> JPEG."""
    maps = feature_pictures(found.spec, found.window, (side, side), count)
    return {name: jpeg(_strip(planes)) for name, planes in maps.items()}


def node_sheet(found: Recipe, node: str, side: int = 96, columns: int = 8) -> bytes:
    """All neurons of a node (32 at most) in rows of `columns`: JPEG.

    Raises:
        KeyError: no such node.
    """
    planes = feature_pictures(found.spec, found.window, (side, side), 32)[node]
    rows = [_strip(planes[i : i + columns], columns) for i in range(0, len(planes), columns)]
    gap = np.full((_GAP, rows[0].shape[1], 3), 128, np.uint8)
    return jpeg(np.concatenate([part for row in rows for part in (row, gap)][:-1]))


def sheet(pictures: Sequence[np.ndarray], columns: int, gap: int = 6) -> np.ndarray:
    """Pictures (side, side, 3) uint8 in rows of `columns` on one sheet (H, W, 3), white between them."""
    side = len(pictures[0])
    step, rows = side + gap, -(-len(pictures) // columns)
    found = np.full((rows * step - gap, columns * step - gap, 3), 255, np.uint8)
    for i, pixels in enumerate(pictures):
        y, x = divmod(i, columns)
        found[y * step : y * step + side, x * step : x * step + side] = pixels
    return found


def _strip(planes: np.ndarray, columns: int = 0) -> np.ndarray:
    """(n, H, W) gray tiles in one row of at least `columns`, (H, n W + gaps, 3)."""
    height, width = planes.shape[1:]
    count = max(len(planes), columns)
    row = np.full((height, count * (width + _GAP) - _GAP), 128, np.uint8)
    for i, plane in enumerate(planes):
        row[:, i * (width + _GAP) : i * (width + _GAP) + width] = plane
    return np.repeat(row[..., None], 3, axis=2)


def sheet_html(found: Recipe, node: str) -> str:
    """The sheet of a node as an image."""
    source = _source(node_sheet(found, node))
    return (
        f"<img alt='Neurons of {html.escape(node)}' src='{source}' style='width: min(100%, 640px); border-radius: 4px'>"
    )


def strips_html(spec: FieldSpec, strips: dict[str, bytes]) -> str:
    """Each node's strip with its name and activation."""
    known = {node.name: node.activation for node in plan(spec)}
    rows = "".join(
        f"<figure style='margin: 0 0 .5rem'><figcaption style='font-size: 12px; opacity: .75'>{html.escape(name)}"
        f"{' · ' + html.escape(known[name]) if name in known else ''}</figcaption>"
        f"<img alt='Neurons of {html.escape(name)}' src='{_source(data)}' style='height: 52px; max-width: none; "
        "border-radius: 3px; display: block'></figure>"
        for name, data in strips.items()
    )
    return f"<div style='overflow-x: auto'>{rows}</div>"


def family_tree(explorer: Explorer) -> str:
    """The family from left to right, every member a thumbnail that can be clicked; the way walked in thick lines."""
    family = explorer.family
    shown = range(max(0, len(family.members) - _MOST_MEMBERS), len(family.members))
    place = _places([family.members[i].parents for i in shown], shown.start)
    lineage = {family.current, *family.ancestors(family.current)}
    columns, rows = (max(at[axis] for at in place.values()) + 1 for axis in (0, 1))
    width, height = columns * _STEP_X, rows * _STEP_Y + 18
    parts = []
    for number, (column, row) in place.items():
        for parent in family.members[number].parents:
            if parent in place:
                x0, y0 = place[parent][0] * _STEP_X + _SIDE, place[parent][1] * _STEP_Y + _SIDE / 2 + 4
                x1, y1 = column * _STEP_X + 4, row * _STEP_Y + _SIDE / 2 + 4
                own = number in lineage and parent in lineage
                opacity, breadth = (0.9, 2.4) if own else (0.3, 1.3)
                parts.append(
                    f'<path d="M{x0} {y0}C{(x0 + x1) / 2} {y0} {(x0 + x1) / 2} {y1} {x1} {y1}" fill="none" '
                    f'stroke="currentColor" stroke-opacity="{opacity}" stroke-width="{breadth}"/>'
                )
    for number, (column, row) in place.items():
        member = family.members[number]
        x, y = column * _STEP_X + 4, row * _STEP_Y + 4
        now = number == family.current
        parts.append(
            f'<g data-node="{number}" tabindex="0" role="button" aria-label="{html.escape(member.name, quote=True)}">'
            f"<title>{html.escape(member.name)}</title>"
            f'<image href="{_source(explorer.thumb(member.spec, member.window))}" x="{x}" y="{y}" '
            f'width="{_SIDE - 4}" height="{_SIDE - 4}"/>'
            f'<rect x="{x}" y="{y}" width="{_SIDE - 4}" height="{_SIDE - 4}" rx="4" fill="none" stroke="currentColor" '
            f'stroke-opacity="{1 if now else 0.25}" stroke-width="{3 if now else 1}"/></g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="group" aria-label="Family tree of {len(place)} pictures">{"".join(parts)}</svg>'
    )


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


def _source(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
