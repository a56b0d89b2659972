"""The denoisers that a person can draw from: the shipped one, one that was trained here, one from a file."""

import functools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atelier.data.catalogue import DATASETS, FONTS
from atelier.devices import best_device
from atelier.diffusion.denoiser import SHIPPED, Denoiser, Guidance, load_denoiser, parameter_count, suited_guidance
from atelier.diffusion.training import images_seen_in
from atelier.errors import UserError
from atelier.paths import given_path

MOST_BYTES = 200 << 20


@dataclass(frozen=True)
class Model:
    """A denoiser with what is known of it.

    Args:
        title: where it comes from, in a few words.
        denoiser: in eval mode, on the device to compute on.
        extra: what its checkpoint tells about it.
        images_seen: how many images it was trained on, repeats counted; None where that is not known.
        note: a sentence for the reader, or nothing.
        goes_on: the checkpoint's bytes, if training can go on from there.
    """

    title: str
    denoiser: Denoiser = field(repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    images_seen: int | None = None
    note: str = ""
    goes_on: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, found: "Model | Denoiser") -> "Model":
        """The model itself, or one made of a denoiser of your own."""
        return found if isinstance(found, Model) else cls("Your own denoiser", found)

    @property
    def parameters(self) -> int:
        return parameter_count(self.denoiser)

    @property
    def dataset(self) -> str:
        """The name of the data set it was trained on, as `load_digits` knows it; MNIST where it is not told."""
        told = str(self.extra.get("dataset", ""))
        if told.startswith(DATASETS[FONTS].title):
            return FONTS
        return next((name for name, source in DATASETS.items() if source.title == told), "mnist")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its labels."""
        return DATASETS[self.dataset].classes

    @property
    def guidance(self) -> Guidance:
        """The guidance that suits it, by how long it was trained; none where it knows no labels."""
        return suited_guidance(self.images_seen) if self.denoiser.conditional else Guidance()

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of an evaluation that its checkpoint holds; empty where it was never judged."""
        return figures_in(self.extra)

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


def figures_in(extra: dict) -> dict:
    """The figures that a checkpoint's extras hold, if they are as `EvaluationReport.figures` gives them; else {}."""
    found = extra.get("figures")
    if not isinstance(found, dict):
        return {}
    texts, low_high = ("dataset", "reference", "sampler"), found.get("guidance_interval")
    numbers = ("n", "steps", "guidance", "classifier_fid", "classifier_fid_real", "classifier_fid_ratio")
    numbers += ("nearest_distance_ratio", "nearer_than_99_percent_of_test")
    well_formed = (
        all(isinstance(found.get(key), str) for key in texts)
        and all(key in found for key in numbers)
        and all(isinstance(v, int | float) for k, v in found.items() if k not in (*texts, "guidance_interval"))
        and isinstance(low_high, list)
        and len(low_high) == 2
        and all(isinstance(v, int | float) for v in low_high)
    )
    return found if well_formed else {}


@functools.cache
def shipped_model() -> Model:
    """The conditional U-Net that ships; one for all visitors, who only read it."""
    return read_model(SHIPPED, "Shipped U-Net")


def read_model(source: bytes | str | Path, title: str = "") -> Model:
    """The model in a checkpoint: a path, or the bytes of an upload.

    Raises:
        UserError: it is not one that can be used.
    """
    if not isinstance(source, bytes):
        path = given_path(source)
        denoiser, extra = load_denoiser(path)
        title = title or path.name
        return Model(title, denoiser.to(best_device()), extra, images_seen_in(extra))
    if len(source) > MOST_BYTES:
        raise UserError(f"This file is larger than {MOST_BYTES >> 20} MB; choose a checkpoint that Atelier saved.")
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        path = Path(folder) / "upload.safetensors"
        path.write_bytes(source)
        denoiser, extra = load_denoiser(path)
    goes_on = source if "recipe" in extra and "run" in extra else b""
    note = "" if goes_on else "The file holds weights for drawing only, so Train begins anew."
    return Model(title or "The file", denoiser.to(best_device()), extra, images_seen_in(extra), note, goes_on)


def choose_model(wanted: str, trained: Any = None, loaded: Model | None = None) -> Model:
    """The model that a reader wants: "shipped", "trained" (the newest of training, see `learning.Learning`) or "file".

    Where there is none of that kind yet, the shipped one, with a note.
    """
    if wanted == "trained" and trained is not None:
        return trained.model
    if wanted == "file" and loaded is not None:
        return loaded
    return _in_its_place(wanted) if wanted in _MISSING else shipped_model()


_MISSING = {
    "trained": "Nothing was trained yet, so the shipped network draws: press *Train* below, then *Pause*.",
    "file": "No file was loaded yet, so the shipped network draws: choose one under *Train your own*.",
}


@functools.cache
def _in_its_place(wanted: str) -> Model:
    shipped = shipped_model()
    return Model(shipped.title, shipped.denoiser, shipped.extra, shipped.images_seen, _MISSING[wanted])


def guide(
    model: Model,
    guidance: float | Guidance | None = None,
    guidance_from: float | None = None,
    guidance_to: float | None = None,
) -> Guidance:
    """Guidance as asked for, a `Guidance` or its parts; what is left open (None) suits the model.

    An end of the interval that lies beyond the other, suited one opens it: from 0.9 is from 0.9 to 1.

    Raises:
        UserError: a number out of bounds, an interval that does not rise.
    """
    if isinstance(guidance, Guidance):
        return guidance
    suited = Model.of(model).guidance
    low = suited.interval[0] if guidance_from is None else guidance_from
    high = suited.interval[1] if guidance_to is None else guidance_to
    if low > high and high == suited.interval[1]:
        high = 1.0
    elif low > high and low == suited.interval[0]:
        low = 0.0
    return Guidance(suited.scale if guidance is None else guidance, (low, high))
