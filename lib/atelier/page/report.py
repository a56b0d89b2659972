"""A notebook as one HTML file that stays alive: its prose, pictures and widgets, without Python and without a network.

`python -m atelier.page.report apps/NAME.py …` runs a notebook as a script and writes what its cells show into the file
that `--report` names. The widgets' own JavaScript is mounted on a small model with the state of each widget.
"""

import base64
import html
import importlib.util
import io
import json
import os
import re
import sys
import zlib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import marimo as mo

from atelier.errors import UserError
from atelier.page.command import IN_REPORT, STOPPED
from atelier.page.packing import HERE, WIDGETS, Widget, source
from atelier.paths import write_whole

_VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_SYSTEM = {"comm", "layout", "keys", "tabbable", "tooltip"}
_SPELLED = {"\\lVert": "\\Vert", "\\rVert": "\\Vert", "\\bigl": "", "\\bigr": "", "\\,": " ", "\\mid": "|"}
"""What KaTeX knows and matplotlib does not, and what stands in its place."""


def main(words: Sequence[str]) -> int:
    """Run the notebook words[0] with the options that follow; gives the exit status."""
    notebook, *options = words
    name = Path(notebook).stem
    sys.argv = list(words)
    spec = importlib.util.spec_from_file_location(name, notebook)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outputs, _ = module.app.run()
    title = module.app._config.app_title or name.replace("_", " ").capitalize()
    options = [option if re.fullmatch(r"[\w./=,:-]+", option) else json.dumps(option) for option in options]
    try:
        text = page(title, outputs, " ".join(["uv run python", f"apps/{name}.py", *options]))
        target = write_whole(os.environ[IN_REPORT], text.encode())
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    STOPPED.end([str(target)])
    return 0


def page(title: str, outputs: Sequence[Any], again: str = "") -> str:
    """The outputs of cells, in order, as a whole page. again: the command that makes it once more."""
    body = "".join(f"<section>{part}</section>" for part in map(_plain, outputs) if part)
    used = [widget for widget in WIDGETS if widget.model_id in body]
    sources = sorted({widget._source for widget in used})
    bodies = {name: source(name, "js").replace("export default", "return") for name in sources}
    modules = ",".join(f"{json.dumps(name)}:(() => {{{body}}})()" for name, body in bodies.items())
    styles = (HERE / "report.css").read_text("utf-8") + "".join(source(name, "css") for name in sources)
    states = {widget.model_id: {"source": widget._source, "state": _state(widget)} for widget in used}
    made = f"<footer>To make it again: <code>{html.escape(again)}</code></footer>" if again else ""
    told = json.dumps(states, default=lambda data: base64.b64encode(data).decode()).replace("</", "<\\/")
    mount = (HERE / "report.js").read_text("utf-8")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{styles}</style></head>'
        f"<body>{body}{made}"
        f'<script type="application/json" id="states">{told}</script>'
        f'<script type="module">const modules = {{{modules}}};{mount}</script></body></html>\n'
    )


def _state(widget: Widget) -> dict[str, Any]:
    """The traits that the page knows."""
    return {name: getattr(widget, name) for name in widget.keys if not name.startswith("_") and name not in _SYSTEM}


def _plain(output: Any) -> str:
    """A cell's output as HTML that needs neither marimo nor a kernel; empty where nothing is left."""
    if output is None:
        return ""
    found = _Plain()
    found.feed(mo.as_html(output).text)
    text, before = "".join(found.parts), None
    while text != before:  # boxes whose controls are gone
        before, text = text, re.sub(r"<(div|span|details)(?![^>]*data-widget)[^>]*>(\s*)</\1>", r"\2", text)
    return text if re.sub(r"<[^>]*>", "", text).strip() or "data-widget" in text or "<img" in text else ""


class _Plain(HTMLParser):
    """Keeps HTML as it is. Of marimo's own elements widgets become a place to mount them, and controls go."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._inside = 0  # how deep in an element that goes
        self._formula: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: _json(value) for name, value in attrs if name.startswith("data-")}
        if tag == "marimo-anywidget":
            self.parts.append(f'<div data-widget="{html.escape(str(given["data-model-id"]))}"></div>')
        if self._inside or tag == "marimo-ui-element":
            self._inside += tag == "marimo-ui-element"
        elif tag == "marimo-tex":
            self._formula = []
        elif tag == "marimo-stat":
            label, value = html.escape(str(given.get("data-label"))), html.escape(str(given.get("data-value")))
            self.parts.append(f'<dl class="stat"><dt>{label}</dt><dd>{value}</dd></dl>')
        elif tag == "marimo-callout-output":
            self.parts.append(f'<div class="callout">{_plain(mo.Html(str(given.get("data-html"))))}</div>')
        elif not tag.startswith("marimo-"):
            self.parts.append(self.get_starttag_text())

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        if tag == "marimo-ui-element":
            self._inside = max(0, self._inside - 1)
        elif tag == "marimo-tex" and self._formula is not None:
            self.parts.append(formula("".join(self._formula)))
            self._formula = None
        elif not (self._inside or tag.startswith("marimo-") or tag in _VOID):
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._formula is not None:
            self._formula.append(data)
        elif not self._inside:
            self.parts.append(data if self.cdata_elem else html.escape(data, quote=False))


def formula(text: str) -> str:
    """A formula in LaTeX as SVG, by matplotlib; as text where matplotlib cannot set it."""
    from matplotlib import mathtext, rc_context
    from matplotlib.font_manager import FontProperties

    text = text.strip().removeprefix("||(").removesuffix("||)").removeprefix("||[").removesuffix("||]")
    plain = " ".join(text.split())
    for known, spelled in _SPELLED.items():
        plain = plain.replace(known, spelled)
    buffer = io.BytesIO()
    try:
        # a reader may not have the glyphs, and may read on dark ground
        with rc_context({"svg.fonttype": "path", "savefig.facecolor": "none"}):
            mathtext.math_to_image(f"${plain}$", buffer, prop=FontProperties(size=13), dpi=100, format="svg")
    except (ValueError, RuntimeError):
        return f"<code>{html.escape(text)}</code>"
    svg = buffer.getvalue().decode()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    ids = f"f{zlib.crc32(plain.encode()):x}"  # paths of several formulas share one page
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{ids}-", svg)
    return svg.replace("<svg ", f'<svg class="formula" role="img" aria-label="{html.escape(text)}" ', 1)


def _json(value: str | None) -> Any:
    try:
        return json.loads(value or "null")
    except ValueError:
        return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
