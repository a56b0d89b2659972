"""In which number format to compute."""

from contextlib import AbstractContextManager

import torch

from atelier.devices import has_fast_bfloat16
from atelier.errors import UserError

PRECISIONS = ("auto", "float32", "bfloat16")


def autocast(device: torch.device, precision: str = "auto") -> AbstractContextManager:
    """Autocast to bfloat16 where `precision` asks for it, or where it is "auto" and the hardware has it.

    Raises:
        UserError: an unknown precision.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(device, precision))


def uses_bfloat16(device: torch.device, precision: str) -> bool:
    """Whether `precision` means bfloat16 on this device.

    Raises:
        UserError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise UserError(f"Precision must be one of {', '.join(PRECISIONS)}, and {precision!r} is not.")
    return precision == "bfloat16" or (precision == "auto" and has_fast_bfloat16(device.type))
