"""A grid of thumbnails: a click chooses one, ticks pick several, and a button acts on those that are picked."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anywidget
import traitlets

from atelier.page.packing import Commands, module_text, pack, style_text

Act = Callable[[list[int]], None]


class Gallery(anywidget.AnyWidget):
    """Thumbnails by number. `choose` is called with the number that was clicked; each of `actions` is a button
    (label -> function of the picked numbers), and a label that ends in "…" waits for two picks or more.

    Call `show` to fill it, also from a thread and in parts, and `close` when done.
    """

    _esm = module_text("gallery")
    _css = style_text("gallery")
    frame = traitlets.Bytes(b"").tag(sync=True)
    columns = traitlets.Int(4).tag(sync=True)
    buttons = traitlets.List(traitlets.Unicode()).tag(sync=True)
    command = traitlets.Dict().tag(sync=True)

    def __init__(
        self, choose: Callable[[int], None], actions: Mapping[str, Act] | None = None, columns: int = 4
    ) -> None:
        super().__init__(columns=columns, buttons=list(actions or {}))
        self._choose: Callable[[int], None] | None = choose
        self._actions = dict(actions or {})
        self._lock = threading.Lock()
        self._commands = Commands()
        self.count = 0
        self.observe(self._obey, names="command")

    def show(
        self, pictures: Sequence[bytes], labels: Sequence[str] = (), *, total: int | None = None, fresh: bool = True
    ) -> None:
        """Show encoded pictures; `total` leaves room for those that are still to come, `fresh` clears the picks."""
        with self._lock:
            self.count = len(pictures)
            names = [str(i) for i in range(len(pictures))]
            header = {
                "names": names,
                "labels": list(labels) or [f"Picture {i + 1}" for i in range(len(pictures))],
                "captions": bool(labels),
                "total": max(total or 0, len(pictures)),
                "fresh": fresh,
            }
            self.frame = pack(header, dict(zip(names, pictures, strict=True)))

    def close(self) -> None:
        """Leave the registry of widgets; safe to call twice."""
        self.unobserve_all()
        self._choose = None
        self._actions = {}
        super().close()

    def _obey(self, change: Mapping[str, Any]) -> None:
        for name, value in self._commands.fresh(change["new"]):
            if name == "choose" and self._choose is not None and self._known(value):
                self._choose(value)
            elif name in self._actions and isinstance(value, list):
                self._actions[name]([number for number in value if self._known(number)])

    def _known(self, number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < self.count
