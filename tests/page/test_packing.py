"""A frame's message: what goes in comes out."""

import io

import numpy as np
import pytest
from atelier.drawing import captioned, contact_sheet, encoded
from atelier.page.packing import pack, unpack
from PIL import Image


def test_a_message_gives_back_what_was_packed():
    pictures = {"now": b"\x89PNG", "empty": b"", "error": b"\xff\xd8" * 100}
    header, found = unpack(pack({"step": 3, "note": "½"}, pictures))
    assert header == {"step": 3, "note": "½"}
    assert found == pictures
    assert unpack(b"") == ({}, {})


def test_a_number_that_json_does_not_know_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        pack({"loss": float("nan")}, {})


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_png_keeps_every_pixel(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    back = np.asarray(Image.open(io.BytesIO(encoded(pixels))))
    assert np.array_equal(back, pixels.squeeze(-1) if shape[-1] == 1 else pixels)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_contact_sheet_has_every_tile_in_its_place(channels):
    tiles = [np.full((4, 6, *channels), 10 * k, np.uint8) for k in range(1, 6)]
    sheet = contact_sheet(tiles, 3, gap=2, ground=255)
    assert sheet.shape == (2 * 6 - 2, 3 * 8 - 2, *channels)
    assert (sheet[6:10, 8:14] == 50).all()
    assert (sheet[4:6] == 255).all()
    assert (sheet[6:, 16:] == 255).all()


def test_captions_stand_below_their_pictures():
    sheet = captioned([np.zeros((20, 30), np.uint8), np.zeros((20, 30, 3), np.uint8)], ["one", "a much longer caption"])
    assert sheet.shape[0] == 20 + 36
    assert (sheet[10:30, 10:40] == 0).all()
    assert (sheet[30:] < 200).any(), "there are words"
