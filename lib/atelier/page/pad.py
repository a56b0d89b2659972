"""A pad on which a reader draws a small picture, and covers parts of it."""

import numpy as np
import traitlets

from atelier.errors import UserError
from atelier.page.packing import Widget, element

SIDE = 28
"""Pixels along a side."""


class Pad(Widget):
    """A pad of 28 × 28 pixels: a soft brush draws white on black, a second one covers. Cells that use it run again when
    the hand is lifted.

    Args:
        picture: what is covered as long as nothing is drawn, see `show`.
    """

    _source = "pad"
    picture = traitlets.Bytes(b"").tag(sync=True)
    digit = traitlets.Bytes(b"").tag(sync=True)
    mask = traitlets.Bytes(b"").tag(sync=True)
    mode = traitlets.Unicode("draw").tag(sync=True)

    def show(self, picture: np.ndarray) -> None:
        """Lay a picture (28, 28) uint8 under the brushes. Raises UserError: another shape."""
        if np.shape(picture) != (SIDE, SIDE):
            raise UserError(f"A pad shows {SIDE} x {SIDE} pixels, and this picture has {np.shape(picture)}.")
        self.picture = np.ascontiguousarray(picture, np.uint8).tobytes()

    @property
    def drawn(self) -> np.ndarray | None:
        """(28, 28) uint8, white on black; None as long as nothing is drawn."""
        return _pixels(self.digit)

    @property
    def covered(self) -> np.ndarray | None:
        """(28, 28) uint8, 255 where it is covered; None where nothing is."""
        return _pixels(self.mask)


def _pixels(values: bytes) -> np.ndarray | None:
    """The pixels that a page sent; None for none, or for another number of them."""
    found = np.frombuffer(values, np.uint8)
    return found.reshape(SIDE, SIDE).copy() if len(found) == SIDE * SIDE and found.any() else None


pad = element(Pad)
