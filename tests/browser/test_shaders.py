"""What a shader draws in Chromium (WebGL by the processor) is what PyTorch draws."""

import base64
from pathlib import Path

import numpy as np
import pytest
from atelier import page
from atelier.cppn import picture
from atelier.cppn.recipe import WHOLE
from atelier.cppn.shading import shader_of

PAINTER = (Path(page.__file__).parent / "painter.js").read_text("utf-8")
DRAW = """([words, numbers, view, width, height, flat]) => {
    const floats = new Float32Array(Uint8Array.from(atob(numbers), (c) => c.charCodeAt(0)).buffer);
    const painter = window.painter(), t0 = performance.now();
    if (!painter.draw({ ...words, numbers: floats }, view, width, height, flat)) return painter.reason;
    const copy = document.createElement("canvas");
    copy.width = width; copy.height = height;
    const c = copy.getContext("2d");
    c.drawImage(painter.canvas, 0, 0);
    let text = "";
    for (const byte of c.getImageData(0, 0, width, height).data) text += String.fromCharCode(byte);
    return [btoa(text), performance.now() - t0];
}"""
SIDE = 64


@pytest.fixture(scope="module")
def canvas(browser):
    page = browser.new_page()
    page.add_script_tag(content=PAINTER + "; window.painter = painter;")
    yield page
    page.close()


def drawn(canvas, shader, window, size, flat=True):
    """What the browser draws, (H, W, 3) uint8, and its milliseconds."""
    width, height = size
    view = {"x": window.x, "y": window.y, "halfPixel": window.half_pixel(height, width)}
    numbers = base64.b64encode(shader.numbers.tobytes()).decode()
    found = canvas.evaluate(DRAW, [shader.words(), numbers, view, width, height, flat])
    assert isinstance(found, list), found
    return np.frombuffer(base64.b64decode(found[0]), np.uint8).reshape(height, width, 4)[..., :3], found[1]


def compared(canvas, spec, window=WHOLE, size=(SIDE, SIDE), flat=True):
    """Mean and greatest difference, of 255, from the picture by PyTorch."""
    found, _ = drawn(canvas, shader_of(spec), window, size, flat)
    wanted = picture(spec, window, size)
    difference = np.abs(found.astype(int) - wanted.astype(int))
    return difference.mean(), np.quantile(difference.max(-1), 0.999), difference.max()


def alike(canvas, spec, **options):
    mean, most, worst = compared(canvas, spec, **options)
    assert mean < 1, (spec, mean)
    assert most <= 4, (spec, most, worst)
