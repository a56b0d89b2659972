"""Encodings: coordinates (N, 2) -> features (N, F).

Most work of an encoding on a grid of pixels depends on the grid alone. So besides `forward(coords)` for any points, an
encoding has `prepare(ys, xs)`, called once for a grid, and `encode(prepared)`, called at each training step.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atelier.fields.plane import half_extent, mesh


class Encoding(nn.Module):
    """The coordinates themselves, and the base of encodings without learned parameters."""

    features = 2

    def forward(self, coords: Tensor) -> Tensor:
        return coords

    def prepare(self, ys: Tensor, xs: Tensor) -> Any:
        """What can be computed once for the grid ys (H,) × xs (W,)."""
        return self(mesh(ys, xs))

    def encode(self, prepared: Any) -> Tensor:
        """Features (H·W, F) of a prepared grid, row by row."""
        return prepared


class GaussianFourier(Encoding):
    """Random Fourier features: [sin 2πBx, cos 2πBx] with B ~ N(0, σ²) (Tancik et al. 2020, arXiv 2006.10739, §4).

    The paper's σ is for coordinates in [0, 1); ours span [-1, 1], hence the factor π in place of 2π.
    """

    def __init__(self, n: int, sigma: float, generator: torch.Generator) -> None:
        super().__init__()
        self.features = 2 * n
        self.register_buffer("B", torch.empty(2, n).normal_(0, sigma, generator=generator))

    def forward(self, coords: Tensor) -> Tensor:
        phase = math.pi * coords @ self.B  # (N, n), float32: bfloat16 would lose the phase
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class PositionalEncoding(Encoding):
    """sin and cos of 2^k πx for k < octaves on each axis (NeRF, Mildenhall et al. 2020, eq. 4), and x itself."""

    def __init__(self, octaves: int) -> None:
        super().__init__()
        self.features = 2 + 4 * octaves
        self.register_buffer("frequencies", torch.tensor([math.pi * 2.0**k for k in range(octaves)]))

    def forward(self, coords: Tensor) -> Tensor:
        phase = (coords[..., None] * self.frequencies).flatten(-2)  # (N, 2·octaves)
        return torch.cat([coords, phase.sin(), phase.cos()], dim=-1)


class HashGrid(Encoding):
    """Multiresolution grid of learned features (Instant-NGP, Müller et al. 2022, arXiv 2201.05989, §3).

    A level whose vertices fit its table is a dense grid; a larger one is hashed into the table. On a grid of
    pixels, bilinear interpolation of a dense level is separable: two small matrix products in place of a gather.
    This makes training fast on a CPU.

    Args:
        aspect: width ÷ height of the domain, whose longer side spans [-1, 1].
        finest: vertices of the finest level along the longer side.
        levels: number of levels; each has half the vertices of the next along a side.
        table: most vertices that a level stores.
        per_level: features per vertex.
    """

    def __init__(
        self, aspect: float, finest: int, levels: int, table: int, per_level: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.features = levels * per_level
        self.extent = half_extent(aspect)
        self.shapes = grid_shapes(aspect, finest, levels)
        self.dense = [rows * columns <= table for rows, columns in self.shapes]
        self.tables = nn.ParameterList()
        for (rows, columns), dense in zip(self.shapes, self.dense, strict=True):
            shape = (per_level, rows, columns) if dense else (table, per_level)
            # The paper starts at 1e-4; 1e-2 reaches the same quality earlier in runs of seconds.
            self.tables.append(nn.Parameter(torch.empty(shape).uniform_(-1e-2, 1e-2, generator=generator)))

    def forward(self, coords: Tensor) -> Tensor:
        unit = (coords / coords.new_tensor(self.extent)).clamp(-1, 1)  # (N, 2), the domain as [-1, 1]²
        features = []
        for (rows, columns), dense, table in zip(self.shapes, self.dense, self.tables, strict=True):
            if dense:
                found = F.grid_sample(table[None], unit[None, None].float(), align_corners=True)  # (1, F, 1, N)
                features.append(found[0, :, 0].T)
            else:
                features.append(_gather(table, *_corners(unit[:, 1], unit[:, 0], rows, columns, len(table))))
        return torch.cat(features, dim=-1)

    def prepare(self, ys: Tensor, xs: Tensor) -> list[Any]:
        half_x, half_y = self.extent
        ys, xs = (ys / half_y).clamp(-1, 1), (xs / half_x).clamp(-1, 1)
        plans = []
        for (rows, columns), dense, table in zip(self.shapes, self.dense, self.tables, strict=True):
            if dense:
                plans.append((_interpolation_matrix(ys, rows), _interpolation_matrix(xs, columns)))
            else:
                plans.append(_corners(ys[:, None], xs[None], rows, columns, len(table)))
        return plans

    def encode(self, prepared: list[Any]) -> Tensor:
        features = []
        for table, dense, plan in zip(self.tables, self.dense, prepared, strict=True):
            if dense:
                (rows, above), (columns, left) = plan
                part = table[:, above : above + rows.shape[1], left : left + columns.shape[1]]
                features.append((rows @ part @ columns.T).flatten(1))  # (F, H·W)
            else:
                features.append(_gather(table, *plan).T)
        return torch.cat(features).T  # (H·W, levels·F)


def grid_shapes(aspect: float, finest: int, levels: int) -> list[tuple[int, int]]:
    """Vertices (rows, columns) of each level, coarsest first; at least 2 along a side."""
    half_x, half_y = half_extent(aspect)
    sides = [finest / 2**k for k in reversed(range(levels))]
    return [(max(2, round(side * half_y)), max(2, round(side * half_x))) for side in sides]


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


def _corners(y: Tensor, x: Tensor, rows: int, columns: int, entries: int) -> tuple[Tensor, Tensor]:
    """Table rows (N, 4) of the four corners of each point, hashed as in the paper's eq. 4, and their bilinear weights
    (N, 4). y, x: in [-1, 1], broadcast against each other."""
    (row, v), (column, u) = _linear_weights(y, rows), _linear_weights(x, columns)
    corners = [(down, right) for down in (0, 1) for right in (0, 1)]
    index = [((column + right) ^ ((row + down) * 2_654_435_761)).flatten() for down, right in corners]
    weight = [((v if down else 1 - v) * (u if right else 1 - u)).flatten() for down, right in corners]
    return torch.stack(index, dim=-1) % entries, torch.stack(weight, dim=-1)


def _gather(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of table rows: index (N, 4), weight (N, 4) -> (N, F)."""
    return F.embedding_bag(index, table, per_sample_weights=weight, mode="sum")
