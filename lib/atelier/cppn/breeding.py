"""An exploration: the picture that is shown, its family, its siblings, and the way back."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from atelier import cppn
from atelier.cppn import favourites, recipe
from atelier.cppn.favourites import FileShelf, Shelf
from atelier.cppn.knobs import knobs_of, turned
from atelier.cppn.recipe import WHOLE, Recipe
from atelier.cppn.spec import FieldSpec
from atelier.cppn.styles import Mutation, new_seed, recolour, surprise
from atelier.cppn.topologies import check_live, with_activation
from atelier.drawing import encoded
from atelier.errors import UserError
from atelier.fields.plane import Window

LITTER = 16
"""Siblings that are shown together."""
THUMB = 128
"""Pixels along the side of a sibling's picture."""
_MOST_STEPS = 500  # of the way back


@dataclass(frozen=True)
class Member:
    """One picture of a family: what it is, the window through which it was seen, whose child it is, its name."""

    spec: FieldSpec
    window: Window = WHOLE
    parents: tuple[int, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Family:
    """A family tree that forgets nobody. Members are numbered in order of birth."""

    members: tuple[Member, ...] = ()
    current: int = 0

    def born(self, member: Member) -> "Family":
        """With one more member, which becomes the current one.

        Raises:
            UserError: a parent that is not in the family.
        """
        for parent in member.parents:
            self.check(parent)
        return Family((*self.members, member), len(self.members))

    def ancestors(self, number: int) -> list[int]:
        """All ancestors of a member, nearest first."""
        self.check(number)
        found: list[int] = []
        left = list(self.members[number].parents)
        while left:
            parent = left.pop(0)
            if parent not in found:
                found.append(parent)
                left += self.members[parent].parents
        return found

    def check(self, number: int) -> None:
        """Raises UserError: no such member."""
        if not 0 <= number < len(self.members):
            raise UserError(f"The family has no member {number}; choose one from 0 to {len(self.members) - 1}.")


@dataclass(frozen=True)
class Litter:
    """Siblings that are shown together: their parents' numbers in the family, the window through which they are seen,
    the number of the draw, how far they may fall, and those that were found so far."""

    parents: tuple[int, ...]
    window: Window
    draw: int
    mutation: Mutation
    specs: tuple[FieldSpec, ...] = ()


@dataclass(frozen=True)
class _Place:
    """Where an exploration stood."""

    current: int
    window: Window
    draft: FieldSpec | None
    litter: Litter


@dataclass(frozen=True)
class News:
    """What has changed: the picture, the knobs that it needs, its siblings, or anything that a page shows."""

    picture: bool
    knobs: bool
    siblings: bool
    anything: bool


class Breeder:
    """One exploration of random fields. A method changes the state at once, or raises UserError and changes nothing.

    A picture whose knobs were turned (`draft`) becomes a member of the family as soon as anything else is done.

    Args:
        begin: the first picture.
        strength: how far a sibling may fall, see `Mutation`.
        shelf: where favourites are kept, by default a file in the data folder.

    Attributes:
        family: everybody who was ever shown. litter: the siblings of what is shown. window: what is looked at.
        note: what was done last, one sentence, or "".
    """

    def __init__(self, begin: Recipe | FieldSpec, strength: float = 0.35, shelf: Shelf | None = None) -> None:
        begin = Recipe(begin) if isinstance(begin, FieldSpec) else begin
        check_live(begin.spec)
        self.family = Family((Member(begin.spec, begin.window, (), begin.name or begin.spec.name()),))
        self.window = begin.window
        self.draft: FieldSpec | None = None
        self.shelf = shelf or FileShelf()
        self.mutation = Mutation(strength=strength)
        self.litter = Litter((0,), begin.window, 0, self.mutation)
        self.note = ""
        self._way: list[_Place] = []
        self._told: tuple = (None, None, None, None)
        self._looked = {"x": 0.0, "y": 0.0, "zoom": 1.0}  # where the page looks
        self._turned: FieldSpec | None = None
        self._draws = 0
        self._changing = threading.Lock()
        self._thumbs: dict[Member, bytes] = {}

    @property
    def spec(self) -> FieldSpec:
        """The field that is shown."""
        return self.draft or self.family.members[self.family.current].spec

    @property
    def recipe(self) -> Recipe:
        """The field that is shown and the window through which it is seen."""
        return Recipe(self.spec, self.window)

    @property
    def name(self) -> str:
        name = self.family.members[self.family.current].name
        return f"{name}, changed" if self.draft else name

    @property
    def stem(self) -> str:
        """The name, as the beginning of a file's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "field"

    @property
    def token(self) -> str:
        """The word for an address."""
        return recipe.to_token(self.recipe)

    def summary(self) -> dict[str, Any]:
        """What a program tells of the picture."""
        spec = self.spec
        return {"name": self.name, "token": self.token, "seed": spec.seed, "topology": spec.topology}

    def draw(self, window: Window, height: int, width: int) -> np.ndarray:
        """What a window shows of the field, (height, width, 3) uint8."""
        return cppn.picture(self.spec, window, (width, height))

    def look(self, place: Mapping[str, float]) -> None:
        """Follow a page that looks through the window x, y and zoom; nothing happens if it looked there already.

        Raises:
            SettingError: a number out of bounds.
        """
        found = {key: float(place[key]) for key in ("x", "y", "zoom")}
        if found != self._looked:
            self.window, self._looked = WHOLE.replace(**found), found

    @property
    def place(self) -> dict[str, float]:
        """x, y and zoom of the window."""
        return {key: getattr(self.window, key) for key in ("x", "y", "zoom")}

    def news(self) -> News:
        """What has changed since the last call."""
        known = {name for group in knobs_of(self.spec).values() for name in group}
        before, now = self._told, (self.spec, known, self.litter.draw, (self.recipe, self.note, self.family))
        self._told = now
        picture, names, litter, all_else = (a != b for a, b in zip(now, before, strict=True))
        moved, self._looked = self.place != self._looked, self.place
        knobs = picture and (names or self.spec != self._turned)
        return News(picture or moved, knobs, litter, picture or litter or all_else)

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Turn a UserError of the block into the note."""
        try:
            yield
        except UserError as error:
            self.note = str(error)

    # Another picture.

    def open(self, found: Recipe) -> None:
        """Show a recipe from elsewhere; it joins the family without parents."""
        self._show(found.spec, (), found.window, found.name)

    def load(self, data: bytes, name: str) -> None:
        """Open the recipe in a file (PNG, recipe.json), or take in downloaded favourites.

        Raises:
            UserError: no recipe inside, one of a newer version, a value out of bounds.
        """
        if found := _favourites_in(data, name):
            new = favourites.take_in(found, self.shelf)
            self.note = f"{new} of {len(found)} favourites are new and were taken in."
            return
        stem = Path(name).stem
        self.open(replace(recipe.read_bytes(data, name), name="" if stem == "recipe" else stem))
        self.note = f"{self.name} opened from {name}."

    def surprise(self) -> None:
        """Something else altogether."""
        self.open(Recipe(surprise(self._seed("surprise"))))

    def recolour(self) -> None:
        """The same picture in other colours."""
        self._show(recolour(self.spec, self._seed("colours")))

    def set_activation(self, node: str, activation: str) -> None:
        """The same network with another activation in one layer or node.

        Raises:
            UserError: no such activation.
        """
        self._show(with_activation(self.spec, node, activation))

    def turn(self, base: FieldSpec, values: dict[str, Any]) -> bool:
        """Show `base` with its knobs at these values, see `turned`. False if that is what was shown already.

        Raises:
            UserError: a value that cannot be, a field that is too large to be drawn live.
        """
        self._turned = spec = check_live(turned(base, values))
        if spec == self.spec:
            return False
        self.note = ""
        if spec == self.family.members[self.family.current].spec:  # back to where the knobs stood
            self.draft = None
            return self.undo()
        if self.draft is None:
            self._remember()
        self.draft = spec
        self._want(self.family.current)
        return True

    # Breeding.

    def breed(self) -> Iterator[np.ndarray]:
        """The pictures (THUMB, THUMB, 3) uint8 of the litter, those known already first; `litter` grows meanwhile. Ends
        early when another litter is wanted."""
        litter, side = self.litter, (THUMB, THUMB)
        yield from (cppn.picture(spec, litter.window, side) for spec in litter.specs)
        if len(litter.specs) == LITTER:
            return
        parents = [self.draft] if self.draft else [self.family.members[number].spec for number in litter.parents]
        seed = new_seed(parents[0].seed, f"litter {litter.draw} {recipe.to_token(Recipe(parents[0]))}")
        for number, spec in enumerate(cppn.siblings(parents, LITTER, seed, litter.mutation)):
            if number < len(litter.specs):
                continue  # found again only so that the others differ from it
            pixels = cppn.picture(spec, litter.window, side)
            with self._changing:
                if (self.litter.draw, len(self.litter.specs)) != (litter.draw, number):
                    return
                self.litter = replace(self.litter, specs=(*self.litter.specs, spec))
            yield pixels

    def more(self) -> None:
        """Ask for other siblings of the same parents."""
        self._want(*self.litter.parents)

    def set_strength(self, strength: float) -> bool:
        """How far siblings may fall; False if it was so already."""
        if strength == self.mutation.strength:
            return False
        self.mutation = Mutation(strength=strength)
        self.more()
        return True

    def choose(self, number: int) -> None:
        """A sibling becomes the parent.

        Raises:
            UserError: no such sibling.
        """
        crossed = self.litter.parents if len(self.litter.parents) > 1 else None
        self._show(self._sibling(number), crossed, self.litter.window)

    def cross(self, picks: Sequence[int]) -> None:
        """Siblings become the parents of the next litter; the picture that is shown stays.

        Raises:
            UserError: fewer than two, or no such sibling.
        """
        if len(set(picks)) < 2:
            raise UserError("Pick two or more pictures to cross them.")
        litter, specs = self.litter, [self._sibling(number) for number in dict.fromkeys(picks)]
        self._remember()
        shown = self._settle()
        parents = litter.parents if len(litter.parents) > 1 else (shown,)
        first = len(self.family.members)
        for spec in specs:
            self.family = self.family.born(Member(spec, litter.window, parents, spec.name()))
        self.family = replace(self.family, current=shown)
        self._want(*range(first, first + len(specs)))

    # The way back.

    def undo(self) -> bool:
        """One step back, to the same picture, window and siblings as before; False at the beginning."""
        if not self._way:
            return False
        self._settle()
        self.note, place = "", self._way.pop()
        self.family = replace(self.family, current=place.current)
        self.window, self.draft = place.window, place.draft
        with self._changing:
            self.litter = place.litter
        return True

    def back_to(self, number: int) -> None:
        """An earlier member is shown and breeds again.

        Raises:
            UserError: no such member.
        """
        self.family.check(number)
        if number == self.family.current and self.draft is None:
            return
        self._remember()
        self._settle()
        self.family = replace(self.family, current=number)
        self.window = self.family.members[number].window
        self._want(number)

    # Favourites.

    def favourites(self) -> dict[str, Recipe]:
        """All favourites by name; none, and a note, where they cannot be read."""
        try:
            return favourites.load_favourites(self.shelf)
        except UserError as error:
            self.note = str(error)
            return {}

    def keep(self, name: str = "") -> None:
        """Keep the picture under a name, its own one (numbered where taken) if none is given.

        Raises:
            UserError: a name that is too long or taken.
        """
        name = name.strip() or favourites.free_name(self.name, favourites.known(self.shelf))
        favourites.keep(name, self.recipe, self.shelf)
        self.note = f"Kept as {name}."

    def open_favourite(self, number: int) -> None:
        """Show the favourite of this number.

        Raises:
            UserError: no such favourite.
        """
        self.open(self.favourites()[self._favourite(number)])
        self.note = f"{self.name} opened."

    def forget(self, numbers: Sequence[int]) -> None:
        """Remove the favourites of these numbers.

        Raises:
            UserError: no such favourite.
        """
        names = [self._favourite(number) for number in numbers]
        for name in names:
            favourites.forget(name, self.shelf)
        self.note = f"Removed {', '.join(names)}." if names else "Pick the favourites to remove."

    def _favourite(self, number: int) -> str:
        names = list(self.favourites())
        if not 0 <= number < len(names):
            raise UserError("This favourite is no longer there; choose another.")
        return names[number]

    def thumb(self, member: Member) -> bytes:
        """A small picture (JPEG) of a member, remembered."""
        if member not in self._thumbs:
            self._thumbs[member] = encoded(cppn.picture(member.spec, member.window, (72, 72)), "JPEG")
        return self._thumbs[member]

    def _sibling(self, number: int) -> FieldSpec:
        if not 0 <= number < len(self.litter.specs):
            raise UserError(f"There is no sibling {number + 1}; choose one of those shown.")
        return self.litter.specs[number]

    def _show(
        self, spec: FieldSpec, parents: tuple[int, ...] | None = None, window: Window | None = None, name: str = ""
    ) -> None:
        """A new member is shown, by default a child of what is shown now and through the same window."""
        check_live(spec)
        if parents is None and spec == self.spec:
            return
        self._remember()
        current = self._settle()
        self.window = window or self.window
        own = (current,) if parents is None else parents
        self.family = self.family.born(Member(spec, self.window, own, name or spec.name()))
        self._want(self.family.current)

    def _remember(self) -> None:
        """Note where we are, for `undo`."""
        self.note = ""
        self._way = [*self._way[-_MOST_STEPS:], _Place(self.family.current, self.window, self.draft, self.litter)]

    def _settle(self) -> int:
        """Make turned knobs a member, and note through which window the current member is seen; its number."""
        if self.draft is not None:
            member = Member(self.draft, self.window, (self.family.current,), self.draft.name())
            known = [(other.spec, other.parents) for other in self.family.members]
            if (self.draft, member.parents) in known:
                self.family = replace(self.family, current=known.index((self.draft, member.parents)))
            else:
                self.family = self.family.born(member)
            self.draft = None
        members, current = list(self.family.members), self.family.current
        members[current] = replace(members[current], window=self.window)
        self.family = replace(self.family, members=tuple(members))
        return current

    def _want(self, *parents: int) -> None:
        """From now on another litter is wanted."""
        self._draws += 1
        with self._changing:
            self.litter = Litter(parents, self.window, self._draws, self.mutation)

    def _seed(self, label: str) -> int:
        self._draws += 1
        return new_seed(self.spec.seed, f"{label} {self._draws} {len(self.family.members)}")


def _favourites_in(data: bytes, name: str) -> dict[str, Recipe]:
    """The favourites of a downloaded file; none if it is something else."""
    try:
        loaded = json.loads(data) if data[:1] == b"{" else None
    except (ValueError, RecursionError):
        return {}
    if not isinstance(loaded, dict) or "favourites" not in loaded:
        return {}
    return favourites.loads(data.decode(), name)
