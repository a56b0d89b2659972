# ruff: noqa: E501 (a token is one word)
"""Chosen first pictures, each by its address token: they stay as they are when styles are tuned."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from atelier.animation import ENDINGS, FPS
from atelier.cppn.catalogue import PATHS, WALKS
from atelier.cppn.domains import Sides, numbers
from atelier.cppn.recipe import Recipe, from_token, read
from atelier.cppn.spec import PROPERTIES
from atelier.cppn.styles import STYLES, surprise
from atelier.errors import UserError
from atelier.fields.plane import Window
from atelier.settings import Choice, Control, Number, Text

STARTERS: dict[str, str] = {
    "Night lightning": "f1.De4EW6tG4xtb6iAZjJ6sdWChDlSFiAxDPQMMt0PTP9DZUD-b6MBCwVDPEhFoRnrGOkihaQR0INwvtbUA",
    "Porcelain flower": "f1.ckbBFKtG4xvowALWEsM9oFQMdY4OxHFAV-EKfqhXTXRgnjfSM9VBDiKU5KUDCzELHeQkVZBflJyakwi0NxYRzoZ6hjpIEWAC9BPc-7W1AA",
    "Violet agate": "f1.VBF5-atG41uYYTgDlHh1II4BugLqBWMdmKcM9Sx1kJNBflFyRmYKSCksYEz1zHWQQswY6Ai4e2trAQ",
    "Storm glass": "f1.0dcj3qtG45sa6SAZDEnjcKtNdWA-MdSz1EGO-5zE9HxgIMUiQsNIz1AHKZhMgTbDHVlbCwA",
    "Ember window": "f1.qliEIKtG45sa6CAZjJ6sdWChbonhWFASh7pVB-JyoJNxxQ00HIx1YCFjpGekgxx-KGlPBxacZjrI6S01NykVbBosAgz1gAoQMWMK9Cw8XGprAQ",
    "Reef": "f1.jIlKmqtG45sZ6iAZjJ6sdWChbmiigxIbZhiOByV5qNt1EKke6A1oGBjrwELFCMRGSkdAywoyk4tBamFBa6RnqIMU5iZAb8B9XFsLAA",
    "Lagoon whirlpool": "f1.YwthAqtG41tYwC0yxnAQ2CU64NQMdA_UMyY6SN5BS2OxOsgJJCcxPT8frBUWZGDdiLA0AzoP7pPaWgA",
    "Oil on water": "f1.MSVAjKtG4xsa6SAZDE3dGC4DpWegizDCFqYcGpOGBnpmwPABGlYKjl9wEkIEmLGeGdA9cKfX1gIA",
    "Aurora star": "f1.Jv9Ro6tG4xua6SAZjJ6sdWChbonhWFASh7pVB-JyoJNxxQ00HIx1YCFjpGeqgxx-KGlPBzmVJZYCE2wiyBBYuBvpmeggRYgx0I_w4KitBQA",
    "Delft marble": "f1.j_UDMqtG41sYwC0yxXAQPLEiHAX1EVAtup9ikaLWVAcz5k10kBNPQX5RcmpOIjCfxCJC1FDPTAcpqE2Arod7tLYWAA",
    "Carnival": "f1.-3foDatG41uaYTgDlHgRroB6wVQH5ilDPTMd5GSQnFiUB9SeA1IMCxojPUsdpDAzBjoD7uLaWgA",
    "Gilded screen": "f1.88lbaKtG45saE3IG1A-mOjBfGekB9SD5HZp-dGCBYKSDnEqSEkszgHkAZBIs4Iz0DHSQQtQI6Ei4f2prAQ",
}
"""Name to token."""
PAPERS: dict[str, str] = {
    **{f"{side}x{side}": f"{side} × {side}" for side in (1024, 2048, 4096, 8192, 16384)},
    "1920x1080": "1920 × 1080, screen",
    "3840x2160": "3840 × 2160, screen",
    "2480x3508": "2480 × 3508, A4 at 300 dpi",
    "own": "own size",
}
PAPER = Control(Choice(tuple(PAPERS)), "4096x4096", "Size", words=PAPERS, door="page")
"""The size of a print: `WIDTHxHEIGHT` in pixels, or "own"."""


def starter(name: str) -> Recipe:
    """A chosen first picture. Raises SettingError: no such name."""
    return replace(from_token(STARTERS[Choice(tuple(STARTERS)).check("The picture", name)]), name=name)


@dataclass(frozen=True)
class Token(Text):
    """The token of a picture's address, or nothing."""

    longest: int = 20_000

    def check(self, name: str, value: Any) -> str:
        if super().check(name, value):
            from_token(value)
        return value

    def describe(self) -> str:
        return "the word after field= in a picture's address"


