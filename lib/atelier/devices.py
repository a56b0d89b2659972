"""Which device to compute on, and in which number format and memory layout, measured where it is not known."""

import copy
import functools
import json
import platform
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from atelier.errors import UserError
from atelier.paths import cache_dir, write_whole
from atelier.settings import Choice

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
LAYOUTS = ("auto", "contiguous", "channels_last")
STORE = "formats.json"
MEASURING_SECONDS = 0.3
_WORTH = 0.75  # another number format must take at most this share of the time of the likeliest one
_LIKELY_LAYOUT = {"float32": "channels_last", "bfloat16": "contiguous", "float16": "contiguous"}
"""As measured for our U-Net with 100 images: float32 on AVX2, bfloat16 on AMX."""
_RUNS = 3  # of each format, the first of which warms up; fewer where the time is over
_HOPELESS = 6.0  # a number format in which a convolution takes so many times as long as in another is not tried


@dataclass(frozen=True)
class Format:
    """How a network computes: the number format of its matrix products and convolutions, and the memory layout of its
    images."""

    precision: str = "float32"
    layout: str = "contiguous"

    def autocast(self, device: torch.device) -> AbstractContextManager:
        """Autocast to the number format; nothing for float32."""
        dtype = torch.float16 if self.precision == "float16" else torch.bfloat16
        return torch.autocast(device.type, dtype, self.precision != "float32")

    def lay_out(self, network: nn.Module) -> None:
        """Give a network that nobody else uses now the memory layout."""
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=self._memory)

    def laid_out(self, network: nn.Module) -> nn.Module:
        """The network, or a copy where the weights of its convolutions have another memory layout: others may be
        using it. The results of a convolution have the layout of its weights."""
        if not all(p.ndim != 4 or p.is_contiguous(memory_format=self._memory) for p in network.parameters()):
            network = copy.deepcopy(network)
            self.lay_out(network)
        return network

    @property
    def _memory(self) -> torch.memory_format:
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format


@functools.cache
def best_device() -> torch.device:
    """cuda, then mps, then cpu."""
    kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return torch.device(next(kind for kind, there in kinds.items() if there))


def fastest(
    key: str,
    run: Callable[[Format], object],
    device: torch.device,
    precision: str = "auto",
    layout: str = "auto",
    numbers: Sequence[str] = PRECISIONS[1:],
) -> Format:
    """The format in which `run` is fastest on this machine: measured once, in about 0.3 seconds, and remembered in the
    data folder by processor, version of torch, number of threads and `key`.

    Args:
        key: names what is run. run: runs it once in a format; called some ten times.
        precision, layout: one of `numbers` and `LAYOUTS`; what is not "auto" is taken as it is.
        numbers: the number formats to choose from. The likeliest (bfloat16 where the hardware has it, else the first)
            stays unless another is clearly faster, so that a busy machine does not choose at random.

    Raises:
        UserError: an unknown precision or layout.
    """
    Choice(("auto", *numbers)).check("Precision", precision)
    Choice(LAYOUTS).check("Layout", layout)
    likeliest = "bfloat16" if has_fast_bfloat16(device.type) else numbers[0]
    precisions = sorted(numbers, key=lambda name: name != likeliest) if precision == "auto" else [precision]
    layouts = LAYOUTS[1:] if layout == "auto" else (layout,)
    if len(precisions) == len(layouts) == 1:
        return Format(precision, layout)
    full = f"{_machine(device.type)}, {torch.get_num_threads()} threads: {key}, {'/'.join(precisions)}, {layout}"
    with _measuring:
        if full not in _known:
            _known[full] = _remembered(full) or _fastest_of(run, device, precisions, layouts)
            _remember()
        return _known[full]


_known: dict[str, Format] = {}
_measuring = threading.Lock()


def _stored() -> dict[str, Any]:
    """What this process and others measured, as it lies in the data folder; empty where it cannot be read."""
    with suppress(OSError, ValueError, TypeError):
        return dict(json.loads((cache_dir() / STORE).read_text()))
    return {}


def _remembered(key: str) -> Format | None:
    with suppress(TypeError, KeyError):
        found = Format(**_stored()[key])
        return found if found.precision in PRECISIONS[1:] and found.layout in LAYOUTS[1:] else None
    return None


def _remember() -> None:
    with suppress(UserError):
        told = _stored() | {key: asdict(found) for key, found in _known.items()}
        write_whole(cache_dir() / STORE, json.dumps(told, indent=1).encode())


def _fastest_of(
    run: Callable[[Format], object], device: torch.device, precisions: Sequence[str], layouts: Sequence[str]
) -> Format:
    end, convolution = time.perf_counter() + MEASURING_SECONDS, _convolution(device)
    trials = {p: min(_seconds(convolution, Format(p), device) for _ in range(4)) for p in precisions}
    hopeful = [p for p in precisions if trials[p] < _HOPELESS * min(trials.values())]
    costs: dict[Format, float] = {}
    for form in [Format(precision, layout) for precision in hopeful for layout in layouts]:
        seconds = [_seconds(run, form, device)]
        while len(seconds) < _RUNS and time.perf_counter() <= end:
            seconds.append(_seconds(run, form, device))
        likely = (form.precision == precisions[0]) + (form.layout == _LIKELY_LAYOUT[form.precision])
        costs[form] = min(seconds) * _WORTH**likely
        if time.perf_counter() > end:
            break
    return min(costs, key=costs.get)


def _seconds(run: Callable[[Format], object], form: Format, device: torch.device) -> float:
    begin = time.perf_counter()
    run(form)
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter() - begin


def _convolution(device: torch.device) -> Callable[[Format], object]:
    """A small convolution, by which emulated number formats are known in some milliseconds."""
    x, weight = torch.ones(1, 64, 14, 14, device=device), torch.ones(64, 64, 3, 3, device=device)

    def run(form: Format) -> object:
        with form.autocast(device), torch.no_grad():
            return nn.functional.conv2d(x, weight, padding=1)

    return run


@functools.cache
def _machine(kind: str) -> str:
    """Words for the processor and torch, by which measurements are remembered."""
    if kind == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    named = (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name"))
    words = [kind, next(named, platform.processor() or platform.machine()), torch.backends.cpu.get_cpu_capability()]
    return " ".join([*words, "bfloat16"] if has_fast_bfloat16(kind) else words) + f", torch {torch.__version__}"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


@functools.cache
def has_fast_bfloat16(kind: str) -> bool:
    """Whether bfloat16 matrix products are faster than float32 ones on a device of this type.

    On a CPU only with its own instructions (AVX512-BF16 or AMX): emulated, bfloat16 is slower than float32.
    """
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu" or torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2"):
        return False
    return any("avx512_bf16" in line or "amx_bf16" in line for line in _cpuinfo())


def unmeasured_format(device: torch.device, precision: str = "auto", layout: str = "auto") -> Format:
    """The format by the flags of the hardware: bfloat16 if `precision` is that, or "auto" where the hardware has it,
    else float32; contiguous if the layout is "auto".

    Raises:
        UserError: another precision or an unknown layout.
    """
    Choice(PRECISIONS[:3]).check("Precision", precision)
    Choice(LAYOUTS).check("Layout", layout)
    bfloat16 = precision == "bfloat16" or (precision == "auto" and has_fast_bfloat16(device.type))
    return Format("bfloat16" if bfloat16 else "float32", "contiguous" if layout == "auto" else layout)
