from dataclasses import dataclass

import pytest
from atelier.settings import Choice, Number, SettingError, Settings, Switch, Text, setting


@dataclass(frozen=True)
class Example(Settings):
    size: int = setting(64, Number(8, 512, whole=True), "size")
    rate: float | None = setting(None, Number(1e-6, 1, optional=True), "rate")
    kind: str = setting("siren", Choice(("siren", "relu")), "kind")
    gray: bool = setting(False, Switch(), "gray")
    out: str = setting("", Text(20), "out", door="command")


def test_words_of_an_address_become_settings_and_back():
    read = Example.read({"size": "128", "rate": "0.5", "kind": "relu", "gray": "true"}, address=True)
    assert read == Example(128, 0.5, "relu", True)
    assert Example.read(read.changed()) == read
    assert Example().changed() == {}
    assert Example.read({"rate": "auto"}).rate is None


def test_the_command_line_gives_numbers_and_dashes():
    assert Example.read({"size": 16, "gray": ""}) == Example(16, gray=True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"size": "0"}, "Size must be a whole number from 8 to 512, and 0 is not."),
        ({"size": "8.5"}, "Size must be a whole number from 8 to 512, and 8.5 is not."),
        ({"size": "nan"}, "from 8 to 512"),
        ({"size": "many"}, "and 'many' is not"),
        ({"kind": "siern"}, "Did you mean siren?"),
        ({"gray": "perhaps"}, "Gray must be true or false"),
        ({"sise": "8"}, "did you mean size?"),
        ({"size": ["8", "9"]}, "given 2 times"),
    ],
)
def test_what_is_not_allowed_is_refused_in_a_sentence(words, sentence):
    with pytest.raises(SettingError) as refused:
        Example.read(words)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("value", [7, 513, 1e9, float("inf"), True, "64", None])
def test_the_same_bounds_hold_for_values(value):
    with pytest.raises(SettingError, match="Size must be a whole number from 8 to 512"):
        Example(size=value)


def test_an_address_may_not_name_an_output_folder():
    with pytest.raises(SettingError, match="command line only"):
        Example.read({"out": "x"}, address=True)
    assert Example.read({"out": "x"}).out == "x"
