import io

import numpy as np
import pytest
from atelier.page import encode_picture
from atelier.page.packing import pack, unpack
from PIL import Image


def test_a_message_comes_back_whole():
    header, pictures = unpack(pack({"step": 3, "note": "ö"}, {"a": b"12", "b": b""}))
    assert (header, pictures) == ({"step": 3, "note": "ö"}, {"a": b"12", "b": b""})
    assert unpack(b"") == ({}, {})


def test_numbers_that_json_does_not_know_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        pack({"psnr": float("nan")}, {})


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
def test_lossless_means_lossless(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    back = np.array(Image.open(io.BytesIO(encode_picture(pixels))))
    assert (back == pixels.squeeze()).all()
