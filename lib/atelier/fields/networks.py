"""Coordinate networks: (x, y) -> colour, or (x, y, z) -> the values of a volume.

Every network is the same chain, coordinates -> encoding -> layers -> colour, and shows the values at each station.
To add one, write a function that builds it and an entry of the same name in `catalogue.NETWORKS`.
"""

import bisect
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from atelier import checkpoints
from atelier.data.pictures import Picture
from atelier.errors import UserError
from atelier.fields.catalogue import BUDGET, DOMAINS, FINALS, NETWORKS, OPTIONS
from atelier.fields.encodings import Encoding, GaussianFourier, HashGrid, PositionalEncoding, grid_shapes
from atelier.fields.plane import half_extent, mesh
from atelier.settings import Choice, Number, label

KIND = "coordinate network"
_PER_LEVEL = 2
_FINALS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": lambda x: (torch.tanh(x) + 1) / 2,  # to [0, 1], as colours are
}


class Field(nn.Module):
    """Any module that maps coordinates (N, 2) to colours (N, C), or (N, 3) to the values of a volume, with the methods
    that fitting and drawing need. In a volume the axes of a grid are zs, ys, xs."""

    allows_bfloat16 = False

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, coords: Tensor) -> Tensor:
        return self.module(coords).float()

    def prepare(self, *axes: Tensor) -> Any:
        """What can be computed once for a grid of points, ys (H,) × xs (W,); see `on_grid`."""
        return mesh(*axes).to(self.device)

    def on_grid(self, prepared: Any) -> Tensor:
        """Colours (H·W, C) of a prepared grid."""
        return self(prepared)

    def stages(self, ys: Tensor, xs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and values (H·W, F) of every station on a grid: here the coordinates, the outputs of the module's
        children, the colours."""
        coords = self.prepare(ys, xs)
        found: dict[str, Tensor] = {"coordinates": coords}

        def note(name: str, child: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 2 and len(output) == len(coords):
                found[f"{name} {type(child).__name__}"] = _real(output)

        with ExitStack() as hooks:
            for name, child in self.module.named_children():
                hooks.enter_context(child.register_forward_hook(partial(note, name)))
            colours = self(coords)
        yield from found.items()
        yield "colour", colours

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The 2-D weights between hidden layers, which Muon may take."""
        return [p for p in self.parameters() if p.ndim == 2][1:-1]


class CoordinateNetwork(Field):
    """Coordinates (N, 2) or (N, 3) in [-1, 1] -> colours (N, C), nominally in [0, 1] and not clamped.

    layers: the hidden ones, each a module that maps (N, F) to (N, F'). head: the last, linear one.
    """

    past: Mapping[str, Any] = {}
    """The notes on its training in the checkpoint it comes from."""

    def __init__(self, encoding: Encoding, layers: list[nn.Module], head: nn.Module, spec: "NetworkSpec") -> None:
        nn.Module.__init__(self)
        self.encoding = encoding
        self.layers = nn.ModuleList(layers)
        self.head = head
        self.spec = spec
        self._encodes = type(encoding) is not Encoding
        self.allows_bfloat16 = NETWORKS[spec.network].bfloat16

    def forward(self, coords: Tensor) -> Tensor:
        return self._decode(self.encoding(coords))

    def prepare(self, *axes: Tensor) -> Any:
        return self.encoding.prepare(*(line.to(self.device) for line in axes))

    def on_grid(self, prepared: Any) -> Tensor:
        return self._decode(self.encoding.encode(prepared))

    def _decode(self, features: Tensor) -> Tensor:
        for layer in self.layers:
            features = layer(features)
        return _FINALS[self.spec.final](self.head(features).float())

    def stages(self, ys: Tensor, xs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and values (H·W, F) of every station on a grid, complex ones as real and imaginary parts."""
        yield "coordinates", mesh(ys, xs)
        features = self.encoding.encode(self.prepare(ys, xs))
        if self._encodes:
            yield "encoding", features
        for number, layer in enumerate(self.layers, 1):
            features = layer(features)
            yield f"layer {number}", _real(features)
        yield "colour", _FINALS[self.spec.final](self.head(features).float())

    def hidden_matrices(self) -> list[nn.Parameter]:
        first = 0 if self._encodes else 1
        return [p for layer in self.layers[first:] for p in layer.parameters() if p.ndim == 2]


def as_field(network: nn.Module, channels: int | None = None, dims: int = 2) -> Field:
    """The network with the methods that fitting and drawing need; given `channels`, it is tried first.

    Raises:
        UserError: it has no parameters, or does not map (N, dims) to (N, channels).
    """
    field = network if isinstance(network, Field) else Field(network)
    if channels is None:
        return field
    if not isinstance(network, nn.Module) or not list(network.parameters()):
        raise UserError("The network must be a torch.nn.Module with parameters to train.")
    wanted = f"The network must map (N, {dims}) to (N, {channels})"
    try:
        with torch.no_grad():
            gave = field(torch.zeros(2, dims, device=field.device))
    except Exception as error:
        raise UserError(f"{wanted}; yours raised {type(error).__name__}: {str(error)[:200]}.") from error
    if tuple(gave.shape) != (2, channels):
        rows = len(gave) if gave.ndim else 1  # of two places
        first = "N" if rows == 2 else str(rows) if rows % 2 else f"{rows // 2}N"
        shape = ", ".join([first, *map(str, gave.shape[1:])])
        raise UserError(f"{wanted}; yours gave ({shape}).")
    return field


def _real(features: Tensor) -> Tensor:
    """(N, F) complex -> (N, 2F), real and imaginary part of each side by side."""
    return torch.view_as_real(features).flatten(1) if features.is_complex() else features


class Activated(nn.Module):
    """A linear layer and a pointwise function."""

    def __init__(self, linear: nn.Linear, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear = linear
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.linear(x))


class Gabor(nn.Module):
    """exp(jω₀z - |s₀z|²), z = Wx + b complex (WIRE, Saragadam et al. 2023, arXiv 2301.05187, eq. 5).

    Real and imaginary weights are separate matrices, so that any optimiser can take them. The first layer has complex
    weights, too; the authors' code makes it real, but saved networks hold both parts.
    """

    def __init__(self, n_in: int, n_out: int, omega: float, scale: float, g: Generator) -> None:
        super().__init__()
        self.omega, self.scale = omega, scale
        self.real, self.imaginary = _default_linear(n_in, n_out, g), _default_linear(n_in, n_out, g)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_complex():
            re = self.real(x.real) - F.linear(x.imag, self.imaginary.weight)
            im = self.imaginary(x.real) + F.linear(x.imag, self.real.weight)
        else:
            re, im = self.real(x), self.imaginary(x)
        envelope = torch.exp(-self.omega * im - self.scale**2 * (re.square() + im.square()))
        return torch.complex(envelope * torch.cos(self.omega * re), envelope * torch.sin(self.omega * re))


class RealPart(nn.Module):
    """The linear head of a complex network: its real part."""

    def __init__(self, n_in: int, n_out: int, g: Generator) -> None:
        super().__init__()
        self.linear = _linear(2 * n_in, n_out, g, 1 / math.sqrt(n_in), 1 / math.sqrt(n_in))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.cat([x.real, x.imag], dim=-1))


class PointwiseConvolution(nn.Module):
    """1×1 convolution, optional norm, GELU, on points (N, F)."""

    def __init__(self, n_in: int, n_out: int, norm: str, g: Generator) -> None:
        super().__init__()
        self.convolution = nn.utils.skip_init(nn.Conv1d, n_in, n_out, 1)
        with torch.no_grad():
            bound = math.sqrt(6 / n_in)
            self.convolution.weight.uniform_(-bound, bound, generator=g)
            self.convolution.bias.zero_()
        self.norm = {"none": nn.Identity, "layer": nn.LayerNorm, "batch": RunningNorm}[norm](n_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(self.convolution(x.T).T))


class RunningNorm(nn.BatchNorm1d):
    """Batch norm that always applies its running statistics: a field's value may not depend on the other points.

    Training batches update the statistics; gradients do not flow through them.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                self.running_mean.lerp_(x.mean(0).float(), 0.1)
                self.running_var.lerp_(x.var(0).float(), 0.1)
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return (x - self.running_mean) * scale + self.bias


def _linear(n_in: int, n_out: int, g: Generator, bound: float, *biases: float) -> nn.Linear:
    """A linear layer with weights U(±bound), and biases that are zero, or drawn U(±b) for each of `biases` in turn."""
    layer = nn.Linear(n_in, n_out, device="meta")  # torch's own initialisation draws from the global generator
    layer.weight = nn.Parameter(torch.empty(n_out, n_in).uniform_(-bound, bound, generator=g))
    layer.bias = nn.Parameter(torch.zeros(n_out))
    with torch.no_grad():
        for b in biases:
            layer.bias.uniform_(-b, b, generator=g)
    return layer


def _he_linear(n_in: int, n_out: int, g: Generator) -> nn.Linear:
    """He's initialisation for ReLU, zero biases."""
    return _linear(n_in, n_out, g, math.sqrt(6 / n_in))


def _default_linear(n_in: int, n_out: int, g: Generator) -> nn.Linear:
    """PyTorch's own initialisation: U(±1/√n_in) for weights and biases."""
    return _linear(n_in, n_out, g, 1 / math.sqrt(n_in), 1 / math.sqrt(n_in))


def _sine_linear(n_in: int, n_out: int, g: Generator, omega: float, first: bool = False, *biases: float) -> nn.Linear:
    """The weights of SIREN (Sitzmann et al. 2020, arXiv 2006.09661, §3.2), and PyTorch's default biases, as in the
    authors' code. Biases are drawn a second time, so that a seed gives the weights that it always gave."""
    bound = 1 / n_in if first else math.sqrt(6 / n_in) / omega
    return _linear(n_in, n_out, g, bound, bound, 1 / math.sqrt(n_in), *biases)


Parts = tuple[Encoding, Callable[[int, int, bool], nn.Module], Callable[[int, int, Generator], nn.Module]]
"""The parts of a network: its encoding, layer(n_in, n_out, whether it is the first), head(n_in, channels, g)."""


def relu(spec: "NetworkSpec", g: Generator) -> Parts:
    """The plain ReLU perceptron."""
    return Encoding(spec.dims), lambda i, o, first: Activated(_default_linear(i, o, g), F.relu), _default_linear


def siren(spec: "NetworkSpec", g: Generator, frequency: float) -> Parts:
    """Sines all the way: sin(ω₀(Wx + b))."""

    def layer(n_in: int, n_out: int, first: bool) -> nn.Module:
        return Activated(_sine_linear(n_in, n_out, g, frequency, first), lambda z: torch.sin(frequency * z))

    return Encoding(spec.dims), layer, partial(_sine_linear, omega=frequency)


def finer(spec: "NetworkSpec", g: Generator, frequency: float) -> Parts:
    """sin(ω₀(|z| + 1)z), z = Wx + b: a frequency that varies with the input, biases in ±k for the first layer
    (FINER, Liu et al. 2024, arXiv 2312.02434, §3.2; k = 1 as in the authors' code for pictures)."""

    def layer(n_in: int, n_out: int, first: bool) -> nn.Module:
        linear = _sine_linear(n_in, n_out, g, frequency, first, *([1.0] if first else []))
        return Activated(linear, lambda z: torch.sin(frequency * (z.abs().detach() + 1) * z))

    return Encoding(spec.dims), layer, partial(_sine_linear, omega=frequency)


def fourier(spec: "NetworkSpec", g: Generator, frequency: float) -> Parts:
    """Random Fourier features, then ReLU layers."""
    encoding = GaussianFourier(128, frequency, g, spec.dims)
    return encoding, lambda i, o, first: Activated(_he_linear(i, o, g), F.relu), _default_linear


def fourier_siren(spec: "NetworkSpec", g: Generator, frequency: float) -> Parts:
    """Random Fourier features, then sine layers (ω₀ = 30)."""
    _, layer, head = siren(spec, g, 30.0)
    return GaussianFourier(128, frequency, g, spec.dims), lambda i, o, first: layer(i, o, False), head


def wire(spec: "NetworkSpec", g: Generator, frequency: float, scale: float) -> Parts:
    """Complex Gabor wavelets; `width` complex units a layer."""
    return Encoding(spec.dims), lambda i, o, first: Gabor(i, o, frequency, scale, g), RealPart


def gauss(spec: "NetworkSpec", g: Generator, scale: float) -> Parts:
    """exp(-(s₀z)²) (Ramasinghe and Lucey 2022, arXiv 2111.15135)."""

    def layer(n_in: int, n_out: int, first: bool) -> nn.Module:
        return Activated(_default_linear(n_in, n_out, g), lambda z: torch.exp(-((scale * z) ** 2)))

    return Encoding(spec.dims), layer, _default_linear


def conv(spec: "NetworkSpec", g: Generator, octaves: int, norm: str) -> Parts:
    """A stack of 1×1 convolutions on a positional encoding."""
    return (
        PositionalEncoding(octaves, spec.dims),
        lambda i, o, first: PointwiseConvolution(i, o, norm, g),
        _default_linear,
    )


def hashgrid(spec: "NetworkSpec", g: Generator, levels: int, table_size: int, finest: int) -> Parts:
    """A multiresolution grid of learned features and a small ReLU head."""

    def head(n_in: int, n_out: int, g: Generator) -> nn.Linear:
        linear = _he_linear(n_in, n_out, g)
        nn.init.constant_(linear.bias, 0.5)  # start at middle gray
        return linear

    encoding = HashGrid(half_extent(spec.aspect, spec.deep), finest, levels, 2**table_size, _PER_LEVEL, g)
    return encoding, lambda i, o, first: Activated(_he_linear(i, o, g), F.relu), head


def _grid_for(budget: float, pixels: Tensor, options: Mapping[str, Any]) -> dict[str, int]:
    """The options of a hash grid with about `budget` parameters per value of the picture: vertices of the finest level
    along the longest side, and log2 of a table that holds this level without hashing, not below the default."""
    asked = NETWORKS["hashgrid"].options | options
    width, depth, levels = (DOMAINS[name].check(label(name), asked[name]) for name in ("width", "depth", "levels"))
    most = OPTIONS["budget"].check("budget", budget) * pixels.numel()
    extent, n_in = half_extent(*_proportions(pixels)), levels * _PER_LEVEL
    head = (n_in + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * pixels.shape[-1]

    def parameters(finest: int) -> int:
        return head + _PER_LEVEL * sum(map(math.prod, grid_shapes(extent, finest, levels)))

    finest = 2 + bisect.bisect_right(range(3, 8192), most, key=parameters)
    table = math.ceil(math.log2(math.prod(grid_shapes(extent, finest, 1)[0])))
    least, largest = NETWORKS["hashgrid"].options["table_size"], int(DOMAINS["table_size"].high)
    return {"finest": finest, "table_size": min(max(least, table), largest)}


@dataclass(frozen=True)
class NetworkSpec:
    """Complete description of a coordinate network; with the same seed `build` gives the same weights.

    Args:
        aspect: width ÷ height. deep: depth ÷ height of a volume, 0 for pictures.

    Raises:
        UserError: an unknown network or option, or a value out of bounds.
    """

    network: str
    options: Mapping[str, Any] = field(default_factory=dict)
    channels: int = 3
    aspect: float = 1.0
    final: str = "none"
    seed: int = 0
    deep: float = 0.0

    def __post_init__(self) -> None:
        Choice(tuple(NETWORKS)).check("Network", self.network)
        Choice(tuple(FINALS)).check("Final activation", self.final)
        Number(1, 4, whole=True).check("Channels", self.channels)
        Number(1 / 64, 64).check("Width ÷ height", self.aspect)
        if self.deep != 0:
            Number(1 / 64, 64).check("Depth ÷ height", self.deep)
        Number(0, 2**63 - 1, whole=True).check("Seed", self.seed)
        kind = NETWORKS[self.network]
        if not isinstance(self.options, Mapping):
            raise UserError(f"The options of {kind.title} must be names with values.")
        if odd := set(self.options) - set(kind.options):
            raise UserError(f"{kind.title} has no option {min(odd)}; it has {', '.join(kind.options)}.")
        given = {**kind.options, **self.options}
        options = {name: DOMAINS[name].check(label(name), value) for name, value in given.items()}
        object.__setattr__(self, "options", options)

    @property
    def dims(self) -> int:
        """Numbers in a coordinate."""
        return 3 if self.deep else 2

    def build(self) -> CoordinateNetwork:
        """The network, freshly initialised."""
        g = Generator().manual_seed(self.seed)
        own = dict(self.options)
        width, depth = own.pop("width"), own.pop("depth")
        encoding, layer, head = globals()[self.network](self, g, **own)
        layers = [layer(width if k else encoding.features, width, k == 0) for k in range(depth)]
        return CoordinateNetwork(encoding, layers, head(width, self.channels, g), self)


def build(
    network: str = "hashgrid",
    *,
    picture: Picture | Tensor | None = None,
    aspect: float = 1.0,
    deep: float = 0.0,
    channels: int = 3,
    budget: float = BUDGET,
    final: str = "none",
    seed: int = 0,
    checkpoint: str | Path | bytes | None = None,
    **options: Any,
) -> CoordinateNetwork:
    """A network, freshly initialised or from a checkpoint.

    Args:
        network: a name of `NETWORKS`. options: its options, see `options_of`; None leaves one at its default.
        picture: what is to be learned, a Picture, (H, W, C) in [0, 1], or a volume (D, H, W, C); gives `aspect` (width
            ÷ height), `deep` (depth ÷ height of a volume, else 0) and `channels`.
        budget: parameters of a hash grid per value of the picture. final: a name of `FINALS`.
        checkpoint: a file (or its bytes) to take the network from, in place of the options.

    Raises:
        UserError: an unknown name, a value out of bounds, a checkpoint that cannot be read or does not fit.
    """
    options = {name: value for name, value in options.items() if value is not None}
    if picture is not None:
        pixels = pixels_of(picture)
        (aspect, deep), channels = _proportions(pixels), pixels.shape[-1]
        if network == "hashgrid" and "finest" not in options:
            options = _grid_for(budget, pixels, options) | options
    spec = NetworkSpec(network, options, channels, aspect, final, seed, deep)
    if not checkpoint:
        return spec.build()
    loaded = load(checkpoint)
    _check_fits(loaded.spec, spec)
    return loaded


def pixels_of(picture: Picture | Tensor) -> Tensor:
    """(H, W, C) in [0, 1] of a picture with or without a title, or (D, H, W, C) of a volume."""
    return picture.pixels if isinstance(picture, Picture) else picture


def _proportions(pixels: Tensor) -> tuple[float, float]:
    """width ÷ height, and depth ÷ height of a volume, else 0."""
    *layers, height, width, _ = pixels.shape
    return width / height, layers[0] / height if layers else 0.0


def _check_fits(found: NetworkSpec, asked: NetworkSpec) -> None:
    """Refuse a checkpoint of another network, another number of colours or another shape of picture."""
    if found.network != asked.network:
        raise UserError(
            f"The checkpoint holds the network {found.network}, and {asked.network} is chosen; "
            f"choose {found.network}, or another checkpoint."
        )
    if found.dims != asked.dims:
        raise UserError("One of checkpoint and picture is a volume, and the other one is flat; choose two that match.")
    if found.channels != asked.channels:
        names = {1: "gray", 3: "colour"}
        raise UserError(
            f"The checkpoint draws in {names.get(found.channels, found.channels)} and the picture is in "
            f"{names.get(asked.channels, asked.channels)}; switch gray to match, or choose another checkpoint."
        )
    if abs(found.aspect / asked.aspect - 1) > 0.02 or abs(found.deep - asked.deep) > 0.02 * found.deep:
        raise UserError("The checkpoint was fitted to a picture of another shape; choose the picture it belongs to.")


def save(path: Path, network: nn.Module, half: bool = False, **extra: Any) -> Path:
    """Write a network with its spec, so that `load` rebuilds it; `half` stores float16 weights (for shipping).

    A module that was not built from a spec is written too; `load` refuses it, but safetensors reads the weights.
    """
    spec = getattr(network, "spec", None)
    kind, told = (KIND, dataclasses.asdict(spec)) if spec else ("network of your own", {"module": repr(network)[:1000]})
    return checkpoints.save(path, checkpoints.Checkpoint(kind, told, network.state_dict(), extra), half)


def load(source: str | Path | bytes) -> CoordinateNetwork:
    """Rebuild a network from a file, or a file's bytes, alone; its `past` is what `save` was told besides.

    Raises:
        UserError: not a whole checkpoint of a coordinate network, or one that does not fit its own spec.
    """
    found = checkpoints.load(source, KIND)
    name = "This checkpoint" if isinstance(source, bytes) else Path(source).name
    try:
        spec = NetworkSpec(**found.spec)
    except (TypeError, OverflowError):
        raise UserError(f"The description inside {name} cannot be read; choose another.") from None
    network = checkpoints.rebuild(spec.build, found.tensors, name)
    network.past = found.extra
    return network


def parameter_count(network: nn.Module) -> int:
    """Learned numbers, plus the fixed random ones that must be stored to run the network (Fourier frequencies)."""
    return sum(tensor.numel() for tensor in network.state_dict().values())
