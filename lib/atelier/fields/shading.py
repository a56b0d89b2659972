"""A fitted network as a shader: the same encoding, layers and colours as in PyTorch, written as GLSL."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from atelier.data.pictures import Picture
from atelier.errors import UserError
from atelier.fields.encodings import Encoding, GaussianFourier, HashGrid, PositionalEncoding
from atelier.fields.networks import Activated, CoordinateNetwork, Gabor, PointwiseConvolution, RunningNorm, pixels_of
from atelier.fields.plane import half_extent
from atelier.fields.rendering import to_uint8
from atelier.shaders.code import FUNCTIONS, Shader, Writer, literal, written

ACTIVATIONS = {
    "hashgrid": "max({0}, 0.0)",
    "relu": "max({0}, 0.0)",
    "fourier": "max({0}, 0.0)",
    "siren": "sine({frequency} * {0})",
    "fourier_siren": "sine(30.0 * {0})",
    "finer": "sine({frequency} * (abs({0}) + 1.0) * {0})",
    "gauss": "gaussian({scale} * {0})",
}
"""Network -> GLSL of the function in its `Activated` layers, with the network's options."""
FINALS = {"none": "{}", "sigmoid": "sigmoid({})", "tanh": "(tangent({}) * 0.5 + 0.5)"}
_GELU = "(0.5 * {0} * (1.0 + erf({0} * 0.707106781)))"
_SWIZZLES = {1: "xxx", 3: "xyz"}
_GRID = """
vec2 vertex(ivec2 at, int columns, int start, uint mask) {  // mask 0: the level is not hashed
  uint hashed = (uint(at.x) ^ (uint(at.y) * 2654435761u)) & mask;
  return T(start + (mask == 0u ? at.y * columns + at.x : int(hashed))).xy;
}
vec2 onGrid(vec2 unit, ivec2 shape, int start, uint mask) {  // bilinear; shape: columns, rows
  vec2 at = (unit * 0.5 + 0.5) * vec2(shape - 1);
  ivec2 a = min(ivec2(at), shape - 2), d = a + 1;
  vec2 w = at - vec2(a);
  vec2 above = mix(vertex(a, shape.x, start, mask), vertex(ivec2(d.x, a.y), shape.x, start, mask), w.x);
  return mix(above, mix(vertex(ivec2(a.x, d.y), shape.x, start, mask), vertex(d, shape.x, start, mask), w.x), w.y);
}"""
_BICUBIC = """
vec3 pixel(ivec2 at) {{ at = clamp(at, ivec2(0), ivec2({width}, {height}) - 1); return T(at.y * {width} + at.x).rgb; }}
float near(float x) {{ return (1.25 * x - 2.25) * x * x + 1.0; }}  // of torch, where a = -3/4
float far(float x) {{ return ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0; }}
vec4 cubic(float t) {{ return vec4(far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)); }}
vec3 colour(vec2 p) {{
  vec2 unit = p / vec2({x}, {y});
  if (max(abs(unit.x), abs(unit.y)) > 1.0) return vec3(1.0);
  vec2 at = (unit * 0.5 + 0.5) * vec2({width}, {height}) - 0.5;
  ivec2 left = ivec2(floor(at));
  vec4 across = cubic(fract(at.x)), down = cubic(fract(at.y));
  vec3 sum = vec3(0.0);
  for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) sum += across[j] * down[i] * pixel(left + ivec2(j, i) - 1);
  return clamp(sum, 0.0, 1.0);
}}"""

Values = list[tuple[str, int]]
"""What a layer sees: names of earlier layers in GLSL, and how many values each has."""


def shader_of(network: nn.Module) -> Shader:
    """The shader of a network as it is now. Networks that differ in learned numbers only share their code.

    Raises:
        UserError: a module that was not built here, one whose outputs are no colours, or one that is too large.
    """
    if not isinstance(network, CoordinateNetwork):
        raise UserError("A network of your own has no shader; Python draws it.")
    if network.spec.dims != 2:
        raise UserError("A network that learned a volume has no shader; the page marches through its voxels.")
    if network.spec.channels not in _SWIZZLES:
        raise UserError("A shader draws gray or colour pictures only; Python draws this one.")
    return written(lambda writer: _write(writer, network), table=_table(network.encoding))


