"""Every figure that stands still: data in, matplotlib Figure out. No pyplot, whose state is shared by all visitors."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2328"
LINE = "#d8dce1"
COLOURS = ("#2a83b0", "#d9822b", "#3f9a5a", "#b5508f")


def figure(width: float, height: float) -> "tuple[Figure, Axes]":
    """A transparent figure of the given size in inches, and its axes."""
    import matplotlib  # takes a second, so only the first figure imports it
    from matplotlib.figure import Figure

    # Text stays text, and a figure gives the same file each time. For good: a context would act on other threads too.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "atelier"})
    made = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    ax = made.subplots()
    ax.set_facecolor("none")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(LINE)
    ax.tick_params(colors=INK, labelsize=9)
    for text in (ax.xaxis.label, ax.yaxis.label):
        text.set(color=INK, fontsize=10)
    return made, ax


def svg(made: "Figure") -> str:
    """A figure as an SVG element that follows the page: its ink is the colour of the text around it."""
    buffer = io.StringIO()
    made.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor").replace(LINE, "rgb(128 128 128 / 50%)")
    return text.replace("<svg ", '<svg style="max-width: 100%; height: auto" ', 1)


def spectra(curves: Mapping[str, tuple[Tensor, Tensor]]) -> "Figure":
    """Mean power over spatial frequency, one line a picture; curves hold what `radial_spectrum` gives."""
    made, ax = figure(6.4, 3.2)
    for colour, (name, (frequency, power)) in zip((INK, *COLOURS), curves.items(), strict=False):
        ax.loglog(frequency.numpy(), power.numpy(), color=colour, linewidth=1.6, label=name)
    ax.set(xlabel="waves across the picture", ylabel="power")
    ax.legend(frameon=False, fontsize=9, labelcolor=INK)
    return made


def error_map(picture: np.ndarray, other: np.ndarray, full: float = 0.2) -> np.ndarray:
    """Mean absolute difference of two (H, W, C) pictures in [0, 1] as colours, (H, W, 3) uint8.

    Black is no difference; `full` and more is the brightest: a fixed scale, so that maps can be compared.
    """
    import matplotlib

    error = np.abs(picture - other).mean(-1) / full
    return (matplotlib.colormaps["inferno"](error.clip(0, 1))[..., :3] * 255).round().astype(np.uint8)
