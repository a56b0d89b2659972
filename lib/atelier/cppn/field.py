"""build(spec): the network of a random field, its weights, and the evaluation of one block of points."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from atelier.cppn import draws
from atelier.cppn.activations import AFFINE, Affine, activation
from atelier.cppn.catalogue import COLOURS
from atelier.cppn.colour import Colouring
from atelier.cppn.inputs import encode
from atelier.cppn.spec import FieldSpec
from atelier.cppn.threads import on_one_core
from atelier.cppn.topologies import INPUT, Node, fan_in, groups, plan

BLOCK = 4096
"""Points evaluated at once. Always exactly so many: the work stays in cache, and matrix kernels see one shape
only, so that a point's colour does not depend on its neighbours."""

CALIBRATION_SIDE = 64  # 64 x 64 points are one block


class Field(nn.Module):
    """A random field: `field(coords)` gives colours, `field.features(coords)` what every node says.

    The tone mapping is fixed here, from the mean and spread of the outputs over [-1, 1]^2: it belongs to the
    field, never to a picture, so that nothing flickers while zooming.
    """

    def __init__(self, spec: FieldSpec):
        super().__init__()
        self.spec = spec
        self.nodes = plan(spec)
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(torch.from_numpy(w), requires_grad=False) for name, w in draw(spec).items()}
        )
        self.prepare()

    def prepare(self) -> None:
        """Bring what is derived from the weights (joined input branches, tone) up to date with them."""
        on_one_core(self._prepare)

    @torch.inference_mode()
    def _prepare(self) -> None:
        self._slots = _assign_slots(self.nodes)
        self._absorbed = {} if self.spec.norm == "layer" else _absorbed(self.nodes)
        self._joined = {node.name: self._join(node) for node in self.nodes}
        self._lattice = self._sample()
        mean, spread = self._lattice.mean(1, keepdim=True), self._lattice.std(1, keepdim=True).clamp_min(1e-6)
        self.colouring = Colouring(self.spec, mean, spread)

    def _join(self, node: Node) -> tuple[list[tuple[str, Tensor]], Tensor]:
        """Matrices (out, in) by source, the inputs' branches side by side; the bias (out, 1) holds the latent."""
        bias = self.weights[f"{node.name}/bias"].clone()  # (out, 1)
        matrices = []
        for source in node.sources:
            if source == INPUT:
                parts = [self.weights[f"{node.name}/{name}"] for name, _ in groups(self.spec)]
                matrices.append((source, torch.cat(parts, dim=1)))  # (out, K)
                if self.spec.latent:
                    latent = torch.tensor(self.spec.latent, dtype=torch.float64) * self.spec.latent_scale
                    bias += (self.weights[f"{node.name}/latent"].double() @ latent).float()[:, None]
            else:
                matrices.append((source, self.weights[f"{node.name}/{source}"]))
        return self._absorb(node, matrices, bias)

    def _absorb(
        self, node: Node, matrices: list[tuple[str, Tensor]], bias: Tensor
    ) -> tuple[list[tuple[str, Tensor]], Tensor]:
        """The matrices and bias of a node with the affine parts of the activations on both sides in them; as
        (in, out) and (out,), but for the output."""
        gain = self._absorbed[node.name].gain if node.name in self._absorbed else 1.0
        joined = []
        for source, matrix in matrices:
            scale = 1.0
            if source in self._absorbed:
                scale = self._absorbed[source].scale
                bias = bias + matrix.sum(1, keepdim=True) * self._absorbed[source].shift  # (out, 1)
            joined.append((source, matrix * (node.gain * scale * gain)))
        if node.name == "output":
            return joined, bias
        return [(source, matrix.T.contiguous()) for source, matrix in joined], (bias * gain)[:, 0]

    def _sample(self) -> Tensor:
        """The outputs (C, BLOCK) over a lattice of [-1, 1]^2."""
        side = (2 * torch.arange(CALIBRATION_SIDE, dtype=torch.float64) + 1) / CALIBRATION_SIDE - 1
        return self.raw(encode(self.spec, side.repeat(CALIBRATION_SIDE), side.repeat_interleave(CALIBRATION_SIDE)))

    @torch.inference_mode()
    def glance(self) -> np.ndarray:
        """A small picture over [-1, 1]^2, (32, 32, 3) uint8: every second point of the lattice that set the tone."""
        rgb = self.colouring(self._lattice.clone()).mul_(255).add_(0.5).to(torch.uint8)
        planes = rgb.reshape(3, CALIBRATION_SIDE, CALIBRATION_SIDE)[:, ::2, ::2]
        return planes.permute(1, 2, 0).contiguous().numpy()

    def raw(
        self,
        rows: Tensor,
        z: Tensor | None = None,
        scratch: Tensor | None = None,
        keep: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Outputs before the tone mapping of one block, (K, BLOCK) -> (C, BLOCK).

        z: where they are written; scratch: buffers from `scratch()`, to be used again; keep: filled with every
        node's values.
        """
        scratch = self.scratch() if scratch is None else scratch
        values = {INPUT: rows.T}
        for node in self.nodes[:-1]:
            values[node.name] = h = self._evaluate(node, values, scratch[self._slots[node.name]])
            if keep is not None:
                keep[node.name] = self._restored(node, h)
        z = self._output(values, torch.empty(self.channels, BLOCK) if z is None else z)
        if keep is not None:
            keep["output"] = z.T
        return z

    def _restored(self, node: Node, h: Tensor) -> Tensor:
        form = self._absorbed.get(node.name)
        return h * form.scale + form.shift if form else h.clone()

    def _evaluate(self, node: Node, values: dict[str, Tensor], h: Tensor) -> Tensor:
        """A node's values (BLOCK, width), written into `h`: a point's neurons lie side by side, the layout in which
        the small products are fastest."""
        matrices, bias = self._joined[node.name]
        for i, (source, matrix) in enumerate(matrices):
            torch.addmm(bias if i == 0 else h, values[source], matrix, out=h)
        if self.spec.norm == "layer":
            h.sub_(h.mean(1, keepdim=True)).div_(h.square().mean(1, keepdim=True).add_(1e-5).sqrt_())
        form = self._absorbed.get(node.name)
        h = form.inner(h) if form else activation(node.activation)(h)
        if node.operation == "linear":
            return h
        return _combine(node.operation, h, [values[source] for source in node.sources if source != INPUT])

    def _output(self, values: dict[str, Tensor], z: Tensor) -> Tensor:
        """The colour channels as planes, written into `z` (C, BLOCK)."""
        matrices, bias = self._joined["output"]
        for i, (source, matrix) in enumerate(matrices):
            torch.addmm(bias if i == 0 else z, matrix, values[source].T, out=z)
        return z

    @property
    def channels(self) -> int:
        return COLOURS[self.spec.colour].size

    def scratch(self) -> Tensor:
        """Buffers for one thread, (slots, BLOCK, width) float32."""
        return torch.empty(max(self._slots.values()) + 1, BLOCK, self.spec.width)

    def forward(self, coords: Tensor) -> Tensor:
        """Colours at points of the plane: coords (..., 2) -> (..., 3) float32 sRGB in [0, 1]."""
        return on_one_core(lambda: self._colours(coords))

    def features(self, coords: Tensor) -> dict[str, Tensor]:
        """Every node's values at points (..., 2): name -> (..., width) float32; "output" has C columns."""
        return on_one_core(lambda: self._features(coords))

    @torch.inference_mode()
    def _colours(self, coords: Tensor) -> Tensor:
        flat = coords.reshape(-1, 2).double()
        blocks = [self.colouring(self.raw(rows)).T for rows in _blocks(self.spec, flat)]
        return torch.cat(blocks)[: len(flat)].reshape(*coords.shape[:-1], 3)

    @torch.inference_mode()
    def _features(self, coords: Tensor) -> dict[str, Tensor]:
        flat = coords.reshape(-1, 2).double()
        kept: list[dict[str, Tensor]] = []
        for rows in _blocks(self.spec, flat):
            kept.append({})
            self.raw(rows, keep=kept[-1])
        return {
            node.name: torch.cat([k[node.name] for k in kept])[: len(flat)].reshape(*coords.shape[:-1], -1)
            for node in self.nodes
        }


def build(spec: FieldSpec) -> Field:
    """The field of a spec; its weights are the same on every machine and every version of torch."""
    return Field(spec)


def draw(spec: FieldSpec) -> dict[str, np.ndarray]:
    """Weights by "node/source": (out, in) float32, and "node/bias": (out, 1)."""
    drawn = {}
    for node in plan(spec):
        out = COLOURS[spec.colour].size if node.name == "output" else spec.width
        sizes = fan_in(spec, node)
        total = sum(sizes.values())
        for source, size in sizes.items():
            scale = 1 / math.sqrt(size if node.branches else total)
            if not node.branches or source not in _branch_names(spec):
                scale = 1 / math.sqrt(total)
            drawn[f"{node.name}/{source}"] = _matrix(spec, node, source, (out, size), scale)
        drawn[f"{node.name}/bias"] = (_strands(spec, draws.normal, f"{node.name}/bias", (out, 1)) * spec.bias).astype(
            np.float32
        )
    return drawn


def _branch_names(spec: FieldSpec) -> set[str]:
    return {name for name, _ in groups(spec)} | {"latent"}


def _matrix(spec: FieldSpec, node: Node, source: str, shape: tuple[int, int], scale: float) -> np.ndarray:
    """One weight matrix under the spec's initialisation, `scale` = 1/sqrt(fan-in)."""
    label = f"{node.name}/{source}"
    if spec.initialisation == "normal":
        w = (_strands(spec, draws.normal, label, shape) * spec.std + spec.mean) * scale
    elif spec.initialisation == "dip":  # N(0, 1/fan-in), whatever mean and spread are set
        w = _strands(spec, draws.normal, label, shape) * scale
    elif spec.initialisation == "uniform":
        middle, reach = (spec.low + spec.high) / 2, (spec.high - spec.low) / 2
        w = (_strands(spec, _symmetric, label, shape) * reach + middle) * scale
    else:  # Sitzmann et al. 2020, section 3.2: 1/n in the first layer, sqrt(6/n) in the others
        first = source in _branch_names(spec)
        w = _strands(spec, _symmetric, label, shape) * (scale * scale if first else math.sqrt(6) * scale)
    return w.astype(np.float32)


def _symmetric(seed: int, label: str, shape: tuple[int, ...]) -> np.ndarray:
    return draws.uniform(seed, label, shape) * 2 - 1


def _strands(spec: FieldSpec, law, label: str, shape: tuple[int, ...]) -> np.ndarray:
    """The sum of the strands' draws, added in order so that the last bit is the same everywhere."""
    total = np.zeros(shape)
    for seed, amount in spec.weight_strands():
        total += law(seed, label, shape) * amount
    return total


def _combine(operation: str, h: Tensor, sources: list[Tensor]) -> Tensor:
    """The values of a node and the mean of its sources, brought together by `combine_NAME`."""
    mean = sources[0]
    for source in sources[1:]:
        mean = mean + source
    mean = mean / math.sqrt(len(sources)) if len(sources) > 1 else mean
    return globals()[f"combine_{operation}"](h, mean)


def combine_residual(h: Tensor, mean: Tensor) -> Tensor:
    return h.add_(mean).mul_(math.sqrt(0.5))


def combine_gate(h: Tensor, mean: Tensor) -> Tensor:
    return h.mul_(mean)


def combine_maximum(h: Tensor, mean: Tensor) -> Tensor:
    return torch.maximum(h, mean, out=h)


def _absorbed(nodes: list[Node]) -> dict[str, Affine]:
    """The nodes whose activation is evaluated without its affine part: all that read them are linear."""
    exposed = {source for node in nodes if node.operation != "linear" for source in node.sources}
    return {
        node.name: AFFINE[node.activation]
        for node in nodes
        if node.activation in AFFINE and node.operation == "linear" and node.name not in exposed
    }


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


def _blocks(spec: FieldSpec, flat: Tensor):
    """Input rows (K, BLOCK) of points (n, 2), the last block padded with its last point."""
    for start in range(0, len(flat), BLOCK):
        part = flat[start : start + BLOCK]
        part = torch.cat([part, part[-1:].expand(BLOCK - len(part), 2)])
        yield encode(spec, part[:, 0].contiguous(), part[:, 1].contiguous())
