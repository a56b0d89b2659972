"""The pieces of a PNG that are written by hand, so that a picture of any size streams (PNG, 3rd edition)."""

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk: length, kind, body, checksum (section 5.3)."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int) -> bytes:
    """The signature and IHDR of an RGB picture of 8 bits (section 11.2.1)."""
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def filtered(pixels: np.ndarray) -> bytes:
    """Rows of (h, w, 3) uint8 under filter 1, the difference to the pixel on the left (section 9.2): smooth
    fields pack well, and a row needs no other row."""
    h, w, _ = pixels.shape
    rows = np.empty((h, 1 + 3 * w), np.uint8)
    rows[:, 0] = 1
    rows[:, 1:4] = pixels[:, 0]
    flat = pixels.reshape(h, 3 * w)
    np.subtract(flat[:, 3:], flat[:, :-3], out=rows[:, 4:])
    return rows.tobytes()
