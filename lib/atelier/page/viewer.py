"""A window on the plane that is moved with the mouse, in one or several views side by side."""

import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import anywidget
import traitlets

from atelier.errors import UserError
from atelier.page.packing import module_text, pack, style_text


class View(Protocol):
    """A frozen dataclass: the centre of what is seen, its magnification, its shape (width ÷ height). At zoom 1 the
    longer side spans [-1, 1]. A value out of bounds raises UserError."""

    x: float
    y: float
    zoom: float
    aspect: float


Draw = Callable[[Any], Mapping[str, bytes]]
"""Draws the views of a window: caption -> encoded picture, all of the window's shape."""


class Viewer(anywidget.AnyWidget):
    """Pan and zoom over whatever `draw` draws.

    The page stretches the last picture while the hand moves; the exact one is drawn in a thread of its own, and
    only the newest window that was asked for is. least, most: how far the page may zoom.
    """

    _esm = module_text("viewer")
    _css = style_text("viewer")
    frame = traitlets.Bytes(b"").tag(sync=True)
    command = traitlets.Dict().tag(sync=True)
    reach = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, draw: Draw, window: View, least: float = 0.25, most: float = 4096) -> None:
        super().__init__(reach=[least, most])
        self.window = window
        self._draw: Draw | None = draw
        self._wanted: View | None = None
        self._drawing = threading.Lock()
        self._asking = threading.Lock()
        self._busy = False
        self.observe(self._obey, names="command")
        self.redraw()

    def redraw(self, draw: Draw | None = None, window: View | None = None) -> None:
        """Draw now, optionally something else or somewhere else."""
        self._draw = draw or self._draw
        moved = window is not None
        self.window = window or self.window
        self._show(self.window, moved)

    def close(self) -> None:
        """Forget the drawing and leave the registry of widgets; safe to call twice."""
        self.unobserve_all()
        self._draw = None
        super().close()

    def _obey(self, change: Mapping[str, Any]) -> None:
        if change["new"].get("name") != "look":
            return
        try:
            x, y, zoom = (float(change["new"]["value"][key]) for key in ("x", "y", "zoom"))
            asked = dataclasses.replace(self.window, x=x, y=y, zoom=zoom)
        except (UserError, KeyError, TypeError, ValueError):
            return  # not from our page, which keeps to the bounds
        with self._asking:
            self._wanted = self.window = asked
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._follow, name="atelier-viewer", daemon=True).start()

    def _follow(self) -> None:
        while True:
            with self._asking:
                asked, self._wanted = self._wanted, None
                if asked is None or self._draw is None:
                    self._busy = False
                    return
            self._show(asked, moved=False)

    def _show(self, window: View, moved: bool) -> None:
        draw = self._draw
        if draw is None:
            return
        with self._drawing:
            views = draw(window)
            header = {
                "window": {"x": window.x, "y": window.y, "zoom": window.zoom},
                "aspect": window.aspect,
                "moved": moved,
                "views": [{"name": str(i), "label": label} for i, label in enumerate(views)],
            }
            self.frame = pack(header, {str(i): data for i, data in enumerate(views.values())})
