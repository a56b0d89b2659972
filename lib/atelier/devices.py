"""Which device to compute on, and in which precision. Nothing else in the library assumes a device."""

import functools
import platform
from pathlib import Path

import torch


@functools.cache
def best_device() -> torch.device:
    """cuda, then mps, then cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


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
