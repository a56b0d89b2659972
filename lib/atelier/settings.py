"""Settings: the values that are allowed, and how a page, an address and a command line ask for them.

A `Control` stands for a setting on a page, in an address (`?network=siren`) and on a command line (`--network siren`).
A value outside of its bounds is refused with the same sentence everywhere.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from atelier.errors import UserError
from atelier.paths import given_path

_QUOTED = 60


class SettingError(UserError):
    """A setting has a value that is not allowed; the message is one sentence that says what is."""


def _quoted(value: Any) -> str:
    """A refused value as its sentence quotes it, however long it is."""
    text = word(value) if isinstance(value, float) else repr(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]} …"


@dataclass(frozen=True)
class Number:
    """A number in [low, high]; `whole` numbers are ints. `log` spaces a slider by ratio, `stops` are the values that a
    slider stops at. An `optional` one may be None, which stands for `auto` ("the network's own"); that of a `Control`
    is optional where the control has no default."""

    low: float
    high: float
    step: float | None = None
    whole: bool = False
    log: bool = False
    optional: bool = False
    stops: tuple[float, ...] = ()

    def check(self, name: str, value: Any) -> float | int | None:
        if value is None and self.optional:
            return None
        known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not known or not self.low <= value <= self.high or (self.whole and value != int(value)):
            raise SettingError(f"{name} must be {self.describe()}, and {_quoted(value)} is not.")
        return int(value) if self.whole else float(value)

    def read(self, name: str, text: str) -> float | None:
        if self.optional and text in ("", "auto", "none"):
            return None
        try:
            return float(text)
        except ValueError:
            raise SettingError(f"{name} must be {self.describe()}, and {_quoted(text)} is not.") from None

    def describe(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low, high = (f"{int(end):,}" if end == int(end) else f"{end:,.10g}" for end in (self.low, self.high))
        return f"{kind} from {low} to {high}" + (" (or auto)" if self.optional else "")


@dataclass(frozen=True)
class Choice:
    """One of the given words."""

    options: tuple[str, ...]

    def check(self, name: str, value: Any) -> str:
        if value not in self.options:
            near = difflib.get_close_matches(str(value)[:_QUOTED], self.options, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SettingError(f"{name} must be {self.describe()}, and {_quoted(value)} is not.{hint}")
        return value

    def describe(self) -> str:
        return "one of " + ", ".join(self.options)


@dataclass(frozen=True)
class Switch:
    """On or off."""

    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise SettingError(f"{name} must be {self.describe()}, and {_quoted(value)} is not.")
        return value

    def read(self, name: str, text: str) -> bool | str:
        known = dict.fromkeys(("", "true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
        return known.get(text.lower(), text)

    def describe(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Text:
    """Free text of bounded length, for instance a name or a path."""

    longest: int = 500

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or len(value) > self.longest:
            raise SettingError(f"{name} must be {self.describe()}.")
        return value

    def describe(self) -> str:
        return f"a text of at most {self.longest} characters"


@dataclass(frozen=True)
class Existing(Text):
    """The path of a file that is there, or an empty text."""

    def check(self, name: str, value: Any) -> str:
        path = super().check(name, value)
        if path and not given_path(path).is_file():
            raise SettingError(f"{name} must be a file, and there is none at {_quoted(path)}; check the path.")
        return path

    def describe(self) -> str:
        return "the path of a file"


Domain = Number | Choice | Switch | Text
"""What a value is checked by. One that has `read` also takes words of an address, and `write` gives such a word."""


@dataclass(frozen=True)
class Control:
    """A domain with what a page, an address and a command line need to ask for a value of it.

    Args:
        default: the value if nobody chooses one; None, written `auto`, where it may be left open.
        title: how people read its name; made from the name if empty.
        about: one line of help. words: option -> how people read it.
        live: the value may change while a run goes on; the run gets a `Knob` and reads it at every step.
        door: "all"; "command" for what makes no sense in an address (an output folder);
            "page" for what an address does not tell.
        paths: on the command line any other word is the path of a file.
    """

    domain: Domain
    default: Any = None
    title: str = ""
    about: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    live: bool = False
    door: str = "all"
    paths: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.domain, Number):
            object.__setattr__(self, "domain", replace(self.domain, optional=self.default is None))

    def check(self, name: str, value: Any) -> Any:
        """The value as the domain has it; a text is read first where the domain holds something else.

        Raises:
            SettingError: a value that is not allowed.
        """
        if value is None and self.default is None:
            return None
        if isinstance(value, str) and hasattr(self.domain, "read"):
            return self.read(name, value)
        return self.domain.check(self.title or label(name), value)

    def read(self, name: str, text: str) -> Any:
        """The value that a word of an address or a command line means.

        Raises:
            SettingError: a word that is not allowed.
        """
        if text == "auto" and self.default is None:
            return None
        read = getattr(self.domain, "read", lambda name, text: text)
        return self.domain.check(label(name), read(label(name), text))

    def write(self, value: Any) -> str:
        """The word for a value, as `read` takes it."""
        return "auto" if value is None else getattr(self.domain, "write", word)(value)


@dataclass(eq=False)
class Knob:
    """A value that may be turned while a run goes on: `knob()` is the value now."""

    value: Any

    def __call__(self) -> Any:
        return self.value


def label(name: str) -> str:
    """A setting's name as people read it: `learning_rate` is "Learning rate"."""
    return name.replace("_", " ").capitalize()


def word(value: Any) -> str:
    """A value as a word of an address or a command line."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(word, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
