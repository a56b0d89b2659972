"""The widgets beside the live canvas: buttons, thumbnails, clickable drawings, mixers, instruments, texts and files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import marimo as mo
import numpy as np
import traitlets

from atelier.drawing import encoded
from atelier.page.controls import step_of
from atelier.page.live import chart_values, chart_words
from atelier.page.packing import Widget, element, hung, pack
from atelier.settings import Control, label


class Actions(Widget):
    """A row of buttons: label -> what a press does. With `lead`, the first one stands out. Cells that use it run again
    after a press."""

    _source = "actions"
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    lead = traitlets.Bool(False).tag(sync=True)

    def __init__(self, actions: Mapping[str, Callable[[], object]], lead: bool = False) -> None:
        super().__init__(actions, labels=list(actions), lead=lead)

    def _heard(self, name: str, value: Any) -> bool:
        if name in self._acts:
            self._acts[name]()
        return name in self._acts


class Diagram(Widget):
    """A drawing whose parts can be clicked. `chosen` is the `data-node` of the part that was clicked last, with which
    `choose` is called; `svg` may be set anew.

    The SVG is put into the page as it is: it must be made by this program, its texts escaped.
    """

    _source = "diagram"
    svg = traitlets.Unicode("").tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)

    def __init__(self, choose: Callable[[str], object] = lambda node: None) -> None:
        super().__init__({"choose": choose})

    def _heard(self, name: str, value: Any) -> bool:
        if name not in self._acts or not isinstance(value, str):
            return False
        self.chosen = value
        self._acts[name](value)
        return True


class Gallery(Widget):
    """A grid of thumbnails. `choose` is called with the number of the one that was clicked; each of `actions` is a
    button (label -> function of the picked numbers), and a label that ends in "…" waits for two picks or more. Cells
    that use it run again after either.

    `show` fills it at once, `fill` as the pictures come. `poster` names the stored pictures shown until then, which are
    those of the first fill: a click on one of them counts as soon as the picture itself is there.
    """

    _source = "gallery"
    frame = traitlets.Bytes(b"").tag(sync=True)
    columns = traitlets.Int(4).tag(sync=True)
    buttons = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        choose: Callable[[int], object],
        actions: Mapping[str, Callable[[list[int]], object]] | None = None,
        columns: int = 4,
        poster: str = "",
    ) -> None:
        acts = dict(actions or {})
        header, pictures = hung(poster)
        frame = pack(header | {"labels": header["labels"][: len(pictures)]}, pictures) if header else b""
        super().__init__({"choose": choose} | acts, columns=columns, buttons=list(acts), frame=frame)
        self._newest: object = None
        self._posted, self._early = bool(poster), None  # whether its poster can be clicked, and what of it was clicked
        self.count = 0

    def show(
        self, pictures: Sequence[bytes], labels: Sequence[str] = (), *, total: int = 0, fresh: bool = True
    ) -> None:
        """Show encoded pictures; `total` leaves room for those that are still to come, `fresh` clears the picks."""
        self.count = len(pictures)
        header = {
            "labels": list(labels) or [f"Picture {i + 1}" for i in range(self.count)],
            "captions": bool(labels),
            "total": max(total, self.count),
            "fresh": fresh,
        }
        self.frame = pack(header, {str(i): picture for i, picture in enumerate(pictures)})

    def fill(self, pictures: Iterable[np.ndarray], total: int) -> None:
        """Show pictures (H, W, 3) uint8 as an iterator makes them, beside the page; a newer call ends an older one."""
        self._posted = self._posted and self._newest is None
        mine = self._newest = object()

        def show() -> None:
            thumbs: list[bytes] = []
            for pixels in pictures:
                if mine is not self._newest:
                    return
                thumbs.append(encoded(pixels, "JPEG"))
                self.show(thumbs, total=total, fresh=len(thumbs) == 1)
                if self._early == len(thumbs) - 1:
                    self._early = None
                    self._acts["choose"](len(thumbs) - 1)
                    self.send({"problem": "", "acted": True})
                    return

        self._aside(show)

    def close(self) -> None:
        self._newest = None
        super().close()

    def _heard(self, name: str, value: Any) -> bool:
        if name in self.buttons and name in self._acts and isinstance(value, list):
            self._acts[name]([number for number in value if self._known(number)])
        elif name == "choose" and name in self._acts and self._known(value):
            self._acts[name](value)
        else:
            self._early = value if name == "choose" and self._posted else None
            return False
        return True

    def _known(self, number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < self.count


class Mixer(Widget):
    """A picture that sinks into noise under a slider, drawn by the page itself: x_t = alpha(t) x0 + sigma(t) eps."""

    _source = "mixer"
    frame = traitlets.Bytes(b"").tag(sync=True)

    def show(self, way: Any) -> None:
        """Mix these from now on.

        Args:
            way: has `pictures` (K, H, W) uint8, of which the reader mixes one; `noise` (H, W) float32; lists `times`,
                `alphas` and `sigmas` of equal length, between which is interpolated; and `charts` over t.
        """
        curves = [{**chart_words(chart), "lines": chart_values(chart)} for chart in way.charts]
        schedule = {"times": way.times, "alphas": way.alphas, "sigmas": way.sigmas}
        raw = {"pictures": way.pictures.tobytes(), "noise": way.noise.astype("<f4").tobytes()}
        self.frame = pack({"size": way.pictures.shape, **schedule, "charts": curves}, raw)


class Shelf(Widget):
    """A text that the visitor's own browser keeps under `key` from visit to visit; the server keeps none of it.

    A change of `text`, here or in another tab, reaches all tabs. Put the shelf into the page, where it shows nothing.

    The text comes from the browser: check it, and set it aside under another key where it is damaged. `works` turns
    false where the browser keeps nothing, its storage being full or switched off; the text then lasts as long as the
    page.
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


