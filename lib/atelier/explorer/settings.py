"""What can be asked of the random-field explorer, in an address or on a command line."""

from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import Any

from atelier.cppn import draws, recipe
from atelier.cppn.colour import palette_colours
from atelier.cppn.recipe import Recipe
from atelier.cppn.spec import FieldSpec, Numbers
from atelier.cppn.starters import STARTERS, starter
from atelier.cppn.surprise import STYLES, surprise
from atelier.cppn.window import LARGEST_SIDE, Window
from atelier.settings import Choice, Domain, Number, SettingError, Settings, Text, setting

DEFAULT_SEED = FieldSpec.default("seed")


@dataclass(frozen=True)
class Auto:
    """A domain, or None for "as it comes", written `auto`."""

    domain: Any

    def check(self, name: str, value: Any) -> Any:
        return None if value is None else self.domain.check(name, value)

    def read(self, name: str, word: str) -> Any:
        return None if word == "auto" else self.domain.read(name, word)

    def describe(self) -> str:
        return f"{self.domain.describe()} (or auto)"


@dataclass(frozen=True)
class Sides:
    """Two whole numbers from 1 to `most`, written 2048x1024, or 2048 for both."""

    most: int

    def check(self, name: str, value: Any) -> tuple[int, int]:
        if not isinstance(value, tuple) or len(value) != 2:
            raise SettingError(f"{name} must be {self.describe()}.")
        if not all(isinstance(side, int) and 1 <= side <= self.most for side in value):
            raise SettingError(f"{name} must be {self.describe()}, and {value[0]}x{value[1]} is not.")
        return value

    def read(self, name: str, word: str) -> Any:
        parts = word.lower().split("x")
        if len(parts) not in (1, 2) or not all(part.lstrip("-").isdecimal() for part in parts):
            raise SettingError(f"{name} must be {self.describe()}, and {word!r} is not.")
        return int(parts[0]), int(parts[-1])

    def describe(self) -> str:
        return f"two whole numbers from 1 to {self.most:,} like 4x3"


def _command(default: Any, domain: Domain | Auto | Sides, about: str) -> Any:
    return setting(default, domain, about, door="command")


def _property(name: str) -> tuple[str, Any, Any]:
    return name, Any, setting(None, Auto(FieldSpec.domain(name)), FieldSpec.about(name))


PROPERTIES = tuple(spec.name for spec in fields(FieldSpec))
_Properties = make_dataclass("_Properties", map(_property, PROPERTIES), bases=(Settings,), frozen=True)
"""A setting for each property of a field, with the bounds of `FieldSpec`."""


@dataclass(frozen=True)
class ExplorerSettings(_Properties):
    """Settings of the explorer. None leaves a property of the field to the picture that is begun with: the
    recipe, the address token, a surprise (when a seed, a style or a property is given), or a chosen first picture.

    Raises:
        UserError: a value out of bounds, a token or a recipe that cannot be read.
    """

    picture: str = setting("Night lightning", Choice(tuple(STARTERS)), "chosen picture to begin with")
    field: str = setting("", Text(20_000), "address token of a picture")
    style: str | None = setting(None, Auto(Choice(tuple(STYLES))), "style of a surprise")
    zoom: float | None = setting(None, Auto(Window.domain("zoom")), Window.about("zoom"))
    pan: tuple[float, ...] | None = setting(None, Auto(Numbers(-1e6, 1e6, 2)), "centre x,y of the picture")
    recipe: str = _command("", Text(), "recipe to begin with: a recipe.json, or a PNG that Atelier saved")
    size: tuple[int, int] = _command((1024, 1024), Sides(LARGEST_SIDE), "width and height of the picture in pixels")
    supersample: int = _command(1, Number(1, 8, whole=True), "samples along the side of a pixel")
    grid: tuple[int, int] | None = _command(None, Auto(Sides(16)), "also a grid of siblings, columns x rows")
    strength: float = setting(0.35, Number(0, 1, 0.01), "how far a sibling may fall: 0.2 is a tweak, 1 an overhaul")
    animate: str = _command("none", Choice(("none", "zoom", "latent", "weights")), "also a looping animation")
    frames: int = _command(120, Number(1, 10_000, whole=True), "frames of the animation")
    fps: int = _command(24, Number(1, 60, whole=True), "frames a second")
    format: str = _command("webp", Choice(("webp", "gif", "png", "mp4")), "format of the animation (png: APNG)")
    out: str = _command("out", Text(), "folder for the picture and its recipe")
    report: str = _command("", Text(), "also write a plain HTML report to this file")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pan is not None and len(self.pan) != 2:
            raise SettingError("Pan must be two numbers, written like 0.5,-0.25.")
        if self.recipe and self.field:
            raise SettingError("Give a recipe or an address token, not both.")

    def properties(self) -> dict[str, Any]:
        """The properties of the field that were given."""
        return {name: value for name in PROPERTIES if (value := getattr(self, name)) is not None}

    def begin(self) -> tuple[Recipe, str]:
        """The recipe that these settings describe, and its name ("" where it has none).

        Raises:
            UserError: a token or a file that cannot be read, properties that do not go together.
        """
        given = self.properties()
        name = ""
        if self.recipe:
            found = recipe.read(Path(self.recipe))
            name = Path(self.recipe).stem if Path(self.recipe).stem != "recipe" else ""
        elif self.field:
            found = recipe.from_token(self.field)
        elif given or self.style:
            found = Recipe(_surprise(given.get("seed", DEFAULT_SEED), self.style, given.get("topology")))
        else:
            found, name = starter(self.picture), self.picture
        spec = found.spec.replace(**given)
        if spec != found.spec and not (self.recipe or self.field):
            name = ""
        pan_x, pan_y = self.pan or (found.window.pan_x, found.window.pan_y)
        window = Window(pan_x, pan_y, found.window.zoom if self.zoom is None else self.zoom)
        palette_colours(spec)
        return Recipe(spec, window), name


def _surprise(seed: int, style: str | None, topology: str | None) -> FieldSpec:
    """A surprise, of a style that goes with the topology where one is asked for."""
    if style or not topology:
        return surprise(seed, style)
    fitting = [name for name in STYLES if surprise(seed, name).topology == topology]
    return surprise(seed, draws.choice(seed, "fitting style", fitting) if fitting else None)
