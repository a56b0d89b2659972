"""What a person can set in the painting fitter."""

import dataclasses
from dataclasses import dataclass

from atelier.data.pictures import BUILT_IN, PAINTINGS, Picture
from atelier.fields.fitting import LOSSES, OPTIMISERS, SAMPLINGS, FitOptions
from atelier.fields.networks import DOMAINS, FINALS, NETWORKS, NetworkSpec, finest_for
from atelier.settings import Choice, Number, SettingError, Settings, Switch, Text, setting

DEFAULT_STEPS = 3000
DEFAULT_BUDGET = 0.9
OPTIONS = ("width", "depth", "frequency", "scale", "octaves", "norm", "levels", "table_size")
"""Settings that are options of some networks and stand at auto, the network's own, unless given."""


def _option(name: str, about: str):
    domain = DOMAINS[name]
    if isinstance(domain, Choice):
        return setting("auto", Choice(("auto", *domain.options)), about)
    return setting(None, dataclasses.replace(domain, optional=True), about)


@dataclass(frozen=True)
class PaintingSettings(Settings):
    """Settings of the painting fitter; None and "auto" leave a choice to the network."""

    picture: str = setting(
        "mona_lisa", Text(), f"picture to learn: {', '.join((*PAINTINGS, *BUILT_IN))}, or the path of a file"
    )
    network: str = setting("hashgrid", Choice(tuple(NETWORKS)), "network that learns it")
    size: int = setting(384, Number(64, 1024, step=16, whole=True), "pixels on the longer side")
    gray: bool = setting(False, Switch(), "learn a gray picture")
    steps: int | None = setting(
        None, Number(1, 1_000_000, whole=True, optional=True), f"training steps; {DEFAULT_STEPS} if no end is given"
    )
    seconds: float | None = setting(None, Number(0.1, 3600, optional=True), "seconds of training, instead of steps")
    seed: int = setting(0, Number(0, 2**31 - 1, whole=True), "seed of all randomness")
    learning_rate: float | None = setting(None, Number(1e-6, 1, log=True, optional=True), "learning rate")
    budget: float = setting(DEFAULT_BUDGET, Number(0.05, 4, step=0.05), "hash grid: parameters per value")
    width: int | None = _option("width", "units in a layer")
    depth: int | None = _option("depth", "hidden layers")
    frequency: float | None = _option("frequency", "how fast the first waves are")
    scale: float | None = _option("scale", "how narrow the bumps are")
    octaves: int | None = _option("octaves", "octaves of the positional encoding")
    norm: str = _option("norm", "normalisation between convolutions")
    levels: int | None = _option("levels", "levels of the grid")
    table_size: int | None = _option("table_size", "log2 of the most entries in a level's table")
    final: str = setting("none", Choice(tuple(FINALS)), "final activation")
    loss: str = setting("l2", Choice((*LOSSES, "ssim")), "what is made small")
    optimiser: str = setting("adam", Choice(OPTIMISERS), "optimiser (muon: on hidden matrices)")
    decay: bool = setting(True, Switch(), "let the learning rate fall along a cosine")
    sampling: str = setting("lattice", Choice(SAMPLINGS), "how the pixels of a step are chosen")
    batch: int | None = setting(None, Number(64, 65536, whole=True, optional=True), "pixels a step")
    held_out: bool = setting(False, Switch(), "learn from half of the pixels, test on the others")
    checkpoint: str = setting("", Text(), "checkpoint to go on from", door="command")
    out: str = setting("out", Text(), "folder for GIF, comparison and checkpoint", door="command")
    report: str = setting("", Text(), "also write a plain HTML report to this file", door="command")

    def __post_init__(self) -> None:
        super().__post_init__()
        fit_options(self)  # refuses combinations that cannot be

    def known_picture(self) -> "PaintingSettings":
        """These settings, if the picture is one of the product's own: an address may not read the server's files."""
        if self.picture not in (*PAINTINGS, *BUILT_IN):
            Choice((*PAINTINGS, *BUILT_IN)).check("Picture", self.picture)
        return self

    def plain(self) -> "PaintingSettings":
        """The same settings with every choice that is the network's own anyway back at auto."""
        kind = NETWORKS[self.network]
        own = {name: default for name, default in kind.options.items() if name in OPTIONS}
        changes = {name: PaintingSettings.default(name) for name, value in own.items() if getattr(self, name) == value}
        if self.batch == kind.batch:
            changes["batch"] = None
        if self.steps == DEFAULT_STEPS and self.seconds is None:
            changes["steps"] = None
        return self.replace(**changes)


def network_options(settings: PaintingSettings) -> dict[str, object]:
    """The options that were given, refused where the network has no such option."""
    given = {name: getattr(settings, name) for name in OPTIONS}
    given = {name: value for name, value in given.items() if value not in (None, "auto")}
    kind = NETWORKS[settings.network]
    for name in given:
        if name not in kind.options:
            raise SettingError(
                f"{kind.title} has no {name.replace('_', ' ')}; it has "
                f"{', '.join(option for option in kind.options if option != 'finest').replace('_', ' ')}."
            )
    return given


def network_spec(settings: PaintingSettings, picture: Picture) -> NetworkSpec:
    """The network for a picture; a hash grid is made as fine as its budget of parameters allows."""
    options = network_options(settings)
    channels = picture.pixels.shape[-1]
    if settings.network == "hashgrid":
        size = {name: options.get(name, NETWORKS["hashgrid"].options[name]) for name in ("width", "depth", "levels")}
        options["finest"] = finest_for(
            settings.budget, picture.pixels.numel(), picture.aspect, channels=channels, **size
        )
    return NetworkSpec(settings.network, options, channels, picture.aspect, settings.final, settings.seed)


def fit_options(settings: PaintingSettings) -> FitOptions:
    """How to train, with the network's own rate and batch where none is given."""
    kind = NETWORKS[settings.network]
    steps = settings.steps or (None if settings.seconds else DEFAULT_STEPS)
    return FitOptions(
        steps=steps,
        seconds=settings.seconds,
        learning_rate=settings.learning_rate or kind.learning_rate,
        loss=settings.loss,
        optimiser=settings.optimiser,
        decay=settings.decay,
        sampling=settings.sampling,
        batch=settings.batch or kind.batch,
        held_out=settings.held_out,
        seed=settings.seed,
    )
