"""An exploration: the picture that is shown, its family, its siblings, and the way back."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from atelier import cppn  # what draws imports torch, when it is first called
from atelier.cppn import favourites
from atelier.cppn.catalogue import STRENGTH
from atelier.cppn.favourites import FileShelf, Shelf
from atelier.cppn.knobs import knobs_of, turned
from atelier.cppn.recipe import WHOLE, Recipe, read_bytes, to_token
from atelier.cppn.spec import FieldSpec
from atelier.cppn.styles import new_seed, recolour, surprise
from atelier.cppn.topologies import check_live, with_activation
from atelier.errors import UserError
from atelier.fields.plane import Drawing, Window
from atelier.settings import Number

LITTER = 16
"""Siblings that are shown together."""
THUMB = 128
"""Pixels along the side of a sibling's picture."""
_MOST_STEPS = 500  # of the way back


@dataclass(frozen=True)
class Member(Recipe):
    """One picture of a family, and the numbers of its parents."""

    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class Family:
    """A family tree. Members are numbered in order of birth, and none is removed."""

    members: tuple[Member, ...] = ()
    current: int = 0

    def born(self, member: Member) -> Self:
        """With one more member, which becomes the current one. Raises UserError: a parent that is not in the family."""
        for parent in member.parents:
            self.check(parent)
        return Family((*self.members, member), len(self.members))

    def ancestors(self, number: int) -> list[int]:
        """All ancestors of a member, nearest first."""
        self.check(number)
        found, left = [], list(self.members[number].parents)
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
    """Siblings that are shown together."""

    parents: tuple[int, ...]  # their numbers in the family
    window: Window
    draw: int  # counts the litters
    strength: float
    specs: tuple[FieldSpec, ...] = ()  # those that were found so far


