"""The denoisers that a page can draw from: the shipped one, one that was trained there, one from a file."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atelier import checkpoints
from atelier.data.catalogue import DATASETS, FONTS
from atelier.devices import best_device
from atelier.diffusion.catalogue import FEW, SAMPLERS
from atelier.diffusion.denoiser import (
    DEFAULT_GUIDANCE,
    EARLY,
    KIND,
    SHIPPED,
    Denoiser,
    Guidance,
    denoiser_in,
    few_path,
    format_of,
    parameter_count,
    suited_guidance,
)
from atelier.errors import UserError
from atelier.settings import Choice


@dataclass(frozen=True)
class Model:
    """A denoiser with what is known of it."""

    title: str  # where it comes from, in a few words
    denoiser: Denoiser = field(repr=False)  # in eval mode, on the device to compute on
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of its checkpoint
    images_seen: int | None = None  # in training, repeats counted; None where that is not known
    note: str = ""  # a sentence for the reader
    early: Denoiser | None = field(default=None, repr=False)  # a snapshot of early in its training, for autoguidance
    goes_on: bytes = field(default=b"", repr=False)  # the checkpoint's bytes, if training can go on from there

    @classmethod
    def of(cls, found: "Model | Denoiser") -> "Model":
        """The model itself, or one made of a denoiser of your own."""
        return found if isinstance(found, Model) else cls("Your own denoiser", found)

    @property
    def parameters(self) -> int:
        return parameter_count(self.denoiser)

    @property
    def dataset(self) -> str:
        """The name of the data set it was trained on, as `load_digits` takes it; MNIST by default."""
        title = str(self.extra.get("dataset", ""))
        if title.startswith(DATASETS[FONTS].title):
            return FONTS
        return next((name for name, source in DATASETS.items() if source.title == title), "mnist")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its labels."""
        return DATASETS[self.dataset].classes

    @property
    def guidance(self) -> Guidance:
        """The guidance that suits it, by how long it was trained; none where it knows no labels."""
        if not self.denoiser.conditional:
            return Guidance()
        return DEFAULT_GUIDANCE if self.denoiser.knots else suited_guidance(self.images_seen)

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of an evaluation that its checkpoint holds; empty where there are none, or not as `evaluate`
        writes them."""
        found = self.extra.get("figures")
        return found if isinstance(found, dict) and _well_formed(found) else {}

    def labels(self, digit: str, n: int) -> Tensor | None:
        """Labels (n,) for one digit or for "all" in turn; None where the network knows no labels.

        Raises:
            UserError: one digit is asked of a network that knows no labels.
        """
        if not self.denoiser.conditional:
            if digit != "all":
                raise UserError("This network was trained without labels and cannot be asked for a digit; choose all.")
            return None
        return torch.arange(n) % self.denoiser.classes if digit == "all" else torch.full((n,), int(digit))


_TEXTS = ("dataset", "reference", "sampler")
_NUMBERS = ("n", "steps", "guidance", "classifier_fid", "classifier_fid_real", "classifier_fid_ratio")
_NUMBERS += ("label_accuracy", "nearest_distance_ratio", "nearer_than_99_percent_of_test")


def _well_formed(figures: dict[str, Any]) -> bool:
    """Whether a checkpoint's figures have the names and types that `Judgement` needs."""
    interval = figures.get("guidance_interval")
    if not isinstance(interval, list) or len(interval) != 2 or not figures.keys() >= {*_TEXTS, *_NUMBERS}:
        return False
    others = (*_TEXTS, "guidance_interval", "guidance_by")
    numbers = [*interval, *(value for name, value in figures.items() if name not in others)]
    texts = [figures[name] for name in _TEXTS]
    return all(isinstance(v, str) for v in texts) and all(isinstance(v, int | float) for v in numbers)


def images_seen_in(extra: Mapping[str, Any]) -> int | None:
    """How many images the network of a checkpoint with these extras was trained on, repeats counted; None where they
    do not tell."""
    try:
        step, batch_size = extra["run"]["step"], extra["recipe"]["batch_size"]
    except (KeyError, TypeError):
        return None
    return step * batch_size if type(step) is int and type(batch_size) is int else None


