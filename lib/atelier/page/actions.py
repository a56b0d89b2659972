"""A row of buttons that looks as the other widgets do, in light and in dark."""

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from atelier.page.packing import Commands, module_text, style_text


class Actions(anywidget.AnyWidget):
    """Buttons: label -> what a press does. With `lead`, the first one stands out."""

    _esm = module_text("actions")
    _css = style_text("actions")
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    lead = traitlets.Bool(False).tag(sync=True)
    command = traitlets.Dict().tag(sync=True)

    def __init__(self, actions: Mapping[str, Callable[[], None]], lead: bool = False) -> None:
        super().__init__(labels=list(actions), lead=lead)
        self._actions = dict(actions)
        self._commands = Commands()
        self.observe(self._obey, names="command")

    def close(self) -> None:
        """Leave the registry of widgets; safe to call twice."""
        self.unobserve_all()
        self._actions = {}
        super().close()

    def _obey(self, change: Mapping[str, Any]) -> None:
        for name, _ in self._commands.fresh(change["new"]):
            if name in self._actions:
                self._actions[name]()
