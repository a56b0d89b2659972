"""Fields as shaders against PyTorch, by hand: `uv run python tests/benchmarks/shaders.py`.

Headless Chromium draws by software (SwiftShader, on the processor). First the greatest differences, out of 255, over
the random fields of tests/browser/test_shaders.py and the networks of test_fitted_shaders.py; then milliseconds to the
first picture, and of a picture of 384 x 384, by the shader and by PyTorch.
"""

import base64
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

import torch
from atelier import fields
from atelier.cppn import FieldSpec, picture
from atelier.cppn.shading import shader_of
from atelier.fields.plane import Window
from machines import processor
from opening import chromium
from test_fitted_shaders import NETWORKS, WINDOWS, network_of
from test_fitted_shaders import compared as compared_with
from test_shaders import FIELDS, compared
from webgl import PAINTER

SIDE = 384
KINDS = {
    "random field, 32 neurons, 4 layers": FieldSpec(),
    "random field, 16 neurons, 3 layers": FieldSpec(width=16, depth=3),
    "random graph, 10 nodes of 16": FieldSpec(seed=3, topology="watts_strogatz", width=16),
    "random field, 64 neurons, 4 layers": FieldSpec(width=64),
    "hash grid of a picture of 384×384": {"network": "hashgrid", "picture": torch.zeros(SIDE, SIDE, 3)},
    "SIREN, 32 neurons, 3 layers": {"network": "siren", "width": 32, "depth": 3},
}
TIMED = """([words, numbers, table, flat]) => {
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const shader = shaderOf(words, bytes(numbers), bytes(table)), painter = window.painter(), times = [];
    for (let k = 0; k < 4; k++) {
        const began = performance.now();
        const side = k ? 384 : 8, view = { x: 0.01 * k, y: 0, halfPixel: 1 / 384 };
        if (!painter.draw(shader, view, side, side, flat)) return null;
        times.push(performance.now() - began);
    }
    return times;
}"""


def main() -> None:
    """Print the tables."""
    print(processor())
    torch.set_num_threads(2)
    with chromium("--enable-unsafe-swiftshader") as browser:
        page = browser.new_page()
        page.add_script_tag(content=PAINTER + "; window.painter = painter;")
        print("\n| | flat: mean, greatest difference | texture: mean, greatest difference |\n|---|---|---|")
        found = {name: [compared(page, spec, flat=flat) for flat in (True, False)] for name, spec in FIELDS.items()}
        columns = [[max(row[way][k] for row in found.values()) for k in (0, 2)] for way in (0, 1)]
        print(f"| the worst of {len(found)} random fields | {' | '.join(f'{a:.4f}, {b:.0f}' for a, b in columns)} |")
        for name in NETWORKS:
            print(f"| {name} | {' | '.join(worst(page, name, flat) for flat in (True, False))} |", flush=True)
        print(f"\n| field | numbers | start, ms | {SIDE}×{SIDE}, ms | frames/s | from a texture, ms | PyTorch, ms |")
        print("|---|---|---|---|---|---|---|")
        for name, about in KINDS.items():
            print(f"| {name} | {' | '.join(timed(page, about))} |", flush=True)


def worst(page, name: str, flat: bool) -> str:
    """The greatest mean and the greatest single difference of a network over all windows; "" where it is too large."""
    network = network_of(name)
    shader, draw = fields.shader_of(network), fields.renderer(network)
    if flat and not shader.flat:
        return ""
    found = [compared_with(page, shader, draw, window, flat) for window in WINDOWS]
    return f"{max(d.mean() for d in found):.4f}, {max(d.max() for d in found)}"


def timed(page, about) -> list[str]:
    """The cells of a row."""
    if isinstance(about, FieldSpec):
        shader, draw = shader_of(about), lambda: picture(about, size=(SIDE, SIDE))
    else:
        network = fields.build(**about)
        render = fields.renderer(network)
        shader, draw = fields.shader_of(network), lambda: render(Window(), SIDE, SIDE)
    table = b"" if shader.table is None else shader.table.tobytes()
    told = [shader.words(), *(base64.b64encode(data).decode() for data in (shader.numbers.tobytes(), table))]
    page.evaluate("window.atelierPainter = undefined")
    first, *frames = page.evaluate(TIMED, [*told, True])
    frame, texture = median(frames), median(page.evaluate(TIMED, [*told, False])[1:])
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        draw()
        seconds.append(time.perf_counter() - begin)
    count = shader.numbers.size + (0 if shader.table is None else shader.table.size)
    return [
        *(f"{count:,}", f"{first:.0f}", f"{frame:.0f}", f"{1000 / frame:.1f}"),
        *(f"{texture:.0f}", f"{1000 * median(seconds):.0f}"),
    ]


if __name__ == "__main__":
    main()
