"""One configuration, three doors.

An app declares one frozen dataclass of settings. Its sliders are made from it, the address fills it
(`?network=siren`) and the command line fills it (`-- --network siren`). The bounds stand in the dataclass,
once; a value outside of them is refused with the same sentence at every door.
"""

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from atelier.errors import UserError


class SettingError(UserError):
    """A setting has a value that is not allowed; the message is one sentence that says what is."""


@dataclass(frozen=True)
class Number:
    """A number in [low, high]; `whole` numbers are ints. `log` spaces a slider by ratio, `stops` are the values that a
    slider stops at. An `optional` one may be None, which stands for `auto` ("the network's own")."""

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
        shown = word(value) if isinstance(value, float) else repr(value)
        sentence = f"{name} must be {self.describe()}, and {shown} is not."
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SettingError(sentence)
        if not math.isfinite(value) or not self.low <= value <= self.high:
            raise SettingError(sentence)
        if self.whole and value != int(value):
            raise SettingError(sentence)
        return int(value) if self.whole else float(value)

    def read(self, name: str, word: str) -> Any:
        if self.optional and word in ("", "auto", "none"):
            return None
        try:
            return float(word)
        except ValueError:
            raise SettingError(f"{name} must be {self.describe()}, and {word!r} is not.") from None

    def describe(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:,.10g} to {self.high:,.10g}" + (" (or auto)" if self.optional else "")


@dataclass(frozen=True)
class Choice:
    """One of the given words."""

    options: tuple[str, ...]

    def check(self, name: str, value: Any) -> str:
        if value not in self.options:
            near = difflib.get_close_matches(str(value), self.options, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SettingError(f"{name} must be {self.describe()}, and {value!r} is not.{hint}")
        return value

    def read(self, name: str, word: str) -> Any:
        return word

    def describe(self) -> str:
        return "one of " + ", ".join(self.options)


@dataclass(frozen=True)
class Switch:
    """On or off."""

    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise SettingError(f"{name} must be {self.describe()}, and {value!r} is not.")
        return value

    def read(self, name: str, word: str) -> Any:
        known = dict.fromkeys(("", "true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
        return known.get(word.lower(), word)

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

    def read(self, name: str, word: str) -> Any:
        return word

    def describe(self) -> str:
        return f"a text of at most {self.longest} characters"


Domain = Number | Choice | Switch | Text


@dataclass(frozen=True)
class Control:
    """A domain with what a page, an address and a command line need to ask for a value of it.

    Args:
        default: the value if nobody chooses one; None where the domain is optional.
        title: how people read its name; made from the name if empty.
        about: one line of help. words: option -> how people read it.
        live: the value may change while a run goes on; the run gets a `Knob` and reads it at every step.
        door: "all", or "command" for what makes no sense in an address (an output folder).
        paths: on the command line any other word is the path of a file.
    """

    domain: "Domain"
    default: Any = None
    title: str = ""
    about: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    live: bool = False
    door: str = "all"
    paths: bool = False

    @classmethod
    def of(cls, entry: "Control | Domain") -> "Control":
        """The control itself, or one for a domain whose value may be left open."""
        if isinstance(entry, Control):
            return entry
        return cls(dataclasses.replace(entry, optional=True) if isinstance(entry, Number) else entry)

    def check(self, name: str, value: Any) -> Any:
        """The value as the domain has it; a text is read first where the domain holds something else.

        Raises:
            SettingError: a value that is not allowed.
        """
        if isinstance(value, str) and not isinstance(self.domain, Choice | Text):
            return self.read(name, value)
        return self.domain.check(self.title or label(name), value)

    def read(self, name: str, text: str) -> Any:
        """The value that a word of an address or a command line means.

        Raises:
            SettingError: a word that is not allowed.
        """
        return self.domain.check(label(name), self.domain.read(label(name), text))

    def write(self, value: Any) -> str:
        """The word for a value, as `read` takes it."""
        write = getattr(self.domain, "write", word)
        return write(value)


class Knob:
    """A value that may be turned while a run goes on: `knob()` is the value now."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self) -> Any:
        return self.value


def setting(default: Any, domain: Domain, about: str, *, door: str = "all") -> Any:
    """A dataclass field with its domain and a line about it.

    door: "all", or "command" for what makes no sense in an address (an output folder).
    """
    return field(default=default, metadata={"domain": domain, "about": about, "door": door})


@dataclass(frozen=True)
class Settings:
    """Base of the apps' configurations; every field is declared with `setting(...)`."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            checked = spec.metadata["domain"].check(label(spec.name), getattr(self, spec.name))
            object.__setattr__(self, spec.name, checked)

    @classmethod
    def domain(cls, name: str) -> Domain:
        return _field(cls, name).metadata["domain"]

    @classmethod
    def about(cls, name: str) -> str:
        return _field(cls, name).metadata["about"]

    @classmethod
    def default(cls, name: str) -> Any:
        return _field(cls, name).default

    @classmethod
    def controls(cls) -> dict[str, Control]:
        """A control for every field."""
        return {
            spec.name: Control(
                spec.metadata["domain"], spec.default, about=spec.metadata["about"], door=spec.metadata["door"]
            )
            for spec in fields(cls)
        }

    @classmethod
    def read(cls, words: Mapping[str, Any], *, address: bool = False) -> Self:
        """Settings from the words of an address or a command line.

        Raises:
            SettingError: an unknown name, a value out of bounds.
        """
        values = {}
        for key, given in words.items():
            spec = _field(cls, key.replace("-", "_"))
            if address and spec.metadata["door"] == "command":
                raise SettingError(f"{label(spec.name)} can be set on the command line only.")
            domain = spec.metadata["domain"]
            name = label(spec.name)
            if isinstance(given, Sequence) and not isinstance(given, str):
                raise SettingError(f"{name} is given {len(given)} times; give it once.")
            # marimo has turned words into numbers and switches already, where they look like it
            values[spec.name] = domain.read(name, word(given))
        return cls(**values)

    def changed(self) -> dict[str, str]:
        """The settings that differ from their defaults, as words for an address."""
        return {
            spec.name: word(getattr(self, spec.name))
            for spec in fields(self)
            if spec.metadata["door"] == "all" and getattr(self, spec.name) != spec.default
        }

    def replace(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)

    @classmethod
    def usage(cls, command: str) -> str:
        """The text of `--help`."""
        lines = [f"usage: {command} [--NAME VALUE …]", ""]
        for spec in fields(cls):
            flag = "--" + spec.name.replace("_", "-")
            domain = spec.metadata["domain"].describe()
            lines += [
                f"  {flag}",
                f"      {spec.metadata['about']}: {domain} (default {word(spec.default)})",
            ]
        return "\n".join(lines)


def label(name: str) -> str:
    """A setting's name as people read it: `learning_rate` is "Learning rate"."""
    return name.replace("_", " ").capitalize()


def _field(cls: type, name: str) -> dataclasses.Field:
    known = {spec.name: spec for spec in fields(cls)}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(known)}."
        raise SettingError(f"There is no setting {name!r}; {hint}")
    return known[name]


def word(value: Any) -> str:
    """A value as a word of an address or a command line."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(word, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
