"""A loop: pictures of a walk through t in [0, 1], played again and again by the page's shaders or by Python."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from atelier.drawing import encoded
from atelier.errors import UserError
from atelier.fields.plane import Drawing, Window
from atelier.page.packing import Widget, element, pack

if TYPE_CHECKING:
    from atelier.shaders.code import Shader

At = Callable[[float], tuple[Drawing, Window]]
_SIDE, _MOVING_SIDE = 420, 256
_MOMENTS = 48
_MOST_BYTES, _MOST_BYTES_OF_A_REPORT = 6 << 20, 1 << 20


class Loop(Widget):
    """Plays what a walk shows, a square picture at each t, under a button and a slider, once somebody sees it.

    Where the page can draw it by a shader, it gets the shader's numbers at some moments of the walk, and mixes those
    of two neighbours at the display's rate, also in a report without a kernel. Else Python draws one picture after
    another, as fast as it can.
    """

    _source = "loop"
    frame = traitlets.Bytes(b"").tag(sync=True)
    moments = traitlets.Bytes(b"").tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._walk: tuple[int, float, At] | None = None  # its number, how long a turn takes, and what it shows
        self._drawn, self._stale = 0, False

    def show(self, at: At, seconds: float) -> None:
        """Play this walk from now on.

        Args:
            at: at(t) gives what draws the picture at t, and where it looks; at(1) looks as at(0) does.
            seconds: how long a turn takes.
        """
        self._walk = (self._walk[0] + 1 if self._walk else 1), seconds, at
        self._stale = self._watched and not self._seen
        if not self._stale:
            self._aside(self._begin)

    def _begin(self) -> None:
        self._draw(0.0, _SIDE)
        if not self._watched:
            self._send_moments(_MOST_BYTES_OF_A_REPORT)

    def _heard(self, name: str, value: Any) -> None:
        if name == "seen":
            self._seen = bool(value)
            if self._seen and self._stale:
                self._stale = False
                self._aside(self._begin)
        elif name == "moments" and self._walk:
            self._aside(lambda: self._send_moments(_MOST_BYTES))
        elif name == "at" and self._walk:
            t, side = min(max(float(value["t"]), 0.0), 1.0), _MOVING_SIDE if value.get("moving") else _SIDE
            self._aside(lambda: self._draw(t, side))

    def _draw(self, t: float, side: int) -> None:
        count, seconds, at = self._walk
        drawing, window = at(t)
        picture = encoded(drawing(window, side, side), "JPEG" if self._watched else "WEBP")
        self._drawn += 1  # a frame that equals the one before would not be sent, and the page waits for an answer
        about = {"count": count, "seconds": seconds, "t": t, "live": self._watched, "drawn": self._drawn}
        self.frame = pack(about, {"picture": picture})

    def _send_moments(self, most_bytes: int) -> None:
        count, _, at = self._walk
        self.moments = _moments(at, count, most_bytes)


def _moments(at: At, count: int, most_bytes: int) -> bytes:
    """Window and numbers of the shader at moments of a walk, evenly spread, the ends among them, as one message; one
    without words where a shader cannot draw it. Numbers that stay the same are sent once."""
    steps = [min(k / _MOMENTS, 1 - 1e-9) for k in range(_MOMENTS + 1)]
    found = [at(t) for t in steps]
    try:
        shaders: list[Shader] = [drawing.shader() for drawing, _ in found]
    except UserError:  # there is none, or it is too large
        return pack({"count": count}, {})
    first = shaders[0]
    if any(shader.code != first.code or shader.table is not first.table for shader in shaders):
        return pack({"count": count}, {})
    moving = any(not np.array_equal(shader.numbers, first.numbers) for shader in shaders)
    stride = 1
    while moving and first.numbers.nbytes * (_MOMENTS // stride + 1) > most_bytes and stride < _MOMENTS:
        stride *= 2
    kept = range(0, _MOMENTS + 1, stride)
    windows = [{"x": found[k][1].x, "y": found[k][1].y, "zoom": found[k][1].zoom} for k in kept]
    numbers = {str(i): shaders[k].numbers.tobytes() for i, k in enumerate(kept) if moving or not i}
    table = {} if first.table is None else {"table": first.table.tobytes()}
    return pack({"count": count, "words": first.words(), "windows": windows}, numbers | table)


loop = element(Loop)
