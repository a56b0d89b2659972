"""The explorer's state: the picture that is shown, its family, its siblings and what is done with them."""

import dataclasses
import io
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from atelier.errors import UserError
from atelier.cppn import favourites, recipe
from atelier.cppn.colour import palette_colours
from atelier.cppn.favourites import FileShelf, Shelf
from atelier.cppn.genetics import Family, Mutation, siblings
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import picture
from atelier.cppn.spec import LAST_SEED, FieldSpec
from atelier.cppn.surprise import draw_latent, new_seed, recolour, surprise
from atelier.cppn.topologies import with_activation
from atelier.cppn.window import Window
from atelier.settings import Number

LITTER = 16
THUMB = 128
"""Thumbnails in a litter, and the side of one in pixels."""
LATENT_SIZE = Number(0, 64, whole=True)
_NOUNS = {
    "mlp": "silk",
    "residual": "agate",
    "dense": "strata",
    "conv": "glass",
    "watts_strogatz": "web",
    "siren": "ripples",
}
_FOLDED = {"rotation": "rosette", "kaleidoscope": "kaleidoscope", "tiling": "tiles"}


def name_of(spec: FieldSpec) -> str:
    """Two words for a picture that nobody named: its colours and its kind."""
    colours = spec.palette[0].replace("_", " ") if spec.colour == "palette" else spec.colour
    colours = "own colours" if colours.startswith("#") else colours
    noun = "whirlpool" if "spiral" in spec.inputs else _FOLDED.get(spec.symmetry, _NOUNS[spec.topology])
    return f"{colours.capitalize()} {noun}"


@dataclass(frozen=True)
class Litter:
    """Siblings that are shown together: their parents' numbers in the family, and the window they are seen through."""

    parents: tuple[int, ...]
    window: Window = field(default_factory=Window)
    specs: tuple[FieldSpec, ...] = ()


