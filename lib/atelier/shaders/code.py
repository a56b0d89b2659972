"""Writing a network as GLSL: `Shader` holds the code of `vec3 colour(vec2 p)` and its numbers, `Writer` makes one.

The numbers (weights, frequencies, colours) lie apart from the code, four to a texel, so that a shader is compiled once
for a kind of network and takes new weights without a pause. Where a processor draws in place of a GPU, and in places
without textures, the code is written out flat with the numbers in it: there that is ten times as fast.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from atelier.errors import UserError

FUNCTIONS = (Path(__file__).parent / "functions.glsl").read_text("utf-8")
LARGEST_FLAT = 3500
"""Texels of the largest network that is written out flat: a processor compiles it in 1.6 s, and gives up at 5,000."""
LARGEST = 256 * 1024
"""Texels of the largest network that is compiled at all: 4 million numbers."""
LARGEST_TABLE = 2048 * 2048
"""Texels of the largest table: WebGL2 promises textures of 2048 × 2048."""
_INLINE = 8  # blocks of four inputs up to which a product is written in one line


@dataclass(frozen=True)
class Shader:
    """A field in GLSL.

    Attributes:
        code: functions that end in `vec3 colour(vec2 p)`: sRGB in [0, 1] at a point of the plane. They read the numbers
            as `W(int)`. Fields of one kind have the same code.
        flat: the same without loops, where every W has a constant index; "" where it would be too long.
        numbers: (n, 4) float32.
        table: what `T(int)` reads besides, None for nothing: (n, 2) float16, as they are, or (n, 4) uint8, as 0 to 1.
        deepest: zoom down to which float32 tells the points of a picture of 1,000 pixels apart; for all shaders.
    """

    code: str
    flat: str
    numbers: np.ndarray = field(repr=False)
    table: np.ndarray | None = field(default=None, repr=False)
    deepest: ClassVar[float] = 1500.0

    def words(self) -> dict[str, object]:
        """What a page needs besides the numbers; the key is the same for the same code."""
        key = hashlib.sha1(self.code.encode()).hexdigest()[:16]
        holds = "" if self.table is None else {np.float16: "half", np.uint8: "byte"}[self.table.dtype.type]
        return {"key": key, "code": self.code, "flat": self.flat, "deepest": self.deepest, "table": holds}


At = Callable[[str], str]
Row = Callable[[int], str]


class Writer:
    """Collects lines of GLSL and the numbers that they read. Values of a layer are blocks of four, `name[k]` in loops
    and `name_k` when written flat."""

    def __init__(self, flat: bool = False) -> None:
        self.flat = flat
        self.lines: list[str] = []
        self._numbers: list[np.ndarray] = []
        self._count = 0

    def put(self, *numbers: float) -> str:
        """Store up to four numbers; gives the GLSL that reads them as a vec4."""
        row = np.zeros((1, 4), np.float32)
        row[0, : len(numbers)] = numbers
        return f"W({self.store(row)})"

    def store(self, rows: np.ndarray) -> int:
        """Store (n, 4) numbers; gives the index of the first row."""
        self._numbers.append(np.ascontiguousarray(rows, np.float32))
        first, self._count = self._count, self._count + len(rows)
        return first

    def line(self, text: str) -> None:
        self.lines.append(text)

    def at(self, name: str, block: int | str) -> str:
        """One block of a layer's values."""
        return f"{name}_{block}" if self.flat else f"{name}[{block}]"

    def declare(self, name: str, blocks: int) -> None:
        """A layer of so many blocks."""
        names = ", ".join(f"{name}_{k}" for k in range(blocks)) if self.flat else f"{name}[{blocks}]"
        self.line(f"vec4 {names};")

    def over(self, blocks: int, statement: Callable[[int | str], str]) -> None:
        """Write a statement for each number of a block."""
        if self.flat:
            for k in range(blocks):
                self.line(f"{{ {statement(k)} }}")
        else:
            self.line(f"for (int o = 0; o < {blocks}; o++) {{ {statement('o')} }}")

    def each(self, name: str, blocks: int, value: Callable[[At, Row], str]) -> None:
        """Write a layer block by block: value(at, row) gives the GLSL of a block, where at(source) is the block of the
        same number of another layer, and row(first) the row of the same number among those stored from `first` on."""

        def statement(k: int | str) -> str:
            row = (lambda first: f"W({first + k})") if self.flat else (lambda first: f"W({first} + {k})")
            return f"{self.at(name, k)} = {value(lambda source: self.at(source, k), row)};"

        self.declare(name, blocks)
        self.over(blocks, statement)

    def moments(self, name: str, source: str, width: int) -> None:
        """Write the floats `{name}m`, the mean of a layer's `width` values, and `{name}s`, one over their deviation, as
        layer norm takes them. What fills the last block up to four must be 0, and is the mean afterwards."""
        blocks = -(-width // 4)
        self.line(f"float {name}m = 0.0, {name}s = 0.0; vec4 {name}d;")
        self.over(blocks, lambda k: f"{name}m += dot({self.at(source, k)}, vec4({1 / width:.9g}));")
        if filled := -width % 4:
            last, kept = self.at(source, blocks - 1), ["1.0"] * (4 - filled) + ["0.0"] * filled
            self.line(f"{last} = mix(vec4({name}m), {last}, vec4({', '.join(kept)}));")
        self.over(blocks, lambda k: f"{name}d = {self.at(source, k)} - {name}m; {name}s += dot({name}d, {name}d);")
        self.line(f"{name}s = inversesqrt({name}s / {width}.0 + 1e-5);")

    def layer(
        self, name: str, products: Sequence[tuple[str, np.ndarray]], bias: np.ndarray, act: Callable[[str, At], str]
    ) -> int:
        """Write name = act(bias + sum of matrix · source), block by block.

        Args:
            products: (source, matrix (out, in)) of earlier layers.
            bias: (out,).
            act: act(value, at) gives the GLSL of the activation of a block; at(source) is the block of the same number
                of another layer.

        Returns:
            The number of blocks.
        """
        blocks = -(-len(bias) // 4)
        bases = self.store(np.pad(bias, (0, -len(bias) % 4)).reshape(-1, 4))
        starts = [self.store(_blocks(matrix)) for _, matrix in products]
        widths = [-(-matrix.shape[1] // 4) for _, matrix in products]
        self.declare(name, blocks)

        def body(block: int | str) -> str:
            if self.flat:
                terms = [f"W({bases + block})"]
                for (source, _), start, width in zip(products, starts, widths, strict=True):
                    for i in range(width):
                        k = start + (block * width + i) * 4
                        terms.append(f"mat4(W({k}), W({k + 1}), W({k + 2}), W({k + 3})) * {self.at(source, i)}")
                text = f"vec4 s = {' + '.join(terms)};"
            else:
                text = f"vec4 s = W({bases} + {block});"
                for (source, _), start, width in zip(products, starts, widths, strict=True):
                    k = f"{start} + {block} * {4 * width}"
                    if width <= _INLINE:
                        text += "".join(f" s += M({k} + {4 * i}) * {source}[{i}];" for i in range(width))
                    else:
                        text += f" for (int i = 0; i < {width}; i++) s += M({k} + 4 * i) * {source}[i];"
            return f"{text} {self.at(name, block)} = {act('s', lambda source: self.at(source, block))};"

        self.over(blocks, body)
        return blocks

    def numbers(self) -> np.ndarray:
        return np.concatenate(self._numbers) if self._numbers else np.zeros((1, 4), np.float32)


def written(write: Callable[[Writer], None], table: np.ndarray | None = None) -> Shader:
    """The shader that `write` writes: it is called once for the code with loops, once for the flat one. table: what its
    code reads as `T(int)`.

    Raises:
        UserError: the network is too large for a shader.
    """
    loops = Writer()
    write(loops)
    numbers = loops.numbers()
    if len(numbers) > LARGEST:
        raise UserError(f"This network has {numbers.size:,} numbers, too many for a shader; Python draws it.")
    if table is not None and len(table) > LARGEST_TABLE:
        raise UserError(f"This network has a table of {len(table):,} entries, too many for a shader; Python draws it.")
    text = ""
    if len(numbers) <= LARGEST_FLAT:
        flat = Writer(flat=True)
        write(flat)
        text = "\n".join(flat.lines)
    return Shader("\n".join(loops.lines), text, numbers, table)


def baked(shader: Shader) -> str:
    """The flat code with its numbers in it. Raises UserError: the network is too large for that, or has a table."""
    if shader.table is not None:
        raise UserError(
            "This network keeps a table, which a text has no room for: take the page home, or choose another network."
        )
    if not shader.flat:
        raise UserError(
            f"This network has {shader.numbers.size:,} numbers, too many to write out in a shader; turn its "
            "width or depth down."
        )
    texels = [f"vec4({', '.join(map(literal, row))})" for row in shader.numbers.tolist()]
    return re.sub(r"W\((\d+)\)", lambda found: texels[int(found[1])], shader.flat)


def literal(value: float) -> str:
    """A number in GLSL, where a float has a point or an exponent."""
    text = f"{value:.7g}"
    return text if {".", "e"} & set(text) else f"{text}."


def _blocks(matrix: np.ndarray) -> np.ndarray:
    """(out, in) -> (out/4 · in/4 · 4, 4): for each block of outputs and each block of inputs the four columns."""
    out_blocks, in_blocks = -(-matrix.shape[0] // 4), -(-matrix.shape[1] // 4)
    padded = np.zeros((4 * in_blocks, 4 * out_blocks), np.float32)
    padded[: matrix.shape[1], : matrix.shape[0]] = matrix.T
    columns = padded.reshape(in_blocks, 4, out_blocks, 4).transpose(2, 0, 1, 3)  # (O, I, 4 inputs, 4 outputs)
    return columns.reshape(-1, 4)
