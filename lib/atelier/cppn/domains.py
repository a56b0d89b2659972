"""Domains of settings that hold several values at once; each reads and writes the words of an address."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atelier.cppn.catalogue import PALETTES
from atelier.settings import Choice, Number, SettingError, word

LAST_SEED = 2**53 - 1
"""The largest whole number that a browser can hold."""
LARGEST_SIDE = 16384


@dataclass(frozen=True)
class Words:
    """One to `longest` words, each one of the options."""

    options: tuple[str, ...]
    longest: int

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        found = _items(self, name, value)
        if not found:
            raise SettingError(f"{name} must be {self.describe()}, and no words are given.")
        for item in found:
            self.check_word(name, item)
        return found

    def check_word(self, name: str, item: Any) -> None:
        Choice(self.options).check(f"Each word of {name.lower()}", item)

    def read(self, name: str, text: str) -> Any:
        return tuple(_parts(text))

    def describe(self) -> str:
        return f"1 to {self.longest} words of {', '.join(self.options)}"


@dataclass(frozen=True)
class Palette(Words):
    """One to `longest` words, each the name of a palette or a colour #rrggbb."""

    options: tuple[str, ...] = ("the name of a palette", "#rrggbb")
    longest: int = 16

    def check_word(self, name: str, item: Any) -> None:
        if not isinstance(item, str) or not (item in PALETTES or re.fullmatch("#[0-9a-f]{6}", item)):
            raise SettingError(
                f"There is no palette {item!r}; the palettes are {', '.join(PALETTES)}, or colours like #d65a7c."
            )


@dataclass(frozen=True)
class Numbers:
    """A tuple of at most `longest` numbers in [low, high]; exactly so many with `exact`."""

    low: float
    high: float
    longest: int
    exact: bool = False

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        found = _items(self, name, value)
        if self.exact and len(found) != self.longest:
            raise SettingError(f"{name} must be {self.describe()}, written like 0.5,-0.25.")
        return tuple(Number(self.low, self.high).check(f"Each number of {name.lower()}", item) for item in found)

    def read(self, name: str, text: str) -> Any:
        return tuple(Number(self.low, self.high).read(name, part) for part in _parts(text))

    def describe(self) -> str:
        return f"{'' if self.exact else 'at most '}{self.longest} numbers from {self.low:,.10g} to {self.high:,.10g}"


@dataclass(frozen=True)
class Strands:
    """Pairs (seed, amount): the drawn weights of several seeds, added with these amounts. Written 7:0.9,12:0.4."""

    longest: int = 12

    def check(self, name: str, value: Any) -> tuple[tuple[int, float], ...]:
        pairs = []
        for item in _items(self, name, value):
            if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 2:
                raise SettingError(f"{name} must be {self.describe()}.")
            seed = Number(0, LAST_SEED, whole=True).check("The seed of a strand", item[0])
            pairs.append((seed, Number(-4, 4).check("The amount of a strand", item[1])))
        return tuple(pairs)

    def read(self, name: str, text: str) -> Any:
        try:
            return tuple((int(seed), float(amount)) for seed, amount in (part.split(":") for part in _parts(text)))
        except ValueError:
            raise SettingError(f"{name} must be {self.describe()}, written 7:0.9,12:0.4.") from None

    def write(self, value: Any) -> str:
        return ",".join(f"{seed}:{word(amount)}" for seed, amount in value)

    def describe(self) -> str:
        return f"at most {self.longest} pairs of a seed and an amount from -4 to 4"


@dataclass(frozen=True)
class Sides:
    """Width and height, whole numbers from 1 to `most`, written 2048x1024, or 2048 for both."""

    most: int = LARGEST_SIDE

    def check(self, name: str, value: Any) -> tuple[int, int]:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
            raise SettingError(f"{name} must be {self.describe()}.")
        side = Number(1, self.most, whole=True)
        return side.check(f"{name}, its width,", value[0]), side.check(f"{name}, its height,", value[1])

    def read(self, name: str, text: str) -> Any:
        parts = text.lower().split("x")
        if len(parts) > 2 or not all(re.fullmatch("-?[0-9]{1,9}", part.strip()) for part in parts):
            raise SettingError(f"{name} must be {self.describe()}, and {text[:40]!r} is not.")
        return int(parts[0]), int(parts[-1])

    def write(self, value: tuple[int, int]) -> str:
        return f"{value[0]}x{value[1]}"

    def describe(self) -> str:
        return f"two whole numbers from 1 to {self.most:,} like 4x3"


@dataclass(frozen=True)
class Auto:
    """Another domain, or None, written `auto`: the value is left to what is begun with."""

    domain: Any

    def check(self, name: str, value: Any) -> Any:
        return None if value is None else self.domain.check(name, value)

    def read(self, name: str, text: str) -> Any:
        return None if text == "auto" else self.domain.read(name, text)

    def write(self, value: Any) -> str:
        return "auto" if value is None else getattr(self.domain, "write", word)(value)

    def describe(self) -> str:
        return f"{self.domain.describe()} (or auto)"


def _items(domain: Any, name: str, value: Any) -> tuple:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > domain.longest:
        raise SettingError(f"{name} must be {domain.describe()}.")
    return tuple(value)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
