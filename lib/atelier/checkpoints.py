"""Checkpoints: safetensors files that describe what they hold.

A file is complete in itself: its header names its kind and carries the specification from which the module is rebuilt.
Nothing in it is executed, and no pickle is read. A file may come from a stranger: the description is bounded and
checked, and a module is built on torch's `meta` device, which holds no numbers, before memory is allocated for it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from atelier.errors import UserError
from atelier.paths import given_path, spare_file, write_whole

FORMAT = 1
MOST_PARAMETERS = 50_000_000
_KEY = "atelier"
_MOST_BYTES = 1 << 31
_LONGEST_HEADER = 16 << 20  # characters; a long run's curves are a few hundred thousand
_DEEPEST_HEADER = 20
_DTYPES = {"F64", "F32", "F16", "BF16", "I64", "I32", "U8"}  # weights, counters, states of generators


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: a kind ("network", "denoiser", …), the specification that rebuilds the module, the tensors,
    and free extras (figures, position, seed)."""

    kind: str
    spec: dict[str, Any]
    tensors: dict[str, Tensor] = field(repr=False)
    extra: dict[str, Any] = field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint, half: bool = False) -> Path:
    """Write `checkpoint` to `path` atomically: readers see the old file or the new one, never a part. half: weights as
    float16, for drawing only.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    header = {"format": FORMAT, "kind": checkpoint.kind, "spec": checkpoint.spec, "extra": checkpoint.extra}
    tensors = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in checkpoint.tensors.items()
    }
    return write_whole(path, to_bytes(tensors, {_KEY: json.dumps(header)}))


def load(source: str | Path | bytes, kind: str) -> Checkpoint:
    """Read a checkpoint of the given kind from a file, or from the bytes of one.

    Raises:
        UserError: the file is missing, truncated, not ours, of another kind, of a newer format, or malformed.
    """
    if isinstance(source, bytes):
        with spare_file("This checkpoint", source) as path:
            return load(path, kind)
    path = given_path(source)
    if not path.is_file():
        raise UserError(f"There is no checkpoint at {path}; check the path.")
    if path.stat().st_size > _MOST_BYTES:
        raise UserError(f"{path.name} is larger than {_MOST_BYTES >> 30} GB; choose a checkpoint that Atelier saved.")
    try:
        with safe_open(path, framework="pt") as file:
            header = _header((file.metadata() or {}).get(_KEY), path.name, kind)
            names = list(file.keys())
            if odd := {file.get_slice(name).get_dtype() for name in names} - _DTYPES:
                raise UserError(f"{path.name} holds numbers of an unknown type ({min(odd)}); choose another file.")
            tensors = {name: file.get_tensor(name) for name in names}
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path.name} is not a whole safetensors file (cut off, or of another format); "
            "choose a checkpoint that Atelier saved."
        ) from error
    return Checkpoint(kind, header["spec"], tensors, header["extra"])


def _header(text: str | None, name: str, kind: str) -> dict[str, Any]:
    """The description inside a file of this kind, with the types that `Checkpoint` promises."""
    if text is None:
        raise UserError(f"{name} was not saved by Atelier; choose a checkpoint that Atelier saved.")
    try:
        header = json.loads(text) if len(text) <= _LONGEST_HEADER else None
    except (ValueError, RecursionError):
        header = None
    wanted = {"format": int, "kind": str, "spec": dict, "extra": dict}
    header = {"extra": {}} | header if isinstance(header, dict) and _depth(header) <= _DEEPEST_HEADER else {}
    if any(type(header.get(key)) is not type_ for key, type_ in wanted.items()) or len(header["kind"]) > 40:
        raise UserError(f"The description inside {name} cannot be read; choose another checkpoint.")
    if header["format"] > FORMAT:
        raise UserError(f"{name} was saved by a newer Atelier (format {header['format']}); update Atelier to read it.")
    if header["kind"] != kind:
        raise UserError(f"{name} holds a {header['kind']}, and a {kind} is needed here; choose another checkpoint.")
    return header


def _depth(value: Any) -> int:
    """How deeply lists and objects are nested."""
    level, deep = [value], 0
    while level := [part for part in level if isinstance(part, dict | list)]:
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]
        deep += 1
    return deep


class _NoNumbers(TorchFunctionMode):
    """What `torch.device("meta")` lacks: it drops `generator=`, which meta tensors refuse, and draws no numbers, for
    which meta would import torch's compiler (4 s)."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = {key: value for key, value in (kwargs or {}).items() if key != "generator"}
        if function in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return function(*args, **kwargs)


def rebuild(
    build: Callable[[], nn.Module],
    tensors: Mapping[str, Tensor],
    name: str = "The checkpoint",
    most: int = MOST_PARAMETERS,
) -> nn.Module:
    """The module that `build()` makes, with the given weights.

    It is built on the meta device first; names, shapes and the total are compared there, so that a short file cannot
    make this process take much memory. `build` must bound what it loops over (layers, levels) by itself.

    Raises:
        UserError: it cannot be built, has more than `most` numbers, or the weights do not fit.
    """
    try:
        with torch.device("meta"), _NoNumbers():
            own = build().state_dict()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name} describes a network that cannot be built; choose another.") from error
    total = sum(tensor.numel() for tensor in own.values())
    if total > most:
        raise UserError(f"{name} describes a network of {total:,} numbers, and at most {most:,} are read.")
    _check_fit(own, tensors, name)
    module = build()
    load_into(module, tensors, name)
    return module


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], name: str = "The checkpoint") -> None:
    """Copy `tensors` into `module`; every name, shape and kind of number must fit, and every value must be finite.

    Raises:
        UserError: names or shapes differ, or a weight is NaN or infinite; the module is left as it was.
    """
    own = module.state_dict()
    _check_fit(own, tensors, name)
    cast = {key: tensor.to(own[key].dtype) for key, tensor in tensors.items()}  # float16 may not hold every float32
    if not all(torch.isfinite(tensor).all() for tensor in cast.values()):
        raise UserError(f"{name} contains weights that are not numbers; choose another.")
    module.load_state_dict(cast)


def _check_fit(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], name: str) -> None:
    kinds, found = (
        {key: (tensor.shape, tensor.is_floating_point()) for key, tensor in given.items()} for given in (own, tensors)
    )
    if odd := sorted(key for key in own.keys() | tensors.keys() if kinds.get(key) != found.get(key)):
        raise UserError(f"{name} does not fit the network it describes ({odd[0][:80]} differs); choose another.")
