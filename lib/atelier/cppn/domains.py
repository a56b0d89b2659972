"""Domains of settings that hold several values at once; each reads and writes the words of an address."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from atelier.cppn.catalogue import PALETTES
from atelier.fields.plane import LARGEST_SIDE
from atelier.settings import Choice, Number, SettingError, word

LAST_SEED = 2**53 - 1
"""The largest whole number that a browser can hold."""


@dataclass(frozen=True)
class Several:
    """A tuple of `least` to `longest` items, with commas between them in an address."""

    about: str
    longest: int
    check_item: Callable[[str, Any], Any]
    read_item: Callable[[str, str], Any] = lambda name, text: text
    write_item: Callable[[Any], str] = word
    least: int = 0

    def check(self, name: str, value: Any) -> tuple:
        if not isinstance(value, tuple | list) or not self.least <= len(value) <= self.longest:
            raise SettingError(f"{name} must be {self.about}.")
        return tuple(self.check_item(name, item) for item in value)

    def read(self, name: str, text: str) -> tuple:
        return tuple(self.read_item(name, part.strip()) for part in text.split(",") if part.strip())

    def write(self, value: tuple) -> str:
        return ",".join(map(self.write_item, value))

    def describe(self) -> str:
        return self.about


def words(longest: int, options: Sequence[str]) -> Several:
    """One to `longest` words, each one of the options."""
    about, known = f"1 to {longest} words of {', '.join(options)}", Choice(tuple(options))
    return Several(about, longest, lambda name, item: known.check(f"Each word of {name.lower()}", item), least=1)


def numbers(number: Number, longest: int, least: int = 0) -> Several:
    """`least` to `longest` numbers."""
    count = longest if least == longest else f"at most {longest}"
    return Several(
        f"{count} numbers from {number.low:,.10g} to {number.high:,.10g}, written like 0.5,-0.25",
        longest,
        lambda name, item: number.check(f"Each number of {name.lower()}", item),
        number.read,
        least=least,
    )


def _check_colour(name: str, item: Any) -> str:
    if isinstance(item, str) and (item in PALETTES or re.fullmatch("#[0-9a-f]{6}", item)):
        return item
    raise SettingError(
        f"There is no palette {item!r:.40}; the palettes are {', '.join(PALETTES)}, or colours like #d65a7c."
    )


def _check_strand(name: str, item: Any) -> tuple[int, float]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise SettingError(f"{name} must be {STRANDS.about}.")
    seed = Number(0, LAST_SEED, whole=True).check("The seed of a strand", item[0])
    return seed, Number(-4, 4).check("The amount of a strand", item[1])


def _read_strand(name: str, text: str) -> tuple[int, float]:
    try:
        seed, amount = text.split(":")
        return int(seed), float(amount)
    except ValueError:
        raise SettingError(f"{name} must be {STRANDS.about}.") from None


PALETTE = Several("1 to 16 words of the name of a palette, #rrggbb", 16, _check_colour, least=1)
_ABOUT_STRANDS = "at most 12 pairs of a seed and an amount from -4 to 4, written 7:0.9,12:0.4"
STRANDS = Several(_ABOUT_STRANDS, 12, _check_strand, _read_strand, lambda pair: f"{pair[0]}:{word(pair[1])}")
"""The drawn weights of several seeds, added with these amounts."""


@dataclass(frozen=True)
class Sides:
    """Width and height, whole numbers from 1 to `most`, written 2048x1024, or 2048 for both."""

    most: int = LARGEST_SIDE

    def check(self, name: str, value: Any) -> tuple[int, int]:
        if not isinstance(value, tuple | list) or len(value) != 2:
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
