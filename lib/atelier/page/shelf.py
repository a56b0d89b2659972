"""A text that the visitor's own browser keeps from visit to visit; the server keeps none of it."""

from typing import Any

import marimo as mo
import traitlets

from atelier.page.packing import Widget
from atelier.page.session import session


class Shelf(Widget):
    """`text` follows what the browser keeps under `key`, in all its tabs, and the other way round. Nothing is shown.

    The text comes from the browser: whoever reads it must check it, and may set it aside under another key. `works`
    turns false where the browser keeps nothing, its storage being full or switched off; the text then lasts as long as
    the page.
    """

    _source = "shelf"
    key = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    aside = traitlets.Unicode("").tag(sync=True)
    works = traitlets.Bool(True).tag(sync=True)
    begun = traitlets.Bool(False).tag(sync=True)

    def __init__(self, key: str) -> None:
        super().__init__(key=key)

    def set_aside(self) -> None:
        """Move the text to another key of the same storage."""
        self.aside, self.text = self.text, ""


def shelf(key: str) -> Any:
    """A shelf as an element of the page; it must be put into the page to reach the browser."""
    made = Shelf(key)
    session().keep(made.close)
    return mo.ui.anywidget(made)
