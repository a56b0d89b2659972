"""A row of buttons that looks as the other widgets do, in light and in dark."""

from collections.abc import Callable, Mapping
from typing import Any

import marimo as mo
import traitlets

from atelier.page.packing import Widget
from atelier.page.session import session


class Actions(Widget):
    """Buttons: label -> what a press does. With `lead`, the first one stands out."""

    _source = "actions"
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    lead = traitlets.Bool(False).tag(sync=True)

    def __init__(self, actions: Mapping[str, Callable[[], object]], lead: bool = False) -> None:
        super().__init__(labels=list(actions), lead=lead)
        self._actions = dict(actions)

    def close(self) -> None:
        self._actions = {}
        super().close()

    def _heard(self, name: str, value: Any) -> bool:
        if name in self._actions:
            self._actions[name]()
        return name in self._actions


def actions(found: Mapping[str, Callable[[], object]], lead: bool = False) -> Any:
    """Buttons as an element of the page: label -> what a press does. Cells that use it run again after a press."""
    made = Actions(found, lead)
    session().keep(made.close)
    return mo.ui.anywidget(made)