def begin_options() -> dict[str, Control]:
    """What an address or a command line can ask for to begin with, as `begin` takes it."""
    about = "recipe to begin with: a recipe.json, or a PNG that Atelier saved"
    return {
        "picture": Control(Choice(tuple(STARTERS)), "Night lightning", about="chosen picture to begin with"),
        "field": Control(Token(), "", about="address token of a picture"),
        "recipe": Control(Text(), "", about=about, door="command"),
        "style": Control(Choice(tuple(STYLES)), about="style of a surprise"),
        "zoom": Control(Window.ZOOM, about="magnification"),
        "pan": Control(numbers(Window.PLACE, 2, least=2), about="centre x,y of the picture"),
        **{name: replace(found, default=None) for name, found in PROPERTIES.items()},
    }


def file_options() -> dict[str, Control]:
    """What a command line can ask for to be written."""
    control, samples = partial(Control, door="command"), Number(1, 8, 1, whole=True)
    return {
        "size": control(Sides(), (1024, 1024), "Size, pixels", "width and height of the picture in pixels"),
        "supersample": control(samples, 1, "Samples along a pixel", "samples along the side of a pixel"),
        "grid": control(Sides(16), about="also a grid of siblings, columns x rows"),
        "animate": control(Choice(("none", *WALKS)), "none", about="also a looping animation"),
    }


def motion_options(walk: str = "latent") -> dict[str, Control]:
    """What an animation needs."""
    endings = {ending.lstrip("."): title for ending, title in ENDINGS.items()}
    sides = {str(side): f"{side} pixels" for side in (256, 384, 512, 768, 1080)}
    return {
        "walk": Control(Choice(tuple(WALKS)), walk if walk in WALKS else "latent", words=WALKS, door="page"),
        "path": Control(Choice(tuple(PATHS)), "spline", words=PATHS, door="page"),
        "reach": Control(Number(0.1, 1024, log=True), 16.0, "Zoom", door="page"),
        "frames": Control(Number(1, 10_000, whole=True, log=True), 120, about="frames of the animation"),
        "fps": Control(FPS, 24, "Frames a second", "frames a second"),
        "side": Control(Choice(tuple(sides)), "512", "Size", words=sides, door="page"),
        "format": Control(Choice(tuple(endings)), "webp", about="format of the animation (png: APNG)", words=endings),
    }


def begin(
    picture: str = "Night lightning",
    *,
    field: str = "",
    recipe: str = "",
    style: str | None = None,
    zoom: float | None = None,
    pan: tuple[float, float] | None = None,
    **properties: Any,
) -> Recipe:
    """The recipe to begin with: a file's, an address token's, a surprise (when a style or a property is given), or a
    chosen first picture; with the properties of `FieldSpec` that are not None in place of its own. Raises UserError: a
    token or a file that cannot be read, properties that do not go together."""
    given = {name: value for name, value in properties.items() if value is not None}
    if recipe and field:
        raise UserError("Give a recipe or an address token, not both.")
    if recipe:
        found = read(recipe)
    elif field:
        found = from_token(field)
    elif given or style:
        seed = given.get("seed", PROPERTIES["seed"].default)
        found = Recipe(surprise(seed, style, given.get("topology")))
    else:
        found = starter(picture)
    x, y = pan or (found.window.x, found.window.y)
    window = found.window.replace(x=x, y=y, zoom=found.window.zoom if zoom is None else zoom)
    spec = found.spec.replace(**given)
    return Recipe(spec, window, found.name if spec == found.spec or recipe else "")
