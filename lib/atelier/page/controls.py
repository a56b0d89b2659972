"""Controls, each declared once: on the page, in the address and on the command line, with the same bounds at each door.

`controls` makes a panel of marimo's own elements from a dictionary of `Control`s. The address or the command line fills
it, the address follows it, and every value that a browser sends is checked again.
"""

import contextlib
import difflib
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import marimo as mo

from atelier.errors import UserError
from atelier.page import command
from atelier.page.session import Session, cell, check, program, running, session
from atelier.settings import Choice, Control, Existing, Knob, Number, SettingError, Switch, Text, label

_MOST_STEPS = 100_000
_OWN = {
    "out": Control(Text(), "out", about="folder for the files", door="command"),
    "report": Control(Text(), "", about="also write the page as one HTML file", door="command"),
}
"""What every notebook can be asked for on the command line."""

# The last argument of these functions, `look`, holds fields of `Control`: title, about, live, door.


def number(
    low: float,
    high: float,
    default: float | None = None,
    *,
    step: float | None = None,
    whole: bool | None = None,
    log: bool = False,
    stops: Sequence[float] = (),
    **look: Any,
) -> Control:
    """A number from `low` to `high`; without a default it may be left open (None, written auto).

    whole: only whole numbers, by default where low, high, step and default are. log: a slider spaced by ratio.
    stops: the values that the slider stops at. look: fields of `Control`.
    """
    if whole is None:
        whole = all(isinstance(value, int) for value in (low, high, step, default) if value is not None)
    return Control(Number(low, high, step, whole, log, stops=tuple(stops)), default, **look)


def choice(
    options: Sequence[str] | Mapping[str, Any], default: str, *, about: str = "", paths: bool = False, **look: Any
) -> Control:
    """One of `options`: names, or name -> title (a text, or anything with a `title`).

    paths: on the command line any other word is taken as the path of a file. look: fields of `Control`.
    """
    named = options if isinstance(options, Mapping) else {}
    words = {name: entry if isinstance(entry, str) else entry.title for name, entry in named.items()}
    about += ", or the path of a file" if paths else ""
    return Control(Choice(tuple(options)), default, about=about, words=words, paths=paths, **look)


def switch(default: bool = False, **look: Any) -> Control:
    """On or off. look: fields of `Control`."""
    return Control(Switch(), default, **look)


def text(default: str = "", **look: Any) -> Control:
    """Free text of bounded length. look: fields of `Control`."""
    return Control(Text(), default, **look)


def path(**look: Any) -> Control:
    """A file of the command line, refused before anything runs where it is not there. look: fields of `Control`."""
    return Control(Existing(), "", door="command", **look)


def seed() -> Control:
    """The seed of all randomness."""
    return number(0, 2**31 - 1, 0, about="seed of all randomness")


class Ask(mo.ui.dictionary):
    """A group of controls; `value` holds a checked value for each of them.

    A value that is out of bounds is refused: `sentences` says why, and the last good value stays. A
    `live` control gives a `Knob`, which is the same object for as long as the controls are.
    """

    def __init__(
        self, controls: Mapping[str, Control], given: Mapping[str, Any] = {}, problems: Mapping[str, str] = {}
    ) -> None:
        self.controls = dict(controls)
        self.sentences = dict(problems)
        """What is wrong with a word of the address or with a value, a sentence by the control's name."""
        self.given = {name: given.get(name, control.default) for name, control in self.controls.items()}
        """The values at the beginning, which the cell that makes the controls may read."""
        self._session = session()
        self._checked = dict(self.given)
        self.knobs = {name: Knob(self._checked[name]) for name, control in self.controls.items() if control.live}
        """The `live` controls by name: `knob()` is the value now."""
        super().__init__({name: _element(name, control, self._checked[name]) for name, control in controls.items()})

    def _mime_(self) -> tuple[Any, str]:
        from atelier.page.layout import panel

        return panel(self)._mime_()

    def _convert_value(self, value: dict[str, Any]) -> dict[str, Any]:
        if self._session.live and self._initialized:
            self.sentences = {}
            try:
                raw = super()._convert_value(value)
            except Exception:  # not from our page: an element refuses what it never offered
                raw = {}
            for name, given in raw.items():
                if self.controls[name].door == "command":  # a path of this machine is not for a browser to set
                    continue
                try:
                    self._checked[name] = self.controls[name].check(name, given)
                except SettingError as error:
                    self.sentences[name] = str(error)
            self._follow()
        for name, knob in self.knobs.items():
            knob.value = self._checked[name]
        return {**self._checked, **self.knobs}

    @property
    def chosen(self) -> dict[str, Any]:
        """The values that differ from the defaults."""
        return {name: now for name, now in self._checked.items() if now != self.controls[name].default}

    def _on_update_completion(self) -> bool:
        return False

    def _follow(self) -> None:
        """Make the page's address say what differs from the defaults, so that it can be shared."""
        shown, chosen = {k: control for k, control in self.controls.items() if control.door == "all"}, self.chosen
        follow_in_address({k: control.write(chosen[k]) if k in chosen else None for k, control in shown.items()})


