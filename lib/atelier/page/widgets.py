"""The widgets beside the live canvas: buttons, thumbnails, clickable drawings, views of the plane, texts and files."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import marimo as mo
import numpy as np
import traitlets

from atelier.drawing import encoded
from atelier.errors import UserError
from atelier.page.controls import step_of
from atelier.page.live import Run, chart_values, chart_words
from atelier.page.packing import Widget, element, hung, pack
from atelier.settings import Control, label

if TYPE_CHECKING:
    from atelier.diffusion.showing import Forward
    from atelier.shaders.code import Shader

Draw = Callable[[Any, int, int], np.ndarray]
Maker = Callable[[], "Shader"]
"""Of the weights of a network that still learns."""
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

    def show(self, way: "Forward") -> None:
        """Mix these pictures from now on; the reader chooses one. Between its times a way is interpolated linearly."""
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


class Viewer(Widget):
    """Pan and zoom over what its views draw.

    Views that have a shader are drawn by the page itself, also in a report without a kernel. Else, and where the
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
    shaders = traitlets.List().tag(sync=True)
    """For each view the words of its shader, or None. A trait that stays the same is not sent again."""
    weights = traitlets.Bytes(b"").tag(sync=True)
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
        header, pictures = hung(poster)
        if header and not pictures:  # room for the picture, and for a line below it
            header |= {"size": [longer, round(longer / header["aspect"])], "views": [{"name": "0", "label": "\xa0"}]}
        frame = pack(header, pictures) if header else b""
        super().__init__(options={"least": least, "most": most, "spans": spans}, frame=frame)
        self._aspect, self._moved, self._learning = 1.0, False, False
        self._makers: list[Maker | None] = []  # of shaders, one for each view
        self._made: list[tuple[Maker | None, Shader | None]] = []
        self._place, self._count = dict(_WHOLE), 0
        self._able = self._stale = False  # whether the page draws by its shaders, and whether its picture is an old one
        self._longer, self._kind = (longer, "JPEG") if self._watched else (_STILL, "WEBP")
        self.observe(self._looks_elsewhere, "window")
        if views:
            self.show(views, window={})

    def show(
        self,
        views: Mapping[str, Draw],
        aspect: float = 1.0,
        window: Mapping[str, float] | None = None,
    ) -> None:
        """Draw these views from now on.

        Args:
            views: caption -> draw(window, height, width), which gives (height, width, 3) uint8: what a `fields.Window`
                shows. Where it has an attribute `shader`, a function, that gives the shader of the view, or raises
                UserError if there is none. aspect: width ÷ height of all views.
            window: where to look, x, y and zoom; where the page looks already if None.
        """
        self._take(views)
        self._learning = False
        if window is not None or aspect != self._aspect:
            self.window = _WHOLE | dict(window or {})
            self._moved, self._aspect = True, aspect
        self._place = dict(self.window)
        self._renew()

    def _renew(self) -> None:
        """Draw anew, or as soon as somebody sees the viewer. The first picture does not wait."""
        self._stale = self._watched and self._count > 0 and not self._seen
        if not self._stale:
            place = self._place
            self._aside(lambda: self.draw(place, self._longer, self._able))

    def follow(self, run: Run, views: Callable[[Any], Mapping[str, Draw]], aspect: float = 1.0) -> None:
        """Show views(step) of a run's step at rest, and while the run goes on of its newest one.

        The page gets new weights for its shaders, at most ten times a second, or pictures where it has none; either
        only as long as somebody sees the viewer, and never for more than a tenth of the time.
        """

        def watch(step: Any) -> None:
            nonlocal known
            if not known:  # another network than before, perhaps
                known = True
                self.show(views(step), aspect)
            elif self._awaits():
                self._take(views(step))
                self._learning = True
                self._meanwhile(self._go_on)

        run.watch, known = watch, run.step is not None
        if known:
            self.show(views(run.step), aspect)

    def _looks_elsewhere(self, change: Mapping[str, Any]) -> None:
        self._place, self._moved = dict(change["new"]), False  # a hand has moved since `show`

    def _go_on(self) -> int:
        """Send what the newest step shows: bytes of weights."""
        weights = b""
        if self._able:
            _, weights = self._with_shaders(changed=True)
            self.send({"weights": True}, buffers=[weights])
        if not (self._able and self._reaches(self._place["zoom"])):
            self.draw(self._place, self._longer)
        return len(weights)

    def _heard(self, name: str, value: Any) -> None:
        if name == "able" and isinstance(value, Mapping):
            self._able, self._seen = (bool(value.get(word)) for word in ("draws", "seen"))
            if self._seen and self._stale:
                self._renew()
        if name == "look" and self._acts and isinstance(value, Mapping) and value.keys() >= _WHOLE.keys():
            self._place = place = {key: float(value[key]) for key in _WHOLE}
            self._aside(lambda: self.draw(place, self._longer))

    def draw(self, window: Mapping[str, float], longer: int, able: bool = False) -> None:
        """Draw the views at a place now, `longer` pixels along. able: leave out what the page draws by shaders."""
        from atelier.fields.plane import Window, fitted_size

        views, aspect = dict(self._acts), self._aspect
        moved, self._moved = self._moved, False
        height, width = fitted_size(aspect, 1.0, longer)
        place = Window(**window, spans=self.options["spans"])
        shaders, weights = (self.shaders, self.weights) if self._learning else self._with_shaders()
        needed = dict(enumerate(() if able and self._reaches(place.zoom) else views.values()))
        pictures = {str(k): encoded(draw(place, height, width), self._kind) for k, draw in needed.items()}
        header = {
            "window": dict(window),
            "aspect": aspect,
            "size": [width, height],
            "moved": moved,
            "live": self._watched,
            "learning": self._learning,
            "count": self._count,  # so that other weights always come with another frame
            "views": [{"name": str(k), "label": label} for k, label in enumerate(views)],
        }
        self._count += 1
        with self.hold_sync():
            self.shaders, self.weights, self.frame = shaders, weights, pack(header, pictures)

    def _take(self, views: Mapping[str, Draw]) -> None:
        self._acts = dict(views)
        self._makers = [getattr(draw, "shader", None) for draw in views.values()]

    def _with_shaders(self, changed: bool = False) -> tuple[list[dict[str, object] | None], bytes]:
        """The words of each view's shader, None where there is none, and the numbers of all of them as one message, or
        of those only that are others than the last time."""
        before, makers = self._made, list(self._makers)
        old = [k < len(before) and before[k][0] is maker for k, maker in enumerate(makers)]
        self._made = [before[k] if old[k] else (maker, _shader(maker)) for k, maker in enumerate(makers)]
        values: dict[str, bytes] = {}
        for k, (_, shader) in enumerate(self._made):
            if shader and not (changed and old[k]):
                values |= {f"{k} numbers": shader.numbers.tobytes()}
                values |= {f"{k} table": b"" if shader.table is None else shader.table.tobytes()}
        return [shader.words() if shader else None for _, shader in self._made], pack({}, values)

    def _reaches(self, zoom: float) -> bool:
        """Whether every view has a shader that is exact at this zoom."""
        return all(shader is not None and zoom <= shader.deepest for _, shader in self._made)


def _shader(maker: Maker | None) -> "Shader | None":
    with contextlib.suppress(UserError):  # a field without a shader, or too large for one: Python draws it
        return maker() if maker else None
    return None


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
instrument, mixer, shelf, viewer = map(element, (Instrument, Mixer, Shelf, Viewer))