def picture_shader(picture: Picture | Tensor) -> Shader:
    """The pixels of a picture, enlarged by bicubic interpolation and white outside, as `bicubic` draws them. Raises
    UserError: more pixels than a texture holds."""
    pixels = to_uint8(pixels_of(picture))  # (H, W, C)
    height, width = pixels.shape[:2]
    table = np.full((height * width, 4), 255, np.uint8)
    table[:, :3] = pixels.reshape(height * width, -1)
    x, y = map(literal, half_extent(width / height))
    code = _BICUBIC.format(width=width, height=height, x=x, y=y)
    return written(lambda writer: writer.line(code), table=table)


def _write(writer: Writer, network: CoordinateNetwork) -> None:
    writer.line(FUNCTIONS)
    if isinstance(network.encoding, HashGrid):
        writer.line(_GRID)
    writer.line("vec3 colour(vec2 p) {")
    values = ENCODINGS[type(network.encoding)](writer, network.encoding)
    for number, layer in enumerate(network.layers, 1):
        values = LAYERS[type(layer)](writer, f"h{number}", layer, values, network.spec)
    linear = getattr(network.head, "linear", network.head)
    writer.layer(
        "last", _products(values, _array(linear.weight)), _array(linear.bias), FINALS[network.spec.final].format
    )
    writer.line(f"return clamp({writer.at('last', 0)}.{_SWIZZLES[network.spec.channels]}, 0.0, 1.0); }}")


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()


