"""A pad on which a reader draws a small picture, or covers parts of one."""

import numpy as np
import traitlets

from atelier.errors import UserError
from atelier.page.packing import Widget, element

SIDE = 28
"""Pixels along a side of a pad to draw on."""
_MOST = 512


class Pad(Widget):
    """A pad with two brushes: a soft one draws white on black, a second one covers. Cells that use it run again when
    the hand is lifted.

    Args:
        picture: what is covered as long as nothing is drawn, see `show`. draws: whether there is a brush that draws.
    """

    _source = "pad"
    size = traitlets.List([SIDE, SIDE]).tag(sync=True)  # height, width
    draws = traitlets.Bool(True).tag(sync=True)
    picture = traitlets.Bytes(b"").tag(sync=True)
    digit = traitlets.Bytes(b"").tag(sync=True)
    mask = traitlets.Bytes(b"").tag(sync=True)
    mode = traitlets.Unicode("draw").tag(sync=True)

    def __init__(self, picture: np.ndarray | None = None, *, draws: bool = True) -> None:
        super().__init__(draws=draws, mode="draw" if draws else "cover")
        if picture is not None:
            self.show(picture)

    def show(self, picture: np.ndarray) -> None:
        """Lay a picture under the brushes: (28, 28) uint8, or (H, W, 3) uint8 of at most 512 a side on a pad that only
        covers. Raises UserError: another shape."""
        shape = np.shape(picture)
        if self.draws and shape != (SIDE, SIDE):
            raise UserError(f"A pad to draw on shows {SIDE} x {SIDE} pixels, and this picture has {shape}.")
        if not self.draws and not (len(shape) == 3 and shape[2] == 3 and min(shape) >= 1 and max(shape) <= _MOST):
            raise UserError(f"A pad shows (H, W, 3) of at most {_MOST} a side, and this picture has {shape}.")
        self.size, self.picture = list(shape[:2]), np.ascontiguousarray(picture, np.uint8).tobytes()

    def use(self, mode: str) -> None:
        """Give the hand the brush that draws ("draw") or the one that covers ("cover")."""
        self.mode = mode

    @property
    def drawn(self) -> np.ndarray | None:
        """(28, 28) uint8, white on black; None as long as nothing is drawn."""
        return self._pixels(self.digit)

    @property
    def covered(self) -> np.ndarray | None:
        """(H, W) uint8, 255 where it is covered; None where nothing is."""
        return self._pixels(self.mask)

    def _pixels(self, values: bytes) -> np.ndarray | None:
        """The pixels that a page sent; None for none, or for another number of them."""
        found = np.frombuffer(values, np.uint8)
        return found.reshape(self.size).copy() if len(found) == np.prod(self.size) and found.any() else None


pad = element(Pad)
