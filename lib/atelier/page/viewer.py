"""A window on the plane that is moved by hand, in one or several views side by side."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import marimo as mo
import numpy as np
import traitlets

from atelier.drawing import encoded
from atelier.errors import UserError
from atelier.page.jobs import QUICK
from atelier.page.packing import Widget, hung, pack
from atelier.page.session import session

Draw = Callable[[Any, int, int], np.ndarray]
"""draw(window, height, width) -> (height, width, 3) uint8: what a `fields.Window` shows."""
_STILL = 1400
"""Pixels of the longer side where there is no kernel to draw more."""


class Viewer(Widget):
    """Pan and zoom over what its views draw.

    The page stretches the last picture while the hand moves; the exact one is drawn in a thread, and only the newest
    window that was asked for. `window` holds x, y and zoom, and follows when the hand is lifted.
    """

    _source = "viewer"
    frame = traitlets.Bytes(b"").tag(sync=True)
    window = traitlets.Dict({"x": 0.0, "y": 0.0, "zoom": 1.0}).tag(sync=True)
    options = traitlets.Dict().tag(sync=True)

    def __init__(self, poster: str, longer: int, spans: str, least: float, most: float, kind: str) -> None:
        options = {"least": least, "most": most, "spans": spans, "longer": longer}
        super().__init__(options=options, frame=hung(poster))
        self._views: dict[str, Draw] = {}
        self._aspect = 1.0
        self._longer, self._spans, self._kind = longer, spans, kind
        self._live = session().live  # asked here, since the thread that draws belongs to no session
        self._wanted: tuple[dict[str, float], bool] | None = None
        self._busy = False

    def show(self, views: Mapping[str, Draw], aspect: float = 1.0, window: Mapping[str, float] | None = None) -> None:
        """Draw these views from now on: caption -> function.

        Args:
            aspect: width ÷ height of all views.
            window: where to look, x, y and zoom; where the page looks already if None.
        """
        self._views = dict(views)
        moved = window is not None or aspect != self._aspect
        self._aspect = aspect
        if moved:
            self.window = {"x": 0.0, "y": 0.0, "zoom": 1.0, **(window or {})}
        if self._live:
            self._ask(dict(self.window), moved)
        else:
            self.draw(dict(self.window), True, _STILL)

    def close(self) -> None:
        self._views = {}
        super().close()

    def _heard(self, name: str, value: Any) -> None:
        if name == "look" and isinstance(value, Mapping) and value.keys() >= {"x", "y", "zoom"}:
            self._ask({key: float(value[key]) for key in ("x", "y", "zoom")}, False)

    def _ask(self, window: dict[str, float], moved: bool) -> None:
        with self._lock:
            self._wanted = (window, moved or bool(self._wanted and self._wanted[1]))
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._follow, name="atelier-viewer", daemon=True).start()

    def _follow(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None or not self._views:
                    self._busy = False
                    return
            try:
                with QUICK.turn():
                    self.draw(*wanted, self._longer)
                self.send({"problem": ""})
            except UserError as error:
                self._fail(str(error))
            except Exception as error:
                self._fail(f"This could not be drawn ({type(error).__name__}: {error}).")

    def draw(self, window: dict[str, float], moved: bool, longer: int) -> None:
        """Draw the views at a place now, `longer` pixels along; `moved` if the page should look there, too."""
        from atelier.fields.plane import Window, fitted_size

        height, width = fitted_size(self._aspect, 1.0, longer)
        place = Window(**window, spans=self._spans)
        views, aspect = dict(self._views), self._aspect
        pictures = {str(k): encoded(draw(place, height, width), self._kind) for k, draw in enumerate(views.values())}
        header = {
            "window": window,
            "aspect": aspect,
            "moved": moved,
            "live": self._live,
            "views": [{"name": str(k), "label": label} for k, label in enumerate(views)],
        }
        self.frame = pack(header, pictures)


def viewer(
    views: Mapping[str, Draw] | None = None,
    *,
    aspect: float = 1.0,
    poster: str = "",
    longer: int = 480,
    spans: str = "longer",
    least: float = 0.25,
    most: float = 4096,
    kind: str = "JPEG",
) -> Any:
    """A window on the plane as an element of the page; `show` gives it other views.

    Args:
        views: caption -> function, see `Draw`; all of this aspect (width ÷ height).
        poster: name of the stored picture that stands there until the first one is drawn.
        longer: pixels of the longer side. spans: as in `fields.Window`.
        least, most: how far the page may zoom. kind: how pictures are sent, see `drawing.encoded`.
    """
    made = Viewer(poster, longer, spans, least, most, kind if session().live else "WEBP")
    session().keep(made.close)
    if views:
        made.show(views, aspect, {})
    return mo.ui.anywidget(made)
