"""The first screen of digit diffusion: noise becomes digits on a live canvas, and every step is kept."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from atelier.diffusion.sampling import SampleStep, initial_noise, sample
from atelier.diffusion.training import to_uint8
from atelier.digits import sheets
from atelier.digits.models import Model
from atelier.digits.settings import DigitSettings
from atelier.errors import UserError
from atelier.page.jobs import Job
from atelier.page import Curve, ExportStep, Line, LiveCanvas, Panel, Scene

MOST_ON_PAGE = 400
"""Digits on the page; every step of them is kept. The command line draws more."""
_MOST_KEPT = 100
_PANEL_HEIGHT = 292
_SHOWN_IN_FLOW, _FLOW_COLUMNS = 6, 3
_CURVES = (
    Curve("noise", "Noise fraction σ/(α+σ)", height=64),
    Curve("change", "Change of x̂₀ in a step", digits=3, height=64),
)
_FLOW = {
    "noise": "pure noise",
    "x_t": "xₜ, goes in",
    "eps": "network: “noise”",
    "x0": "x̂₀, what is left",
    "digit": "next xₜ, cleaner",
}


@dataclass(frozen=True)
class Kept:
    """One step that can be gone back to: x_t after it and the x̂0 that led there, (N, 28, 28) uint8, and the flow's
    pictures by name."""

    step: int
    noise_fraction: float
    seconds: float
    x_t: Tensor = field(repr=False)
    x0_hat: Tensor = field(repr=False)
    flow: dict[str, bytes] = field(repr=False)


class SampleStudio:
    """Draws digits as asked, anew at every change."""

    def __init__(self, model: Model, settings: DigitSettings) -> None:
        self.canvas = LiveCanvas()
        self.model, self.settings = model, settings
        self.kept: list[Kept] = []
        self.images: Tensor | None = None
        self._asked: tuple | None = None

    def close(self) -> None:
        """End the session: stop what runs, forget the widget."""
        self.canvas.close()

    def configure(self, model: Model, settings: DigitSettings) -> None:
        """Draw with these settings now, unless they were drawn already.

        Raises:
            UserError: the model cannot be asked for this, or for so many; what was drawn before stays.
        """
        settings = settings.replace(samples=min(settings.samples, MOST_ON_PAGE))
        model.labels(settings.digit, settings.samples)
        wanted = (id(model.denoiser), settings.guide(model.guidance), *(getattr(settings, name) for name in SAMPLING))
        if wanted == self._asked:
            return
        self._asked = wanted
        self.model, self.settings = model, settings
        self.canvas.drive(self._job)
        self.canvas.show(self._scene())
        self.canvas.play()

    def scrub(self, step: int) -> None:
        """Show a kept step again; nothing while a run goes on or where it was not kept."""
        job = self.canvas.job
        if not self.kept or (job is not None and job.active and job.state != "paused"):
            return
        self._publish(min(self.kept, key=lambda kept: abs(kept.step - step)))

    # Exports, each an iterator of ExportStep for an Exporter.

    def png(self) -> Iterator[ExportStep]:
        """The digits as they are now, as PNG."""
        return iter([ExportStep(1, 1, sheets.png(self._newest().x_t))])

    def gif(self) -> Iterator[ExportStep]:
        """The whole way from noise to digits, x_t beside x̂0, as GIF."""
        self._newest()
        frames = []
        for done, kept in enumerate(list(self.kept), 1):
            frames.append(side_by_side(kept))
            yield ExportStep(done, len(self.kept) + 1)
        yield ExportStep(1, 1, sheets.gif(frames))

    # The live run.

    def _newest(self) -> Kept:
        if not self.kept:
            raise UserError("There is nothing to save yet: press Play first.")
        return self.kept[-1]

    def _job(self) -> Job[SampleStep]:
        model, settings, kept = self.model, self.settings, []
        self.kept = kept
        start = initial_noise(settings.seed, settings.samples)
        history = {"step": [], "noise": [], "change": []}
        before = {"x": start, "x0": None, "rates": (0.0, 1.0)}
        schedule = model.denoiser.schedule
        every = -(-settings.sampling_steps // _MOST_KEPT)
        noise = to_uint8(start)
        kept.append(Kept(0, 1.0, 0.0, noise, torch.full_like(noise, 128), self._flow(start, start, start, None, start)))
        self.canvas.publish(
            step=0, seconds=0.0, total=f"of {settings.sampling_steps} steps", curves={}, note="", labels=_labels(1.0)
        )

        def steps() -> Iterator[SampleStep]:
            return sample_as_asked(model, settings)

        def note(step: SampleStep) -> None:
            if job is not self.canvas.job:
                return
            begin = time.monotonic()
            x_t, x0_hat = step.x_t.cpu(), step.x0_hat.cpu()
            history["step"].append(step.step)
            history["noise"].append(step.noise_fraction)
            if before["x0"] is not None:
                history["change"].append(float((x0_hat - before["x0"]).square().mean().sqrt()) / 2)
            # x_t = alpha x0_hat + sigma eps_hat: what the network took for noise in the picture it was given
            alpha, sigma = before["rates"]
            eps = (before["x"] - alpha * x0_hat) / sigma
            if step.step % every == 0 or step.last:
                flow = self._flow(start, before["x"], x_t, eps, x0_hat)
                kept.append(Kept(step.step, step.noise_fraction, step.seconds, to_uint8(x_t), to_uint8(x0_hat), flow))
                if step.last or job.delay or job.holding or self.canvas.due():
                    self._publish(kept[-1], history)
                    self.canvas.rest(time.monotonic() - begin)
            now = torch.tensor(step.time)
            before.update(x=x_t, x0=x0_hat, rates=(float(schedule.alpha(now)), float(schedule.sigma(now))))

        job: Job[SampleStep] = Job(steps, on_step=note, on_change=lambda: self._settle(job))
        return job

    def _settle(self, job: Job) -> None:
        if job is self.canvas.job:
            self.canvas.publish()

    def _publish(self, kept: Kept, history: dict | None = None) -> None:
        pictures = {"x_t": sheets.png(kept.x_t), "x0_hat": sheets.png(kept.x0_hat), **kept.flow}
        status = {"step": kept.step, "seconds": kept.seconds, "labels": _labels(kept.noise_fraction)}
        if history is not None:
            x = history["step"]
            status["curves"] = {
                "noise": [Line([0, *x], [1.0, *history["noise"]])],
                "change": [Line(x[1:], history["change"])],
            }
        self.canvas.publish(pictures, **status)

    def _flow(self, start: Tensor, x: Tensor, x_next: Tensor, eps: Tensor | None, x0_hat: Tensor) -> dict[str, bytes]:
        """Small pictures of the first digits at every station; the noise is shown at half contrast."""
        stations = {"noise": start / 2, "x_t": x / 2 if eps is None else x.clamp(-2, 2) / 1.5, "digit": x_next}
        if eps is not None:
            stations |= {"eps": eps / 2, "x0": x0_hat}
        return {
            f"flow {name}": sheets.png(to_uint8(picture[:_SHOWN_IN_FLOW]), min(_FLOW_COLUMNS, len(picture)), 1)
            for name, picture in stations.items()
        }

    def _scene(self) -> Scene:
        aspect = sheets.sheet_aspect(self.settings.samples)
        shown = min(_SHOWN_IN_FLOW, self.settings.samples)
        return Scene(
            (Panel("x_t", "xₜ", aspect), Panel("x0_hat", "x̂₀", aspect)),
            _CURVES,
            tuple(
                Panel(f"flow {name}", label, sheets.sheet_aspect(shown, min(_FLOW_COLUMNS, shown)))
                for name, label in _FLOW.items()
            ),
            height=_PANEL_HEIGHT,
            verb="Play",
            clock="s",
        )


SAMPLING = (
    "digit",
    "samples",
    "sampler",
    "sampling_steps",
    "eta",
    "seed",
)
"""The settings that a drawing depends on, beside guidance."""


def sample_as_asked(model: Model, settings: DigitSettings) -> Iterator[SampleStep]:
    """Draw what the settings ask for, step by step.

    Raises:
        UserError: the model cannot be asked for this.
    """
    labels = model.labels(settings.digit, settings.samples)
    yield from sample(
        model.denoiser,
        labels,
        n=settings.samples,
        sampler=settings.sampler,
        steps=settings.sampling_steps,
        guidance=settings.guide(model.guidance),
        eta=settings.eta,
        seed=settings.seed,
    )


def side_by_side(kept: Kept) -> np.ndarray:
    """x_t and x̂0 of one step with a gap between them, (H, W) uint8."""
    left, right = sheets.sheet(kept.x_t), sheets.sheet(kept.x0_hat)
    return np.hstack([left, np.full((len(left), 12), 128, np.uint8), right])


def _labels(noise_fraction: float) -> dict[str, str]:
    return {
        "x_t": f"xₜ: {100 * noise_fraction:.0f} % noise",
        "x0_hat": "x̂₀: the digits the network believes are below the noise",
    }
