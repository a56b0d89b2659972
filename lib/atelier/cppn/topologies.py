"""Topologies: how the layers of a field are wired, as plain data; `catalogue.TOPOLOGIES` lists their names.

Every topology is a list of nodes in order of evaluation, which one evaluator runs and one function draws.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atelier.cppn import draws
from atelier.cppn.catalogue import COLOURS, INPUTS, RANDOM_ACTIVATIONS, RANDOM_OPERATIONS
from atelier.cppn.spec import FieldSpec
from atelier.errors import UserError

INPUT = "input"
MOST_LIVE = 400_000
"""Work of a field up to which it is drawn live: about a second for 512 x 512 points on two cores."""


@dataclass(frozen=True)
class Node:
    """One layer or graph node: h = operation(act(norm(sum of W_k h_k + b)), s), over *all* its sources k; s is the mean
    of the sources' own values."""

    name: str
    sources: tuple[str, ...]
    activation: str
    operation: str = "linear"
    gain: float = 1.0  # multiplies the matrices
    branches: bool = True  # whether each input has a branch with a fan-in of its own


def activation_names(spec: FieldSpec, count: int) -> list[str]:
    """The activation of each layer or node, with every "random" drawn."""
    return _written_out(spec.seed, "activation", spec.activations, RANDOM_ACTIVATIONS, count)


def _written_out(seed: int, label: str, words: Sequence[str], pool: Sequence[str], count: int) -> list[str]:
    named = [words[i % len(words)] for i in range(count)]
    return [draws.choice(seed, f"{label} {i}", pool) if word == "random" else word for i, word in enumerate(named)]


def _chain(spec: FieldSpec, operation: str = "linear", branches: bool = True, gain: float = 1.0) -> list[Node]:
    """Layers in a row."""
    names = activation_names(spec, spec.depth)
    first = Node("layer 1", (INPUT,), names[0], gain=gain, branches=branches)
    return [first, *(Node(f"layer {i + 1}", (f"layer {i}",), names[i], operation) for i in range(1, spec.depth))]


def _dense(spec: FieldSpec) -> list[Node]:
    """Each layer sees the inputs and every layer before it (Huang et al., 2017)."""
    names = activation_names(spec, spec.depth)
    before = [INPUT] + [f"layer {i + 1}" for i in range(spec.depth)]
    return [Node(f"layer {i + 1}", tuple(before[: i + 1]), names[i]) for i in range(spec.depth)]


def _watts_strogatz(spec: FieldSpec) -> list[Node]:
    """A small-world graph (Watts & Strogatz, 1998; as a network: Xie et al., "Exploring randomly wired neural
    networks", 2019): edges run from the lower to the higher number, nodes without a predecessor read the
    input, and every node has an operation and an activation of its own."""
    edges, activations = small_world(spec), activation_names(spec, spec.nodes)
    operations = _written_out(spec.seed, "operation", spec.operations, RANDOM_OPERATIONS, spec.nodes)
    nodes = []
    for i, (activation, operation) in enumerate(zip(activations, operations, strict=True)):
        sources = tuple(f"node {a + 1}" for a, b in edges if b == i)
        nodes.append(Node(f"node {i + 1}", sources or (INPUT,), activation, operation if sources else "linear"))
    return nodes


WIRINGS: dict[str, Callable[[FieldSpec], list[Node]]] = {
    # x, y, r, … and the latent vector have branches of their own, summed (Ha, "Generating abstract patterns with
    # TensorFlow", 2016)
    "mlp": _chain,
    # 1x1 convolutions: all inputs are the channels of one first layer
    "conv": lambda spec: _chain(spec, branches=False),
    # h_k + act(W h_k) (He et al., 2016)
    "residual": lambda spec: _chain(spec, "residual"),
    # sines by convention, the first layer at frequency omega (Sitzmann et al., 2020, section 3.2)
    "siren": lambda spec: _chain(spec, branches=False, gain=spec.omega),
    "dense": _dense,
    "watts_strogatz": _watts_strogatz,
}


def plan(spec: FieldSpec) -> list[Node]:
    """The nodes of a spec in order of evaluation, the output ("output", the colour channels) last; it reads
    every node that no other node reads, so that each one reaches the picture."""
    nodes = WIRINGS[spec.topology](spec)
    read = {source for node in nodes for source in node.sources}
    leaves = tuple(node.name for node in nodes if node.name not in read)
    return [*nodes, Node("output", leaves, "identity")]


def groups(spec: FieldSpec) -> dict[str, int]:
    """The inputs of a spec that vary over the plane: name -> number of rows."""
    named = {name: INPUTS[name].size for name in spec.inputs}
    return named | ({"fourier": 2 * spec.fourier} if spec.fourier else {})


def fan_in(spec: FieldSpec, node: Node) -> dict[str, int]:
    """Columns of each matrix of a node, by source; the input counts by group, the latent vector is one."""
    sizes = {source: spec.width for source in node.sources if source != INPUT}
    if INPUT in node.sources:
        sizes |= groups(spec)
        if spec.latent:
            sizes["latent"] = len(spec.latent)
    return sizes


def rows(spec: FieldSpec, node: Node) -> int:
    """Values of a node at a point: the output has the colours, and after them the density of a solid field."""
    return COLOURS[spec.colour].size + spec.solid if node.name == "output" else spec.width


def work(spec: FieldSpec) -> int:
    """Multiplications that one point needs, and draws that the weights need: what a field costs."""
    weights = sum(rows(spec, node) * sum(fan_in(spec, node).values()) for node in plan(spec))
    return weights * max(1, len(spec.strands))


def check_live(spec: FieldSpec) -> FieldSpec:
    """The spec, if a page can draw it while one looks on. Raises UserError: it needs too much work."""
    found = work(spec)
    if found > MOST_LIVE:
        raise UserError(
            f"This field needs {found / 1e6:,.1f} million multiplications a point, and a page draws up to "
            f"{MOST_LIVE / 1e6:.1f} million; turn its width or depth down, or draw it on the command line."
        )
    return spec


def activation_of(spec: FieldSpec, node: str) -> tuple[str, str]:
    """The node of this name, or the first one where the field has none, and its activation."""
    known = {found.name: found.activation for found in plan(spec)[:-1]}
    name = node if node in known else next(iter(known))
    return name, known[name]


def with_activation(spec: FieldSpec, node: str, activation: str) -> FieldSpec:
    """`spec` with the activation of one node (by its name) changed and all others as they are."""
    names = (activation if known.name == node else known.activation for known in plan(spec)[:-1])
    return spec.replace(activations=tuple(names))


def small_world(spec: FieldSpec) -> list[tuple[int, int]]:
    """Edges (a, b), a < b, of the ring lattice of k neighbours whose edges are each rewired with chance p: a rewired
    edge keeps one end and finds a new other end that it is not yet joined to."""
    n, reach = spec.nodes, min(spec.neighbours // 2, max((spec.nodes - 1) // 2, 1))

    def edge(a: int, b: int) -> tuple[int, int]:
        return min(a, b), max(a, b)

    edges = {edge(i, (i + j) % n) for i in range(n) for j in range(1, reach + 1)}
    for a, b in sorted(edges):
        if draws.number(spec.seed, f"rewire {a} {b}") < spec.rewiring:
            free = [c for c in range(n) if c != a and edge(a, c) not in edges]
            if free:
                edges.remove((a, b))
                edges.add(edge(a, draws.choice(spec.seed, f"target {a} {b}", free)))
    return sorted(edges)
