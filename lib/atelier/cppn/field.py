"""The network of a random field, its weights, and its evaluation at points of the plane or of space."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from atelier.cppn import draws
from atelier.cppn.catalogue import COLOURS
from atelier.cppn.colour import Colouring
from atelier.cppn.functions import ACTIVATIONS, OPERATIONS, Affine, encode
from atelier.cppn.spec import FieldSpec
from atelier.cppn.threads import on_one_core
from atelier.cppn.topologies import INPUT, Node, fan_in, groups, plan, rows
from atelier.fields.plane import axis, mesh

BLOCK = 4096
"""Points evaluated at once. Always exactly so many: the work stays in cache, and matrix kernels see one shape
only, so that a point's colour does not depend on its neighbours."""
STRIP = 4 * BLOCK  # points whose inputs and colours are made at once: few short operations, all within the cache
CALIBRATION_SIDE = 64  # 64 x 64 points are one block
CALIBRATION_CUBE = 16  # and so are 16 x 16 x 16
LEAST_SPREAD = 1e-3  # a density that varies less over the cube is not stretched to the full range


class Field(nn.Module):
    """A random field: `field(coords)` gives colours, `field.features(coords)` the values of every node. Its weights are
    the same on every machine and every version of torch. `absorbed`: nodes whose activation has its affine part in the
    matrices around it.

    The tone mapping is fixed here, from the mean and spread of the outputs over [-1, 1]^2: it belongs to the
    field, never to a picture, so that nothing flickers while zooming. A solid field has the same colours in its plane
    z = 0 as the picture, and the tone of its density comes from the cube [-1, 1]^3.
    """

    def __init__(self, spec: FieldSpec):
        super().__init__()
        self.spec = spec
        self.nodes = plan(spec)
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(torch.from_numpy(w), requires_grad=False) for name, w in draw(spec).items()}
        )
        self.prepare()

    @on_one_core
    @torch.inference_mode()
    def prepare(self) -> None:
        """Bring what is derived from the weights (joined input branches, tone) up to date with them."""
        self._slots = _assign_slots(self.nodes)
        self.absorbed = {} if self.spec.norm == "layer" else _absorbed(self.nodes)
        self._joined = {}
        for node in self.nodes[:-1]:
            matrices, bias = self.joined(node)
            self._joined[node.name] = [(source, matrix.T.contiguous()) for source, matrix in matrices], bias[:, 0]
        self._output = self.joined(self.nodes[-1])
        self._colours = COLOURS[self.spec.colour].size
        self._lattice = self.raw(encode(self.spec, *_lattice(CALIBRATION_SIDE, 2)), self.scratch())[: self._colours]
        mean, spread = self._lattice.mean(1, keepdim=True), self._lattice.std(1, keepdim=True).clamp_min(1e-6)
        self.colouring = Colouring(self.spec, mean, spread)
        if self.spec.solid:
            cube = self.raw(encode(self.spec, *_lattice(CALIBRATION_CUBE, 3)), self.scratch())[-1]  # (BLOCK,)
            self._density_mean, self._density_spread = cube.mean(), cube.std().clamp_min(LEAST_SPREAD)

    def joined(self, node: Node) -> tuple[list[tuple[str, Tensor]], Tensor]:
        """What a node computes before its activation: matrices (out, in) by source and a bias (out, 1), which holds the
        latent vector. The affine parts of the activations on both sides are in them where `absorbed` has these."""
        weights, bias = self.weights, self.weights[f"{node.name}/bias"].clone()  # (out, 1)
        gain = self.absorbed[node.name].gain if node.name in self.absorbed else 1.0
        joined = []
        for source in node.sources:
            factor = node.gain
            if source == INPUT:
                matrix = torch.cat([weights[f"{node.name}/{name}"] for name in groups(self.spec)], dim=1)  # (out, K)
                if self.spec.latent:
                    latent = torch.tensor(self.spec.latent, dtype=torch.float64) * self.spec.latent_scale
                    bias += (weights[f"{node.name}/latent"].double() @ latent).float()[:, None]
            else:
                matrix = weights[f"{node.name}/{source}"]
                if form := self.absorbed.get(source):
                    factor = factor * form.scale
                    bias = bias + matrix.sum(1, keepdim=True) * form.shift
            joined.append((source, matrix * (factor * gain)))
        return joined, bias * gain

    @torch.inference_mode()
    def glance(self) -> np.ndarray:
        """A small picture over [-1, 1]^2, (32, 32, 3) uint8: every second point of the lattice that set the tone."""
        planes = self.colouring(self._lattice.clone()).reshape(3, CALIBRATION_SIDE, CALIBRATION_SIDE)
        return as_bytes(planes[:, ::2, ::2])

    def raw(self, inputs: Tensor, scratch: Tensor, keep: dict[str, Tensor] | None = None) -> Tensor:
        """Outputs before the tone mapping of one block, (K, BLOCK) -> (C, BLOCK). scratch: buffers from `scratch()`;
        keep: filled with every node's values."""
        values = {INPUT: inputs.T}
        for node in self.nodes[:-1]:
            values[node.name] = h = self._evaluate(node, values, scratch[self._slots[node.name]])
            if keep is not None:
                form = self.absorbed.get(node.name)
                keep[node.name] = h * form.scale + form.shift if form else h.clone()
        matrices, z = self._output
        for source, matrix in matrices:
            z = torch.addmm(z, matrix, values[source].T)
        if keep is not None:
            keep["output"] = z.T
        return z

    def _evaluate(self, node: Node, values: dict[str, Tensor], h: Tensor) -> Tensor:
        """A node's values (BLOCK, width), written into `h`: a point's neurons lie side by side, the layout in which
        the small products are fastest."""
        matrices, bias = self._joined[node.name]
        for i, (source, matrix) in enumerate(matrices):
            torch.addmm(bias if i == 0 else h, values[source], matrix, out=h)
        if self.spec.norm == "layer":
            h.sub_(h.mean(1, keepdim=True)).div_(h.square().mean(1, keepdim=True).add_(1e-5).sqrt_())
        form = self.absorbed.get(node.name)
        h = form.inner(h) if form else ACTIVATIONS[node.activation](h)
        if node.operation == "linear":
            return h
        first, *others = (values[source] for source in node.sources if source != INPUT)
        mean = sum(others, first)
        return OPERATIONS[node.operation](h, mean / math.sqrt(1 + len(others)) if others else mean)

    def scratch(self) -> Tensor:
        """Buffers for one thread, (slots, BLOCK, width) float32."""
        return torch.empty(max(self._slots.values()) + 1, BLOCK, self.spec.width)

    def _density(self, z: Tensor) -> Tensor:
        """Raw densities to [0, 1]: about the share of the cube [-1, 1]^3 that is less dense, as the tone of colours."""
        return z.sub(self._density_mean).mul_(1.702 / self._density_spread).sigmoid_()

    @torch.inference_mode()
    def planes(self, *points: Tensor) -> Tensor:
        """Colours at points x, y (n,) float64, as (3, n) float32, in the calling thread; see `on_one_core`. At points
        x, y, z of a solid field (4, n), with the density in [0, 1] as the last."""
        count, points = len(points[0]), [_whole_blocks(axis) for axis in points]
        out, scratch = torch.empty(len(points) + 1, len(points[0])), self.scratch()
        for start in range(0, len(points[0]), STRIP):
            strip = slice(start, start + STRIP)
            inputs = encode(self.spec, *(axis[strip] for axis in points))  # (K, STRIP)
            z = torch.cat([self.raw(block, scratch) for block in inputs.split(BLOCK, dim=1)], dim=1)
            if len(points) > 2:
                out[3, strip] = self._density(z[-1])
            out[:3, strip] = self.colouring(z[: self._colours])
        return out[:, :count]

    @on_one_core
    @torch.inference_mode()
    def forward(self, coords: Tensor) -> Tensor:
        """Colours at points of the plane: coords (..., 2) -> (..., 3) float32 sRGB in [0, 1]; of a solid field also
        colours and density at points of space: (..., 3) -> (..., 4)."""
        found = self.planes(*coords.reshape(-1, coords.shape[-1]).double().T.contiguous())
        return found.T.reshape(*coords.shape[:-1], -1)

    @on_one_core
    @torch.inference_mode()
    def features(self, coords: Tensor) -> dict[str, Tensor]:
        """Every node's values at points (..., 2) or (..., 3): name -> (..., width) float32; "output" has C columns."""
        points = coords.reshape(-1, coords.shape[-1]).double().T.contiguous()
        kept: list[dict[str, Tensor]] = []
        for block in encode(self.spec, *map(_whole_blocks, points)).split(BLOCK, dim=1):
            kept.append({})
            self.raw(block, self.scratch(), kept[-1])
        return {
            node.name: torch.cat([part[node.name] for part in kept])[: points.shape[1]].reshape(*coords.shape[:-1], -1)
            for node in self.nodes
        }


