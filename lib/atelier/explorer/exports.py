"""What can be taken home, each as an iterator of steps: an animation, a print, a recipe."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from atelier.errors import UserError
from atelier.explorer.studio import latent_keys
from atelier.cppn import recipe as recipes
from atelier.cppn.animation import (
    Walk,
    animate,
    endless_zoom,
    latent_walk,
    weight_walk,
    window_walk,
    write,
)
from atelier.cppn.recipe import Recipe
from atelier.cppn.surprise import new_seed
from atelier.cppn.window import Window, check_size
from atelier.page.downloads import ExportStep

WALKS = {
    "zoom": "Zoom in and back",
    "latent": "Wander in the latent space",
    "weights": "Breathe: to other weights and back",
}
"""Name to what people read."""
LATENT = 6
"""Numbers of the latent vector that a field without one is given for a walk."""


def walk_for(kind: str, found: Recipe, reach: float = 16.0, path: str = "spline") -> Walk:
    """A loop that begins with the recipe.

    kind: "zoom" magnifies `reach` times (0.01 to 1e6) and comes back, or never ends where the field is the same
    at every power of two; "latent" wanders by `path`; "weights" goes a third of the way to other weights and back.

    Raises:
        UserError: another kind, or a walk that the field cannot make.
    """
    spec, window = found.spec, found.window
    if kind == "zoom":
        try:
            return endless_zoom(found)
        except UserError:
            return window_walk(found, window.replace(zoom=min(window.zoom * reach, Window.domain("zoom").high)))
    if kind == "latent":
        own = spec if spec.latent else spec.replace(latent=(0.0,) * LATENT)
        given = Recipe(own, window)
        return latent_walk(given, latent_keys(given, spec.seed), path)
    if kind == "weights":
        other = new_seed(spec.seed, "breath")
        strands = (*((seed, 0.87 * amount) for seed, amount in spec.weight_strands()[:11]), (other, 0.5))
        return weight_walk(found, Recipe(spec.replace(strands=strands), window))
    raise UserError(f"There is no walk {kind!r}; the walks are {', '.join(WALKS)}.")


def animation_steps(walk: Walk, frames: int, size: tuple[int, int], fps: int, ending: str) -> Iterator[ExportStep]:
    """A loop as a file with this ending (".gif", ".png", ".webp", ".mp4").

    Raises:
        UserError: a value out of bounds, an ending that cannot be written here.
    """
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        path = Path(folder) / f"loop{ending}"
        for frame in write(path, animate(walk, frames, size), fps):
            yield ExportStep(frame.index + 1, frames + 1)
        yield ExportStep(frames + 1, frames + 1, path.read_bytes())


def print_steps(found: Recipe, size: tuple[int, int], supersample: int = 1) -> Iterator[ExportStep]:
    """A PNG of any size, with its recipe.

    Raises:
        UserError: a side that is not from 1 to 16384, a supersampling that is not from 1 to 8.
    """
    size = check_size(size)
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        path = Path(folder) / "print.png"
        total = 1
        for tile in recipes.write_png(path, found, size, supersample=supersample):
            total = tile.total
            yield ExportStep(tile.done, total + 1)
        yield ExportStep(total + 1, total + 1, path.read_bytes())


def recipe_steps(found: Recipe) -> Iterator[ExportStep]:
    """recipe.json."""
    yield ExportStep(1, 1, (json.dumps(found.to_json(), indent=2) + "\n").encode())
