import pytest
from atelier.settings import Choice, Control, Number, SettingError, Switch, Text

CONTROLS = {
    "size": Control(Number(8, 512, whole=True), 64),
    "rate": Control(Number(1e-6, 1, optional=True)),
    "kind": Control(Choice(("siren", "relu")), "siren"),
    "gray": Control(Switch(), False),
    "out": Control(Text(20), ""),
    "style": Control(Choice(("silk", "agate"))),
}


def read(name, word):
    return CONTROLS[name].read(name, word)


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("size", "128", 128),
        ("rate", "0.5", 0.5),
        ("rate", "auto", None),
        ("kind", "relu", "relu"),
        ("gray", "true", True),
        ("out", "x", "x"),
        ("style", "agate", "agate"),
        ("style", "auto", None),
    ],
)
def test_a_word_of_an_address_becomes_a_value_and_back(name, word, value):
    assert read(name, word) == value
    assert CONTROLS[name].write(value) == word
    assert CONTROLS[name].check(name, value) == value


def test_an_empty_word_is_a_switch_that_is_on():
    assert read("gray", "") is True


@pytest.mark.parametrize(
    ("name", "word", "sentence"),
    [
        ("size", "0", "Size must be a whole number from 8 to 512, and 0 is not."),
        ("size", "8.5", "Size must be a whole number from 8 to 512, and 8.5 is not."),
        ("size", "nan", "from 8 to 512"),
        ("size", "many", "and 'many' is not"),
        ("size", "auto", "and 'auto' is not"),
        ("kind", "siern", "Did you mean siren?"),
        ("kind", "x" * 100_000, "and '" + "x" * 59 + " … is not."),
        ("gray", "perhaps", "Gray must be true or false"),
        ("out", "x" * 21, "Out must be a text of at most 20 characters."),
        ("style", "silc", "Did you mean silk?"),
    ],
)
def test_what_is_not_allowed_is_refused_in_a_sentence(name, word, sentence):
    with pytest.raises(SettingError) as refused:
        read(name, word)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("value", [7, 513, 1e9, float("inf"), True, "64", None])
def test_the_same_bounds_hold_for_values(value):
    with pytest.raises(SettingError, match="Size must be a whole number from 8 to 512"):
        CONTROLS["size"].domain.check("Size", value)
