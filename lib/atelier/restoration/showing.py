"""Words and figures below a repair."""

import html
from collections.abc import Sequence
from typing import Any

from atelier import figures
from atelier.restoration.repairing import Repair
from atelier.restoration.scores import shares


def answer(step: Repair | None) -> str:
    """The labels of the samples as a bar chart with their sentence, HTML; a hint before the end of a run."""
    if step is None or step.scores is None:
        return "<p>The samples are read when the repair is finished.</p>"
    n, found = len(step.scores.labels), shares(step.scores.labels)
    portions = [found.get(label, 0) / n for label in range(10)]
    figure = digit_bars(portions, step.label, height=1.9, xlabel="read as", ylabel="share of samples", ylim=(0, 1))
    truth = "" if step.label is None else f" The digit is a {step.label} (orange)."
    return f"<p><b>{html.escape(step.sentence)}</b>{truth} {_mean_words(step)}</p>{figure}"


def digit_bars(values: Sequence[float], marked: int | None, height: float, **axes: Any) -> str:
    """A value for each digit as a bar, that of the digit `marked` in another colour, as an SVG element."""
    made, ax = figures.figure(4.6, height)
    colours = [figures.COLOURS[1 if digit == marked else 0] for digit in range(10)]
    ax.bar(range(10), values, color=colours, width=0.7)
    ax.set(xticks=range(10), **axes)
    return figures.svg(made)


def _mean_words(step: Repair) -> str:
    """Samples against their mean, where the mean is nearer to the digit."""
    each, mean = float(step.scores.psnr.mean()), float(step.mean_scores.psnr[0])
    if mean <= each:
        return ""
    return (
        f"A sample has a PSNR of {each:.1f} dB on average, their mean {mean:.1f} dB: a mean has the smaller error, but "
        "where samples differ it is a blend that nobody would write."
    )
