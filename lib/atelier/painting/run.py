"""One run of the fitter, with all that is remembered of it: the live page, the command line and the exported page
each drive the same one."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from atelier.data.pictures import Picture
from atelier.devices import best_device
from atelier.errors import UserError
from atelier.fields import networks
from atelier.fields.fitting import FitOptions, FitStep, Knobs, Measure, compared, fit, rendered
from atelier.fields.networks import CoordinateNetwork, NetworkSpec
from atelier.fields.recording import Moment, Recording
from atelier.painting.exports import JpegRival, jpeg_of_size
from atelier.painting.settings import PaintingSettings, fit_options, network_spec
from atelier.processors import on_free_processors

_WARMUP = 200
"""Steps of warm-up for a run that goes on from a checkpoint."""


@dataclass
class Run:
    """A network, the picture it learns, and the figures and weights along the way."""

    picture: Picture
    spec: NetworkSpec
    options: FitOptions
    network: CoordinateNetwork
    knobs: Knobs
    recording: Recording = field(default_factory=Recording)
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"step": [], "seconds": [], "loss": [], "psnr": [], "ssim": []}
    )
    last: Measure | None = None
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def from_settings(cls, settings: PaintingSettings, picture: Picture) -> "Run":
        """A fresh run, or one that goes on from the checkpoint that the settings name.

        Raises:
            UserError: the checkpoint cannot be used, or is of another network than the one asked for.
        """
        if settings.checkpoint:
            network, spec, _ = networks.load(Path(settings.checkpoint))
            check_fits(spec, settings, picture)
            options = dataclasses.replace(fit_options(settings), warmup=_WARMUP)
        else:
            spec = network_spec(settings, picture)
            network = networks.build(spec)
            options = fit_options(settings)
        return cls(picture, spec, options, network.to(best_device()), Knobs(options.learning_rate))

    def steps(self) -> Iterator[FitStep]:
        """Train; `note` what should be remembered."""
        yield from fit(self.network, self.picture.pixels, self.options, self.knobs)

    def note(self, step: FitStep) -> Measure:
        """Measure the network as it is at this step, and remember figures and weights."""
        if self.last is not None and step.step == self.step:
            return self.last
        measure = step.measure()
        self.last, self.step, self.seconds = measure, step.step, step.seconds
        figures = {
            "step": step.step,
            "seconds": step.seconds,
            "loss": step.loss,
            "psnr": measure.psnr,
            "ssim": measure.ssim,
        }
        for name, value in figures.items():
            self.history[name].append(value)
        keep = self.recording.finish if step.progress == 1 else self.recording.offer
        keep(self.network, **figures)
        return measure

    @property
    def parameters(self) -> int:
        return networks.parameter_count(self.network)

    @property
    def values(self) -> int:
        """Numbers in the picture."""
        return self.picture.pixels.numel()

    @property
    def bytes(self) -> int:
        """Size of the weights as a float32 file."""
        return 4 * self.parameters

    def jpeg(self) -> JpegRival:
        """The JPEG of the picture that takes as many bytes as the network."""
        return jpeg_of_size(self.picture.pixels, self.bytes)

    def network_at(self, moment: Moment) -> CoordinateNetwork:
        """A copy of the network as it was at a moment."""
        network = networks.build(self.spec)
        network.load_state_dict(moment.weights)
        return network.eval()


def shipped_run(picture: Picture, weights: Path) -> Run:
    """A finished run as it ships: the network from its file, measured against the picture at hand."""
    network, spec, extra = networks.load(weights)
    run = Run(picture, spec, FitOptions(), network, Knobs(0.0))
    run.history = {name: list(extra.get("history", {}).get(name, ())) for name in run.history}
    run.last = compared(rendered(network, picture.pixels), picture.pixels)
    run.step, run.seconds = int(extra.get("steps", 0)), float(extra.get("seconds", 0.0))
    weights_then = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    run.recording.moments.append(Moment(run.step, run.seconds, 0.0, run.last.psnr, run.last.ssim, weights_then))
    return run


def check_fits(spec: NetworkSpec, settings: PaintingSettings, picture: Picture) -> None:
    """Refuse a checkpoint of another network, another number of colours or another shape of picture."""
    asked = network_spec(settings, picture)
    if spec.network != asked.network:
        raise UserError(
            f"The checkpoint holds the network {spec.network}, and {asked.network} is chosen; "
            f"choose {spec.network}, or another checkpoint."
        )
    if spec.channels != asked.channels:
        names = {1: "gray", 3: "colour"}
        raise UserError(
            f"The checkpoint draws in {names.get(spec.channels, spec.channels)} and the picture is in "
            f"{names[asked.channels]}; switch gray to match, or choose another checkpoint."
        )
    if abs(spec.aspect / asked.aspect - 1) > 0.02:
        raise UserError("The checkpoint was fitted to a picture of another shape; choose the picture it belongs to.")


def train(run: Run, tell: Callable[[FitStep], None] | None = None) -> Run:
    """Exhaust a run, noting it more and more seldom, as its picture changes more and more slowly, and at its end."""
    due = 0.0
    # A run by the clock never comes out twice the same, so it may use what is free.
    for step in run.steps() if run.options.seconds is None else on_free_processors(run.steps()):
        if step.seconds >= due or step.progress == 1:
            due = step.seconds + max(0.02, 0.06 * step.seconds)
            run.note(step)
        if tell is not None:
            tell(step)
    return run
