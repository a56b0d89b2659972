"""Controls, each declared once: on the page, in the address and on the command line, with the same bounds at each door.

`controls` makes a panel of marimo's own elements from a dictionary of `Control`s. The address or the command line fills
it, the address follows it, and every value that a browser sends is checked again.
"""

import difflib
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import marimo as mo
from marimo._runtime.context import ContextNotInitializedError, get_context

from atelier.errors import UserError
from atelier.page import command
from atelier.page.session import Session, cell, program, session
from atelier.settings import Choice, Control, Domain, Knob, Number, SettingError, Switch, Text, label

_MOST_STEPS = 100_000
_OWN = {
    "out": Control(Text(), "out", about="folder for the files", door="command"),
    "report": Control(Text(), "", about="also write the page as one HTML file", door="command"),
}
"""What every notebook can be asked for on the command line."""


def number(
    low: float,
    high: float,
    default: float | None = None,
    *,
    step: float | None = None,
    whole: bool | None = None,
    log: bool = False,
    stops: Sequence[float] = (),
    live: bool = False,
    title: str = "",
    about: str = "",
    door: str = "all",
) -> Control:
    """A number from `low` to `high`; without a default it may be left open (None, written auto).

    whole: only whole numbers, by default where low, high, step and default are. log: a slider spaced by ratio.
    stops: the values that the slider stops at. live: the value may be turned while a run goes on.
    """
    given = [value for value in (low, high, step, default) if value is not None]
    whole = all(isinstance(value, int) for value in given) if whole is None else whole
    domain = Number(low, high, step, whole, log, optional=default is None, stops=tuple(stops))
    return Control(domain, default, title, about, live=live, door=door)


def choice(
    options: Sequence[str] | Mapping[str, Any],
    default: str,
    *,
    title: str = "",
    about: str = "",
    paths: bool = False,
    door: str = "all",
) -> Control:
    """One of `options`: names, or name -> title (a text, or anything with a `title`).

    paths: on the command line any other word is taken as the path of a file.
    """
    words = {}
    if isinstance(options, Mapping):
        words = {name: entry if isinstance(entry, str) else entry.title for name, entry in options.items()}
    about = about + (", or the path of a file" if paths else "")
    return Control(Choice(tuple(options)), default, title, about, words, paths=paths, door=door)


def switch(default: bool = False, *, title: str = "", about: str = "", door: str = "all") -> Control:
    """On or off."""
    return Control(Switch(), default, title, about, door=door)


def text(default: str = "", *, longest: int = 500, title: str = "", about: str = "", door: str = "all") -> Control:
    """Free text of bounded length."""
    return Control(Text(longest), default, title, about, door=door)


def seed(default: int = 0) -> Control:
    """The seed of all randomness."""
    return number(0, 2**31 - 1, default, about="seed of all randomness")


class Ask(mo.ui.dictionary):
    """A group of controls; `value` holds a checked value for each of them.

    A value that is out of bounds is refused: `problems` says why in one sentence, and the last good value stays. A
    `live` control gives a `Knob`, which is the same object for as long as the controls are.
    """

    def __init__(self, controls: Mapping[str, Control], given: Mapping[str, Any], problems: Sequence[str] = ()) -> None:
        self.controls = dict(controls)
        self.problems: dict[str, str] = dict.fromkeys(problems, "")
        self._session = session()
        self._checked = {name: given.get(name, control.default) for name, control in self.controls.items()}
        self._knobs = {name: Knob(self._checked[name]) for name, control in self.controls.items() if control.live}
        super().__init__({name: _element(name, control, self._checked[name]) for name, control in controls.items()})

    @property
    def sentences(self) -> list[str]:
        """What is wrong with the address or with a value, one sentence each."""
        return [sentence or name for name, sentence in self.problems.items()]

    def _mime_(self) -> tuple[Any, str]:
        from atelier.page.layout import panel

        return panel(self)._mime_()

    def _convert_value(self, value: dict[str, Any]) -> dict[str, Any]:
        changing = self._initialized
        if self._session.live and changing:
            self.problems = {}
            for name, raw in self._elements_now(value).items():
                try:
                    self._checked[name] = self.controls[name].check(name, raw)
                except SettingError as error:
                    self.problems[name] = str(error)
            self._follow()
        for name, knob in self._knobs.items():
            knob.value = self._checked[name]
        return {**self._checked, **self._knobs}

    def _elements_now(self, value: dict[str, Any]) -> dict[str, Any]:
        try:
            return super()._convert_value(value)
        except Exception:  # not from our page: an element refuses what it never offered
            return {}

    def _on_update_completion(self) -> bool:
        return False

    def _follow(self) -> None:
        """Make the page's address say what differs from the defaults, so that it can be shared."""
        words = {}
        for name, control in self.controls.items():
            if control.door == "all":
                words[name] = None if self._checked[name] == control.default else control.write(self._checked[name])
        follow_in_address(words)


