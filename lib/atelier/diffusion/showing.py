"""Schedules and evaluations in words, tables and figures."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from atelier import figures
from atelier.data.digits import load_digits
from atelier.diffusion.catalogue import FEW, SAMPLERS
from atelier.diffusion.evaluation import EvaluationReport, EvaluationStep
from atelier.diffusion.models import Model, with_steps
from atelier.diffusion.sampling import initial_noise
from atelier.diffusion.schedules import Schedule
from atelier.diffusion.sheets import headed_sheet
from atelier.drawing import Chart, Frame, Line
from atelier.steps import in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 200
_WAYS = FEW | SAMPLERS


# The schedule.


@dataclass(frozen=True)
class Forward:
    """What the forward process needs to be drawn at any time t without this library: x_t = alpha x0 + sigma eps."""

    pictures: np.ndarray = field(repr=False)  # (K, 28, 28) uint8
    noise: np.ndarray = field(repr=False)  # (28, 28) float32
    times: list[float] = field(repr=False)  # from 0 to T
    alphas: list[float] = field(repr=False)
    sigmas: list[float] = field(repr=False)
    charts: list[Chart] = field(repr=False)  # beta, alpha squared and the signal-to-noise ratio over t
    note: str = ""  # what the pictures are where they stand in for digits


def forward(schedule: Schedule) -> Forward:
    """The forward process of a schedule on a digit of each class, all under one noise."""
    pictures, note = _example_digits()
    times = torch.linspace(0, schedule.T, _POINTS + 1, dtype=torch.float64)
    alphas, sigmas, snr = schedule.alpha(times), schedule.sigma(times), schedule.snr(times)
    kept = torch.linspace(0, schedule.T - 1, min(schedule.T, _POINTS)).long()
    betas = schedule.betas[kept]
    shown = (snr > 1e-6) & (snr < 1e6)
    steep = float(betas.max()) > 50 * float(betas.median())
    look = {"over": "= t", "height": 120, "newest": False}
    charts = [
        Chart("β: noise added in a step", [Line((kept + 1).tolist(), betas.tolist())], digits=3, log=steep, **look),
        Chart("ᾱ: share of the digit's power", [Line(times.tolist(), alphas.square().tolist())], **look),
        Chart("SNR: signal ÷ noise, power", [Line(times[shown].tolist(), snr[shown].tolist())], log=True, **look),
    ]
    noise = initial_noise(0, 1)[0, 0].numpy()
    return Forward(pictures.numpy(), noise, times.tolist(), alphas.tolist(), sigmas.tolist(), charts, note)


@functools.cache
def _example_digits() -> tuple[Tensor, str]:
    """One real test digit of each class (10, 28, 28) uint8, without any download, and a note where they stand in."""
    digits = load_digits("mnist", "test", download=False, stand_in_size=100)
    firsts = [int((digits.labels == digit).nonzero()[0]) for digit in range(10)]
    return digits.images[firsts], digits.title if digits.stand_in else ""


def leak_words(schedule: Schedule) -> str:
    """What is left of the digit at the end of the schedule, as Markdown; 1 % or more harms sampling."""
    left = 100 * schedule.terminal_signal
    if left >= 1:
        return (
            f"**Terminal leak: {left:.1f} % of the digit is still in the last picture.** Sampling starts from pure "
            "noise, a picture that the network never met in training, so brightness and strokes come out wrong."
        )
    if left == 0:
        return "**No leak**: at T nothing of the digit is left, exactly as sampling starts."
    return f"**Hardly a leak**: {left:.2g} % of the digit is left at T, and sampling starts from 0 %."


def class_note(model: Model) -> str:
    """What the numbers of the labels stand for, where they are not digits; else nothing."""
    if model.classes == tuple("0123456789"):
        return ""
    return "Labels: " + ", ".join(f"{k} {name}" for k, name in enumerate(model.classes))


def steps_note(model: Model, wanted: Any) -> str:
    """What there is to say about the steps of the model that draws, where a sampler was asked for."""
    if not isinstance(wanted, str) or wanted not in FEW:
        return ""
    count = len(model.denoiser.knots)
    if not count:
        return "Only the shipped network was distilled to few steps, so this one draws with DPM-Solver++."
    if wanted != f"few{count}":
        return f"This network was distilled to {count} steps and draws in these."
    found = model.figures
    scored = "its label accuracy is {label_accuracy:.1%}, its classifier-FID {classifier_fid_ratio:.2f} times the floor"
    return f"Judged at n = {found['n']:,}, {scored.format(**found)}." if found else ""


def ways_table(model: Model) -> list[dict[str, str]]:
    """How the shipped network draws in many steps and in few: network calls a digit, and the judged quality; empty for
    another network."""
    few = [(FEW[name].title, with_steps(model, name)) for name in FEW]
    found = [(SAMPLERS["dpmpp"].title, model), *few]
    if any(drawer is model for _, drawer in few) or not all(drawer.figures for _, drawer in found):
        return []
    return [
        {
            "way to draw": title,
            "steps": str(drawer.figures["steps"]),
            "network calls a digit": str(drawer.figures.get("network_calls", "–")),
            "classifier-FID ÷ floor": _with_interval(drawer.figures, "classifier_fid_ratio", ".2f"),
            "read as asked for": _with_interval(drawer.figures, "label_accuracy", ".2%"),
        }
        for title, drawer in found
    ]


# An evaluation.


def judging_panels(step: EvaluationStep, full: bool = True) -> Frame:
    """How far an evaluation is; its result is drawn by `Judgement`."""
    left = f" · {in_words(step.seconds_left)} left" if math.isfinite(step.seconds_left) else ""
    return Frame(step=step.step, total="%", note="" if step.last else step.stage + left)


@dataclass(frozen=True)
class Judgement:
    """The figures of a model: just measured, or stored with it.

    Args:
        step: the last step of `judge_model`; if it is not of this model, the figures are those of the checkpoint.
    """

    model: Model
    step: EvaluationStep | None = None

    @property
    def report(self) -> EvaluationReport | None:
        return self.step.report if self.step is not None and self.step.model is self.model else None

    @property
    def figures(self) -> Mapping[str, Any]:
        """Name -> number; empty where there are none."""
        return self.report.figures if self.report is not None else self.model.figures

    @property
    def verdict(self) -> str:
        """One sentence, as Markdown."""
        found = self.figures
        ratio, copied = _with_interval(found, "classifier_fid_ratio", ".2f"), found["nearer_than_99_percent_of_test"]
        obeys = ""
        if math.isfinite(found["label_accuracy"]):
            obeys = f"; **{_with_interval(found, 'label_accuracy', '.1%')}** of the digits are read as asked for"
        return (
            f"At n = {found['n']:,} the classifier-FID is **{ratio} times the floor**, the "
            f"score of as many real digits{obeys}. The nearest training image is "
            f"{found['nearest_distance_ratio']:.2f} times as far as from a test digit, and {copied:.1%} are nearer "
            "than 99 % of the test digits (1 % would be chance): "
            + ("no sign of copying." if copied <= 0.02 else "some may be copies.")
        )

    @property
    def note(self) -> str:
        """How the figures were made, as plain text."""
        found = self.figures
        origin = "Stored with the model" if self.report is None else "Measured now"
        sampler = _WAYS[found["sampler"]].title if found["sampler"] in _WAYS else found["sampler"]
        low, high = found["guidance_interval"]
        early = " away from an early snapshot" if found.get("guidance_by") == "early" else ""
        steps = "" if found["sampler"] in FEW else f", {found['steps']} steps"
        seeds = f"means over {found['seeds']} seeds with 95 % intervals, " if "seeds" in found else ""
        return (
            f"{origin}: {seeds}n = {found['n']:,}, {sampler}{steps}, guidance {found['guidance']:g}"
            f"{early} at noise fractions {low:g} to {high:g}; reference: {found['reference']}. The features are those "
            "of our own classifier, so the distances cannot be compared with FIDs elsewhere. Below n = 2,000 they are "
            "rough."
        )

    @property
    def table(self) -> list[dict[str, str]]:
        """Rows: the figure, for generated digits, for as many real ones, for noise, which way is good."""
        return [
            {
                "figure": name,
                "generated": _shown(self.figures.get(key), form),
                "real digits (floor)": _shown(self.figures.get(f"{key}_real"), form),
                "pure noise (ceiling)": _shown(self.figures.get(f"{key}_noise"), form),
                "best": best,
            }
            for name, key, form, best in _LINES
        ]

    def pictures(self) -> dict[str, str | np.ndarray]:
        """Caption -> SVG or pixels: confusion, histogram, and the nearest pairs; empty for stored figures."""
        report = self.report
        if report is None:
            return {}
        shown = {} if report.labels is None else {"Asked for and judged": figures.svg(_confusion(report, self.model))}
        close = report.memorisation
        words = [f"{distance:.1f}" for distance in close.closest_distances.tolist()]
        rows = [close.closest_generated, close.closest_training]
        pairs = headed_sheet(rows, ["generated", "training"], words, columns=len(words), scale=3)
        return shown | {
            "How often each digit comes": figures.svg(_histogram(report, self.model.classes)),
            "The nearest pairs: generated above, the nearest of all training images below, with distances": pairs,
        }


def _with_interval(figures: Mapping[str, Any], name: str, form: str) -> str:
    """A figure, and ± half its 95 % interval where several seeds were judged."""
    value, half = format(figures[name], form), figures.get(f"{name}_interval")
    return value if half is None else f"{value} ± {half:{form}}".removesuffix("%")


_LINES = (
    ("classifier-FID", "classifier_fid", ",.3f", "low"),
    ("classifier-KID", "classifier_kid", ",.4f", "low"),
    ("label accuracy", "label_accuracy", ".2%", "high"),
    ("inception-style score", "inception_style_score", ".2f", "as real"),
    ("precision", "precision", ".3f", "high"),
    ("recall", "recall", ".3f", "high"),
    ("density", "density", ".3f", "as real"),
    ("coverage", "coverage", ".3f", "high"),
)


def _shown(value: float | None, form: str) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return format(value, form if abs(value) < 1000 else ",.0f")


def _confusion(report: EvaluationReport, model: Model) -> "Figure":
    """How many of each digit asked for were judged to be which."""
    made, ax = figures.figure(4.2, 3.9)
    counts = report.confusion.double()
    ax.imshow((counts / counts.sum(1, keepdim=True).clamp(min=1)).sqrt().numpy(), cmap="Blues", vmin=0, vmax=1.3)
    for asked, judged in counts.nonzero().tolist():
        colour = "white" if asked == judged else "#123"
        text = {"ha": "center", "va": "center", "fontsize": 7, "color": colour}
        ax.text(judged, asked, str(int(counts[asked, judged])), **text)
    ax.set_xticks(range(len(model.classes)), model.classes)
    ax.set_yticks(range(len(model.classes)), model.classes)
    ax.set(xlabel="judged", ylabel="asked for")
    return made


def _histogram(report: EvaluationReport, classes: Sequence[str]) -> "Figure":
    """How often each digit was judged, generated beside real."""
    made, ax = figures.figure(4.6, 3.2)
    places = np.arange(len(classes))
    ax.bar(places - 0.2, report.histogram, 0.38, color=figures.COLOURS[0], label="generated")
    ax.bar(places + 0.2, report.real_histogram, 0.38, color=figures.COLOURS[1], label="real")
    ax.set_xticks(places, classes)
    ax.set(xlabel="judged to be", ylim=(0, 1.25 * max(*report.histogram, *report.real_histogram)))
    ax.legend(frameon=False, fontsize=9, labelcolor=figures.INK, ncols=2)
    return made
