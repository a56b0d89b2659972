"""What can be asked of the explorer, and what is refused."""

import pytest
from atelier.errors import UserError
from atelier.explorer.settings import ExplorerSettings
from atelier.cppn.recipe import Recipe, to_token
from atelier.cppn.spec import FieldSpec
from atelier.cppn.starters import starter
from atelier.cppn.surprise import surprise
from atelier.cppn.window import Window


def test_begins_on_a_chosen_picture():
    found, name = ExplorerSettings().begin()
    assert found == starter(name)


def test_a_seed_alone_is_a_surprise():
    found, _ = ExplorerSettings.read({"seed": 7}).begin()
    assert found.spec == surprise(7)


@pytest.mark.parametrize("topology", FieldSpec.domain("topology").options)
def test_a_topology_is_kept(topology):
    found, _ = ExplorerSettings.read({"seed": 7, "topology": topology}).begin()
    assert found.spec.topology == topology
    assert found.spec.seed == 7


def test_window_and_properties_change_a_token():
    token = to_token(Recipe(FieldSpec(width=9), Window(1, 2, 3)))
    found, _ = ExplorerSettings.read({"field": token, "zoom": "5", "palette": "moss"}).begin()
    assert found == Recipe(FieldSpec(width=9, palette=("moss",)), Window(1, 2, 5))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"width": "0"}, "Width must be a whole number from 1 to 256"),
        ({"width": "1000000"}, "Width must be a whole number from 1 to 256"),
        ({"size": "1000000x1000000"}, "from 1 to 16,384"),
        ({"size": "big"}, "Size must be two whole numbers"),
        ({"zoom": "0"}, "Zoom must be a number"),
        ({"zoom": "1e300"}, "Zoom must be a number"),
        ({"pan": "1e300,0"}, "pan must be a number"),
        ({"pan": "1"}, "Pan must be two numbers"),
        ({"palette": "mud"}, "no palette 'mud'"),
        ({"field": "f1.De4EW6"}, "cut off"),
        ({"field": "f9.De4EW6"}, "newer Atelier"),
        ({"recipe": "nowhere.png"}, "no recipe at nowhere.png"),
        ({"low": "3", "high": "1"}, "Low must not be above high"),
        ({"widht": "3"}, "did you mean width"),
        ({"std": "nan"}, "number from 0.01 to 8"),
    ],
)
def test_one_sentence_for_what_cannot_be(words, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        ExplorerSettings.read(words).begin()
    assert "\n" not in str(caught.value)


def test_an_address_reads_no_files():
    with pytest.raises(UserError, match="command line only"):
        ExplorerSettings.read({"recipe": "x.png"}, address=True)