class Instrument(Widget):
    """Knobs that a picture follows while they move. While it is drawn, only the newest values wait.

    Args:
        knobs: name -> a `number` control; every value from the page is checked against it.
        pad: names of two of them that move together on a square. corners: its labels, row by row.
    """

    _source = "instrument"
    frame = traitlets.Bytes(b"").tag(sync=True)
    look = traitlets.Dict().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)

    def __init__(self, knobs: Mapping[str, Control], pad: Sequence[str] = (), corners: Sequence[str] = ()) -> None:
        shown = [
            {"name": name, "title": knob.title or label(name), "low": knob.domain.low, "high": knob.domain.high}
            | {"step": step_of(knob.domain)}
            for name, knob in knobs.items()
        ]
        look = {"knobs": shown, "pad": list(pad), "corners": list(corners)}
        super().__init__(look=look, values={name: knob.default for name, knob in knobs.items()})
        self._knobs = dict(knobs)

    def play(self, draw: Callable[..., tuple[np.ndarray, str]], corners: Sequence[str] | None = None) -> None:
        """Show what `draw(**values)` gives from now on: a picture (H, W[, 3]) uint8, and a line of text."""
        self._acts = {"draw": draw}
        if corners is not None and list(corners) != self.look["corners"]:
            self.look = {**self.look, "corners": list(corners)}
        self._draw(self.values)

    def _heard(self, name: str, value: Any) -> None:
        if name == "turn" and "draw" in self._acts:
            self._draw(value)

    def _draw(self, given: Any) -> None:
        if not isinstance(given, Mapping) or given.keys() != self._knobs.keys():
            return
        draw, values = self._acts["draw"], {name: self._knobs[name].check(name, at) for name, at in given.items()}

        def show() -> None:
            picture, note = draw(**values)
            self.frame = pack({"note": note}, {"picture": encoded(picture)})

        self._aside(show)


class upload(mo.ui.file):
    """One file of the reader, of at most `max_size` bytes. marimo leaves both limits to the browser; here a larger
    upload, or several files, are refused in the kernel, too."""

    def _update(self, value: list[tuple[str, str]]) -> None:
        most = self._component_args["max_size"] * 4 / 3 + 4  # in base64
        super()._update(value if len(value) == 1 and len(value[0][1]) <= most else [])
        self._value_frontend = []  # the text that was decoded, which nothing reads again


actions, diagram, gallery = map(element, (Actions, Diagram, Gallery))
instrument, mixer, shelf = map(element, (Instrument, Mixer, Shelf))
