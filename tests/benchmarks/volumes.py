"""Figures of volumes, run by hand: `uv run python tests/benchmarks/volumes.py [draw | fit]`.

    draw  the default field in space: seconds for 128³ voxels of colour and density, for a marched still of 400×400
          pixels, and what 512³ voxels add to the process while their slabs are written to a file
    fit   PSNR and SSIM over a whole volume after 10 seconds of training, for some networks of the painting fitter, on
          the example of the page and on a random field, 64³ voxels of colour and density each

Runs twice: as the machine is, and limited to AVX2.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from atelier import fields, volumes
from atelier.cppn import FieldSpec
from machines import twice

SPEC = FieldSpec(seed=3)


def seconds(run: Callable[[], object], repeats: int = 3) -> float:
    """The median time of a run, warm."""
    found = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return statistics.median(found[1:])


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit() -> None:
    field = torch.from_numpy(volumes.bake(SPEC, 64)).float() / 255
    for title, volume in {"the example": volumes.example(), "a random field": field}.items():
        for name in ("hashgrid", "siren", "relu"):
            network = fields.build(name, picture=volume)
            *_, last = fields.fit(network, volume, steps=None, seconds=10, memory=0)
            found, many = last.measure(), fields.parameter_count(network)
            told = f"{found.psnr:.1f} dB, SSIM {found.ssim:.3f} after {last.step:,} steps"
            print(f"{title}, {name} of {many:,} parameters: {told}", flush=True)


def draw() -> None:
    voxels = volumes.bake(SPEC, 128)
    print(f"128³ voxels: {seconds(lambda: volumes.bake(SPEC, 128)):.2f} s", flush=True)
    for look in (volumes.suited_look(voxels), volumes.Look("maximum", 0, 1)):
        took = seconds(lambda look=look: volumes.march(voxels, look=look, size=(400, 400)))
        print(f"still of 400×400, {look.mode}: {took:.2f} s", flush=True)
    before, began = peak(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for _ in volumes.write(Path(folder) / "volume.npy", volumes.generate(SPEC, 512)):
            pass
    print(f"512³ voxels to a file: {time.perf_counter() - began:.0f} s, {peak() - before:.0f} MiB added", flush=True)


if __name__ == "__main__":
    twice()
    {"draw": draw, "fit": fit}[sys.argv[1] if len(sys.argv) > 1 else "draw"]()
