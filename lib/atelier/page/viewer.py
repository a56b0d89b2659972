"""A window on the plane that is moved by hand, in one or several views side by side."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import traitlets

from atelier.drawing import encoded
from atelier.page.packing import Widget, element, hung, pack

Draw = Callable[[Any, int, int], np.ndarray]
"""draw(window, height, width) -> (height, width, 3) uint8: what a `fields.Window` shows."""
_STILL = 1400
"""Pixels of the longer side where there is no kernel to draw more."""
_WHOLE = {"x": 0.0, "y": 0.0, "zoom": 1.0}


class Viewer(Widget):
    """Pan and zoom over what its views draw.

    The page stretches the last picture while the hand moves; the exact one is drawn in a thread, and only the newest
    window that was asked for. `window` holds x, y and zoom, and follows when the hand is lifted.

    Args:
        views: caption -> function, see `Draw`. aspect: width ÷ height of all views.
        poster: name of the stored picture that stands there until the first one is drawn.
        longer: pixels of the longer side. spans: as in `fields.Window`.
        least, most: how far the page may zoom. kind: how pictures are sent, see `drawing.encoded`.
    """

    _source = "viewer"
    frame = traitlets.Bytes(b"").tag(sync=True)
    window = traitlets.Dict(_WHOLE).tag(sync=True)
    options = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        views: Mapping[str, Draw] | None = None,
        *,
        aspect: float = 1.0,
        poster: str = "",
        longer: int = 480,
        spans: str = "longer",
        least: float = 0.25,
        most: float = 4096,
        kind: str = "JPEG",
    ) -> None:
        super().__init__(options={"least": least, "most": most, "spans": spans}, frame=hung(poster))
        self._aspect, self._moved = aspect, False
        self._longer, self._kind = (longer, kind) if self._watched else (_STILL, "WEBP")
        if views:
            self.show(views, aspect, {})

    def show(self, views: Mapping[str, Draw], aspect: float = 1.0, window: Mapping[str, float] | None = None) -> None:
        """Draw these views from now on: caption -> function, of width ÷ height `aspect`.

        window: where to look, x, y and zoom; where the page looks already if None.
        """
        self._acts = dict(views)
        if window is not None or aspect != self._aspect:
            self._moved, self._aspect = True, aspect
            self.window = _WHOLE | dict(window or {})
        place = dict(self.window)
        self._aside(lambda: self.draw(place, self._longer))

    def _heard(self, name: str, value: Any) -> None:
        if name == "look" and self._acts and isinstance(value, Mapping) and value.keys() >= _WHOLE.keys():
            place = {key: float(value[key]) for key in _WHOLE}
            self._aside(lambda: self.draw(place, self._longer))

    def draw(self, window: Mapping[str, float], longer: int) -> None:
        """Draw the views at a place now, `longer` pixels along."""
        from atelier.fields.plane import Window, fitted_size

        views, aspect = dict(self._acts), self._aspect
        height, width = fitted_size(aspect, 1.0, longer)
        place = Window(**window, spans=self.options["spans"])
        pictures = {str(k): encoded(draw(place, height, width), self._kind) for k, draw in enumerate(views.values())}
        header = {
            "window": dict(window),
            "aspect": aspect,
            "moved": self._moved,
            "live": self._watched,
            "views": [{"name": str(k), "label": label} for k, label in enumerate(views)],
        }
        self._moved = False
        self.frame = pack(header, pictures)


viewer = element(Viewer)