def controls(*groups: Mapping[str, Control], later: Sequence[Mapping[str, Control]] = (), keep: bool = False) -> Any:
    """One `Ask` for each group of controls, filled from the address or the command line.

    The first call of a notebook declares all words that it understands: those of its groups, and in `later`, for each
    cell further down that makes controls once a value above is known, those that it could make. It answers `--help`,
    and refuses what it does not know. With `keep`, what a reader chose stays chosen when the cell makes its controls
    anew.
    """
    now = session()
    words: Words | None = now.state.get("words")
    if words is None or words.cell == cell():
        known = {name: control for group in (*groups, *later) for name, control in group.items()}
        words = now.state["words"] = Words(now, known, later)
        command.begin(now, words.given)
    again = words.taken_again()
    asks = words.asks[cell()] = [Ask(group, *words.take(group, again, keep)) for group in groups]
    asks[0].sentences |= words.left_over(groups, again)
    return asks[0] if len(asks) == 1 else asks


class Words:
    """What the address or the command line asks for, word by word.

    given: checked values of the command line. asked: whether an address asks for anything but the defaults.
    """

    def __init__(self, now: Session, known: Mapping[str, Control], later: Iterable[Iterable[str]] = ()) -> None:
        self.cell = cell()
        self.asks: dict[str | None, list[Ask]] = {}  # by cell, what it made last
        self._known, self._later = {**known, **_OWN}, [set(group) for group in later]
        self._unused: dict[str | None, set[str]] = {}  # by cell, words for controls that it did not make at first
        self._live = now.live
        self._words = {name: text for name, text in address().items() if name in known} if now.live else {}
        self.asked = bool(self._words)
        self.given = {} if now.live else self._of_command_line()

    def taken_again(self) -> bool:
        """Whether this cell, below the first one, makes its controls anew."""
        return cell() in self.asks and cell() != self.cell

    def take(
        self, group: Mapping[str, Control], again: bool = False, keep: bool = False
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The values that were asked for of this group, and a sentence about each that cannot be."""
        if not self._live:  # auto is the default of what may be left open, and leaves the others at theirs
            return {name: value for name, value in self.given.items() if name in group and value is not None}, {}
        found, problems = {}, {}
        if again and keep:
            others = {name: text for name, text in self._words.items() if name not in group}
            self._words = others | {name: text for name, text in address().items() if name in group}
            found |= self._kept(group)
        elif again:  # a choice above has changed, and what was asked for belonged to the controls before
            follow_in_address(dict.fromkeys(self._known.keys() & group.keys()))
            return {}, {}
        for name in [name for name in group if name in self._words]:
            try:
                if group[name].door == "command":
                    raise SettingError(f"{label(name)} can be set on the command line only.")
                found[name] = group[name].read(name, self._words[name])
            except UserError as error:
                problems[name] = f"{error} The default is used instead."
        return found, problems

    def _kept(self, group: Mapping[str, Control]) -> dict[str, Any]:
        """What a reader chose of the controls that no address holds, where the default is still the same."""
        found = {}
        for ask in self.asks[cell()]:
            for name, value in ask.chosen.items():
                before, now = ask.controls[name], group.get(name)
                if now and now.door == "page" and now.default == before.default:
                    with contextlib.suppress(SettingError):
                        found[name] = now.check(name, value)
        return found

    def left_over(self, groups: Sequence[Mapping[str, Control]], again: bool = False) -> dict[str, str]:
        """A sentence, by its name, about each word for a control that the cell below could make, and did not at first,
        with the values that were asked for above.

        A word of the command line ends the program.
        """
        made = {name for group in groups for name in group}
        could = set().union(*(group for group in self._later if group & made))
        if not again:
            asked = self._words if self._live else self.given
            unused = {name for name in asked.keys() & could - made if self.given.get(name, "") is not None}
            self._unused[cell()] = unused
        unused = sorted(self._unused.get(cell(), set()) - made)
        sentences = {name: f"{label(name)} has no use with what is chosen above; leave it out." for name in unused}
        if sentences and not self._live:
            with check():
                raise SettingError(sentences[unused[0]])
        return sentences

    def _of_command_line(self) -> dict[str, Any]:
        found = {}
        with check():
            words = parse(_arguments(), self._known)
            if "help" in words:
                print(usage(program(), self._known))
                sys.exit(0)
            for name, text in words.items():
                try:
                    found[name] = self._known[name].read(name, text)
                except UserError:
                    if not self._known[name].paths:
                        raise
                    found[name] = Text().check(label(name), text)
        return found


def parse(arguments: Sequence[str], known: Mapping[str, Control]) -> dict[str, str]:
    """The words of a command line by name: `--name value`, `--name=value`, or `--name` alone for a switch. A value may
    begin with a minus. Raises SettingError: an unknown, repeated or stray word."""
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
            hint = f"did you mean {_flag(near[0])}?" if near else "--help lists them."
            raise SettingError(f"There is no option --{flag}; {hint}")
        if name in found:
            raise SettingError(f"--{flag} is given twice; give it once.")
        if not equals:
            domain = known[name].domain
            follows = bool(left) and left[0] not in map(_flag, known)
            if isinstance(domain, Switch):
                follows = follows and left[0].lower() in ("true", "false", "yes", "no", "on", "off", "1", "0")
            elif not follows:
                raise SettingError(f"--{flag} needs a value: {domain.describe()}.")
            value = left.pop(0) if follows else "true"
        found[name] = value
    return found


def usage(name: str, known: Mapping[str, Control]) -> str:
    """The text of `--help`."""
    lines = [f"usage: python apps/{name}.py [--NAME VALUE …]", ""]
    for key, control in known.items():
        about = f"{control.about}: " if control.about else ""
        default = control.write(control.default) or "none"
        lines += [f"  {_flag(key)}", f"      {about}{control.domain.describe()} (default {default})"]
    return "\n".join(lines)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _arguments() -> list[str]:
    """The words of the command line after the program's name, also in an export."""
    return list(running().argv[1:]) if running() else []


def address() -> dict[str, str]:
    """The words of the page's address that are given once."""
    return {key: text for key, text in mo.query_params().to_dict().items() if isinstance(text, str)}


def follow_in_address(words: Mapping[str, str | None]) -> None:
    """Put words into the page's address; None removes one."""
    if not running():
        return
    params = mo.query_params()
    for name, text in words.items():
        if text is not None and params.get(name) != text:
            params.set(name, text)
        elif text is None and params.get(name) is not None:
            params.remove(name)


def _element(name: str, control: Control, value: Any) -> Any:
    """The marimo element of a control, standing at `value`."""
    domain = control.domain
    wide = {"label": control.title or label(name), "full_width": True}
    slider = {**wide, "show_value": True, "debounce": not control.live}
    match domain:
        case Choice():
            shown = {control.words.get(option, option): option for option in domain.options}
            first = next((title for title, option in shown.items() if option == value), next(iter(shown)))
            return mo.ui.dropdown(shown, value=first, **wide)
        case Switch():
            return mo.ui.switch(value=value, label=wide["label"])
        case Number(optional=True):  # marimo's number box has no empty state
            return mo.ui.text("" if value is None else control.write(value), placeholder="auto", **wide)
        case Number() if domain.log or domain.stops:
            steps = sorted({*domain.stops, value}) if domain.stops else ratio_steps(domain, value)
            return mo.ui.slider(steps=steps, value=value, **slider)
        case Number():
            step, value = step_of(domain), min(max(value, domain.low), domain.high)
            count = math.floor((domain.high - domain.low) / step + 1e-9)
            if count > _MOST_STEPS:
                return mo.ui.number(domain.low, domain.high, step=domain.step, value=value, **wide)
            if isinstance(step, int) and value == int(value):
                return mo.ui.slider(domain.low, domain.high, step=step, value=value, **slider)
            # A page of marimo 0.25 that puts a slider with `steps` where one with a fractional value stood loses it.
            steps = sorted({value, *(round(domain.low + k * step, 6) for k in range(count + 1)), domain.high})
            return mo.ui.slider(steps=steps, value=value, **slider)
    return mo.ui.text(control.write(value), **wide)


def step_of(domain: Number) -> float:
    """How far one step of a slider goes."""
    return domain.step or (1 if domain.whole else (domain.high - domain.low) / 100)


def ratio_steps(domain: Number, value: float) -> list[float]:
    """Round values spaced by ratio (1, 2, 5, …) through the domain, and `value` among them."""
    steps = {value, domain.low, domain.high}
    for exponent in range(math.floor(math.log10(domain.low)), math.ceil(math.log10(domain.high)) + 1):
        steps |= {digit * 10.0**exponent for digit in (1, 2, 3, 5, 7)}
    inside = sorted(float(f"{s:.6g}") for s in steps if domain.low <= s <= domain.high)
    return [int(s) for s in inside if s == int(s)] if domain.whole else inside
