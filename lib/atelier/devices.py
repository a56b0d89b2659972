"""Which device to compute on, and in which precision. Nothing else in the library assumes a device."""

import functools
import platform
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from atelier.errors import UserError

PRECISIONS = ("auto", "float32", "bfloat16")


@functools.cache
def best_device() -> torch.device:
    """cuda, then mps, then cpu."""
    kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return torch.device(next(kind for kind, there in kinds.items() if there))


@functools.cache
def has_fast_bfloat16(kind: str) -> bool:
    """Whether bfloat16 matrix products are faster than float32 ones on a device of this type.

    On a CPU only with its own instructions (AVX512-BF16 or AMX): emulated, bfloat16 is slower than float32.
    """
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu" or platform.system() != "Linux":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def uses_bfloat16(device: torch.device, precision: str) -> bool:
    """Whether `precision` means bfloat16 on this device: "auto" does where the hardware has it.

    Raises:
        UserError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise UserError(f"Precision must be one of {', '.join(PRECISIONS)}, and {precision!r} is not.")
    return precision == "bfloat16" or (precision == "auto" and has_fast_bfloat16(device.type))


def autocast(device: torch.device, precision: str = "auto") -> AbstractContextManager:
    """Autocast to bfloat16 where `uses_bfloat16`; errors as there."""
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(device, precision))
