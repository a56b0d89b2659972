"""The explorer's state, without any page."""

import json

import pytest
from atelier.errors import UserError
from atelier.explorer.settings import ExplorerSettings
from atelier.explorer.studio import LITTER, Explorer
from atelier.cppn import favourites, recipe
from atelier.cppn.recipe import Recipe, from_token
from atelier.cppn.rendering import picture
from atelier.cppn.spec import FieldSpec
from atelier.cppn.window import Window

SPEC = FieldSpec(width=6, depth=2)


@pytest.fixture(autouse=True)
def _own_favourites(tmp_path, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))


@pytest.fixture
def explorer():
    made = Explorer(Recipe(SPEC, Window(0.5, 0, 2)), "first")
    assert len(list(made.breed())) == LITTER
    return made


def test_a_chosen_sibling_becomes_the_parent(explorer):
    wanted = explorer.litter.specs[3]
    explorer.choose(3)
    assert explorer.spec == wanted
    assert explorer.window == Window(0.5, 0, 2)  # as its thumbnail showed it
    assert explorer.family.members[1].parents == (0,)
    assert explorer.litter.specs == ()
    assert all(spec != SPEC for spec, _ in explorer.breed())


def test_siblings_are_the_same_for_the_same_history():
    specs = [[spec for spec, _ in Explorer(Recipe(SPEC)).breed()] for _ in range(2)]
    assert specs[0] == specs[1]


def test_another_litter_ends_the_one_that_is_drawn(explorer):
    explorer.more()
    litter = explorer.breed()
    next(litter)
    explorer.more()
    assert list(litter) == []
    assert explorer.litter.specs == ()


def test_crossing_remembers_its_parents(explorer):
    picked = [explorer.litter.specs[i] for i in (1, 5)]
    explorer.cross([1, 5])
    assert explorer.spec == SPEC
    assert [explorer.family.members[i].spec for i in explorer.litter.parents] == picked
    list(explorer.breed())
    explorer.choose(0)
    assert explorer.family.members[explorer.family.current].parents == (1, 2)
    assert set(explorer.family.ancestors(explorer.family.current)) == {0, 1, 2}
    explorer.undo()
    assert explorer.spec == SPEC


@pytest.mark.parametrize("picks", [[], [2], [2, 2], [1, 99]])
def test_crossing_needs_two(explorer, picks):
    before = explorer.family
    with pytest.raises(UserError):
        explorer.cross(picks)
    assert explorer.family == before


def test_undo_gives_back_picture_and_window(explorer):
    explorer.roam(Window(0, 0, 8))
    explorer.choose(0)
    explorer.roam(Window(1, 1, 1))
    explorer.surprise()
    assert explorer.undo()
    assert explorer.window == Window(1, 1, 1)
    assert explorer.undo()
    assert (explorer.spec, explorer.window) == (SPEC, Window(0, 0, 8))
    assert not explorer.undo()


def test_back_to_any_ancestor(explorer):
    explorer.choose(2)
    explorer.recolour()
    explorer.back_to(0)
    assert explorer.spec == SPEC
    explorer.undo()
    assert explorer.family.current == 2
    with pytest.raises(UserError, match="no member 99"):
        explorer.back_to(99)


def test_turned_knobs_are_one_step(explorer):
    assert not explorer.tune(SPEC, {})
    for cycles in (2.0, 3.0, 4.0):
        assert explorer.tune(SPEC, {"cycles": cycles})
    assert len(explorer.family.members) == 1
    list(explorer.breed())
    explorer.choose(0)
    assert explorer.family.members[1].spec.cycles == 4.0
    assert explorer.family.members[2].parents == (1,)
    explorer.undo()
    assert explorer.spec.cycles == 4.0
    explorer.undo()
    assert explorer.spec == SPEC


def test_refused_knobs_change_nothing(explorer):
    for changes in ({"width": 0}, {"std": float("nan")}, {"palette": ("mud",)}):
        with pytest.raises(UserError):
            explorer.tune(SPEC, changes)
    assert explorer.spec == SPEC


def test_a_latent_vector_begins_where_the_picture_is(explorer):
    before = picture(SPEC, Window(), (16, 16))
    explorer.give_latent(5)
    assert (picture(explorer.spec, Window(), (16, 16)) == before).all()
    explorer.give_latent(0)
    assert explorer.spec == SPEC


def test_an_activation_is_changed_in_one_node(explorer):
    explorer.set_activation("layer 2", "sin")
    assert explorer.spec.activations == ("bump", "sin")
    with pytest.raises(UserError):
        explorer.set_activation("layer 2", "wiggle")


def test_files_are_loaded(explorer, tmp_path):
    other = Recipe(FieldSpec(width=3), Window(0, 0, 4))
    png = recipe.png_bytes(picture(other.spec, other.window, (8, 8)), other)
    assert "moth opened" in explorer.load(png, "moth.png")
    assert explorer.recipe == other
    explorer.load(json.dumps(Recipe(SPEC).to_json()).encode(), "recipe.json")
    assert explorer.recipe == Recipe(SPEC)
    explorer.load(favourites.dumps({"a": other, "b": other}).encode(), "favourites.json")
    assert list(favourites.load(explorer.shelf)) == ["a", "b"]


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"{", b"[1]", b'{"spec": {"format": 99}}', b"\xff" * 50])
def test_bad_files_change_nothing(explorer, data):
    before = explorer.family
    with pytest.raises(UserError):
        explorer.load(data, "odd.json")
    assert explorer.family == before


def test_favourites_get_names_of_their_own(explorer):
    assert explorer.keep() == "Kept as first."
    assert explorer.keep() == "Kept as first 2."
    with pytest.raises(UserError, match="already"):
        explorer.keep("first")
    assert favourites.load(explorer.shelf)["first"] == explorer.recipe


def test_the_address_gives_the_picture_back(explorer):
    explorer.choose(7)
    explorer.roam(Window(0.25, -1, 3))
    assert from_token(explorer.token) == explorer.recipe
    found, _ = ExplorerSettings.read({"field": explorer.token}, address=True).begin()
    assert found == explorer.recipe
