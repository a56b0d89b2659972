"""A drawing whose parts can be clicked: a network, a family tree."""

from collections.abc import Callable
from typing import Any

import marimo as mo
import traitlets

from atelier.page.packing import Widget
from atelier.page.session import session


class Diagram(Widget):
    """Shows an SVG; `choose` is called with the `data-node` of the part that was clicked.

    The SVG is put into the page as it is: it must be made by this program, its texts escaped.
    """

    _source = "diagram"
    svg = traitlets.Unicode("").tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)

    def __init__(self, choose: Callable[[str], object] | None = None, svg: str = "") -> None:
        super().__init__(svg=svg)
        self._choose = choose

    def close(self) -> None:
        self._choose = None
        super().close()

    def _heard(self, name: str, value: Any) -> bool:
        if name != "choose" or not isinstance(value, str):
            return False
        self.chosen = value
        if self._choose is not None:
            self._choose(value)
        return True


def diagram(svg: str = "", choose: Callable[[str], object] | None = None) -> Any:
    """A drawing as an element of the page. `chosen` is the part that was clicked last, and `svg` may be set anew."""
    made = Diagram(choose, svg)
    session().keep(made.close)
    return mo.ui.anywidget(made)
