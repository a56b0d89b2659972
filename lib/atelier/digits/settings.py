"""What a person can set in digit diffusion."""

from dataclasses import dataclass
from typing import Self

from atelier.data.digits import DATASETS, STAND_IN
from atelier.diffusion.denoiser import BACKBONES, DEFAULT_GUIDANCE, TARGETS, Guidance
from atelier.diffusion.sampling import DEFAULT_STEPS, SAMPLERS
from atelier.diffusion.schedules import LARGEST_T, SCHEDULES, Schedule, build_schedule
from atelier.diffusion.training import OPTIMISERS, Recipe
from atelier.errors import UserError
from atelier.settings import Choice, Number, SettingError, Settings, Text, setting

DEFAULT_MINUTES = 10.0
DIGITS = ("all", *"0123456789")


@dataclass(frozen=True)
class DigitSettings(Settings):
    """Settings of digit diffusion. Training happens where epochs or minutes are given."""

    digit: str = setting("all", Choice(DIGITS), "digit to draw, or all of them in turn")
    samples: int = setting(60, Number(1, 10_000, whole=True), "number of digits to draw")
    guidance: float | None = setting(
        None, Number(0, 100, optional=True), "guidance, 0 ignores the label, 1 is plain, auto suits the network"
    )
    guidance_from: float | None = setting(None, Number(0, 1, optional=True), "noise fraction above which guidance acts")
    guidance_to: float | None = setting(None, Number(0, 1, optional=True), "noise fraction below which guidance acts")
    sampler: str = setting("dpmpp", Choice(tuple(SAMPLERS)), "sampler")
    sampling_steps: int = setting(DEFAULT_STEPS, Number(1, 1000, whole=True), "steps from noise to digit")
    eta: float = setting(0.0, Number(0, 1, step=0.05), "fresh noise in DDIM's steps, from 0 (none) to 1 (DDPM)")
    seed: int = setting(0, Number(0, 2**31 - 1, whole=True), "seed of all randomness")
    dataset: str = setting("mnist", Choice((*DATASETS, STAND_IN)), "data set to train on")
    backbone: str = setting("unet", Choice(tuple(BACKBONES)), "network that is trained")
    schedule: str = setting("flow", Choice(tuple(SCHEDULES)), "noise schedule it is trained on")
    timesteps: int = setting(1000, Number(2, LARGEST_T, whole=True), "steps T of the schedule")
    target: str = setting("flow", Choice(tuple(TARGETS)), "what the network predicts")
    batch: int = setting(128, Number(1, 4096, whole=True), "images in a training step")
    optimiser: str = setting("muon", Choice(OPTIMISERS), "optimiser (muon: of matrices and convolutions)")
    learning_rate: float = setting(2e-3, Number(1e-5, 1e-1, log=True), "peak learning rate")
    label_dropout: float = setting(0.1, Number(0, 1, step=0.05), "share of labels hidden in training")
    ema: float = setting(0.999, Number(0, 0.99999), "decay of the averaged weights")
    epochs: float | None = setting(None, Number(0.001, 10_000, optional=True), "epochs of training")
    train_minutes: float | None = setting(None, Number(0.001, 1440, optional=True), "minutes of training")
    resume: str = setting("", Text(), "checkpoint of a training run to go on with", door="command")
    checkpoint: str = setting("", Text(), "checkpoint to draw from, instead of the shipped one", door="command")
    evaluate: int | None = setting(
        None, Number(100, 60_000, whole=True, optional=True), "also judge so many digits", door="command"
    )
    out: str = setting("out", Text(), "folder for the files", door="command")
    report: str = setting("", Text(), "also write a plain HTML report to this file", door="command")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs is not None and self.train_minutes is not None:
            raise SettingError("Give epochs or minutes of training, one of them.")
        if self.resume and not self.trains:
            raise SettingError("Say how long to train in all, for instance --epochs 10, to resume a checkpoint.")
        if self.checkpoint and self.trains:
            raise SettingError("To go on training a checkpoint give it as --resume; --checkpoint only draws from it.")
        if self.target == "eps" and self.noise_schedule().terminal_signal == 0:
            raise SettingError(
                f"At the end of the {self.schedule} schedule only noise is left, so noise (eps) as the target says "
                "nothing about the digit; choose the target v, flow or x0."
            )
        try:
            self.guide(DEFAULT_GUIDANCE)
        except UserError as error:
            raise SettingError(str(error)) from error

    @property
    def trains(self) -> bool:
        """Whether a budget of training is given."""
        return self.epochs is not None or self.train_minutes is not None

    def guide(self, suited: Guidance) -> Guidance:
        """The guidance of sampling: where it is left open, that which suits the model (`Model.guidance`).

        One end of the interval that lies beyond the suited other opens it: from 0.9 is from 0.9 to 1.
        """
        low, high = self.guidance_from, self.guidance_to
        if low is None:
            low = suited.interval[0] if high is None or high > suited.interval[0] else 0.0
        if high is None:
            high = suited.interval[1] if low < suited.interval[1] else 1.0
        return Guidance(suited.scale if self.guidance is None else self.guidance, (low, high))

    def with_guidance(self, shown: Guidance, suited: Guidance) -> Self:
        """These settings with the guidance that controls show: what differs from theirs was chosen there, and the rest
        stays as it is, open or chosen before."""
        (low, high), now = shown.interval, self.guide(suited)
        return self.replace(
            guidance=self.guidance if shown.scale == now.scale else shown.scale,
            guidance_from=self.guidance_from if low == now.interval[0] else low,
            guidance_to=self.guidance_to if high == now.interval[1] else high,
        )

    def noise_schedule(self) -> Schedule:
        """The schedule of training."""
        return build_schedule(self.schedule, T=self.timesteps)

    def recipe(self, checkpoint_seconds: float = 30.0) -> Recipe:
        """How to train; ten minutes where no budget is given."""
        minutes = self.train_minutes if self.trains else DEFAULT_MINUTES
        return Recipe(
            epochs=self.epochs,
            minutes=None if self.epochs is not None else minutes,
            batch_size=self.batch,
            optimiser=self.optimiser,
            learning_rate=self.learning_rate,
            label_dropout=self.label_dropout,
            ema_decay=self.ema,
            seed=self.seed,
            checkpoint_seconds=checkpoint_seconds,
        )
