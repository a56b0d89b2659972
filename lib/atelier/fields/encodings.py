"""Encodings: coordinates (N, D) -> features (N, F), D = 2 in a picture and 3 in a volume.

Most work of an encoding on a grid of pixels depends on the grid alone. So besides `forward(coords)` for any points, an
encoding has `prepare(ys, xs)`, called once for a grid, and `encode(prepared)`, called at each training step. In a
volume the axes are zs, ys, xs.
"""

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atelier.fields.plane import mesh

_PRIMES = (805_459_861, 2_654_435_761, 1)  # of the hash, for z, y and x


class Encoding(nn.Module):
    """The coordinates themselves, and the base of encodings without learned parameters."""

    def __init__(self, dims: int = 2) -> None:
        super().__init__()
        self.features = dims

    def forward(self, coords: Tensor) -> Tensor:
        return coords

    def prepare(self, *axes: Tensor) -> Any:
        """What can be computed once for the grid ys (H,) × xs (W,)."""
        return self(mesh(*axes))

    def encode(self, prepared: Any) -> Tensor:
        """Features (H·W, F) of a prepared grid, row by row."""
        return prepared


class GaussianFourier(Encoding):
    """Random Fourier features: [sin 2πBx, cos 2πBx] with B ~ N(0, σ²) (Tancik et al. 2020, arXiv 2006.10739, §4).

    The paper's σ is for coordinates in [0, 1); ours span [-1, 1], hence the factor π in place of 2π.
    """

    def __init__(self, n: int, sigma: float, generator: torch.Generator, dims: int = 2) -> None:
        super().__init__()
        self.features = 2 * n
        self.register_buffer("B", torch.empty(dims, n).normal_(0, sigma, generator=generator))

    def forward(self, coords: Tensor) -> Tensor:
        phase = math.pi * coords @ self.B  # (N, n), float32: bfloat16 would lose the phase
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class PositionalEncoding(Encoding):
    """sin and cos of 2^k πx for k < octaves on each axis (NeRF, Mildenhall et al. 2020, eq. 4), and x itself."""

    def __init__(self, octaves: int, dims: int = 2) -> None:
        super().__init__()
        self.features = dims * (1 + 2 * octaves)
        self.register_buffer("frequencies", torch.tensor([math.pi * 2.0**k for k in range(octaves)]))

    def forward(self, coords: Tensor) -> Tensor:
        phase = (coords[..., None] * self.frequencies).flatten(-2)  # (N, D·octaves)
        return torch.cat([coords, phase.sin(), phase.cos()], dim=-1)


