"""An exploration, without any page."""

import json

import numpy as np
import pytest
import torch
from atelier.cppn import catalogue, favourites, styles
from atelier.cppn.breeding import LITTER, Breeder
from atelier.cppn.favourites import FileShelf
from atelier.cppn.functions import encode
from atelier.cppn.genetics import crossover, hint, is_blank, mutate, siblings
from atelier.cppn.prints import print_file
from atelier.cppn.recipe import Recipe, from_token
from atelier.cppn.rendering import WHOLE, glances, picture
from atelier.cppn.spec import FieldSpec, strand_length
from atelier.cppn.styles import surprise
from atelier.errors import UserError
from atelier.fields.plane import Window

SPEC = FieldSpec(width=6, depth=2)


def window(x, y, zoom):
    return Window(x, y, zoom, "shorter")


@pytest.fixture
def breeder(tmp_path):
    made = Breeder(Recipe(SPEC, window(0.5, 0, 2), "first"), shelf=FileShelf(tmp_path / "favourites.json"))
    assert len(list(made.breed())) == LITTER
    return made


def test_a_chosen_sibling_becomes_the_parent(breeder):
    wanted = breeder.litter.specs[3]
    breeder.choose(3)
    assert breeder.spec == wanted
    assert breeder.window == window(0.5, 0, 2)  # as its thumbnail showed it
    assert breeder.family.members[1].parents == (0,)
    assert breeder.litter.specs == ()
    list(breeder.breed())
    assert SPEC not in breeder.litter.specs


def test_siblings_are_the_same_for_the_same_history():
    litters = []
    for _ in range(2):
        made = Breeder(SPEC)
        list(made.breed())
        litters.append(made.litter.specs)
    assert litters[0] == litters[1]
    assert len(set(litters[0])) == LITTER


def test_undo_brings_the_same_siblings_back(breeder):
    before = breeder.litter
    breeder.choose(5)
    list(breeder.breed())
    between = breeder.litter
    breeder.surprise()
    breeder.undo()
    assert breeder.litter == between
    breeder.undo()
    assert breeder.litter == before
    assert len(list(breeder.breed())) == LITTER


def test_a_litter_that_was_left_goes_on_as_it_would_have():
    whole, left = Breeder(SPEC), Breeder(SPEC)
    list(whole.breed())
    half = left.breed()
    for _ in range(5):
        next(half)
    left.surprise()
    assert list(half) == []
    left.undo()
    assert len(left.litter.specs) == 5
    assert len(list(left.breed())) == LITTER
    assert left.litter.specs == whole.litter.specs


def test_another_litter_ends_the_one_that_is_drawn(breeder):
    breeder.more()
    litter = breeder.breed()
    next(litter)
    breeder.set_strength(0.9)
    assert list(litter) == []
    assert breeder.litter.specs == ()


def test_crossing_remembers_its_parents(breeder):
    picked, before = [breeder.litter.specs[i] for i in (1, 5)], breeder.litter
    breeder.cross([1, 5])
    assert breeder.spec == SPEC
    assert [breeder.family.members[i].spec for i in breeder.litter.parents] == picked
    list(breeder.breed())
    breeder.choose(0)
    assert breeder.family.members[breeder.family.current].parents == (1, 2)
    assert set(breeder.family.ancestors(breeder.family.current)) == {0, 1, 2}
    breeder.undo()
    assert breeder.spec == SPEC
    assert breeder.litter.parents == (1, 2)
    breeder.undo()
    assert breeder.litter == before


@pytest.mark.parametrize("picks", [[], [2], [2, 2], [1, 99]])
def test_crossing_needs_two(breeder, picks):
    before = breeder.family
    with pytest.raises(UserError):
        breeder.cross(picks)
    assert breeder.family == before


