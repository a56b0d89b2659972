"""Words, tables and figures of digit diffusion's page and report."""

import functools
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from atelier import figures
from atelier.data.digits import load_digits
from atelier.diffusion.evaluation import EvaluationReport, Memorisation
from atelier.diffusion.sampling import initial_noise
from atelier.diffusion.schedules import Schedule
from atelier.diffusion.training import to_model, to_uint8
from atelier.digits.sheets import headed_sheet
from atelier.page import encode_picture

BACKBONE_WORDS = {"unet": "U-Net", "diffunet": "DiffUNet (DeepInv), no labels", "admunet": "ADMUNet (DeepInv)"}
SCHEDULE_WORDS = {
    "linear": "Linear β",
    "cosine": "Cosine",
    "sigmoid": "Sigmoid",
    "zero_snr": "Zero terminal SNR",
    "flow": "Rectified flow",
}
TARGET_WORDS = {"eps": "ε, the noise", "x0": "x₀, the digit", "v": "v, the velocity", "flow": "flow, ε − x₀"}
OPTIMISER_WORDS = {"muon": "Muon", "adamw": "AdamW"}
SAMPLER_WORDS = {
    "dpmpp": "DPM-Solver++ (2M)",
    "ddim": "DDIM",
    "ddpm": "DDPM, ancestral",
    "heun": "Heun",
    "flow_euler": "Flow, Euler",
    "flow_heun": "Flow, Heun",
}
DATASET_WORDS = {
    "mnist": "MNIST",
    "fashion": "Fashion-MNIST",
    "kmnist": "KMNIST",
    "fonts": "Digits from fonts (stand-in)",
}
GUIDANCE_WORDS = "ε = ε∅ + g · (ε_label − ε∅): 0 ignores the label, 1 is plain, more insists."
STRIP = 11


def guidance_words(scale: float, interval: Sequence[float]) -> str:
    """How strong and where guidance acts."""
    low, high = interval
    return f"{scale:g} at noise fractions {low:g} to {high:g}"


def leak_words(schedule: Schedule) -> str:
    """What is left of the digit at the end of the schedule, in words."""
    left = 100 * schedule.terminal_signal
    if schedule.leak_warning:
        return (
            f"**Terminal leak: {left:.1f} % of the digit is still in the last picture.** Sampling starts from pure "
            "noise, a picture the network never met in training, so brightness and strokes come out wrong."
        )
    if left == 0:
        return "**No leak**: at T nothing of the digit is left, exactly as sampling starts."
    return f"**Hardly a leak**: {left:.2g} % of the digit is left at T, and sampling starts from 0 %."


