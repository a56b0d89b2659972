"""The explorer without a browser: pictures, grids and animations as files, one JSON object at the end."""

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from atelier.explorer.drawings import network, sheet
from atelier.explorer.exports import walk_for
from atelier.explorer.settings import ExplorerSettings
from atelier.explorer.studio import name_of
from atelier.cppn import recipe as recipes
from atelier.cppn.animation import animate, write
from atelier.cppn.genetics import Mutation, siblings
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import estimate, picture, pictures
from atelier.cppn.spec import FieldSpec
from atelier.cppn.topologies import TOPOLOGIES
from atelier.cppn.window import Window
from atelier.paths import write_whole
from atelier.page.report import Report
from atelier.page.terminal import ProgressBar
from atelier.page.packing import encode_picture

_THUMB = 256
_REPORT_SIDE = 900


def run_command(settings: ExplorerSettings, words: TextIO | None = None) -> dict[str, Any]:
    """Write the picture and its recipe into `settings.out`, and a grid, an animation and a report where they are
    asked for; gives the summary that is printed last.

    Raises:
        UserError: settings that cannot be made into a picture or a walk.
    """
    begin = time.monotonic()
    bar = ProgressBar(words or sys.stderr)
    found, name = settings.begin()
    name = name or name_of(found.spec)
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "field"
    out = Path(settings.out)
    walk = None if settings.animate == "none" else walk_for(settings.animate, found)
    files = [out / f"{stem}.png", out / "recipe.json"]
    tiles = recipes.write_png(files[0], found, settings.size, supersample=settings.supersample)
    _watch(((tile.done, tile.total) for tile in tiles), files[0].name, bar)
    recipes.write_json(files[1], found)
    if settings.grid:
        pixels = grid(found, *settings.grid, settings.strength)
        files.append(write_whole(out / f"{stem}-siblings.png", encode_picture(pixels)))
    if walk:
        files.append(out / f"{stem}-{settings.animate}.{settings.format}")
        frames = animate(walk, settings.frames, settings.size, supersample=settings.supersample)
        written = write(files[-1], frames, settings.fps)
        _watch(((frame.index + 1, frame.count) for frame in written), files[-1].name, bar)
    if settings.report:
        files.append(report(settings).write(Path(settings.report)))
    return {
        "name": name,
        "files": [str(path) for path in files],
        "size": list(settings.size),
        "token": recipes.to_token(found),
        "seed": found.spec.seed,
        "topology": found.spec.topology,
        **({"frames": settings.frames} if walk else {}),
        "seconds": round(time.monotonic() - begin, 3),
    }


def report(settings: ExplorerSettings) -> Report:
    """The picture, its siblings, its network and its recipe as a page of its own."""
    found, name = settings.begin()
    spec, window = found.spec, found.window
    title = name or name_of(spec)
    shown = recipes.png_bytes(picture(spec, window, (_REPORT_SIDE, _REPORT_SIDE), supersample=2), found)
    page = Report(title, "A picture that nobody planned, from a network that nobody trained.")
    page.pictures({f"{title}. The PNG carries its recipe: drop it into the explorer.": shown})
    cost = estimate(spec, settings.size, supersample=settings.supersample)
    page.numbers(
        {
            "topology": TOPOLOGIES[spec.topology].title,
            "seed": str(spec.seed),
            "colours": spec.palette[0] if spec.colour == "palette" else spec.colour,
            "zoom": f"{window.zoom:g}×",
            "to draw it {}×{}".format(*settings.size): f"{cost.seconds:.1f} s",
        }
    )
    page.heading("Its siblings").text(
        "Each one is a child with slightly other weights, and now and then another activation, input or palette. In "
        "the explorer a click makes one of them the parent of the next sixteen."
    )
    columns, rows = settings.grid or (4, 4)
    page.pictures({"Siblings": encode_picture(grid(found, columns, rows, settings.strength))})
    page.heading("Its network").text(
        "A place (x, y) of the plane goes in on the left, its colour comes out on the right. Each node mixes what "
        "it is given with random weights and bends the result by the curve that is drawn in it."
    )
    page.drawing(network(spec), "The network, with the activation of each node")
    page.heading("Its recipe").text(
        f"Address: ?field={recipes.to_token(found)}", "All that differs from the defaults of a field:"
    )
    default = FieldSpec()
    rows_ = [
        [key.replace("_", " "), json.dumps(value)]
        for key, value in spec.to_json().items()
        if key != "format" and value != default.to_json()[key]
    ]
    rows_ += [[key.replace("_", " "), f"{v:g}"] for key, v in window.to_json().items() if window != Window()]
    return page.table(["property", "value"], rows_)


def grid(found: Recipe, columns: int, rows: int, strength: float, side: int = _THUMB) -> np.ndarray:
    """A sheet of siblings, (H, W, 3) uint8, white between them."""
    specs = list(siblings([found.spec], columns * rows, found.spec.seed, Mutation(strength=strength)))
    return sheet(list(pictures(specs, (side, side), found.window)), columns)


def _watch(steps: Iterator[tuple[int, int]], name: str, bar: ProgressBar) -> None:
    """Go through steps (done, total) with a progress bar."""
    for done, total in steps:
        bar(name, done / total)
