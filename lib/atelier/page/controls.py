"""Controls made from settings, so that bounds and texts stand once, in the settings' dataclass."""

import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import marimo as mo

from atelier.errors import UserError
from atelier.settings import Choice, Number, Settings, Switch, label

Asked = TypeVar("Asked", bound=Settings)
_OF_MARIMO = frozenset(("file", "kiosk", "vscode", "theme", "view-as", "show-code", "include-code", "show-chrome"))
"""What marimo's own pages put into an address."""


def control(cls: type[Settings], name: str, value: Any = None, text: str | None = None, words: dict | None = None):
    """The control of a setting: a slider, a list or a switch, with the bounds of its domain.

    value: where it stands at first; the setting's default if None. words: option -> how people read it.
    """
    domain = cls.domain(name)
    value = cls.default(name) if value is None else value
    text = text or label(name)
    match domain:
        case Choice():
            shown = {(words or {}).get(option, option): option for option in domain.options}
            first = next(key for key, option in shown.items() if option == value)
            return mo.ui.dropdown(shown, value=first, label=text, full_width=True)
        case Switch():
            return mo.ui.switch(value=value, label=text)
        case Number(log=True):
            return mo.ui.slider(
                steps=ratio_steps(domain, value), value=value, label=text, show_value=True, full_width=True
            )
        case Number():
            return mo.ui.slider(
                domain.low, domain.high, step=domain.step, value=value, label=text, show_value=True, full_width=True
            )
    raise TypeError(f"there is no control for {domain!r}")


def beside(controls: mo.Html, picture: mo.Html) -> mo.Html:
    """Controls to the left of what they control; above it where the page is narrow."""
    return mo.Html(
        '<div style="display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start">'
        f'<div style="flex: 1 1 200px; min-width: 0">{controls}</div>'
        f'<div style="flex: 4 1 min(640px, 100%); min-width: 0">{picture}</div></div>'
    )


def folded(groups: dict[str, list]) -> mo.Html:
    """Controls that most people leave alone, by title, to unfold: in full colour, with room for sliders' numbers."""
    style = {"padding-right": "8px", "color": "var(--foreground)"}
    return mo.accordion({title: mo.vstack(controls, gap=0.5).style(style) for title, controls in groups.items()})


def asked_for(
    cls: type[Asked], script: str, live: bool, *, check: Callable[[Asked], object] = lambda given: None
) -> tuple[Asked, str | None]:
    """The settings that the page's address asks for, or without a browser the command line of apps/`script`.py.

    check: raises UserError for what an address may not ask for.

    Returns:
        The settings, and a sentence about what was wrong with the address: what is wrong is left out of them. On a
        command line the sentence ends the program.
    """
    if live:
        return _what_holds(cls, _address(), check)
    try:
        if "help" in mo.cli_args():
            print(cls.usage(f"python apps/{script}.py"))
            sys.exit(0)
        return cls.read(mo.cli_args().to_dict()), None
    except UserError as error:
        sys.exit(f"{script}: {error}")


def _what_holds(cls: type[Asked], words: dict[str, str], check: Callable[[Asked], object]) -> tuple[Asked, str | None]:
    """Settings from the words that hold together, and a sentence about each that does not."""
    given, kept, wrong, before = cls(), {}, dict(words), None
    while wrong and len(wrong) != before:  # again, as a word may hold only beside one that stands after it
        before = len(wrong)
        for key in list(wrong):
            try:
                trial = cls.read(kept | {key: words[key]}, address=True)
                check(trial)
            except UserError as error:
                wrong[key] = str(error)
            else:
                given, kept[key] = trial, words[key]
                del wrong[key]
    return given, " ".join([*wrong.values(), "The default is used instead."]) if wrong else None


def _address() -> dict[str, str]:
    """The words of the page's address, without marimo's own."""
    return {key: word for key, word in mo.query_params().to_dict().items() if key not in _OF_MARIMO}


def follow_in_address(words: dict[str, str]) -> None:
    """Make the page's address say `words` and nothing else of ours, so that it can be shared."""
    params = mo.query_params()
    for key in _address():
        if key not in words:
            params.remove(key)
    for key, word in words.items():
        if params.get(key) != word:
            params.set(key, word)


def ratio_steps(domain: Number, value: float) -> list[float]:
    """Round values spaced by ratio (1, 2, 5, …) through the domain, and `value` among them."""
    steps = {value, domain.low, domain.high}
    for exponent in range(math.floor(math.log10(domain.low)), math.ceil(math.log10(domain.high)) + 1):
        steps |= {digit * 10.0**exponent for digit in (1, 2, 3, 5, 7)}
    return sorted(float(f"{s:.6g}") for s in steps if domain.low <= s <= domain.high)