def controls(
    *groups: Mapping[str, Control], later: Mapping[str, Control | Domain] | None = None, keep: bool = False
) -> Any:
    """One `Ask` for each group of controls, filled from the address or the command line.

    The first call of a notebook declares all words that it understands: those of its groups, and in `later` those of
    controls that are made further down, once a value above is known. It answers `--help`, and refuses what it does
    not know. With `keep`, what a reader chose stays chosen when the cell makes its controls anew.
    """
    now = session()
    declared = {name: control for group in groups for name, control in group.items()}
    words: Words | None = now.state.get("words")
    if words is None or words.cell == cell():
        known = declared | {name: Control.of(entry) for name, entry in (later or {}).items()}
        words = now.state["words"] = Words(now, known)
        command.begin(now, words.given)
    asks = [Ask(group, *words.take(group, keep)) for group in groups]
    return asks[0] if len(asks) == 1 else asks


class Words:
    """What the address or the command line asks for, word by word."""

    def __init__(self, now: Session, known: Mapping[str, Control]) -> None:
        self.cell = cell()
        self._known = {**known, **_OWN}
        self._live = now.live
        self._first: dict[str | None, bool] = {}
        self.given: dict[str, Any] = {}
        self._words: dict[str, str] = {}
        self.asked = False
        """Whether anything but the defaults is asked for."""
        if now.live:
            self._words = {name: text for name, text in address().items() if name in known}
            self.asked = bool(self._words)
        else:
            self._read_command_line()

    def take(self, group: Mapping[str, Control], keep: bool = False) -> tuple[dict[str, Any], list[str]]:
        """The values that were asked for of this group, and a sentence about each that cannot be."""
        if not self._live:
            named = {name: self.given[name] for name in group if name in self.given}
            optional = {name for name in group if getattr(group[name].domain, "optional", False)}
            return {name: value for name, value in named.items() if value is not None or name in optional}, []
        again = self._first.setdefault(cell(), False) and cell() != self.cell
        self._first[cell()] = True
        if again and keep:
            self._words |= {name: text for name, text in address().items() if name in group}
        elif (
            again
        ):  # these controls are new, since a choice above has changed: what was asked for belonged to the others
            follow_in_address(dict.fromkeys(self._known.keys() & group.keys()))
            return {}, []
        found, problems = {}, []
        for name, control in group.items():
            if name in self._words:
                try:
                    if control.door == "command":
                        raise SettingError(f"{label(name)} can be set on the command line only.")
                    found[name] = control.read(name, self._words[name])
                except UserError as error:
                    problems.append(f"{error} The default is used instead.")
        return found, problems

    def _read_command_line(self) -> None:
        try:
            words = parse(_arguments(), self._known)
            if "help" in words:
                print(usage(program(), self._known))
                sys.exit(0)
            for name, text in words.items():
                control = self._known[name]
                try:
                    self.given[name] = control.read(name, text)
                except UserError:
                    if not control.paths:
                        raise
                    self.given[name] = Text().check(label(name), text)
        except UserError as error:
            sys.exit(f"{program()}: {error}")