class Explorer:
    """One visitor's exploration. Methods change the state at once or raise UserError and change nothing.

    A picture whose knobs were turned becomes a member of the family as soon as anything else is done.
    """

    def __init__(
        self, begin: Recipe, name: str = "", mutation: Mutation | None = None, shelf: Shelf | None = None
    ) -> None:
        self.family = Family().born(begin.spec, window=begin.window, name=name or name_of(begin.spec))
        self.window = begin.window
        self.mutation = mutation or Mutation()
        self.shelf = shelf or FileShelf()
        self.draft: FieldSpec | None = None
        self.litter = Litter((0,), begin.window)
        self._draws = 0
        self._changing = threading.Lock()
        self._thumbs: dict[tuple[FieldSpec, Window], bytes] = {}

    @property
    def spec(self) -> FieldSpec:
        """The field that is shown."""
        return self.draft or self.family.members[self.family.current].spec

    @property
    def recipe(self) -> Recipe:
        return Recipe(self.spec, self.window)

    @property
    def name(self) -> str:
        name = self.family.members[self.family.current].name
        return f"{name}, changed" if self.draft else name

    @property
    def token(self) -> str:
        """The word for the address."""
        return recipe.to_token(self.recipe)

    # What is shown.

    def roam(self, window: Window) -> None:
        """Look elsewhere."""
        self.window = window

    def open(self, found: Recipe, name: str = "") -> None:
        """Show a recipe from elsewhere; it joins the family without parents."""
        self._leave()
        self.family = self.family.born(found.spec, window=found.window, name=name or name_of(found.spec))
        self.window = found.window
        self._renew()

    def load(self, data: bytes, name: str) -> str:
        """Open the recipe in a file (PNG, recipe.json), or take in downloaded favourites; says what was done.

        Raises:
            UserError: no recipe inside, one of a newer version, a value out of bounds.
        """
        if found := _favourites_in(data, name):
            new = favourites.take_in(found, self.shelf)
            return f"{new} of {len(found)} favourites are new and were taken in."
        stem = Path(name).stem
        self.open(recipe.read_bytes(data, name), "" if stem == "recipe" else stem)
        return f"{self.name} opened from {name}."

    def surprise(self) -> None:
        """Something else altogether."""
        spec = surprise(self._seed("surprise"))
        self.open(Recipe(spec))

    def recolour(self) -> None:
        """The same picture in other colours."""
        self._change(recolour(self.spec, self._seed("colours")))

    def set_activation(self, node: str, activation: str) -> None:
        """The same network with another activation in one node.

        Raises:
            UserError: no such activation.
        """
        self._change(with_activation(self.spec, node, activation))

    def give_latent(self, size: int) -> None:
        """A latent vector of `size` numbers (0 to 64), new ones zero: the picture stays as it is, but for conv and
        siren, whose first layer spreads its weights over all inputs.

        Raises:
            SettingError: a size out of bounds.
        """
        size = LATENT_SIZE.check("The size of the latent vector", size)
        kept = self.spec.latent[:size]
        self._change(self.spec.replace(latent=(*kept, *([0.0] * (size - len(kept))))))

    def tune(self, base: FieldSpec, changes: dict[str, Any]) -> bool:
        """Turn knobs: `base` with `changes` is shown. False if that is what was shown already.

        Raises:
            UserError: a value out of bounds, a palette that does not exist.
        """
        spec = base.replace(**changes)
        palette_colours(spec)
        if spec == self.spec:
            return False
        current = self.family.members[self.family.current].spec
        self.draft = None if spec == current else spec
        self._renew()
        return True

    # Breeding.

    def breed(self) -> Iterator[tuple[FieldSpec, bytes]]:
        """Draw the litter: each sibling and its thumbnail (JPEG) when it is found; `litter` grows meanwhile."""
        litter, seed = self.litter, new_seed(self.spec.seed, f"litter {self._draws} {self.token}")
        parents = [self.draft] if self.draft else [self.family.members[number].spec for number in litter.parents]
        for spec in siblings(parents, LITTER, seed, self.mutation):
            thumb = self.thumb(spec, litter.window)
            with self._changing:
                if self.litter is not litter:
                    return  # another litter is wanted by now
                litter = self.litter = dataclasses.replace(litter, specs=(*litter.specs, spec))
            yield spec, thumb

    def more(self) -> None:
        """Ask for another litter of the same parents."""
        self._want(self.litter.parents)

    def set_mutation(self, mutation: Mutation) -> bool:
        """How far siblings may fall; False if it was so already."""
        if mutation == self.mutation:
            return False
        self.mutation = mutation
        self.more()
        return True

    def choose(self, number: int) -> None:
        """A sibling becomes the parent.

        Raises:
            UserError: no such sibling.
        """
        litter, spec = self.litter, self._sibling(number)
        parents = self._leave() if len(litter.parents) == 1 else litter.parents
        self.family = self.family.born(spec, parents, litter.window, name_of(spec))
        self.window = litter.window
        self._renew()

    def cross(self, picks: Sequence[int]) -> None:
        """Siblings become the parents of the next litter; the picture that is shown stays.

        Raises:
            UserError: fewer than two, or no such sibling.
        """
        if len(set(picks)) < 2:
            raise UserError("Pick two or more pictures to cross them.")
        specs = [self._sibling(number) for number in dict.fromkeys(picks)]
        litter = self.litter
        parents = self._leave() if len(litter.parents) == 1 else litter.parents
        path, numbers = self.family.path, []
        for spec in specs:
            self.family = self.family.born(spec, parents, litter.window, name_of(spec))
            numbers.append(self.family.current)
        self.family = dataclasses.replace(self.family, path=path)
        self._want(numbers)

    # The way back.

    def undo(self) -> bool:
        """One step back; False at the beginning."""
        if len(self.litter.parents) > 1:
            self._renew()  # from crossing back to breeding
            return True
        self._leave()
        before = self.family
        self.family = before.undo()
        self._arrive()
        return self.family != before

    def back_to(self, number: int) -> None:
        """An earlier member is shown and breeds again.

        Raises:
            UserError: no such member.
        """
        family = self.family.back_to(number)
        if number == self.family.current and self.draft is None:
            return
        self._leave()
        self.family = dataclasses.replace(family, members=self.family.members, path=(*self.family.path, number))
        self._arrive()

    # Favourites.

    def keep(self, name: str = "") -> str:
        """Keep the picture under a name, its own one (numbered where taken) if none is given; says what was done.

        Raises:
            UserError: a name that is too long or taken.
        """
        if not name.strip():
            name = favourites.free_name(self.name, favourites.known(self.shelf))
        favourites.keep(name, self.recipe, self.shelf)
        return f"Kept as {name.strip()}."

    # Pictures.

    def thumb(self, spec: FieldSpec, window: Window | None = None, side: int = THUMB) -> bytes:
        """A small picture (JPEG), remembered."""
        key = (spec, window or Window())
        if key not in self._thumbs:
            if len(self._thumbs) > 600:
                self._thumbs.clear()
            self._thumbs[key] = jpeg(picture(spec, key[1], (side, side)))
        return self._thumbs[key]

    def _sibling(self, number: int) -> FieldSpec:
        if not 0 <= number < len(self.litter.specs):
            raise UserError(f"There is no sibling {number + 1}; choose one of those shown.")
        return self.litter.specs[number]

    def _change(self, spec: FieldSpec) -> None:
        """A child that is the current picture with something changed."""
        if spec != self.spec:
            parents = self._leave()
            self.family = self.family.born(spec, parents, self.window, name_of(spec))
            self._renew()

    def _leave(self) -> tuple[int, ...]:
        """Remember where the current picture was looked at, and turned knobs as a member; its number."""
        if self.draft is not None:
            self.family = self.family.born(self.draft, [self.family.current], self.window, name_of(self.draft))
            self.draft = None
        members = list(self.family.members)
        current = self.family.current
        members[current] = dataclasses.replace(members[current], window=self.window)
        self.family = dataclasses.replace(self.family, members=tuple(members))
        return (current,)

    def _arrive(self) -> None:
        self.window = self.family.members[self.family.current].window
        self._renew()

    def _renew(self) -> None:
        """Ask for siblings of the picture that is shown."""
        self._want([self.family.current])

    def _want(self, parents: Sequence[int]) -> None:
        """From now on another litter is wanted."""
        self._draws += 1
        with self._changing:
            self.litter = Litter(tuple(parents), self.window)

    def _seed(self, label: str) -> int:
        self._draws += 1
        return new_seed((self.spec.seed + self._draws) % LAST_SEED, f"{label} {len(self.family.members)}")


def latent_keys(found: Recipe, seed: int, count: int = 3) -> list[tuple[float, ...]]:
    """Keys of a latent walk: the field's own vector, then drawn ones."""
    size = len(found.spec.latent)
    return [found.spec.latent, *(draw_latent(new_seed(seed, f"key {i}"), size) for i in range(count))]


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    """(H, W, 3) uint8 as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _favourites_in(data: bytes, name: str) -> dict[str, Recipe]:
    """The favourites of a downloaded file; none if it is something else."""
    try:
        loaded = json.loads(data) if data[:1] == b"{" else None
    except (ValueError, RecursionError):
        return {}
    if not isinstance(loaded, dict) or "favourites" not in loaded:
        return {}
    return favourites.loads(data.decode(), name)
