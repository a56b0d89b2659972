"""A volume that the page itself marches through: turned, cut and sliced on the reader's graphics processor."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import traitlets

from atelier.errors import UserError
from atelier.page.live import Run
from atelier.page.packing import Widget, element, pack

Slice = Callable[[int, float], np.ndarray]
_EMPTY = 4  # a density of less, of 255, is sent as none: nobody sees it, and noise hardly compresses
MOST_SIDE = 256
"""Voxels along a side: every WebGL2 has textures of that size."""
_VIEW = {
    "azimuth": 30.0,
    "elevation": 20.0,
    "zoom": 0.95,
    "mode": "absorption",
    "low": 0.6,
    "high": 0.7,
    "opacity": 40.0,
    "light": 0.7,
    "cut": "none",
    "depth": 0.0,
    "at": [0.0, 0.0, 0.0],
}


class Volume(Widget):
    """A baked volume, seen by ray marching, and three slices through it.

    Drag turns it, the wheel or two fingers magnify, and so do the keys. The page marches a WebGL2 texture whenever
    something changes, also in a report without a kernel; where the browser has no WebGL2 a still picture stands there,
    and the slices work. `view` holds the camera, the window of densities and the cut, in the terms of `volumes.Camera`
    and `volumes.Look`, and follows when the hand is lifted.
    """

    _source = "volume"
    frame = traitlets.Bytes(b"").tag(sync=True)
    fine = traitlets.Bytes(b"").tag(sync=True)
    view = traitlets.Dict(_VIEW).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._voxels: np.ndarray | None = None
        self._passing = False
        self._run: Run | None = None
        self._step: Any = None

    def show(
        self,
        voxels: np.ndarray | Callable[[], np.ndarray],
        *,
        title: str = "A volume",
        still: bytes = b"",
        exact: Slice | None = None,
        passing: bool = False,
        **view: Any,
    ) -> None:
        """Show this volume from now on. The same array again changes nothing: cells that show it run at every move of a
        hand, and what the hand has set stays.

        Args:
            voxels: (D, H, W, 4) uint8, axes z, y, x: colour and density; or a function that makes them.
            title: what it is. still: a PNG or JPEG for browsers without WebGL2.
            exact: exact(axis, at) gives a finer slice (N, M, 4) uint8 across axis 0 (x), 1 (y) or 2 (z) at a
                coordinate. When the hand is lifted it replaces the baked slices, and the baked voxels on a cut across
                an axis.
            passing: whether another follows soon; it is drawn with fewer pixels where that takes long.
            view: what of `view` is to change.

        Raises:
            UserError: not such an array, too large, a name that `view` does not have.
        """
        if voxels is self._voxels and not self._passing:
            return
        voxels = voxels() if callable(voxels) else voxels
        shape = getattr(voxels, "shape", ())
        if getattr(voxels, "dtype", None) != np.uint8 or len(shape) != 4 or shape[3] != 4:
            raise UserError(f"A volume to show is a uint8 array (D, H, W, 4), and this one is {tuple(shape)}.")
        if not 2 <= min(shape[:3]) <= max(shape[:3]) <= MOST_SIDE:
            raise UserError(f"A page shows volumes of 2 to {MOST_SIDE} voxels a side; bake this one smaller.")
        if unknown := view.keys() - _VIEW.keys():
            raise UserError(f"A view has no {', '.join(sorted(unknown))}; it has {', '.join(_VIEW)}.")
        self._voxels, self._passing = voxels, passing
        self._acts = {"exact": exact} if exact else {}
        header = {"size": list(shape[:3]), "title": title, "exact": exact is not None and self._watched}
        header["passing"] = passing
        self.fine = b""
        self.view = {**self.view, **view}
        sent = np.where(voxels[..., 3:] < _EMPTY, np.uint8(0), voxels)
        self.frame = pack(header, {"voxels": zlib.compress(sent, 6), "still": still})

    def follow(self, run: Run, see: Callable[[Any, bool], Mapping[str, Any]]) -> None:
        """Show a run's step at rest, and while the run goes on its newest one, as long as somebody sees the volume and
        for a tenth of the time at most.

        Args:
            see: see(step, full) gives the arguments of `show`, or none where there is nothing to see. The step is None
                before the first one. With `full` false the run goes on, and fewer voxels will do. The view that it
                gives is taken once for each run.
        """

        def seen(step: Any, full: bool) -> dict[str, Any]:
            found, shown_before = dict(see(step, full)), run is self._run
            if found:
                self._run = run
            return {name: value for name, value in found.items() if not (shown_before and name in _VIEW)}

        def watch(step: Any) -> None:
            if self._awaits():
                found = seen(step, False) | {"passing": True}
                self._meanwhile(lambda: self._pass(found))

        run.watch = watch
        if run is self._run and run.step is self._step:  # nothing has changed but the view
            return
        self._step, found = run.step, seen(run.step, True)
        if found:
            self._aside(lambda: self.show(**found))

    def _pass(self, found: dict[str, Any]) -> int:
        self.show(**found)
        return len(self.frame)

    def _heard(self, name: str, value: Any) -> None:
        if name == "seen":
            self._seen = bool(value)
        if name == "slices":
            places = [(int(axis), float(at)) for axis, at in value[:3]]
            if all(axis in (0, 1, 2) and -1 <= at <= 1 for axis, at in places):
                self._aside(lambda: [self._refine(*place) for place in places])

    def _refine(self, axis: int, at: float) -> None:
        exact = self._acts.get("exact")  # a volume without one may have come meanwhile
        if exact is None:
            return
        found = exact(axis, at)
        header = {"axis": axis, "at": at, "size": list(found.shape[:2])}
        self.fine = pack(header, {"voxels": zlib.compress(np.ascontiguousarray(found), 1)})


volume = element(Volume)
