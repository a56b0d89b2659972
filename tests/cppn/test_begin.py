"""Where an exploration begins: the words of an address and a command line, and what is refused."""

import pytest
from atelier import cppn
from atelier.errors import UserError
from showcase import ENDLESS, GALLERY


def at(x, y, zoom):
    return cppn.WHOLE.replace(x=x, y=y, zoom=zoom)


def test_begins_on_a_chosen_picture():
    assert cppn.begin() == cppn.starter(next(iter(cppn.STARTERS)))


def test_a_seed_alone_is_a_surprise():
    assert cppn.begin(seed=7).spec == cppn.surprise(7)


@pytest.mark.parametrize("topology", list(cppn.TOPOLOGIES))
def test_a_topology_is_kept(topology):
    found = cppn.begin(seed=7, topology=topology)
    assert (found.spec.topology, found.spec.seed) == (topology, 7)


def test_window_and_properties_change_a_token():
    token = cppn.to_token(cppn.Recipe(cppn.FieldSpec(width=9), at(1, 2, 3)))
    found = cppn.begin(field=token, zoom=5.0, palette=("moss",))
    assert found == cppn.Recipe(cppn.FieldSpec(width=9, palette=("moss",)), at(1, 2, 5))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"field": "f1.De4EW6"}, "cut off"),
        ({"field": "f9.De4EW6"}, "newer Atelier"),
        ({"recipe": "nowhere.png"}, "no recipe at nowhere.png"),
        ({"low": 3.0, "high": 1.0}, "Low must not be above high"),
    ],
)
def test_one_sentence_for_what_cannot_be(words, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        cppn.begin(**words)
    assert "\n" not in str(caught.value)


def test_the_recipes_of_the_gallery_can_be_drawn_and_its_zoom_has_no_end():
    found = cppn.load_favourites(cppn.FileShelf(GALLERY / "random_fields.json"))
    assert len(found) == 12
    for recipe in found.values():
        assert cppn.picture(recipe.spec, recipe.window, (16, 16)).std() > 10
    near, far = (cppn.walk_for("zoom", found[ENDLESS])(t).window.zoom for t in (0.0, 0.5))
    assert far == near * 2**0.5
