"""What an address asks for: what holds is taken, what does not is told."""

from dataclasses import dataclass

import pytest
from atelier import controls
from atelier.settings import Choice, Number, SettingError, Settings, setting


@dataclass(frozen=True)
class Asked(Settings):
    size: int = setting(64, Number(1, 100, whole=True), "size")
    kind: str = setting("round", Choice(("round", "square")), "kind")
    sides: int = setting(0, Number(0, 9, whole=True), "sides of a square")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sides and self.kind == "round":
            raise SettingError("What is round has no sides.")


def small(given):
    if given.size > 90:
        raise SettingError("That is too large here.")


@pytest.mark.parametrize(
    ("words", "given", "sentences"),
    [
        ({}, Asked(), []),
        ({"size": "20", "kind": "square"}, Asked(20, "square"), []),
        ({"sides": "4", "kind": "square"}, Asked(kind="square", sides=4), []),
        ({"size": "huge", "kind": "square"}, Asked(kind="square"), ["Size must be a whole number"]),
        ({"size": "95", "sides": "3"}, Asked(), ["too large here", "no sides"]),
        ({"colour": "red", "size": "7"}, Asked(7), ["no setting 'colour'"]),
    ],
)
def test_what_holds_is_taken_and_the_rest_told(monkeypatch, words, given, sentences):
    monkeypatch.setattr(controls, "_address", lambda: words)
    found, problem = controls.asked_for(Asked, "asked", live=True, check=small)
    assert found == given
    assert (problem is None) == (not sentences)
    assert all(sentence in problem for sentence in sentences)
