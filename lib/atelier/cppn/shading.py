"""A random field as a shader: the same nodes, inputs, symmetries and colours as in PyTorch, written as GLSL."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import numpy as np

from atelier.cppn import catalogue, draws
from atelier.cppn.colour import LUMA, palette_lab
from atelier.cppn.field import Field
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import as_field
from atelier.cppn.spec import FieldSpec
from atelier.cppn.topologies import INPUT, Node
from atelier.shaders.code import FUNCTIONS, Shader, Writer, written
from atelier.shaders.pages import shadertoy, standalone

ACTIVATIONS = {
    **{name: f"{name}({{}})" for name in catalogue.ACTIVATIONS},  # most have a function of their name
    "tanh": "sigmoid({})",  # the rest of tanh x = 2 sigmoid(2x) - 1 is in the matrices around it, as in `Field`
    "bump": "gaussian({})",
    "sin": "sine({})",
    "cos": "cosine({})",
    "relu": "max({}, 0.0)",
    "leaky_relu": "max({0}, 0.1 * {0})",
    "celu": "elu({})",
    "silu": "({0} * sigmoid({0}))",
    "hardtanh": "clamp({}, -1.0, 1.0)",
    "log_sigmoid": "-softplus(-{})",
    "softsign": "({0} / (1.0 + abs({0})))",
    "identity": "{}",
}
WHOLE_ACTIVATIONS = {"tanh": "tangent({})", "bump": "(2.0 * gaussian({}) - 1.0)"}
"""Of nodes whose own values others need."""
FOLDS = {
    "none": "",
    "mirror_x": "p.x = abs(p.x);",
    "mirror_y": "p.y = abs(p.y);",
    "mirror_xy": "p = abs(p);",
    "rotation": "p = powered(p, int(knobs.z));",
    "kaleidoscope": "p = kaleidoscope(p, knobs.z);",
    "tiling": "p = tiled(p, knobs.z);",
}
SEES = {
    "x": ["p.x * knobs.x"],
    "y": ["p.y * knobs.x"],
    "z": ["0.0"],  # a shader draws the plane z = 0
    "r": ["length(p) * knobs.x"],
    "theta": ["p.x / max(length(p), 1e-30)", "p.y / max(length(p), 1e-30)"],
    "periodic_x": ["turned(p.x * PI * knobs.y).y", "turned(p.x * PI * knobs.y).x"],
    "periodic_y": ["turned(p.y * PI * knobs.y).y", "turned(p.y * PI * knobs.y).x"],
    "periodic_z": ["0.0", "1.0"],
    "spiral": ["spiral(p).x", "spiral(p).y"],
}
"""Input -> GLSL of its rows, in the order of `functions.SEES`."""
COLOURS = {
    "gray": "rgb = vec3(tone(z).x);",
    "rgb": "rgb = tone(z).xyz;",
    "hsv": """
        vec4 t = tone(z);
        float saturation = t.y * 0.55 + 0.35, value = t.z * 0.82 + 0.14;
        vec3 k = mod((z.x * 0.16 + colouring.x) * 6.0 + vec3(5.0, 3.0, 1.0), 6.0);
        rgb = value - value * saturation * clamp(min(k, 4.0 - k), 0.0, 1.0);""",
    "oklab": """
        float light = folded(z) * 0.84 + 0.12;
        vec2 ab = tangent(0.8 * z).yz * 0.12 + 0.07 * turned(2.0 * PI * colouring.x);
        rgb = fromOklab(vec3(light, ab * (4.0 * light * (1.0 - light))));""",
}


@lru_cache(maxsize=16)
def shader_of(spec: FieldSpec) -> Shader:
    """The shader of a field. Fields that differ in numbers only share their code. Raises UserError: the field is too
    large for a shader."""
    return written(partial(_write, found=as_field(spec)))


def page_file(recipe: Recipe) -> bytes:
    """What a recipe shows as one HTML page, to roam without Python and without a network."""
    return standalone(shader_of(recipe.spec), recipe.title, recipe.place).encode()


def shadertoy_file(recipe: Recipe) -> bytes:
    """What a recipe shows as a text for ShaderToy. Raises UserError: the field is too large for one."""
    return shadertoy(shader_of(recipe.spec), recipe.title, recipe.place).encode()


def _write(writer: Writer, found: Field) -> None:
    spec, colouring = found.spec, found.colouring
    writer.line(FUNCTIONS)
    tone = writer.put(1.702 * spec.contrast, 1.702 * spec.brightness, spec.cycles, spec.relief)
    turn = writer.put(draws.number(spec.seed, "hue"), spec.saturation)
    writer.line(f"vec4 tone(vec4 z) {{ vec4 t = {tone}; return sigmoid(z * t.x + t.y); }}")
    writer.line(f"float folded(vec4 z) {{ float n = {tone}.z, t = tone(z).x * n;")
    writer.line("return n > 1.0 ? abs(t - 2.0 * round(t * 0.5)) : t; }")
    if spec.colour == "palette":
        _palette(writer, found)
    writer.line("vec3 colour(vec2 p) {")
    writer.line(f"vec4 knobs = {writer.put(spec.scale, spec.frequency, spec.order)}, colouring = {turn};")
    writer.line(FOLDS[spec.symmetry])
    rows = _inputs(writer, spec)
    names = {INPUT: "inputs"} | {node.name: f"n{i}" for i, node in enumerate(found.nodes)}
    for node in found.nodes:
        _node(writer, found, node, names, rows)
    z = writer.at(names["output"], 0)
    shift, factor = (values[:, 0].tolist() for values in (colouring.shift, colouring.factor))
    writer.line(f"vec4 z = ({z} - {writer.put(*shift)}) * {writer.put(*factor)}; vec3 rgb;")
    writer.line(COLOURS.get(spec.colour, "rgb = shaded(z);"))
    if spec.colour != "gray":
        writer.line(f"rgb = mix(vec3(dot(rgb, vec3{LUMA})), rgb, colouring.y);")
    writer.line("return clamp(rgb, 0.0, 1.0); }")


def _inputs(writer: Writer, spec: FieldSpec) -> int:
    """Write the inputs of the network. Gives the number of rows before the Fourier features, which begin a block."""
    rows = [row for name in spec.inputs for row in SEES[name]]
    first, more = -(-len(rows) // 4), -(-spec.fourier // 2)  # blocks: two frequencies make one
    writer.declare("inputs", first + more)
    for k in range(first):
        part = [*rows[4 * k : 4 * k + 4], "0.0", "0.0", "0.0"][:4]
        writer.line(f"{writer.at('inputs', k)} = vec4({', '.join(part)});")
    if spec.fourier:
        pairs = draws.normal(spec.seed, "fourier", (spec.fourier, 2)) * (2 * math.pi * spec.fourier_sigma)
        start = writer.store(np.pad(pairs, ((0, spec.fourier % 2), (0, 0))).reshape(-1, 4))
        for k in range(more):
            writer.line(f"{{ vec4 b = W({start + k}); vec2 f = vec2(dot(p, b.xy), dot(p, b.zw));")
            writer.line(f"{writer.at('inputs', first + k)} = sine(f.xxyy + vec4(0.0, 0.5 * PI, 0.0, 0.5 * PI)); }}")
    return len(rows)


def _node(writer: Writer, found: Field, node: Node, names: Mapping[str, str], rows: int) -> None:
    """Write one layer or graph node; `rows` as `_inputs` gives it."""
    matrices, bias = found.joined(node)
    products = []
    for source, weights in matrices:
        matrix = weights.numpy()
        if source == INPUT:  # the blocks of the inputs are filled up with zeros
            matrix = np.insert(matrix, [rows] * (-rows % 4), 0, axis=1)
        products.append((names[source], matrix))
    name, bias = names[node.name], bias[:, 0].numpy()
    known = ACTIVATIONS if node.name in found.absorbed else ACTIVATIONS | WHOLE_ACTIVATIONS
    activation = known[node.activation].format

    def combined(value: str, at: Callable[[str], str]) -> str:
        if node.operation == "linear":
            return value
        sources = [at(names[source]) for source in node.sources if source != INPUT]
        mean = f"({' + '.join(sources)}) * {1 / math.sqrt(len(sources)):.8f}"
        if node.operation == "residual":
            return f"({value} + {mean}) * 0.70710678"
        return f"{value} * {mean}" if node.operation == "gate" else f"max({value}, {mean})"

    if found.spec.norm == "none" or node.name == "output":
        writer.layer(name, products, bias, lambda value, at: combined(activation(value), at))
        return
    before = f"{name}z"
    blocks = writer.layer(before, products, bias, "{}".format)
    writer.moments(name, before, len(bias))
    writer.each(name, blocks, lambda at, row: combined(activation(f"(({at(before)} - {name}m) * {name}s)"), at))


def _palette(writer: Writer, found: Field) -> None:
    """Write `shaded(z)`: the palette by the first output, light and shade by the second."""
    lab = palette_lab(found.spec.palette_colours())  # (n, 3), between which colours are mixed
    start, count = writer.store(np.pad(lab, ((0, 0), (0, 1)))), len(lab)
    lightest, darkest = (writer.put(*ends[:, 0].tolist()) for ends in found.colouring.ends)
    writer.line(f"vec3 shaded(vec4 z) {{ float t = folded(z) * {count - 1}.0;")
    if writer.flat:  # an index that is not constant would need the numbers in memory
        mixed = f"W({start}).xyz"
        for k in range(1, count):
            mixed = f"mix({mixed}, W({start + k}).xyz, clamp(t - {k - 1}.0, 0.0, 1.0))"
        writer.line(f"vec3 lab = {mixed};")
    else:
        writer.line(f"int k = min(int(t), {max(count - 2, 0)});")
        writer.line(f"vec3 lab = mix(W({start} + k).xyz, W({start} + min(k + 1, {count - 1})).xyz, t - float(k));")
    writer.line("vec3 rgb = fromOklab(lab);")
    if found.spec.relief:
        writer.line(f"float shade = tangent(z).y * {writer.put(found.spec.relief)}.x;")
        writer.line(f"rgb = mix(rgb, shade > 0.0 ? {lightest}.xyz : {darkest}.xyz, abs(shade));")
    writer.line("return rgb; }")
