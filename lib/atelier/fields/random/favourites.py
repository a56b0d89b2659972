"""Favourites: recipes with names, in one JSON file that can also be downloaded and loaded again."""

import json
from collections.abc import Mapping
from pathlib import Path

from atelier.errors import UserError
from atelier.fields.random.recipe import Recipe
from atelier.paths import atomic_write, cache_dir

FORMAT = 1
LONGEST_NAME = 80


def default_path() -> Path:
    """Where favourites are kept: favourites.json in the first data folder that can be written to."""
    return cache_dir() / "favourites.json"


def load(path: Path | None = None) -> dict[str, Recipe]:
    """All favourites by name, in the order they were kept; none where there is no file yet.

    Raises:
        UserError: the file is damaged, or of a newer version.
    """
    path = path or default_path()
    if not path.is_file():
        return {}
    return loads(path.read_text(encoding="utf-8", errors="replace"), path.name)


def loads(text: str, name: str = "The file") -> dict[str, Recipe]:
    """As `load`, for the text of a downloaded file."""
    try:
        data = json.loads(text)
        version, entries = data["format"], dict(data["favourites"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"The favourites in {name} cannot be read; choose a file that Atelier saved.") from None
    if not isinstance(version, int) or version > FORMAT:
        raise UserError(f"{name} was saved by a newer Atelier (format {version}); update Atelier to read it.")
    return {key: Recipe.from_json(entry) for key, entry in entries.items()}


def dumps(favourites: Mapping[str, Recipe]) -> str:
    entries = {name: recipe.to_json() for name, recipe in favourites.items()}
    return json.dumps({"format": FORMAT, "favourites": entries}, indent=2, ensure_ascii=False) + "\n"


def keep(name: str, recipe: Recipe, path: Path | None = None) -> dict[str, Recipe]:
    """Keep a recipe under a new name; returns all favourites.

    Raises:
        UserError: no name, a name that is too long or taken, a damaged file.
    """
    name, path = name.strip(), path or default_path()
    favourites = load(path)
    if not name or len(name) > LONGEST_NAME:
        raise UserError(f"A favourite needs a name of 1 to {LONGEST_NAME} characters.")
    if name in favourites:
        raise UserError(f"There is a favourite named {name!r} already; choose another name.")
    return _save({**favourites, name: recipe}, path)


def forget(name: str, path: Path | None = None) -> dict[str, Recipe]:
    """Remove a favourite; returns those that are left.

    Raises:
        UserError: no such favourite, a damaged file.
    """
    path = path or default_path()
    favourites = load(path)
    if name not in favourites:
        raise UserError(f"There is no favourite named {name!r}; choose one of those shown.")
    return _save({key: recipe for key, recipe in favourites.items() if key != name}, path)


def _save(favourites: dict[str, Recipe], path: Path) -> dict[str, Recipe]:
    with atomic_write(path) as part:
        part.write_text(dumps(favourites), encoding="utf-8")
    return favourites
