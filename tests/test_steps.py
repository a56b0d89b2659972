import pytest
from atelier.steps import in_words, time_left


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "3 s"), (100, "1.7 min"), (2200, "37 min"), (7200, "2.0 h"), (400_000, "111.1 h")]
)
def test_a_time_is_told_in_its_unit(seconds, words):
    assert in_words(seconds) == words


def test_the_time_left_is_that_of_the_rest():
    assert time_left(10, 0.5) == "about 10 s left"
    assert time_left(60, 0.1) == "about 9 min left"
    assert time_left(10, 0.9) == ""
    assert time_left(10, 1) == ""
