"""Where things stand on a page: controls beside their picture, rows of numbers, titles and tables."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import marimo as mo
from markdown.extensions.toc import slugify

from atelier.page.controls import Ask


def beside(panel: Any, picture: Any) -> mo.Html:
    """Controls to the left of what they control. Where the page is narrow, the picture comes first."""
    return mo.Html(
        '<div style="display: flex; flex-wrap: wrap-reverse; gap: 1.25rem; align-items: flex-end">'
        f'<div style="flex: 1 1 210px; min-width: 0; align-self: stretch">{mo.as_html(panel).text}</div>'
        f'<div style="flex: 4 1 min(640px, 100%); min-width: 0; align-self: flex-end">{mo.as_html(picture).text}</div>'
        "</div>"
    )


def panel(
    *asks: Ask,
    first: Sequence[str] | None = None,
    more: Mapping[str, Sequence[str]] | None = None,
    notes: str = "",
    across: bool = False,
) -> mo.Html:
    """The controls of one or several groups, one below the other or, with `across`, side by side; without those of the
    command line alone.

    Args:
        first: names of the controls that are always in sight, in this order; all that are not folded by default.
        more: title -> names of controls to unfold. Names that no group has are left out.
        notes: a line in small print below.
    """
    found = {
        name: element for ask in asks for name, element in ask.elements.items() if ask.controls[name].door != "command"
    }
    more = {title: [name for name in names if name in found] for title, names in (more or {}).items()}
    if first is None:
        first = [name for name in found if not any(name in names for names in more.values())]
    here = {name for names in (first, *more.values()) for name in names}
    said = {name: text for ask in asks for name, text in ask.sentences.items() if name in here or name not in found}
    parts: list[Any] = [mo.callout(text, kind="danger") for text in said.values()]
    shown = [found[name] for name in first if name in found]
    parts += [row(*shown, flex="0 1 190px; min-width: 140px")] if across else shown
    folded = {title: mo.vstack([found[name] for name in names], gap=0.5) for title, names in more.items() if names}
    if folded:
        style = {"padding-right": "8px", "color": "var(--foreground)"}
        parts.append(mo.accordion({title: inner.style(style) for title, inner in folded.items()}))
    if notes:
        parts.append(mo.md(f"<small>{notes}</small>"))
    return mo.vstack(parts, gap=0.6)


def row(*parts: Any, flex: str = "0 1 230px; min-width: 150px") -> mo.Html:
    """Parts side by side, by default of a modest width; they wrap where the page is narrow. flex: CSS of each part."""
    style = "display: flex; flex-wrap: wrap; gap: .5rem 1.75rem; align-items: flex-start"
    cells = "".join(f'<div style="min-width: 0; flex: {flex}">{mo.as_html(part).text}</div>' for part in parts)
    return mo.Html(f'<div style="{style}">{cells}</div>')


def table(rows: Sequence[Mapping[str, str]]) -> mo.Html:
    """Rows of texts under the names of their columns."""

    def line(tag: str, cells: Sequence[str]) -> str:
        style = "padding: .3rem 1.6rem .3rem 0; text-align: left; border-bottom: 1px solid rgb(128 128 128 / 30%)"
        return "<tr>" + "".join(f'<{tag} style="{style}">{html.escape(cell)}</{tag}>' for cell in cells) + "</tr>"

    body = line("th", list(rows[0])) if rows else ""
    body += "".join(line("td", list(row.values())) for row in rows)
    style = "border-collapse: collapse; font-variant-numeric: tabular-nums"
    return mo.Html(f'<div style="overflow-x: auto"><table style="{style}">{body}</table></div>')


def stats(numbers: Mapping[str, str]) -> mo.Html:
    """A row of numbers: name -> text."""
    return mo.hstack([mo.stat(text, label=name) for name, text in numbers.items()], widths="equal", wrap=True)


def section(text: str, *parts: Any) -> mo.Html:
    """A heading with its prose, in Markdown, and what belongs to it below."""
    # marimo's Markdown takes part in the layout around it; in a box of its own its margins collapse as in a text
    return mo.vstack([mo.Html(f"<div>{mo.md(text).text}</div>"), *parts], gap=0.6)


def told(problem: str, success: str) -> list[mo.Html]:
    """What became of an upload, to stand below its button: nothing where both sentences are empty."""
    if problem:
        return [mo.callout(problem, kind="danger")]
    return [mo.callout(success, kind="success")] if success else []


def title(name: str, promise: str, *headings: str) -> mo.Html:
    """The name of the page, a sentence on what it does, and links to its headings."""
    links = mo.md(" · ".join(f"[{heading}](#{slugify(heading, '-')})" for heading in headings))
    return mo.Html(
        f'<h1 style="margin: 0 0 .2rem; font: 400 2rem/1.2 var(--heading-font, serif)">{html.escape(name)}</h1>'
        f'<p style="margin: 0 0 .2rem">{html.escape(promise)}</p>{links.text}'
    )