def as_bytes(planes: Tensor) -> np.ndarray:
    """(3, h, w) in [0, 1] to pixels (h, w, 3) uint8; `planes` are overwritten."""
    return planes.mul_(255).add_(0.5).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def draw(spec: FieldSpec) -> dict[str, np.ndarray]:
    """Weights by "node/source": (out, in) float32, and "node/bias": (out, 1)."""
    drawn = {}
    for node in plan(spec):
        sizes = fan_in(spec, node)
        for source, size in sizes.items():
            first = INPUT in node.sources and source not in node.sources  # a group of inputs, or the latent vector
            scale = 1 / math.sqrt(size if first and node.branches else sum(sizes.values()))
            drawn[f"{node.name}/{source}"] = _matrix(
                spec, f"{node.name}/{source}", (rows(spec, node), size), scale, first
            )
        bias = _strands(spec, draws.normal, f"{node.name}/bias", (rows(spec, node), 1)) * spec.bias
        drawn[f"{node.name}/bias"] = bias.astype(np.float32)
    return drawn


def _matrix(spec: FieldSpec, label: str, shape: tuple[int, int], scale: float, first: bool) -> np.ndarray:
    """One weight matrix under the spec's initialisation, `scale` = 1/sqrt(fan-in); `first`: it reads inputs."""
    if spec.initialisation == "normal":
        w = (_strands(spec, draws.normal, label, shape) * spec.std + spec.mean) * scale
    elif spec.initialisation == "dip":  # N(0, 1/fan-in), whatever mean and spread are set
        w = _strands(spec, draws.normal, label, shape) * scale
    elif spec.initialisation == "uniform":
        middle, reach = (spec.low + spec.high) / 2, (spec.high - spec.low) / 2
        w = (_strands(spec, _symmetric, label, shape) * reach + middle) * scale
    else:  # Sitzmann et al. 2020, section 3.2: 1/n in the first layer, sqrt(6/n) in the others
        w = _strands(spec, _symmetric, label, shape) * (scale * scale if first else math.sqrt(6) * scale)
    return w.astype(np.float32)


