"""The denoisers a person can draw from: the shipped one, one trained here, one that was loaded."""

import copy
import functools
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atelier.data.digits import DATASETS, STAND_IN
from atelier.devices import best_device
from atelier.diffusion.denoiser import SHIPPED, Denoiser, Guidance, load_denoiser, parameter_count, suited_guidance
from atelier.diffusion.evaluation import figures_in
from atelier.diffusion.training import TrainStep, images_seen_in
from atelier.errors import UserError


@dataclass(frozen=True)
class Model:
    """A denoiser, where it comes from in a few words, and what its checkpoint tells about it."""

    title: str
    denoiser: Denoiser = field(repr=False)
    extra: dict[str, Any] = field(default_factory=dict, repr=False)
    images_seen: int | None = None
    """How many images it was trained on, repeats counted; None where that is not known."""

    @property
    def parameters(self) -> int:
        return parameter_count(self.denoiser)

    @property
    def dataset(self) -> str:
        """The name of the data set it was trained on, as `load_digits` knows it; MNIST where it is not told."""
        told = self.extra.get("dataset", "")
        if told.startswith("Digits from fonts"):
            return STAND_IN
        return next((name for name, source in DATASETS.items() if source.title == told), "mnist")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its labels."""
        return DATASETS["mnist" if self.dataset == STAND_IN else self.dataset].classes

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


def just_trained(step: TrainStep, dataset: str) -> Model:
    """A copy of the average after a step of training; dataset: the title of the data it was trained on."""
    return Model("Trained here", copy.deepcopy(step.average), {"dataset": dataset}, step.images_seen)


@functools.cache
def shipped_model() -> Model:
    """The conditional U-Net that ships; one for all visitors, who only read it."""
    return load_model(SHIPPED, "Shipped U-Net")


def load_model(path: Path, title: str = "") -> Model:
    """The model in a checkpoint.

    Raises:
        UserError: it is not one that can be used.
    """
    denoiser, extra = load_denoiser(Path(path))
    return Model(title or Path(path).name, denoiser.to(best_device()), extra, images_seen_in(extra))


def read_model(data: bytes, name: str) -> Model:
    """The model in a checkpoint's bytes, as a browser sends them with the name of a file.

    Raises:
        UserError: it is not one that can be used.
    """
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        path = Path(folder) / (re.sub(r"[^A-Za-z0-9._-]", "_", name)[-60:].lstrip(".") or "checkpoint")
        path.write_bytes(data)
        return load_model(path, f"Loaded: {path.name}")
