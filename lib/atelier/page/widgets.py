"""The widgets beside the live canvas: buttons, thumbnails, clickable drawings, views of the plane, texts and files."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import marimo as mo
import numpy as np
import traitlets

from atelier.drawing import Chart, encoded
from atelier.errors import UserError
from atelier.page.controls import step_of
from atelier.page.live import chart_values, chart_words
from atelier.page.packing import Widget, element, hung, pack
from atelier.settings import Control, label

if TYPE_CHECKING:
    from atelier.shaders import Shader

Draw = Callable[[Any, int, int], np.ndarray]
_STILL = 1400
"""Pixels of the longer side where there is no kernel to draw more."""
_WHOLE = {"x": 0.0, "y": 0.0, "zoom": 1.0}


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

    `show` fills it at once, `fill` as the pictures come. `poster` names the stored pictures shown until then.
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
        super().__init__({"choose": choose} | acts, columns=columns, buttons=list(acts), frame=hung(poster))
        self._newest: object = None
        self.count = 0

    def show(
        self, pictures: Sequence[bytes], labels: Sequence[str] = (), *, total: int = 0, fresh: bool = True
    ) -> None:
        """Show encoded pictures; `total` leaves room for those that are still to come, `fresh` clears the picks."""
        self.count = len(pictures)
        names = [str(i) for i in range(self.count)]
        header = {
            "names": names,
            "labels": list(labels) or [f"Picture {i + 1}" for i in range(self.count)],
            "captions": bool(labels),
            "total": max(total, self.count),
            "fresh": fresh,
        }
        self.frame = pack(header, dict(zip(names, pictures, strict=True)))

    def fill(self, pictures: Iterable[np.ndarray], total: int) -> None:
        """Show pictures (H, W, 3) uint8 as an iterator makes them, beside the page; a newer call ends an older one."""
        mine = self._newest = object()

        def show() -> None:
            thumbs: list[bytes] = []
            for pixels in pictures:
                if mine is not self._newest:
                    return
                thumbs.append(encoded(pixels, "JPEG"))
                self.show(thumbs, total=total, fresh=len(thumbs) == 1)

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
            return False
        return True

    def _known(self, number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < self.count


class Mixer(Widget):
    """A picture that sinks into noise under a slider, drawn by the page itself: x_t = alpha(t) x0 + sigma(t) eps."""

    _source = "mixer"
    frame = traitlets.Bytes(b"").tag(sync=True)

    def show(
        self,
        pictures: np.ndarray,
        noise: np.ndarray,
        times: Sequence[float],
        alphas: Sequence[float],
        sigmas: Sequence[float],
        charts: Sequence[Chart],
    ) -> None:
        """Mix these from now on.

        Args:
            pictures: (K, H, W) uint8; one of them is mixed, the reader chooses which.
            noise: (H, W) float32, N(0, 1). Pictures count from -1 to 1.
            times, alphas, sigmas: of equal length; what lies between is interpolated linearly.
            charts: curves over t, in which t is marked.
        """
        curves = [{**chart_words(chart), "lines": chart_values(chart)} for chart in charts]
        schedule = {"times": list(times), "alphas": list(alphas), "sigmas": list(sigmas)}
        raw = {"pictures": pictures.tobytes(), "noise": noise.astype("<f4").tobytes()}
        self.frame = pack({"size": pictures.shape, **schedule, "charts": curves}, raw)


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


class Viewer(Widget):
    """Pan and zoom over what its views draw.

    With a shader the page itself draws while the hand moves, also in a report without a kernel. Else, and where the
    browser has no WebGL2 or the zoom is too deep for it, the page stretches the last picture, and the exact one is
    drawn in a thread, only for the newest window that was asked for. `window` holds x, y and zoom, and follows when the
    hand is lifted.

    Args:
        views: caption -> function, as `show` takes them.
        poster: name of the stored picture that stands there until the first one is drawn.
        longer: pixels of the longer side. spans: as in `fields.Window`. least, most: how far the page may zoom.
    """

    _source = "viewer"
    frame = traitlets.Bytes(b"").tag(sync=True)
    window = traitlets.Dict(_WHOLE).tag(sync=True)
    options = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        views: Mapping[str, Draw] | None = None,
        *,
        poster: str = "",
        longer: int = 480,
        spans: str = "longer",
        least: float = 0.25,
        most: float = 4096,
    ) -> None:
        super().__init__(options={"least": least, "most": most, "spans": spans}, frame=hung(poster))
        self._aspect, self._moved = 1.0, False
        self._shader: Callable[[], Shader] | None = None
        self._longer, self._kind = (longer, "JPEG") if self._watched else (_STILL, "WEBP")
        if views:
            self.show(views, window={})

    def show(
        self,
        views: Mapping[str, Draw],
        aspect: float = 1.0,
        window: Mapping[str, float] | None = None,
        shader: Callable[[], "Shader"] | None = None,
    ) -> None:
        """Draw these views from now on.

        Args:
            views: caption -> draw(window, height, width), which gives (height, width, 3) uint8: what a `fields.Window`
                shows. aspect: width ÷ height of all views.
            window: where to look, x, y and zoom; where the page looks already if None.
            shader: gives the shader of the view, where there is only one; it may raise UserError if it has none.
        """
        self._acts, self._shader = dict(views), shader if len(views) == 1 else None
        if window is not None or aspect != self._aspect:
            self._moved, self._aspect = True, aspect
            self.window = _WHOLE | dict(window or {})
        place = dict(self.window)
        self._aside(lambda: self.draw(place, self._longer))

    def _heard(self, name: str, value: Any) -> None:
        if name == "look" and self._acts and isinstance(value, Mapping) and value.keys() >= _WHOLE.keys():
            place = {key: float(value[key]) for key in _WHOLE}
            self._aside(lambda: self.draw(place, self._longer))

    def draw(self, window: Mapping[str, float], longer: int) -> None:
        """Draw the views at a place now, `longer` pixels along."""
        from atelier.fields.plane import Window, fitted_size

        views, aspect = dict(self._acts), self._aspect
        height, width = fitted_size(aspect, 1.0, longer)
        place = Window(**window, spans=self.options["spans"])
        pictures = {str(k): encoded(draw(place, height, width), self._kind) for k, draw in enumerate(views.values())}
        header = {
            "window": dict(window),
            "aspect": aspect,
            "moved": self._moved,
            "live": self._watched,
            "views": [{"name": str(k), "label": label} for k, label in enumerate(views)],
        }
        self._moved = False
        if self._shader:
            with contextlib.suppress(UserError):  # too large a field: the kernel draws it
                shader = self._shader()
                header["shader"], pictures["numbers"] = shader.words(), shader.numbers.tobytes()
        self.frame = pack(header, pictures)


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


instrument = element(Instrument)
actions, diagram, gallery, mixer, shelf, viewer = map(element, (Actions, Diagram, Gallery, Mixer, Shelf, Viewer))