class HashGrid(Encoding):
    """Multiresolution grid of learned features (Instant-NGP, Müller et al. 2022, arXiv 2201.05989, §3).

    A level whose vertices fit its table is a dense grid; a larger one is hashed into the table. On a grid of
    pixels, linear interpolation of a dense level is separable: a small matrix product for each axis in place of a
    gather. This makes training fast on a CPU.

    Args:
        extent: half width, half height and in a volume half depth of the domain, as `half_extent` gives them.
        finest: vertices of the finest level along the longest side.
        levels: number of levels; each has half the vertices of the next along a side.
        table: most vertices that a level stores.
        per_level: features per vertex.
    """

    def __init__(
        self,
        extent: tuple[float, ...],
        finest: int,
        levels: int,
        table: int,
        per_level: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.features = levels * per_level
        self.extent = extent
        self.shapes = grid_shapes(extent, finest, levels)
        self.dense = [math.prod(sides) <= table for sides in self.shapes]
        self.tables = nn.ParameterList()
        for sides, dense in zip(self.shapes, self.dense, strict=True):
            shape = (per_level, *sides) if dense else (table, per_level)
            # The paper starts at 1e-4; 1e-2 reaches the same quality earlier in runs of seconds.
            self.tables.append(nn.Parameter(torch.empty(shape).uniform_(-1e-2, 1e-2, generator=generator)))

    def forward(self, coords: Tensor) -> Tensor:
        unit = (coords / coords.new_tensor(self.extent)).clamp(-1, 1)  # (N, D), the domain as [-1, 1]^D
        places = unit.view(1, *[1] * (unit.shape[1] - 1), *unit.shape).float()
        features = []
        for sides, dense, table in zip(self.shapes, self.dense, self.tables, strict=True):
            if dense:
                found = F.grid_sample(table[None], places, align_corners=True)  # (1, F, 1, …, N)
                features.append(found.view(len(table), -1).T)
            else:
                features.append(_gather(table, *_corners(unit.T.flip(0), sides, len(table))))
        return torch.cat(features, dim=-1)

    def prepare(self, *axes: Tensor) -> list[Any]:
        units = [(line / half).clamp(-1, 1) for line, half in zip(axes, reversed(self.extent), strict=True)]
        across = torch.meshgrid(*units, indexing="ij")
        plans = []
        for sides, dense, table in zip(self.shapes, self.dense, self.tables, strict=True):
            if dense:
                plans.append([_interpolation_matrix(line, n) for line, n in zip(units, sides, strict=True)])
            else:
                plans.append(_corners(across, sides, len(table)))
        return plans

    def encode(self, prepared: list[Any]) -> Tensor:
        features = []
        for table, dense, plan in zip(self.tables, self.dense, prepared, strict=True):
            if dense:
                features.append(_interpolated(table, plan))  # (F, H·W)
            else:
                features.append(_gather(table, *plan).T)
        return torch.cat(features).T  # (H·W, levels·F)


def grid_shapes(extent: tuple[float, ...], finest: int, levels: int) -> list[tuple[int, ...]]:
    """Vertices (rows, columns) of each level, in a volume (layers, rows, columns), coarsest first; at least 2 along a
    side. extent: as `half_extent` gives it."""
    sides = [finest / 2**k for k in reversed(range(levels))]
    return [tuple(max(2, round(side * half)) for half in reversed(extent)) for side in sides]


def _linear_weights(unit: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Left vertex and weight of the right one for positions in [-1, 1] on a line of n vertices."""
    position = (unit + 1) / 2 * (n - 1)
    left = position.floor().clamp(0, n - 2)
    return left.long(), (position - left).float()


def _interpolation_matrix(unit: Tensor, n: int) -> tuple[Tensor, int]:
    """Linear interpolation as a matrix over the vertices that are touched, and the first of these."""
    left, weight = _linear_weights(unit, n)
    first, last = int(left.min()), int(left.max()) + 1
    matrix = torch.zeros(len(left), last - first + 1, device=left.device)
    line = torch.arange(len(left), device=left.device)
    matrix[line, left - first] = 1 - weight
    matrix[line, left - first + 1] = weight
    return matrix, first


def _interpolated(table: Tensor, plan: list[tuple[Tensor, int]]) -> Tensor:
    """A dense table (F, …, rows, columns) on a grid, by one matrix for each axis: (F, H·W)."""
    found = table[:, *(slice(first, first + matrix.shape[1]) for matrix, first in plan)]
    *before, (last, _) = plan
    for k, (matrix, _) in enumerate(before, 1):
        found = (matrix @ found.flatten(k + 1)).unflatten(-1, found.shape[k + 1 :])
    return (found @ last.T).flatten(1)


def _corners(places: Sequence[Tensor], sides: tuple[int, ...], entries: int) -> tuple[Tensor, Tensor]:
    """Table rows (N, 2^D) of the corners of each point's cell, hashed as in the paper's eq. 4, and their weights
    (N, 2^D). places: in [-1, 1] along each axis, (y, x) or (z, y, x), of one shape."""
    lines = [_linear_weights(place, n) for place, n in zip(places, sides, strict=True)]
    index, weight = [], []
    for corner in itertools.product((0, 1), repeat=len(lines)):
        steps = zip(lines, corner, _PRIMES[-len(lines) :], strict=True)
        index.append(functools.reduce(operator.xor, [(low + bit) * prime for (low, _), bit, prime in steps]).flatten())
        shares = [share if bit else 1 - share for (_, share), bit in zip(lines, corner, strict=True)]
        weight.append(math.prod(shares).flatten())
    return torch.stack(index, dim=-1) % entries, torch.stack(weight, dim=-1)


def _gather(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of table rows: index (N, K), weight (N, K) -> (N, F)."""
    return F.embedding_bag(index, table, per_sample_weights=weight, mode="sum")
