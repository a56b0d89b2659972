"""Domains of settings that hold several values at once; each reads and writes the words of an address."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atelier.cppn.catalogue import PALETTES
from atelier.fields.plane import SIDE
from atelier.settings import Choice, Number, SettingError, word

LAST_SEED = 2**53 - 1
"""The largest whole number that a browser can hold."""


@dataclass(frozen=True)
class Several:
    """A tuple of at most `longest` items, written with commas between them."""

    longest: int

    def check(self, name: str, value: Any) -> tuple:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > self.longest:
            raise SettingError(f"{name} must be {self.describe()}.")
        return tuple(self.check_item(name, item) for item in value)

    def read(self, name: str, text: str) -> tuple:
        return tuple(self.read_item(name, part.strip()) for part in text.split(",") if part.strip())

    def read_item(self, name: str, part: str) -> Any:
        return part


@dataclass(frozen=True)
class Words(Several):
    """One to `longest` words, each one of the options."""

    options: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        found = super().check(name, value)
        if not found:
            raise SettingError(f"{name} must be {self.describe()}, and no words are given.")
        return found

    def check_item(self, name: str, item: Any) -> str:
        return Choice(self.options).check(f"Each word of {name.lower()}", item)

    def describe(self) -> str:
        return f"1 to {self.longest} words of {', '.join(self.options)}"


@dataclass(frozen=True)
class Palette(Words):
    """One to `longest` words, each the name of a palette or a colour #rrggbb."""

    longest: int = 16
    options: tuple[str, ...] = ("the name of a palette", "#rrggbb")

    def check_item(self, name: str, item: Any) -> str:
        if isinstance(item, str) and (item in PALETTES or re.fullmatch("#[0-9a-f]{6}", item)):
            return item
        raise SettingError(
            f"There is no palette {item!r}; the palettes are {', '.join(PALETTES)}, or colours like #d65a7c."
        )


@dataclass(frozen=True)
class Numbers(Several):
    """A tuple of at most `longest` numbers in [low, high]; exactly so many with `exact`."""

    low: float = 0.0
    high: float = 1.0
    exact: bool = False

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        found = super().check(name, value)
        if self.exact and len(found) != self.longest:
            raise SettingError(f"{name} must be {self.describe()}, written like 0.5,-0.25.")
        return found

    def check_item(self, name: str, item: Any) -> float:
        return Number(self.low, self.high).check(f"Each number of {name.lower()}", item)

    def read_item(self, name: str, part: str) -> float:
        return Number(self.low, self.high).read(name, part)

    def describe(self) -> str:
        return f"{'' if self.exact else 'at most '}{self.longest} numbers from {self.low:,.10g} to {self.high:,.10g}"


@dataclass(frozen=True)
class Strands(Several):
    """Pairs (seed, amount): the drawn weights of several seeds, added with these amounts. Written 7:0.9,12:0.4."""

    longest: int = 12

    def check_item(self, name: str, item: Any) -> tuple[int, float]:
        if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 2:
            raise SettingError(f"{name} must be {self.describe()}.")
        seed = Number(0, LAST_SEED, whole=True).check("The seed of a strand", item[0])
        return seed, Number(-4, 4).check("The amount of a strand", item[1])

    def read_item(self, name: str, part: str) -> tuple[int, float]:
        try:
            seed, amount = part.split(":")
            return int(seed), float(amount)
        except ValueError:
            raise SettingError(f"{name} must be {self.describe()}, written 7:0.9,12:0.4.") from None

    def write(self, value: Any) -> str:
        return ",".join(f"{seed}:{word(amount)}" for seed, amount in value)

    def describe(self) -> str:
        return f"at most {self.longest} pairs of a seed and an amount from -4 to 4"


@dataclass(frozen=True)
class Sides:
    """Width and height, whole numbers from 1 to `most`, written 2048x1024, or 2048 for both."""

    most: int = SIDE.high

    def check(self, name: str, value: Any) -> tuple[int, int]:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
            raise SettingError(f"{name} must be {self.describe()}.")
        side = Number(1, self.most, whole=True)
        return side.check(f"{name}, its width,", value[0]), side.check(f"{name}, its height,", value[1])

    def read(self, name: str, text: str) -> tuple[int, int]:
        parts = text.lower().split("x")
        if len(parts) > 2 or not all(re.fullmatch("-?[0-9]{1,9}", part.strip()) for part in parts):
            raise SettingError(f"{name} must be {self.describe()}, and {text[:40]!r} is not.")
        return int(parts[0]), int(parts[-1])

    def write(self, value: tuple[int, int]) -> str:
        return f"{value[0]}x{value[1]}"

    def describe(self) -> str:
        return f"two whole numbers from 1 to {self.most:,} like 4x3"
