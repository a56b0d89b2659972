"""Views of the plane, to pan and zoom, drawn by the page's own shaders or by Python."""

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from atelier.drawing import encoded
from atelier.errors import UserError
from atelier.page.live import Run
from atelier.page.packing import Widget, element, hung, pack

if TYPE_CHECKING:
    from atelier.shaders.code import Shader

Draw = Callable[[Any, int, int], np.ndarray]
Maker = Callable[[], "Shader"]
"""Gives the shader of a view."""
_STILL = 1400
"""Pixels of the longer side where there is no kernel to draw more."""
_WHOLE = {"x": 0.0, "y": 0.0, "zoom": 1.0}


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


viewer = element(Viewer)