class Breeder:
    """One exploration of random fields. A method changes the state at once, or raises UserError and changes nothing.

    A picture whose knobs were turned (`draft`) becomes a member of the family as soon as anything else is done.

    Attributes:
        family: every picture that was shown. litter: the siblings of what is shown. window: what is looked at.
        strength: how much a sibling may differ, from 0 to 1. shelf: where favourites are kept, by default a file in the
            data folder.
        note: what was done last, one sentence, or "".
    """

    def __init__(self, begin: Recipe | FieldSpec, strength: float = STRENGTH, shelf: Shelf | None = None) -> None:
        begin = Recipe(begin) if isinstance(begin, FieldSpec) else begin
        check_live(begin.spec)
        self.family = Family((Member(begin.spec, begin.window, begin.title),))
        self.window = begin.window
        self.draft: FieldSpec | None = None
        self.shelf = shelf or FileShelf()
        self.strength = Number(0, 1).check("Strength", strength)
        self.litter = Litter((0,), begin.window, 0, strength)
        self.note = ""
        self._way: list[tuple[int, Window, FieldSpec | None, Litter]] = []
        self._told: tuple = (None, None, None)
        self._looked = WHOLE  # where the page looks
        self._turned: FieldSpec | None = None
        self._draws = 0
        self._changing = threading.Lock()

    @property
    def member(self) -> Member:
        """The current member of the family."""
        return self.family.members[self.family.current]

    @property
    def spec(self) -> FieldSpec:
        """The field that is shown."""
        return self.draft or self.member.spec

    @property
    def name(self) -> str:
        return f"{self.member.name}, changed" if self.draft else self.member.name

    @property
    def recipe(self) -> Recipe:
        """The field that is shown and the window through which it is seen."""
        return Recipe(self.spec, self.window, self.name)

    @property
    def stem(self) -> str:
        """The name, as the beginning of a file's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "field"

    def summary(self) -> dict[str, Any]:
        """What a program prints about the picture; the token is the word for an address."""
        spec = self.spec
        return {"name": self.name, "token": to_token(self.recipe), "seed": spec.seed, "topology": spec.topology}

    @property
    def drawing(self) -> Drawing:
        """The field that is shown."""
        return drawing_of(self.spec)

    def look(self, place: Mapping[str, float]) -> None:
        """Follow a page that looks at x, y and zoom; nothing happens if it looked there already. Raises SettingError: a
        number out of bounds."""
        found = WHOLE.replace(**{key: float(place[key]) for key in ("x", "y", "zoom")})
        if found != self._looked:
            self.window = self._looked = found

    def news(self) -> tuple[bool, bool, bool]:
        """Whether the picture, the knobs that it needs and its siblings have changed since the last call."""
        known = {name for group in knobs_of(self.spec).values() for name in group}
        before, self._told = self._told, (self.spec, known, self.litter.draw)
        picture, names, litter = (a != b for a, b in zip(self._told, before, strict=True))
        moved, self._looked = self.window != self._looked, self.window
        return picture or moved, picture and (names or self.spec != self._turned), litter

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Turn a UserError of the block into the note."""
        try:
            yield
        except UserError as error:
            self.note = str(error)

    def open(self, found: Recipe) -> None:
        """Show a recipe from elsewhere; it joins the family without parents."""
        self._show(found, ())

    def load(self, data: bytes, name: str) -> None:
        """Open the recipe in a file (PNG, recipe.json), or take in downloaded favourites."""
        if found := _favourites_in(data, name):
            new = favourites.take_in(found, self.shelf)
            self.note = f"{new} of {len(found)} favourites are new and were taken in."
            return
        self.open(read_bytes(data, name))
        self.note = f"{self.name} opened from {name}."

    def surprise(self) -> None:
        """Something else altogether."""
        self.open(Recipe(surprise(self._seed("surprise"))))

    def recolour(self) -> None:
        """The same picture in other colours."""
        self._show(Recipe(recolour(self.spec, self._seed("colours")), self.window))

    def set_activation(self, node: str, activation: str) -> None:
        """The same network with another activation in one layer or node."""
        self._show(Recipe(with_activation(self.spec, node, activation), self.window))

    def turn(self, base: FieldSpec, values: Mapping[str, Any]) -> bool:
        """Show `base` with its knobs at these values, see `turned`. False if that is what was shown already. Raises
        UserError: a value that cannot be, a field that is too large to be drawn live."""
        self._turned = spec = check_live(turned(base, values))
        if spec == self.spec:
            return False
        self.note = ""
        if spec == self.member.spec:  # back to where the knobs stood
            self.draft = None
            return self.undo()
        if self.draft is None:
            self._remember()
        self.draft = spec
        self._want(self.family.current)
        return True

    def breed(self) -> Iterator[np.ndarray]:
        """The pictures (THUMB, THUMB, 3) uint8 of the litter, those known already first; `litter` grows meanwhile. Ends
        early when another litter is wanted."""
        litter, side = self.litter, (THUMB, THUMB)
        yield from cppn.pictures(litter.specs, side, litter.window)
        if len(litter.specs) == LITTER:
            return
        parents = [self.draft] if self.draft else [self.family.members[number].spec for number in litter.parents]
        seed = new_seed(parents[0].seed, f"litter {litter.draw} {to_token(Recipe(parents[0]))}")
        for number, spec in enumerate(cppn.siblings(parents, LITTER, seed, litter.strength)):
            if number < len(litter.specs):
                continue  # found again only so that the others differ from it
            (pixels,) = cppn.pictures([spec], side, litter.window)
            with self._changing:
                if (self.litter.draw, len(self.litter.specs)) != (litter.draw, number):
                    return
                self.litter = replace(self.litter, specs=(*self.litter.specs, spec))
            yield pixels

    def more(self) -> None:
        """Ask for other siblings of the same parents."""
        self._want(*self.litter.parents)

    def set_strength(self, strength: float) -> None:
        """How much siblings may differ; another strength asks for other siblings."""
        if strength != self.strength:
            self.strength = Number(0, 1).check("Strength", strength)
            self.more()

    def choose(self, number: int) -> None:
        """A sibling becomes the parent."""
        crossed = self.litter.parents if len(self.litter.parents) > 1 else None
        self._show(Recipe(self._sibling(number), self.litter.window), crossed)

    def cross(self, picks: Sequence[int]) -> None:
        """Siblings become the parents of the next litter; the picture that is shown stays."""
        if len(set(picks)) < 2:
            raise UserError("Pick two or more pictures to cross them.")
        litter, specs = self.litter, [self._sibling(number) for number in dict.fromkeys(picks)]
        self._remember()
        shown = self._settle()
        parents = litter.parents if len(litter.parents) > 1 else (shown,)
        first = len(self.family.members)
        for spec in specs:
            self.family = self.family.born(Member(spec, litter.window, spec.name(), parents))
        self.family = replace(self.family, current=shown)
        self._want(*range(first, first + len(specs)))

    def undo(self) -> bool:
        """One step back, to the same picture, window and siblings as before; False at the beginning."""
        if not self._way:
            self.note = "This is where you began."
            return False
        self._settle()
        self.note, (current, self.window, self.draft, litter) = "", self._way.pop()
        self.family = replace(self.family, current=current)
        with self._changing:
            self.litter = litter
        return True

    def back_to(self, number: int) -> None:
        """An earlier member is shown and breeds again."""
        self.family.check(number)
        if number == self.family.current and self.draft is None:
            return
        self._remember()
        self._settle()
        self.family = replace(self.family, current=number)
        self.window = self.member.window
        self._want(number)

    def favourites(self) -> dict[str, Recipe]:
        """All favourites by name; none, and a note, where they cannot be read."""
        with self.telling():
            return favourites.load_favourites(self.shelf)
        return {}

    def keep(self, name: str = "") -> None:
        """Keep the picture under a name, its own one (numbered where taken) if none is given."""
        self.note = f"Kept as {favourites.keep(name, self.recipe, self.shelf)}."

    def open_favourite(self, number: int) -> None:
        """Show the favourite of this number."""
        self.open(self.favourites()[self._favourite(number)])
        self.note = f"{self.name} opened."

    def forget(self, numbers: Sequence[int]) -> None:
        """Remove the favourites of these numbers."""
        names = [self._favourite(number) for number in numbers]
        for name in names:
            favourites.forget(name, self.shelf)
        self.note = f"Removed {', '.join(names)}." if names else "Pick the favourites to remove."

    def _favourite(self, number: int) -> str:
        names = list(self.favourites())
        if not 0 <= number < len(names):
            raise UserError("This favourite is no longer there; choose another.")
        return names[number]

    def _sibling(self, number: int) -> FieldSpec:
        if not 0 <= number < len(self.litter.specs):
            raise UserError(f"There is no sibling {number + 1}; choose one of those shown.")
        return self.litter.specs[number]

    def _show(self, found: Recipe, parents: tuple[int, ...] | None = None) -> None:
        """A new member is shown, by default a child of what is shown now."""
        check_live(found.spec)
        if parents is None and found.spec == self.spec:
            return
        self._remember()
        current = self._settle()
        parents = (current,) if parents is None else parents
        self.window = found.window
        self.family = self.family.born(Member(found.spec, found.window, found.title, parents))
        self._want(self.family.current)

    def _remember(self) -> None:
        """Note where we are, for `undo`."""
        self.note = ""
        self._way = [*self._way[-_MOST_STEPS:], (self.family.current, self.window, self.draft, self.litter)]

    def _settle(self) -> int:
        """Make turned knobs a member, and note through which window the current member is seen; its number."""
        if self.draft is not None:
            known = [(member.spec, member.parents) for member in self.family.members]
            parents = (self.family.current,)
            if (self.draft, parents) in known:
                self.family = replace(self.family, current=known.index((self.draft, parents)))
            else:
                self.family = self.family.born(Member(self.draft, self.window, self.draft.name(), parents))
            self.draft = None
        members, current = list(self.family.members), self.family.current
        members[current] = replace(members[current], window=self.window)
        self.family = replace(self.family, members=tuple(members))
        return current

    def _want(self, *parents: int) -> None:
        """From now on another litter is wanted."""
        self._draws += 1
        with self._changing:
            self.litter = Litter(parents, self.window, self._draws, self.strength)

    def _seed(self, label: str) -> int:
        self._draws += 1
        return new_seed(self.spec.seed, f"{label} {self._draws} {len(self.family.members)}")


def drawing_of(spec: FieldSpec) -> Drawing:
    """A function that draws a field."""
    return Drawing(
        lambda window, height, width: cppn.picture(spec, window, (width, height)), lambda: cppn.shader_of(spec)
    )


def _favourites_in(data: bytes, name: str) -> dict[str, Recipe]:
    """The favourites of a downloaded file; none if it is something else."""
    text = data.decode("utf-8", errors="replace") if data[:1] == b"{" else ""
    try:
        holds = "favourites" in json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return favourites.loads(text, name) if holds else {}
