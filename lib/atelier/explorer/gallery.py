"""The pictures of the README, drawn from their recipes: `uv run python -m atelier.explorer.gallery`.

The recipes, data/gallery/random_fields.json, were bred and kept in the explorer; it opens them as favourites.
"""

from atelier.explorer.drawings import sheet
from atelier.explorer.exports import walk_for
from atelier.explorer.studio import jpeg
from atelier.fields.random import favourites
from atelier.fields.random.animation import animate, write
from atelier.fields.random.rendering import picture
from atelier.paths import ROOT, atomic_write

GALLERY = ROOT / "data" / "gallery"
LOOP = "Shell without end"
_COLUMNS, _SIDE = 4, 320
_FRAMES, _FPS, _LOOP_SIDE = 48, 16, 256


def main() -> None:
    recipes = favourites.load(favourites.FileShelf(GALLERY / "random_fields.json"))
    pictures = [picture(found.spec, found.window, (_SIDE, _SIDE), supersample=3) for found in recipes.values()]
    with atomic_write(GALLERY / "random_fields.jpg") as part:
        part.write_bytes(jpeg(sheet(pictures, _COLUMNS), quality=88))
    frames = animate(walk_for("zoom", recipes[LOOP]), _FRAMES, (_LOOP_SIDE, _LOOP_SIDE), supersample=2)
    for _ in write(GALLERY / "random_field_zoom.webp", frames, _FPS):
        pass


if __name__ == "__main__":
    main()
