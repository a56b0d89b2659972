"""Checkpoints: safetensors with the description of what they hold inside.

A file is complete in itself: the header names its kind and carries the spec from which the module is
rebuilt. Nothing in it is ever executed, and no pickle is ever read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from atelier.errors import UserError
from atelier.paths import atomic_write

FORMAT = 1
_KEY = "atelier"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: a kind ("network", "denoiser", …), the spec that rebuilds the module, free extras
    (figures, position, seed), and the tensors."""

    kind: str
    spec: dict[str, Any]
    tensors: dict[str, Tensor] = field(repr=False)
    extra: dict[str, Any] = field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint) -> Path:
    """Write `checkpoint` to `path` atomically: readers see the old file or the new one, never a part."""
    header = {
        "format": FORMAT,
        "kind": checkpoint.kind,
        "spec": checkpoint.spec,
        "extra": checkpoint.extra,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    with atomic_write(path) as part:
        save_file(tensors, part, metadata={_KEY: json.dumps(header)})
    return Path(path)


def load(path: Path, kind: str) -> Checkpoint:
    """Read a checkpoint of the given kind.

    Raises:
        UserError: the file is missing, truncated, not ours, of another kind or of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no checkpoint at {path}; check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path.name} is not a whole safetensors file (cut off, or of another format); "
            "choose a checkpoint that Atelier saved."
        ) from error
    header = _header(metadata.get(_KEY), path.name)
    if header["kind"] != kind:
        raise UserError(
            f"{path.name} holds a {header['kind']}, and a {kind} is needed here; choose another checkpoint."
        )
    return Checkpoint(header["kind"], header["spec"], tensors, header["extra"])


def _header(text: str | None, name: str) -> dict[str, Any]:
    if text is None:
        raise UserError(f"{name} was not saved by Atelier; choose a checkpoint that Atelier saved.")
    try:
        header = json.loads(text)
        well_formed = isinstance(header["kind"], str) and isinstance(header["spec"], dict)
        version = int(header["format"])
        header.setdefault("extra", {})
    except (ValueError, KeyError, TypeError):
        well_formed, version = False, 0
    if not well_formed:
        raise UserError(f"The description inside {name} cannot be read; choose another checkpoint.")
    if version > FORMAT:
        raise UserError(f"{name} was saved by a newer Atelier (format {version}); update Atelier to read it.")
    return header


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], name: str = "The checkpoint") -> None:
    """Copy `tensors` into `module`; every name and shape must fit, and every value must be finite.

    Raises:
        UserError: names or shapes differ, or a weight is NaN or infinite; the module is left as it was.
    """
    own = module.state_dict()
    odd = sorted(own.keys() ^ tensors.keys())
    odd += [key for key in own if key in tensors and own[key].shape != tensors[key].shape]
    if odd:
        raise UserError(f"{name} does not fit the network it describes ({odd[0]} differs); choose another.")
    if not all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point()):
        raise UserError(f"{name} contains weights that are not numbers; choose another.")
    module.load_state_dict({key: tensor.to(own[key].dtype) for key, tensor in tensors.items()})