def drowning(schedule: Schedule, image: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """A digit (28, 28) uint8 under rising noise: a strip (11, 28, 28) from t = 0 to T, and the picture at t
    (1, 28, 28), all of one and the same noise."""
    times = torch.cat([torch.linspace(0, schedule.T, STRIP), torch.tensor([float(t)])])
    x0 = to_model(image[None]).expand(len(times), -1, -1, -1)
    eps = initial_noise(0, 1).expand_as(x0)
    noisy = to_uint8(schedule.add_noise(x0, eps, times))
    return noisy[:STRIP], noisy[STRIP:]


def schedule_curves(schedule: Schedule, t: float) -> Figure:
    """β, ᾱ and SNR over t, with t marked."""
    made, axes = figures.figure(9, 2.3, 3)
    grid = torch.linspace(0, schedule.T, 201, dtype=torch.float64)
    betas = schedule.betas
    beta_t = torch.arange(1, schedule.T + 1)
    if schedule.T > 2000:
        keep = torch.linspace(0, schedule.T - 1, 1000).long()
        betas, beta_t = betas[keep], beta_t[keep]
    snr = schedule.snr(grid)
    shown = (snr > 1e-6) & (snr < 1e6)
    axes[0].plot(beta_t, betas, color=figures.COLOURS[0], linewidth=1.6)
    figures.entitle(axes[0], "β: noise added in a step")
    if float(betas.max()) > 50 * float(betas.median()):
        axes[0].set_yscale("log")
    axes[1].plot(grid, schedule.alpha(grid).square(), color=figures.COLOURS[1], linewidth=1.6)
    figures.entitle(axes[1], "ᾱ: share of the digit's power")
    axes[2].semilogy(grid[shown], snr[shown], color=figures.COLOURS[2], linewidth=1.6)
    figures.entitle(axes[2], "SNR: signal ÷ noise, power")
    for ax in axes:
        ax.axvline(t, color=figures.INK, linewidth=1, linestyle=":")
        ax.set_xlabel("t")
    return made


@functools.cache
def example_digits() -> tuple[Tensor, str]:
    """One real test digit of each class (10, 28, 28) uint8, without any download, and a note where they stand in."""
    digits = load_digits("mnist", "test", download=False, stand_in_size=100)
    firsts = [int((digits.labels == digit).nonzero()[0]) for digit in range(10)]
    return digits.images[firsts], digits.title if digits.stand_in else ""


def class_note(classes: Sequence[str]) -> str:
    """What the numbers of the labels stand for, where they are not digits; else nothing."""
    if list(classes) == [str(k) for k in range(10)]:
        return ""
    return "Labels: " + ", ".join(f"{k} {name}" for k, name in enumerate(classes))


def figure_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures of an evaluation as rows: what, for generated digits, for as many real ones, for noise."""

    def row(name: str, key: str, form: str, best: str) -> dict[str, str]:
        def shown(value: float | None) -> str:
            if value is None or not math.isfinite(value):
                return "–"
            return format(value, form if abs(value) < 1000 else ",.0f")

        return {
            "figure": name,
            "generated": shown(found.get(key)),
            "real digits (floor)": shown(found.get(f"{key}_real")),
            "pure noise (ceiling)": shown(found.get(f"{key}_noise")),
            "best": best,
        }

    return [
        row("classifier-FID", "classifier_fid", ",.3f", "low"),
        row("classifier-KID", "classifier_kid", ",.4f", "low"),
        row("label accuracy", "label_accuracy", ".2%", "high"),
        row("inception-style score", "inception_style_score", ".2f", "as real"),
        row("precision", "precision", ".3f", "high"),
        row("recall", "recall", ".3f", "high"),
        row("density", "density", ".3f", "as real"),
        row("coverage", "coverage", ".3f", "high"),
    ]


def figure_table(found: Mapping[str, Any]) -> str:
    """The same rows as a Markdown table."""
    rows = figure_rows(found)
    lines = [list(rows[0]), [":---", *["---:"] * (len(rows[0]) - 1)], *(list(row.values()) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def verdict(found: Mapping[str, Any]) -> str:
    """One sentence on the figures of an evaluation."""
    ratio = found["classifier_fid_ratio"]
    accuracy = found.get("label_accuracy")
    words = (
        f"At n = {found['n']:,} the classifier-FID is **{ratio:.2f} times the floor**, what as many real digits score"
    )
    if accuracy is not None and math.isfinite(accuracy):
        words += f"; **{accuracy:.1%}** of the digits asked for are judged to be that digit"
    copied = found["nearer_than_99_percent_of_test"]
    return (
        f"{words}. The nearest training image is {found['nearest_distance_ratio']:.2f} times as far as from a test "
        f"digit, and {copied:.1%} are nearer than 99 % of the test digits (1 % would be chance): "
        + ("no sign of copying." if copied <= 0.02 else "some may be copies.")
    )


def confusion_figure(report: EvaluationReport, classes: Sequence[str]) -> Figure:
    """How many of each digit asked for were judged to be which."""
    made, (ax,) = figures.figure(4.2, 3.9)
    counts = report.confusion.double()
    ax.imshow((counts / counts.sum(1, keepdim=True).clamp(min=1)).sqrt().numpy(), cmap="Blues", vmin=0, vmax=1.3)
    for asked in range(len(counts)):
        for judged in range(len(counts)):
            if (count := int(counts[asked, judged])) > 0:
                light = asked == judged
                ax.text(
                    judged, asked, str(count), ha="center", va="center", fontsize=7, color="white" if light else "#123"
                )
    ax.set_xticks(range(len(classes)), classes)
    ax.set_yticks(range(len(classes)), classes)
    ax.set_xlabel("judged")
    ax.set_ylabel("asked for")
    return made


def histogram_figure(report: EvaluationReport, classes: Sequence[str]) -> Figure:
    """How often each digit was judged, generated beside real."""
    made, (ax,) = figures.figure(4.6, 3.2)
    places = torch.arange(len(classes)).numpy()
    ax.bar(places - 0.2, report.histogram, 0.38, color=figures.COLOURS[0], label="generated")
    ax.bar(places + 0.2, report.real_histogram, 0.38, color=figures.COLOURS[1], label="real")
    ax.set_xticks(places, classes)
    ax.set_xlabel("judged to be")
    ax.set_ylim(0, 1.25 * max(*report.histogram, *report.real_histogram))
    ax.legend(frameon=False, fontsize=9, labelcolor=figures.INK, ncols=2)
    return made


def figure_note(found: Mapping[str, Any], stored: bool) -> str:
    """How the figures were made, as plain text."""
    origin = "Stored with the model" if stored else "Measured now"
    return (
        f"{origin}: n = {found['n']:,}, {SAMPLER_WORDS.get(found['sampler'], '')}, {found['steps']} steps, guidance "
        f"{guidance_words(found['guidance'], found['guidance_interval'])}; "
        f"reference: {found['reference']}. The features are those of our own classifier, so the distances "
        "cannot be compared with FIDs of other papers. Below n = 2,000 they are rough."
    )


def small(text: str) -> str:
    """Plain text as small print, for Markdown."""
    return f"<small>{html.escape(text)}</small>"


def nearest_pairs(found: Memorisation) -> bytes:
    """The generated digits that are nearest to a training image, above those images, with their distances: PNG."""
    words = [f"{distance:.1f}" for distance in found.closest_distances.tolist()]
    rows = [found.closest_generated, found.closest_training]
    return encode_picture(headed_sheet(rows, ["generated", "training"], words, columns=len(words), scale=3))


PROSE = r"""
**Forward: noise on purpose.** A digit $x_0$ is mixed with Gaussian noise $\varepsilon$,

$$x_t = \alpha_t\, x_0 + \sigma_t\, \varepsilon, \qquad \mathrm{SNR}(t) = \alpha_t^2 / \sigma_t^2,$$

from $t = 0$, the digit, to $t = T$, only noise. The **schedule** says how fast $\alpha_t$ falls. If it does not fall to
nought, the last picture leaks something of the digit, which sampling, starting from pure noise, does not have.

**Training: guess what was mixed in.** For random digits, times and noises the network is asked for a **target** $y$,
and nudged towards it:

$$\mathcal{L}(\theta) = \mathbb{E}_{x_0, \varepsilon, t} \lVert f_\theta(x_t, t, c) - y \rVert^2, \qquad
y \in \{\varepsilon,\; x_0,\; \alpha_t \varepsilon - \sigma_t x_0,\; \varepsilon - x_0\}.$$

The four targets say the same in other words: from each of them and $x_t$ follows the digit $\hat x_0$ that the network
believes is below the noise. Far from the digit that belief is a blur, the mean of all digits that it could be.

Of the two optimisers, AdamW scales the step of every weight by itself. Muon looks at whole matrices of weights, and
makes their steps orthogonal: all directions learn at the same pace, also those that the digits seldom ask for. Biases
and the thin layers at both ends stay with AdamW.

**The reverse step.** Go a little of the way from noise to that belief, then ask again. Deterministic DDIM does it so:

$$x_s = \alpha_s\, \hat x_0 + \sigma_s\, \hat\varepsilon, \qquad
\hat\varepsilon = (x_t - \alpha_t\, \hat x_0) / \sigma_t, \qquad s < t.$$

DDPM adds fresh noise at every step. Heun and DPM-Solver++ look at how the belief *changes*, and need fewer steps.

**Guidance: insist on the label.** In training the label $c$ is hidden now and then, so the network also knows what it
would say without. Sampling goes beyond the difference:

$$\hat\varepsilon = \varepsilon_\varnothing + g\,(\varepsilon_c - \varepsilon_\varnothing).$$

$g = 0$ ignores the label, $g = 1$ is the plain model, more makes digits clearer and more alike. It is needed only at
middling noise: early it narrows the choice, late it only costs time.

**How good.** The *classifier-FID* compares the mean and the covariance of a classifier's features, generated against
real,

$$d^2 = \lVert \mu_g - \mu_r \rVert^2 + \mathrm{tr}\,\bigl(C_g + C_r - 2\,(C_g C_r)^{1/2}\bigr).$$

It is not nought even for real digits, since a sample is never the whole: that is the *floor*. *Precision* asks whether
generated digits look real, *recall* whether every kind of real digit is drawn too.
"""
"""What the page teaches, in Markdown."""
