"""Fields as shaders against PyTorch, by hand: `uv run python tests/benchmarks/shaders.py`.

Headless Chromium draws by software (SwiftShader, on the processor). First the greatest differences, out of 255, over
the fields of tests/browser/test_shaders.py; then milliseconds to the first picture, and of a picture of 384 x 384.
"""

import base64
import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from atelier.cppn import FieldSpec
from atelier.cppn.shading import shader_of
from machines import processor
from opening import chromium
from test_shaders import FIELDS, compared
from webgl import PAINTER

KINDS = {
    "32 neurons, 4 layers": FieldSpec(),
    "16 neurons, 3 layers": FieldSpec(width=16, depth=3),
    "random graph, 10 nodes of 16": FieldSpec(seed=3, topology="watts_strogatz", width=16),
    "64 neurons, 4 layers": FieldSpec(width=64),
}
TIMED = """([words, numbers, flat]) => {
    const floats = new Float32Array(Uint8Array.from(atob(numbers), (c) => c.charCodeAt(0)).buffer);
    const shader = { ...words, numbers: floats }, painter = window.painter(), times = [];
    for (let k = 0; k < 6; k++) {
        const began = performance.now();
        const side = k ? 384 : 8, view = { x: 0.01 * k, y: 0, halfPixel: 1 / 384 };
        if (!painter.draw(shader, view, side, side, flat)) return null;
        times.push(performance.now() - began);
    }
    return times;
}"""


def main() -> None:
    """Print both tables."""
    print(processor())
    with chromium("--enable-unsafe-swiftshader") as browser:
        page = browser.new_page()
        page.add_script_tag(content=PAINTER + "; window.painter = painter;")
        print("\n| fields | flat: mean, greatest difference | texture: mean, greatest difference |\n|---|---|---|")
        found = {name: [compared(page, spec, flat=flat) for flat in (True, False)] for name, spec in FIELDS.items()}
        columns = [[max(row[way][k] for row in found.values()) for k in (0, 2)] for way in (0, 1)]
        cells = (f"{mean:.4f}, {worst:.0f}" for mean, worst in columns)
        print(f"| the worst of {len(found)} | {' | '.join(cells)} |")
        print(
            "\n| field | numbers | start, ms | frame, ms | frames/s | from a texture, ms |\n|---|---|---|---|---|---|"
        )
        for name, spec in KINDS.items():
            shader = shader_of(spec)
            told = [shader.words(), base64.b64encode(shader.numbers.tobytes()).decode()]
            page.evaluate("window.atelierPainter = undefined")
            first, *frames = page.evaluate(TIMED, [*told, True])
            texture = median(page.evaluate(TIMED, [*told, False])[1:])
            frame = median(frames)
            row = f"{shader.numbers.size:,} | {first:.0f} | {frame:.0f} | {1000 / frame:.1f} | {texture:.0f}"
            print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
