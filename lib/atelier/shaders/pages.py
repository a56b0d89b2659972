"""A field to take home: one HTML page that needs nothing else, and a text for ShaderToy."""

import base64
import html
import json
from pathlib import Path

from atelier.fields.plane import half_extent
from atelier.shaders.code import Shader, baked, literal

_PAGE = Path(__file__).parents[1] / "page"
_SHADERTOY = """// {title}
// A network as a picture: paste this into ShaderToy's "Image".
{code}
void mainImage(out vec4 fragColor, in vec2 fragCoord) {{
  vec2 p = (2.0 * fragCoord - iResolution.xy) / min(iResolution.x / {wide}, iResolution.y / {high});
  fragColor = vec4(colour(vec2({x}, {y}) + vec2(p.x, -p.y) / {zoom}), 1.0);
}}
"""


def shadertoy(shader: Shader, title: str, window: dict[str, float], aspect: float = 0) -> str:
    """The text for ShaderToy of what a window (x, y, zoom) shows; aspect as in `standalone`. Raises UserError: the
    network is too large for a text, or has a table."""
    wide, high = half_extent(aspect) if aspect else (1.0, 1.0)
    place = {key: literal(value) for key, value in {**window, "wide": wide, "high": high}.items()}
    return _SHADERTOY.format(title=title.replace("\n", " "), code=baked(shader), **place)


def standalone(shader: Shader, title: str, window: dict[str, float], aspect: float = 0, still: bytes = b"") -> str:
    """A page that draws the field by itself, without a network: drag, wheel, two fingers and keys roam it.

    Args:
        aspect: width ÷ height of the picture that it shows, whose longer side spans [-1, 1] at zoom 1; 0 fills the
            page, whose shorter side then spans [-1, 1].
        still: a WebP file of the picture, for browsers that cannot draw the field.
    """
    extent = half_extent(aspect) if aspect else (1.0, 1.0)
    values = {"numbers": shader.numbers, "table": shader.table}
    packed = {name: base64.b64encode(b"" if a is None else a.tobytes()).decode() for name, a in values.items()}
    told = {"shader": shader.words(), "window": window, "extent": extent, **packed}
    scripts = "".join((_PAGE / f"{name}.js").read_text("utf-8") for name in ("painter", "gestures", "roam"))
    whole = "width: 100vw; height: 100vh"
    size = f"width: min(100vw, {100 * aspect:.6g}vh); aspect-ratio: {aspect:.6g}" if aspect else whole
    if still:
        data = base64.b64encode(still).decode()
        size += f"; background: url(data:image/webp;base64,{data}) center / contain no-repeat"
    field = json.dumps(told).replace("</", "<\\/")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><style>'
        "body { margin: 0; height: 100vh; display: grid; place-items: center; background: #111; color: #ddd; "
        f"font: 14px system-ui, sans-serif }} canvas {{ display: block; {size}; touch-action: none; cursor: grab }}"
        "p { position: fixed; left: 12px; bottom: 8px; margin: 0; text-shadow: 0 0 4px #000; pointer-events: none }"
        f'</style></head><body><canvas tabindex="0" role="img" aria-label="{html.escape(title)}"></canvas>'
        f'<p role="status"></p><script type="application/json" id="field">{field}</script>'
        f'<script type="module">{scripts}</script></body></html>\n'
    )
