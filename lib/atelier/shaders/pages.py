"""A shader to take home: one HTML page that needs nothing else, and a text for ShaderToy."""

import base64
import html
import json
from pathlib import Path

from atelier.shaders.code import Shader, baked, literal

_PAGE = Path(__file__).parents[1] / "page"
_SHADERTOY = """// {title}
// A random network as a picture: paste this into ShaderToy's "Image".
{code}
void mainImage(out vec4 fragColor, in vec2 fragCoord) {{
  vec2 p = (2.0 * fragCoord - iResolution.xy) / min(iResolution.x, iResolution.y);
  fragColor = vec4(colour(vec2({x}, {y}) + vec2(p.x, -p.y) / {zoom}), 1.0);
}}
"""


def shadertoy(shader: Shader, title: str, window: dict[str, float]) -> str:
    """The text for ShaderToy of what a window (x, y, zoom) shows. Raises UserError: too large a network."""
    place = {key: literal(value) for key, value in window.items()}
    return _SHADERTOY.format(title=title.replace("\n", " "), code=baked(shader), **place)


def standalone(shader: Shader, title: str, window: dict[str, float]) -> str:
    """A page that draws the field by itself, without a network: drag, wheel, two fingers and keys roam it."""
    told = {**shader.words(), "window": window, "numbers": base64.b64encode(shader.numbers.tobytes()).decode()}
    scripts = "".join((_PAGE / f"{name}.js").read_text("utf-8") for name in ("painter", "roam"))
    field = json.dumps(told).replace("</", "<\\/")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><style>'
        "html, body { margin: 0; height: 100%; background: #111; color: #ddd; font: 14px system-ui, sans-serif }"
        "canvas { display: block; width: 100%; height: 100%; touch-action: none; cursor: grab }"
        "p { position: fixed; left: 12px; bottom: 8px; margin: 0; text-shadow: 0 0 4px #000; pointer-events: none }"
        f'</style></head><body><canvas tabindex="0" role="img" aria-label="{html.escape(title)}"></canvas>'
        f'<p role="status"></p><script type="application/json" id="field">{field}</script>'
        f'<script type="module">{scripts}</script></body></html>\n'
    )