def test_undo_gives_back_picture_and_window(breeder):
    breeder.window = window(0, 0, 8)
    breeder.choose(0)
    breeder.window = window(1, 1, 1)
    breeder.surprise()
    assert breeder.undo()
    assert breeder.window == window(1, 1, 1)
    assert breeder.undo()
    assert (breeder.spec, breeder.window) == (SPEC, window(0, 0, 8))
    assert not breeder.undo()


def test_back_to_any_ancestor(breeder):
    breeder.choose(2)
    breeder.recolour()
    breeder.back_to(0)
    assert breeder.spec == SPEC
    breeder.undo()
    assert breeder.family.current == 2
    with pytest.raises(UserError, match="no member 99"):
        breeder.back_to(99)


def test_turned_knobs_are_one_step(breeder):
    before = breeder.litter
    assert not breeder.turn(SPEC, {})
    for cycles in (2.0, 3.0, 4.0):
        assert breeder.turn(SPEC, {"cycles": cycles})
    assert len(breeder.family.members) == 1
    list(breeder.breed())
    breeder.choose(0)
    assert breeder.family.members[1].spec.cycles == 4.0
    assert breeder.family.members[2].parents == (1,)
    breeder.undo()
    assert breeder.spec.cycles == 4.0
    breeder.undo()
    assert (breeder.spec, breeder.litter) == (SPEC, before)


def test_a_knob_that_is_turned_back_brings_the_siblings_back(breeder):
    before = breeder.litter
    breeder.turn(SPEC, {"cycles": 3.0})
    assert breeder.litter != before
    assert breeder.turn(SPEC, {})
    assert (breeder.spec, breeder.litter, len(breeder.family.members)) == (SPEC, before, 1)


def test_refused_knobs_change_nothing(breeder):
    for values in ({"width": 0}, {"std": float("nan")}, {"own_colours": "mud"}, {"width": 256, "depth": 16}):
        with pytest.raises(UserError):
            breeder.turn(SPEC.replace(topology="dense"), values)
    assert breeder.spec == SPEC


def test_what_would_take_minutes_is_not_drawn_live(breeder):
    large = FieldSpec(topology="dense", width=256, depth=16, fourier=64)
    for action in (lambda: Breeder(large), lambda: breeder.open(Recipe(large))):
        with pytest.raises(UserError, match="million multiplications"):
            action()
    assert breeder.spec == SPEC


def test_an_activation_is_changed_in_one_node(breeder):
    breeder.set_activation("layer 2", "sin")
    assert breeder.spec.activations == ("bump", "sin")
    with pytest.raises(UserError):
        breeder.set_activation("layer 2", "wiggle")


def test_files_are_loaded(breeder):
    other = Recipe(FieldSpec(width=3), window(0, 0, 4))
    *_, png = print_file(other, (8, 8))
    breeder.load(png.data, "moth.png")
    assert "moth opened" in breeder.note
    assert breeder.recipe == other
    breeder.load(json.dumps(Recipe(SPEC).to_json()).encode(), "recipe.json")
    assert breeder.recipe == Recipe(SPEC)
    breeder.load(favourites.dump_favourites({"a": other, "b": other}).encode(), "favourites.json")
    assert list(favourites.load_favourites(breeder.shelf)) == ["a", "b"]


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"{", b"[1]", b'{"spec": {"format": 99}}', b"\xff" * 50])
def test_bad_files_change_nothing(breeder, data):
    before = breeder.family
    with pytest.raises(UserError):
        breeder.load(data, "odd.json")
    assert breeder.family == before


def test_favourites_get_names_of_their_own(breeder):
    for name in ("first", "first 2"):
        breeder.keep()
        assert breeder.note == f"Kept as {name}."
    with pytest.raises(UserError, match="already"):
        breeder.keep("first")
    assert breeder.favourites()["first"] == breeder.recipe
    breeder.surprise()
    breeder.open_favourite(1)
    assert (breeder.spec, breeder.name) == (SPEC, "first 2")
    breeder.forget([0])
    assert list(breeder.favourites()) == ["first 2"]
    with pytest.raises(UserError, match="no longer there"):
        breeder.open_favourite(1)
    breeder.shelf.text = "spoilt"
    assert breeder.favourites() == {}
    assert "cannot be read" in breeder.note