def _products(values: Values, matrix: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """A matrix (out, in) as its columns for each of the values it is applied to."""
    ends = np.cumsum([count for _, count in values])
    parts = np.split(matrix, ends[:-1], axis=1)
    return [(name, part) for (name, _), part in zip(values, parts, strict=True)]


# Encodings: each writes its features and gives them as values.


def _place(writer: Writer, encoding: Encoding) -> Values:
    writer.declare("place", 1)
    writer.line(f"{writer.at('place', 0)} = vec4(p, 0.0, 0.0);")
    return [("place", 2)]


def _waves(writer: Writer, matrix: np.ndarray) -> Values:
    """sin and cos of p · matrix, (2, n)."""
    count = matrix.shape[1]
    blocks = -(-count // 4)
    rows = np.pad(matrix, ((0, 0), (0, -count % 4))).reshape(2, blocks, 4)
    x, y = map(writer.store, rows)
    writer.each("phase", blocks, lambda at, row: f"{row(x)} * p.x + {row(y)} * p.y")
    writer.each("sines", blocks, lambda at, row: f"sine({at('phase')})")
    writer.each("cosines", blocks, lambda at, row: f"cosine({at('phase')})")
    return [("sines", count), ("cosines", count)]


def _grid(writer: Writer, encoding: HashGrid) -> Values:
    x, y = map(literal, encoding.extent)
    writer.line(f"vec2 unit = clamp(p / vec2({x}, {y}), -1.0, 1.0);")
    levels, start = [], 0
    for (rows, columns), dense, table in zip(encoding.shapes, encoding.dense, encoding.tables, strict=True):
        entries = rows * columns if dense else len(table)
        levels.append(f"onGrid(unit, ivec2({columns}, {rows}), {start}, {0 if dense else entries - 1}u)")
        start += entries
    blocks = -(-len(levels) // 2)
    writer.declare("features", blocks)
    for k in range(blocks):
        pair = [*levels[2 * k : 2 * k + 2], "vec2(0.0)"][:2]
        writer.line(f"{writer.at('features', k)} = vec4({', '.join(pair)});")
    return [("features", 2 * len(levels))]


def _table(encoding: Encoding) -> np.ndarray | None:
    """The features of a hash grid at all vertices, level after level, (n, 2) float16; None for other encodings."""
    if not isinstance(encoding, HashGrid):
        return None
    tables = zip(encoding.tables, encoding.dense, strict=True)
    levels = [table.detach().flatten(1).T if dense else table.detach() for table, dense in tables]  # (vertices, F)
    if any(len(table) & (len(table) - 1) for table, dense in zip(levels, encoding.dense, strict=True) if not dense):
        raise UserError("The shader of a hash grid needs tables of a power of two; Python draws this one.")
    found = torch.cat(levels).cpu()
    if found.shape[1] != 2:
        raise UserError("The shader of a hash grid needs two features a vertex; Python draws this one.")
    return found.half().numpy()


# Layers: each writes itself and gives its values.


def _activated(writer: Writer, name: str, layer: Activated, values: Values, spec: Any) -> Values:
    options = {key: literal(value) for key, value in spec.options.items() if not isinstance(value, str)}
    bias = _array(layer.linear.bias)
    function = partial(ACTIVATIONS[spec.network].format, **options)
    writer.layer(name, _products(values, _array(layer.linear.weight)), bias, function)
    return [(name, len(bias))]


def _gabor(writer: Writer, name: str, layer: Gabor, values: Values, spec: Any) -> Values:
    real, imaginary = _array(layer.real.weight), _array(layer.imaginary.weight)
    if len(values) == 2:  # a complex matrix on complex values
        real, imaginary = np.hstack([real, -imaginary]), np.hstack([imaginary, real])
    u, v, e = f"{name}u", f"{name}v", f"{name}e"
    for part, matrix, bias in ((u, real, layer.real.bias), (v, imaginary, layer.imaginary.bias)):
        blocks = writer.layer(part, _products(values, matrix), _array(bias), "{}".format)
    omega, narrow = literal(layer.omega), literal(layer.scale**2)
    square = "({0} * {0} + {1} * {1})".format
    writer.each(e, blocks, lambda at, row: f"exp(-{omega} * {at(v)} - {narrow} * {square(at(u), at(v))})")
    writer.each(f"{name}r", blocks, lambda at, row: f"{at(e)} * cosine({omega} * {at(u)})")
    writer.each(f"{name}i", blocks, lambda at, row: f"{at(e)} * sine({omega} * {at(u)})")
    return [(f"{name}{part}", layer.real.out_features) for part in "ri"]


def _convolution(writer: Writer, name: str, layer: PointwiseConvolution, values: Values, spec: Any) -> Values:
    matrix, bias, norm = _array(layer.convolution.weight)[:, :, 0], _array(layer.convolution.bias), layer.norm
    width = len(bias)
    if isinstance(norm, RunningNorm):
        scale = _array(norm.weight * torch.rsqrt(norm.running_var + norm.eps))
        matrix, bias = matrix * scale[:, None], (bias - _array(norm.running_mean)) * scale + _array(norm.bias)
    if not isinstance(norm, nn.LayerNorm):
        writer.layer(name, _products(values, matrix), bias, _GELU.format)
        return [(name, width)]
    before, after = f"{name}z", f"{name}n"
    blocks = writer.layer(before, _products(values, matrix), bias, "{}".format)
    writer.moments(name, before, width)
    gain, shift = (
        writer.store(np.pad(_array(part), (0, -width % 4)).reshape(-1, 4)) for part in (norm.weight, norm.bias)
    )
    writer.each(after, blocks, lambda at, row: f"({at(before)} - {name}m) * {name}s * {row(gain)} + {row(shift)}")
    writer.each(name, blocks, lambda at, row: _GELU.format(at(after)))
    return [(name, width)]


ENCODINGS: Mapping[type, Callable[[Writer, Any], Values]] = {
    Encoding: _place,
    GaussianFourier: lambda writer, encoding: _waves(writer, np.pi * _array(encoding.B)),
    PositionalEncoding: lambda writer, encoding: [
        *_place(writer, encoding),
        *_waves(writer, np.kron(np.eye(2), _array(encoding.frequencies))),
    ],
    HashGrid: _grid,
}
LAYERS: Mapping[type, Callable[[Writer, str, Any, Values, Any], Values]] = {
    Activated: _activated,
    Gabor: _gabor,
    PointwiseConvolution: _convolution,
}
