"""Controls for every property of a field."""

import dataclasses

import pytest
from atelier.errors import UserError
from atelier.explorer import knobs
from atelier.cppn.spec import FieldSpec

NAMES = [name for names in knobs.GROUPS.values() for name in names]


def test_every_property_has_a_control():
    assert set(NAMES) - {"colours"} == {field.name for field in dataclasses.fields(FieldSpec)} - {"latent"}


def test_controls_stand_where_the_field_does():
    spec = FieldSpec(
        scale=1.843, palette=("#102030", "#ffeedd"), strands=((5, 0.9), (6, 0.4)), inputs=("theta", "spiral")
    )
    first = {name: control.value for name, control in knobs.knobs(spec, tuple(NAMES)).items()}
    assert knobs.changes(first, first) == {}
    assert first["scale"] == 1.843
    assert first["strands"] == "5:0.9, 6:0.4"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("activations", "sin, tanh", {"activations": ("sin", "tanh")}),
        ("strands", "3:0.5", {"strands": ((3, 0.5),)}),
        ("colours", "#000000, #ffffff", {"palette": ("#000000", "#ffffff"), "colour": "palette"}),
        ("palette", "moss", {"palette": ("moss",), "colour": "palette"}),
        ("inputs", ["x", "y"], {"inputs": ("x", "y")}),
        ("width", 9, {"width": 9}),
    ],
)
def test_what_was_turned(name, value, expected):
    first = {name: control.value for name, control in knobs.knobs(FieldSpec(), tuple(NAMES)).items()}
    found = knobs.changes(first, first | {name: value})
    assert found == expected
    FieldSpec().replace(**found)


def test_words_that_cannot_be_read():
    with pytest.raises(UserError, match="written 7:0"):
        knobs.changes({"strands": ""}, {"strands": "seven"})
