"""Where to compute and in which number format."""

from contextlib import AbstractContextManager

import torch

from atelier.errors import UserError

PRECISIONS = ("auto", "float32", "bfloat16")


def pick_device() -> torch.device:
    """cuda, then mps, then cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is *faster* there: on CPUs only with AMX or AVX512-bf16 (elsewhere it is emulated)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    flags = getattr(torch.cpu, "get_capabilities", dict)()  # older torch cannot tell
    return bool(flags.get("amx_bf16") or flags.get("avx512_bf16"))


def autocast(device: torch.device, precision: str = "auto") -> AbstractContextManager:
    """Autocast to bfloat16 where `precision` asks for it, or where it is "auto" and the hardware has it.

    Raises:
        UserError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise UserError(f"Precision must be one of {', '.join(PRECISIONS)}, and {precision!r} is not.")
    enabled = precision == "bfloat16" or (precision == "auto" and has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