def test_news_are_told_once(breeder):
    assert breeder.news() == (True, True, True)
    assert breeder.news() == (False, False, False)
    breeder.keep()
    assert breeder.news() == (False, False, False)
    breeder.more()
    assert breeder.news() == (False, False, True)
    breeder.surprise()
    assert breeder.news() == (True, True, True)
    base = breeder.spec
    breeder.turn(base, {"contrast": 2.0})
    assert breeder.news() == (True, False, True)  # the knob that is turned stays as it is
    breeder.turn(base, {"topology": "siren" if base.topology == "watts_strogatz" else "watts_strogatz"})
    assert breeder.news()[1]
    breeder.undo()
    assert breeder.news()[1]


def test_a_refusal_becomes_a_note(breeder):
    with breeder.telling():
        breeder.turn(SPEC, {"own_colours": "mud"})
    assert "no palette 'mud'" in breeder.note


def test_the_token_gives_the_picture_back(breeder):
    breeder.choose(7)
    breeder.window = window(0.25, -1, 3)
    assert from_token(breeder.summary()["token"]) == breeder.recipe


# Children.


def test_a_tweak_is_small_whatever_the_length_of_the_strands():
    parent = FieldSpec(strands=((3, 4.0),))
    child = mutate(parent, 1, 0.01, gentle=True)
    assert strand_length(child.strands) == pytest.approx(4, abs=1e-4)
    assert dict(child.strands)[3] == pytest.approx(4, abs=0.01)


def test_a_child_has_the_frequencies_and_the_hue_of_the_parent_it_takes_them_from():
    wave = FieldSpec(seed=1, inputs=("x", "y"), fourier=6, palette=("ember",))
    plain = FieldSpec(seed=2, inputs=("r",), colour="oklab", activations=("random",))
    x, y = torch.tensor([0.3]), torch.tensor([-0.2])
    seen = set()
    for seed in range(60):
        child = crossover(wave, plain, seed)
        seen.add((bool(child.fourier), child.colour))
        if child.fourier:
            assert torch.equal(encode(child.replace(inputs=("r",)), x, y), encode(wave.replace(inputs=("r",)), x, y))
        if child.colour == "oklab":
            assert child.seed == plain.seed
    assert {(True, "palette"), (False, "oklab"), (False, "palette")} <= seen


def test_new_entries_of_the_registries_change_no_kept_picture(monkeypatch):
    kept = [FieldSpec(), FieldSpec(topology="watts_strogatz", activations=("random",)), surprise(4), surprise(9)]
    before = [picture(spec, WHOLE, (24, 24)) for spec in kept]
    monkeypatch.setitem(catalogue.ACTIVATIONS, "wiggle", catalogue.Entry("wiggle"))
    monkeypatch.setitem(catalogue.OPERATIONS, "mean", catalogue.Entry("mean"))
    monkeypatch.setitem(catalogue.TOPOLOGIES, "star", catalogue.Entry("star"))
    monkeypatch.setitem(styles.STYLES, "cloud", {})
    monkeypatch.setitem(catalogue.PALETTES, "mud", ("#000000", "#ffffff"))
    assert [surprise(4), surprise(9)] == kept[2:]
    for spec, pixels in zip(kept, before, strict=True):
        assert np.array_equal(picture(spec.replace(std=spec.std), WHOLE, (24, 24)), pixels)


def test_siblings_of_a_mixed_couple_are_pictures():
    found = list(siblings([surprise(5, "marble"), surprise(6, "small world")], 4, 1))
    assert not any(is_blank(pixels) for pixels in glances(found))


def test_a_blank_field_names_the_knob_to_turn_back():
    assert hint(FieldSpec()) == ""
    assert "Contrast is why: turn it back towards 1." in hint(FieldSpec(contrast=0.05, relief=0.0))