def parse(arguments: Sequence[str], known: Mapping[str, Control]) -> dict[str, str]:
    """The words of a command line by name: `--name value`, `--name=value`, or `--name` alone for a switch.

    A value may begin with a minus. Raises SettingError for an unknown, repeated or stray word.
    """
    found: dict[str, str] = {}
    left = list(arguments)
    while left:
        first = left.pop(0)
        if first in ("-h", "--help", "help"):
            return {"help": ""}
        if not first.startswith("--"):
            raise SettingError(f"There is no place for {first!r}; options are written --name value.")
        flag, equals, value = first[2:].partition("=")
        name = flag.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean --{near[0].replace('_', '-')}?" if near else "--help lists them."
            raise SettingError(f"There is no option --{flag}; {hint}")
        if name in found:
            raise SettingError(f"--{flag} is given twice; give it once.")
        if not equals:
            follows = bool(left) and not (left[0].startswith("--") and left[0][2:].replace("-", "_") in known)
            if isinstance(known[name].domain, Switch):
                follows = follows and left[0].lower() in ("true", "false", "yes", "no", "on", "off", "1", "0")
                value = left.pop(0) if follows else "true"
            elif follows:
                value = left.pop(0)
            else:
                raise SettingError(f"--{flag} needs a value: {known[name].domain.describe()}.")
        found[name] = value
    return found


def usage(name: str, known: Mapping[str, Control]) -> str:
    """The text of `--help`."""
    lines = [f"usage: python apps/{name}.py [--NAME VALUE …]", ""]
    for key, control in known.items():
        about = f"{control.about}: " if control.about else ""
        lines += [
            f"  --{key.replace('_', '-')}",
            f"      {about}{control.domain.describe()} (default {control.write(control.default) or 'none'})",
        ]
    return "\n".join(lines)


def address() -> dict[str, str]:
    """The words of the page's address that are given once; others, and words of marimo's own, do not concern us."""
    return {key: text for key, text in mo.query_params().to_dict().items() if isinstance(text, str)}


def follow_in_address(words: Mapping[str, str | None]) -> None:
    """Put words into the page's address; None removes one."""
    try:
        params = mo.query_params()
    except ContextNotInitializedError:
        return
    for name, text in words.items():
        if text is None:
            if params.get(name) is not None:
                params.remove(name)
        elif params.get(name) != text:
            params.set(name, text)


def _arguments() -> list[str]:
    """The words of the command line after the program's name, also in an export."""
    try:
        context = get_context()
    except ContextNotInitializedError:
        return []
    return list(context.argv[1:])


def _element(name: str, control: Control, value: Any) -> Any:
    """The marimo element of a control, standing at `value`."""
    domain, text = control.domain, control.title or label(name)
    wide = {"label": text, "full_width": True}
    match domain:
        case Choice():
            shown = {control.words.get(option, option): option for option in domain.options}
            first = next((key for key, option in shown.items() if option == value), None)
            return mo.ui.dropdown(shown, value=first or next(iter(shown)), **wide)
        case Switch():
            return mo.ui.switch(value=value, label=text)
        case Number(optional=True):  # marimo's number box has no empty state
            return mo.ui.text("" if value is None else control.write(value), placeholder="auto", **wide)
        case Number(whole=True, log=False) if _many(domain):
            return mo.ui.number(domain.low, domain.high, step=domain.step, value=value, **wide)
        case Number() if domain.log or domain.stops:
            steps = sorted({*domain.stops, value}) if domain.stops else ratio_steps(domain, value)
            return mo.ui.slider(steps=steps, value=value, show_value=True, debounce=not control.live, **wide)
        case Number():
            step = domain.step or (1 if domain.whole else (domain.high - domain.low) / 100)
            value = min(max(value, domain.low), domain.high)
            return mo.ui.slider(
                domain.low, domain.high, step=step, value=value, show_value=True, debounce=not control.live, **wide
            )
    return mo.ui.text(control.write(value), **wide)


def _many(domain: Number) -> bool:
    return (domain.high - domain.low) / (domain.step or 1) > _MOST_STEPS


def ratio_steps(domain: Number, value: float) -> list[float]:
    """Round values spaced by ratio (1, 2, 5, …) through the domain, and `value` among them."""
    steps = {value, domain.low, domain.high}
    for exponent in range(math.floor(math.log10(domain.low)), math.ceil(math.log10(domain.high)) + 1):
        steps |= {digit * 10.0**exponent for digit in (1, 2, 3, 5, 7)}
    inside = sorted(float(f"{s:.6g}") for s in steps if domain.low <= s <= domain.high)
    return [int(s) for s in inside if s == int(s)] if domain.whole else inside
