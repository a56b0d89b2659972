"""A report as one plain page: everything embedded, opens from the disk, prints well, light and dark."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from atelier.paths import atomic_write

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1f2328, #e8e6e3); --soft: light-dark(#656d76, #9aa0a6);
  --line: light-dark(#d8dce1, #3a3d42); --ground: light-dark(#fff, #17181a); }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto;
  max-width: 56rem; padding: 2.5rem 1.25rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; }
.lead { color: var(--soft); font-size: 1.1rem; margin: 0 0 1.5rem; max-width: 46rem; } p { max-width: 46rem; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .875rem; margin-top: .25rem; }
.row { display: flex; gap: 1rem; } .row figure { flex: 1 1 0; min-width: 0; } img { max-width: 100%; display: block; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .5rem 1.5rem;
  margin: 1rem 0; }
.numbers dt { color: var(--soft); font-size: .875rem; } .numbers dd { margin: 0; font-size: 1.25rem; font-weight: 600;
  font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { text-align: left; padding: .25rem 1.25rem .25rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
@media (max-width: 40rem) { .row { flex-wrap: wrap; } .row figure { flex-basis: 40%; } }
@media print { :root { color-scheme: light; } body { padding: 0; } figure, .numbers, table { break-inside: avoid; } }
"""

_FRAGMENT = "--soft: light-dark(#656d76, #9aa0a6); --line: light-dark(#d8dce1, #3a3d42)"


@dataclass
class Report:
    """A page that is built section by section; each method adds to its end and gives the report back."""

    title: str
    lead: str = ""
    _parts: list[str] = field(default_factory=list, repr=False)

    def heading(self, text: str) -> Self:
        return self._add(f"<h2>{html.escape(text)}</h2>")

    def text(self, *paragraphs: str) -> Self:
        return self._add("".join(f"<p>{html.escape(p)}</p>" for p in paragraphs))

    def numbers(self, values: Mapping[str, str]) -> Self:
        cells = "".join(f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in values.items())
        return self._add(f'<dl class="numbers">{cells}</dl>')

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Self:
        top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
        return self._add(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")

    def pictures(self, images: Mapping[str, bytes]) -> Self:
        """A row of encoded pictures (PNG, JPEG, GIF) by caption."""
        cells = "".join(_figure(caption, data) for caption, data in images.items())
        return self._add(f'<div class="row">{cells}</div>')

    def drawing(self, svg: str, caption: str) -> Self:
        """A figure as SVG, as `figures.svg` makes it: it takes the colour of the text."""
        return self._add(f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>")

    def body(self) -> str:
        """The report as a fragment, for a page that already has a style of its own."""
        style = _STYLE[_STYLE.index(".lead") :]
        return f'<style>{style}</style><div style="{_FRAGMENT}">{self._content()}</div>'

    def _content(self) -> str:
        lead = f'<p class="lead">{html.escape(self.lead)}</p>' if self.lead else ""
        return f"<h1>{html.escape(self.title)}</h1>{lead}{''.join(self._parts)}"

    def page(self) -> str:
        """The report as a whole page."""
        title = html.escape(self.title)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
            f"<body>{self._content()}</body></html>\n"
        )

    def write(self, path: Path) -> Path:
        with atomic_write(path) as part:
            part.write_text(self.page(), "utf-8")
        return Path(path)

    def _add(self, part: str) -> Self:
        self._parts.append(part)
        return self


def _figure(caption: str, data: bytes) -> str:
    kind = {b"\xff\xd8": "jpeg", b"GI": "gif"}.get(data[:2], "png")
    text = html.escape(caption)
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
