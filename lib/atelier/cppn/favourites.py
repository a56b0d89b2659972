"""Favourites: recipes with names, as one JSON text on a shelf, to be downloaded and loaded again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from atelier.cppn.recipe import Recipe
from atelier.errors import UserError
from atelier.paths import cache_dir, write_whole

FORMAT = 1
FILE = "favourites.json"
LONGEST_NAME = 80


class Shelf(Protocol):
    """Where the text of favourites is kept."""

    text: str

    def set_aside(self) -> None:
        """Move the text out of the way, to where it is not lost."""


class DamagedError(UserError):
    """Favourites that no Atelier can read."""


@dataclass
class FileShelf:
    """A file, by default `FILE` in the first data folder that can be written to."""

    path: Path = field(default_factory=lambda: cache_dir() / FILE)

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="replace") if self.path.is_file() else ""

    @text.setter
    def text(self, text: str) -> None:
        write_whole(self.path, text.encode())

    def set_aside(self) -> None:
        count, aside = 1, self.path.with_name(f"damaged-{self.path.name}")
        while aside.exists():
            count += 1
            aside = self.path.with_name(f"damaged-{count}-{self.path.name}")
        self.path.replace(aside)


def load_favourites(shelf: Shelf) -> dict[str, Recipe]:
    """All favourites by name, in the order they were kept; none where nothing was kept yet. Raises UserError: the text
    is damaged, or of a newer version."""
    text = shelf.text
    try:
        return loads(text, FILE) if text else {}
    except DamagedError:
        raise DamagedError(
            "The favourites kept here cannot be read; keep a picture, or load a file that Atelier saved, to begin anew "
            "(they are set aside)."
        ) from None


def loads(text: str, name: str = "The file") -> dict[str, Recipe]:
    """As `load_favourites`, for the text of a downloaded file."""
    try:
        data = json.loads(text)
        version, entries = data["format"], dict(data["favourites"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedError(f"The favourites in {name} cannot be read; choose a file that Atelier saved.") from None
    if type(version) is not int or version < 1:
        raise DamagedError(f"The favourites in {name} have no proper format; choose a file that Atelier saved.")
    if version > FORMAT:
        raise UserError(f"{name} was saved by a newer Atelier (format {version}); update Atelier to read it.")
    if not all(isinstance(key, str) and 0 < len(key.strip()) <= LONGEST_NAME for key in entries):
        raise DamagedError(f"A favourite in {name} has no proper name; choose a file that Atelier saved.")
    try:
        return {key: replace(Recipe.from_json(entry), name=key) for key, entry in entries.items()}
    except UserError as error:
        raise DamagedError(f"A favourite in {name} cannot be read: {error}") from error


def dump_favourites(favourites: Mapping[str, Recipe]) -> str:
    entries = {name: recipe.to_json() for name, recipe in favourites.items()}
    return json.dumps({"format": FORMAT, "favourites": entries}, indent=2, ensure_ascii=False) + "\n"


def favourites_file(favourites: Mapping[str, Recipe]) -> bytes:
    """favourites.json. Raises UserError: there are none."""
    if not favourites:
        raise UserError("There are no favourites yet: press Keep first.")
    return dump_favourites(favourites).encode()


def keep(name: str, recipe: Recipe, shelf: Shelf) -> str:
    """Keep a recipe under a new name; without one, under its own, numbered where that is taken. Returns the name.
    Raises UserError: a name that is too long or taken, favourites of a newer version."""
    name = name.strip()
    if not 0 < len(name or recipe.name) <= LONGEST_NAME:
        raise UserError(f"A favourite needs a name of 1 to {LONGEST_NAME} characters.")
    found = _known(shelf)
    name = name or _free_name(recipe.name, found)
    if name in found:
        raise UserError(f"There is a favourite named {name!r} already; choose another name.")
    shelf.text = dump_favourites({**found, name: recipe})
    return name


def take_in(favourites: Mapping[str, Recipe], shelf: Shelf) -> int:
    """Keep the favourites of a downloaded file too, and give the number of those that are new. A name that another
    recipe has already gets a number. Raises UserError: favourites of a newer version on the shelf."""
    taken = _known(shelf)
    new = {name: recipe for name, recipe in favourites.items() if taken.get(name) != recipe}
    for name, recipe in new.items():
        taken[_free_name(name, taken)] = recipe
    shelf.text = dump_favourites(taken)
    return len(new)


def forget(name: str, shelf: Shelf) -> None:
    """Remove a favourite. Raises UserError: no such favourite, damaged favourites."""
    found = load_favourites(shelf)
    if name not in found:
        raise UserError(f"There is no favourite named {name!r}; choose one of those shown.")
    shelf.text = dump_favourites({key: recipe for key, recipe in found.items() if key != name})


def _known(shelf: Shelf) -> dict[str, Recipe]:
    """As `load_favourites`, but a damaged text is set aside for those that are kept from now on."""
    try:
        return load_favourites(shelf)
    except DamagedError:
        shelf.set_aside()
        return {}


def _free_name(name: str, taken: Mapping[str, Recipe]) -> str:
    """The name, or the name with the first number that is free."""
    free, count = name, 2
    while free in taken:
        free, count = f"{name[: LONGEST_NAME - 6]} {count}", count + 1
    return free
