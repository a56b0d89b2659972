"""Every figure that stands still: data in, matplotlib Figure out. No pyplot, whose state is shared by all visitors."""

import io
from typing import TYPE_CHECKING

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
