"""Drawing by painter.js in a page of a test, and reading what is there."""

import base64
import io
from pathlib import Path

import numpy as np
from atelier import page
from PIL import Image

PAINTER = (Path(page.__file__).parent / "painter.js").read_text("utf-8")
DRAW = """([words, numbers, table, view, width, height, flat]) => {
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const holds = words.table === "half" ? new Uint16Array(bytes(table).buffer) : bytes(table);
    const shader = { ...words, numbers: new Float32Array(bytes(numbers).buffer), holds };
    const painter = window.painter(), t0 = performance.now();
    if (!painter.draw(shader, view, width, height, flat)) return painter.reason;
    const copy = document.createElement("canvas");
    copy.width = width; copy.height = height;
    const c = copy.getContext("2d");
    c.drawImage(painter.canvas, 0, 0);
    let text = "";
    for (const byte of c.getImageData(0, 0, width, height).data) text += String.fromCharCode(byte);
    return [btoa(text), performance.now() - t0];
}"""
AS_IF_GRAPHICS = """
    const get = WebGL2RenderingContext.prototype.getParameter;
    WebGL2RenderingContext.prototype.getParameter = function (name) {
        return name === 0x9246 ? "Some graphics processor" : get.call(this, name);
    };
    let held;
    const scaled = (made) => Object.create(made, { scale: { value: () => 1 } });
    Object.defineProperty(window, "atelierPainter", { get: () => held, set: (made) => { held = scaled(made); } });
"""
"""A script that makes pages behave as with a graphics processor, which is never slow."""
READ = """(canvas) => {
    const copy = document.createElement("canvas");
    copy.width = canvas.width; copy.height = canvas.height;
    copy.getContext("2d").drawImage(canvas, 0, 0);
    return copy.toDataURL("image/png").split(",")[1];
}"""


def drawn(canvas, shader, window, size, flat=True):
    """What the browser draws, (H, W, 3) uint8, and its milliseconds."""
    width, height = size
    view = {"x": window.x, "y": window.y, "halfPixel": window.half_pixel(height, width)}
    table = b"" if shader.table is None else shader.table.tobytes()
    values = [base64.b64encode(data).decode() for data in (shader.numbers.tobytes(), table)]
    found = canvas.evaluate(DRAW, [shader.words(), *values, view, width, height, flat])
    assert isinstance(found, list), found
    return np.frombuffer(base64.b64decode(found[0]), np.uint8).reshape(height, width, 4)[..., :3], found[1]


def pixels(canvas):
    """What a canvas on a page shows, (H, W, 3) uint8."""
    with Image.open(io.BytesIO(base64.b64decode(canvas.evaluate(READ)))) as image:
        return np.array(image.convert("RGB"))
