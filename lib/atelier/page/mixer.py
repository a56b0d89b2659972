"""A picture that sinks into noise under a slider, drawn by the page itself: x_t = alpha(t) x0 + sigma(t) eps."""

from collections.abc import Sequence
from typing import Any

import marimo as mo
import numpy as np
import traitlets

from atelier.drawing import Chart
from atelier.page.live import chart_values, chart_words
from atelier.page.packing import Widget, pack
from atelier.page.session import session


class Mixer(Widget):
    """Mixes pictures with noise at any time t; needs no kernel once it has its message."""

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
        header = {
            "size": pictures.shape,
            "times": list(times),
            "alphas": list(alphas),
            "sigmas": list(sigmas),
            "charts": [{**chart_words(chart), "lines": chart_values(chart)} for chart in charts],
        }
        raw = {"pictures": np.ascontiguousarray(pictures), "noise": np.ascontiguousarray(noise, dtype="<f4")}
        self.frame = pack(header, {name: array.tobytes() for name, array in raw.items()})


def mixer() -> Any:
    """The widget as an element of the page; `show` gives it pictures and a schedule."""
    made = Mixer()
    session().keep(made.close)
    return mo.ui.anywidget(made)
