"""A pad gives what the page has sent, and refuses other pictures."""

import numpy as np
import pytest
from atelier.errors import UserError
from atelier.page.pad import SIDE, Pad


def test_nothing_is_drawn_at_first_and_then_what_the_page_sends():
    pad = Pad()
    assert pad.drawn is None
    assert pad.covered is None
    stroke = np.zeros((SIDE, SIDE), np.uint8)
    stroke[3:20, 14] = 255
    pad.digit = stroke.tobytes()
    assert np.array_equal(pad.drawn, stroke)
    pad.mask = bytes(SIDE * SIDE)  # nothing is covered
    assert pad.covered is None
    pad.digit = b"short"
    assert pad.drawn is None


def test_other_pictures_are_refused():
    pad = Pad()
    pad.show(np.full((SIDE, SIDE), 7, np.uint8))
    assert pad.picture == bytes([7]) * SIDE**2
    with pytest.raises(UserError, match="28 x 28 pixels"):
        pad.show(np.zeros((14, 14), np.uint8))
    for shape in ((28, 28), (28, 28, 4), (0, 4, 3), (600, 4, 3)):
        with pytest.raises(UserError, match="at most 512 a side"):
            Pad(np.zeros(shape, np.uint8), draws=False)


def test_a_picture_of_any_shape_can_be_covered():
    pad = Pad(np.zeros((20, 30, 3), np.uint8), draws=False)
    assert pad.mode == "cover"
    pad.mask = bytes(400) + b"\xff" * 200
    assert pad.covered.shape == (20, 30)
    assert pad.covered.mean() == 85
