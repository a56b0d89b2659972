"""A drawing whose parts can be clicked: a network, a family tree."""

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from atelier.page.packing import Commands, module_text, style_text


class Diagram(anywidget.AnyWidget):
    """Shows an SVG; `choose` is called with the `data-node` of the part that was clicked.

    The SVG is put into the page as it is: it must be made by this program, its texts escaped.
    """

    _esm = module_text("diagram")
    _css = style_text("diagram")
    svg = traitlets.Unicode("").tag(sync=True)
    command = traitlets.Dict().tag(sync=True)

    def __init__(self, choose: Callable[[str], None], svg: str = "") -> None:
        super().__init__(svg=svg)
        self._choose: Callable[[str], None] | None = choose
        self._commands = Commands()
        self.observe(self._obey, names="command")

    def close(self) -> None:
        """Leave the registry of widgets; safe to call twice."""
        self.unobserve_all()
        self._choose = None
        super().close()

    def _obey(self, change: Mapping[str, Any]) -> None:
        for name, value in self._commands.fresh(change["new"]):
            if name == "choose" and isinstance(value, str) and self._choose is not None:
                self._choose(value)