_NOTES = {
    "trained": "Nothing was trained yet, so the shipped network draws: press *Train* below, then *Pause*.",
    "file": "No file was loaded yet, so the shipped network draws: choose one under *Train your own*.",
}


@functools.cache
def shipped_model(instead_of: str = "shipped") -> Model:
    """The conditional U-Net that ships; all visitors share it. A note says what it stands in for."""
    if instead_of in _NOTES:
        return replace(shipped_model(), note=_NOTES[instead_of])
    return replace(read_model(SHIPPED, "Shipped U-Net"), early=read_model(EARLY).denoiser)


def read_model(source: bytes | str | Path, title: str = "") -> Model:
    """The model in a checkpoint: a path, or the bytes of an upload.

    Raises:
        UserError: the checkpoint cannot be used.
    """
    uploaded, checkpoint = isinstance(source, bytes), checkpoints.load(source, KIND)
    name, extra = "The file" if uploaded else Path(source).name, checkpoint.extra
    denoiser = denoiser_in(checkpoint, name).to(best_device())
    format_of(denoiser).lay_out(denoiser)
    goes_on = source if uploaded and {"recipe", "run"} <= extra.keys() else b""
    note = "The file holds weights for drawing only, so Train begins anew." if uploaded and not goes_on else ""
    return Model(title or name, denoiser, extra, images_seen_in(extra), note, goes_on=goes_on)


def choose_model(wanted: str, trained: Any = None, loaded: Model | None = None) -> Model:
    """The model that a reader wants: "shipped", "trained" (the newest of training, a `Learning`) or "file".

    Where there is none of that kind yet, the shipped one, with a note.
    """
    if wanted == "trained" and trained is not None and trained.step:  # at step 0 nothing is learned yet
        return trained.model
    if wanted == "file" and loaded is not None:
        return loaded
    return shipped_model(wanted) if wanted in _NOTES else shipped_model()


def with_steps(model: Model, sampler: Any) -> Model:
    """The model that draws with a sampler: for "few4", "few2" and "few1" the one that was distilled from the shipped
    one; else the model itself."""
    few = isinstance(sampler, str) and sampler in FEW and model.denoiser is shipped_model().denoiser
    return _distilled(int(sampler.removeprefix("few"))) if few else model


@functools.cache
def _distilled(steps: int) -> Model:
    return read_model(few_path(steps), f"Shipped U-Net, distilled to {steps} step" + "s" * (steps > 1))


def sampler_for(model: Model, sampler: Any) -> Any:
    """The sampler that was asked for, a function or a name. Where that is for a distilled network: the one for this
    network, or DPM-Solver++ if it was not distilled. Raises SettingError: an unknown name."""
    if callable(sampler) or Choice((*FEW, *SAMPLERS)).check("The sampler", sampler) not in FEW:
        return sampler
    return f"few{len(model.denoiser.knots)}" if model.denoiser.knots else "dpmpp"


def guide(
    model: Model,
    guidance: float | Guidance | None = None,
    guidance_from: float | None = None,
    guidance_to: float | None = None,
    guidance_by: str | None = None,
) -> Guidance:
    """Guidance as asked for, a `Guidance` or its parts; what is None suits the model. guidance_by: in `GUIDES`.

    If one end is given and lies beyond the suited other end, the interval is open there: from 0.9 is from 0.9 to 1.

    Raises:
        UserError: a number out of bounds, an interval that does not rise, an early snapshot that there is not, or more
            than a scale for a distilled network.
    """
    if isinstance(guidance, Guidance):
        return guidance
    if model.denoiser.knots and not guidance_from is guidance_to is guidance_by is None:
        raise UserError("A distilled network takes the scale of guidance only; choose another sampler for the rest.")
    if guidance_by == "early" and model.early is None:
        raise UserError("There is no early snapshot of this network; let guidance lead away from the label instead.")
    suited = model.guidance
    low = suited.interval[0] if guidance_from is None else guidance_from
    high = suited.interval[1] if guidance_to is None else guidance_to
    if low > high and high == suited.interval[1]:
        high = 1.0
    elif low > high and low == suited.interval[0]:
        low = 0.0
    weak = model.early if guidance_by == "early" else None
    return Guidance(suited.scale if guidance is None else guidance, (low, high), weak)
