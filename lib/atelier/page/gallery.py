"""A grid of thumbnails: a click chooses one, ticks pick several, and a button acts on those that are picked."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import marimo as mo
import numpy as np
import traitlets

from atelier.drawing import encoded
from atelier.errors import UserError
from atelier.page.jobs import QUICK
from atelier.page.packing import Widget, hung, pack
from atelier.page.session import session

Act = Callable[[list[int]], object]


class Gallery(Widget):
    """Thumbnails by number. `choose` is called with the number that was clicked; each of `actions` is a button
    (label -> function of the picked numbers), and a label that ends in "…" waits for two picks or more.

    `show` fills it at once, `fill` in a thread, as the pictures come.
    """

    _source = "gallery"
    frame = traitlets.Bytes(b"").tag(sync=True)
    columns = traitlets.Int(4).tag(sync=True)
    buttons = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        choose: Callable[[int], object],
        actions: Mapping[str, Act] | None = None,
        columns: int = 4,
        poster: str = "",
    ) -> None:
        super().__init__(columns=columns, buttons=list(actions or {}), frame=hung(poster))
        self._choose: Callable[[int], object] | None = choose
        self._actions = dict(actions or {})
        self._newest: object = None
        self.count = 0

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

    def fill(self, pictures: Iterable[np.ndarray], total: int) -> None:
        """Show pictures (H, W, 3) uint8 as an iterator makes them, beside the page; a newer call ends an older one.
        Without a browser all of them at once."""
        mine = self._newest = object()

        def run() -> None:
            thumbs: list[bytes] = []
            try:
                with QUICK.turn():
                    for pixels in pictures:
                        if mine is not self._newest:
                            return
                        thumbs.append(encoded(pixels, "JPEG"))
                        self.show(thumbs, total=total, fresh=len(thumbs) == 1)
            except UserError as error:
                self._fail(str(error))

        if session().live:
            threading.Thread(target=run, name="atelier-gallery", daemon=True).start()
        else:
            run()

    def close(self) -> None:
        self._choose = self._newest = None
        self._actions = {}
        super().close()

    def _heard(self, name: str, value: Any) -> bool:
        if name == "choose" and self._choose is not None and self._known(value):
            self._choose(value)
        elif name in self._actions and isinstance(value, list):
            self._actions[name]([number for number in value if self._known(number)])
        else:
            return False
        return True

    def _known(self, number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < self.count


def gallery(
    choose: Callable[[int], object], actions: Mapping[str, Act] | None = None, columns: int = 4, poster: str = ""
) -> Any:
    """A gallery as an element of the page. Cells that use it run again after a choice.

    poster: name of the stored pictures that stand there until the first ones are drawn.
    """
    made = Gallery(choose, actions, columns, poster)
    session().keep(made.close)
    return mo.ui.anywidget(made)
