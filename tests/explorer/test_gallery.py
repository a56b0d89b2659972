"""The recipes behind the README's pictures."""

from atelier.explorer.exports import walk_for
from atelier.cppn import favourites
from atelier.cppn.rendering import picture
from atelier.showcase import ENDLESS, GALLERY


def test_the_recipes_of_the_gallery_can_be_drawn_and_its_zoom_has_no_end():
    found = favourites.load(favourites.FileShelf(GALLERY / "random_fields.json"))
    assert len(found) == 12
    for recipe in found.values():
        assert picture(recipe.spec, recipe.window, (16, 16)).std() > 10
    near, far = (walk_for("zoom", found[ENDLESS])(t).window.zoom for t in (0.0, 0.5))
    assert far == near * 2**0.5