def _symmetric(seed: int, label: str, shape: tuple[int, ...]) -> np.ndarray:
    return draws.uniform(seed, label, shape) * 2 - 1


def _strands(spec: FieldSpec, law: draws.Draw, label: str, shape: tuple[int, ...]) -> np.ndarray:
    """The sum of the strands' draws, added in order so that the last bit is the same everywhere."""
    total = np.zeros(shape)
    for seed, amount in spec.weight_strands():
        total += law(seed, label, shape) * amount
    return total


def _absorbed(nodes: list[Node]) -> dict[str, Affine]:
    """The nodes whose activation is evaluated without its affine part: all that read them are linear."""
    exposed = {source for node in nodes if node.operation != "linear" for source in node.sources}
    linear = [node for node in nodes if node.operation == "linear" and node.name not in exposed]
    return {node.name: form for node in linear if isinstance(form := ACTIVATIONS[node.activation], Affine)}


def _assign_slots(nodes: list[Node]) -> dict[str, int]:
    """A scratch buffer for each node, given back after its last reader: memory follows the graph's width."""
    last = {source: i for i, node in enumerate(nodes) for source in node.sources}
    slots: dict[str, int] = {}
    held: dict[int, str] = {}
    for i, node in enumerate(nodes[:-1]):
        slot = next(s for s in range(len(nodes)) if s not in held)
        slots[node.name], held[slot] = slot, node.name
        held = {s: name for s, name in held.items() if last.get(name, i) > i}
    return slots


def _lattice(side: int, dimensions: int) -> Tensor:
    """Coordinates x, y, … of points of [-1, 1]^dimensions, (dimensions, side^dimensions) float64, x the fastest."""
    return mesh(*[axis(0.0, 1 / side, side)] * dimensions).T.contiguous()


def _whole_blocks(t: Tensor) -> Tensor:
    """(n,) padded with its last number to whole blocks."""
    return torch.cat([t, t[-1:].expand(-len(t) % BLOCK)])
