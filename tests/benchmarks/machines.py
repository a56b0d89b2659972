"""What every benchmark tells: the kind of the processor, and the figures as it is and limited to AVX2, which is what
most laptops have."""

import os
import platform
import subprocess
import sys
from pathlib import Path

from atelier.processors import cores

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
"""What limits the libraries of torch."""
_MARK = "BENCHMARK_ON"


def processor() -> str:
    """The name of the processor, its widest instructions, and how many cores this process may use."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag}" in info]
    widest = wide[-1] if wide else "no AVX2"
    return f"{names[0] if names else platform.processor()}, {widest}, {cores()} cores"


def twice() -> None:
    """Run this program again on both kinds of machine, and end; in these runs, say which and go on. BENCHMARK_ON=native
    or BENCHMARK_ON=avx2 runs it on one of them only."""
    if _MARK in os.environ:
        limited = ", limited to AVX2" if os.environ[_MARK] == "avx2" else ""
        print(f"== {processor()}{limited}", flush=True)
        if limited:
            _check_limited()
        return
    for name, limits in (("native", {}), ("avx2", AVX2)):
        subprocess.run([sys.executable, *sys.argv], env=os.environ | limits | {_MARK: name}, check=True)
    sys.exit()


def _check_limited() -> None:
    import torch

    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "DEFAULT"):
        words = " ".join(f"{name}={value}" for name, value in AVX2.items())
        sys.exit(f"This run is not limited: set {words}, or leave {_MARK} out.")
