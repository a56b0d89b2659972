"""Time and memory of random fields, by hand: `uv run python tests/benchmarks/random_fields.py [--large]`.

The comparison is a plain float32 network that sends the whole coordinate grid through at once, with the same
weights. Each figure is the least of several runs; peak memory is that of a process of its own.
"""

import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from atelier.cppn.field import Field
from atelier.cppn.genetics import siblings
from atelier.cppn.prints import write_png
from atelier.cppn.recipe import WHOLE, Recipe
from atelier.cppn.rendering import estimate, picture, pictures, render_tiles
from atelier.cppn.spec import FieldSpec
from atelier.cppn.starters import starter
from atelier.cppn.styles import surprise
from machines import twice

SPEC = FieldSpec(activations=("tanh",), colour="rgb", scale=1.5, std=1.2)
WINDOW = WHOLE


@torch.inference_mode()
def naive(side: int) -> np.ndarray:
    """(side, side, 3) uint8, every point at once."""
    field = Field(SPEC)
    w = field.weights
    axis = (2 * torch.arange(side) + 1) / side - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    h = torch.stack([x, y, torch.sqrt(x * x + y * y)], -1).reshape(-1, 3) * SPEC.scale  # (n, 3)
    first = torch.cat([w[f"layer 1/{name}"] for name in ("x", "y", "r")], 1)
    h = torch.tanh(h @ first.T + w["layer 1/bias"].T)
    for i in range(2, SPEC.depth + 1):
        h = torch.tanh(h @ w[f"layer {i}/layer {i - 1}"].T + w[f"layer {i}/bias"].T)
    z = h @ w[f"output/layer {SPEC.depth}"].T + w["output/bias"].T
    rgb = torch.sigmoid(1.702 * (z - z.mean(0)) / z.std(0))
    return (rgb * 255 + 0.5).to(torch.uint8).reshape(side, side, 3).numpy()


def tiled(side: int) -> None:
    """Every tile of the picture, none kept."""
    for _ in render_tiles(SPEC, WINDOW, (side, side)):
        pass


def written(side: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for _ in write_png(Path(folder) / "a.png", Recipe(SPEC), (side, side)):
            pass


def least(task, runs: int = 15) -> float:
    """Milliseconds of the fastest of several runs, the first not counted."""
    task()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        task()
        times.append(time.perf_counter() - started)
    return round(min(times) * 1e3, 1)


def processor(task, runs: int = 15) -> float:
    """Milliseconds of processor time a run, all cores together: what a busy machine changes least."""
    started = time.process_time()
    for _ in range(runs):
        task()
    return round((time.process_time() - started) / runs * 1e3, 1)


def _most() -> int:
    """Peak resident memory of this process, KiB (getrusage would count the process before exec, too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _peak(task, side, pipe) -> None:
    picture(SPEC, WINDOW, (64, 64))
    before = _most()
    started = time.perf_counter()
    task(side)
    seconds = time.perf_counter() - started
    pipe.send((round((_most() - before) / 1024, 1), round(seconds, 2)))


def peak(task, side: int) -> tuple[float, float]:
    """Peak MiB above the process as it stood, and seconds, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_peak, args=(task, side, there))
    process.start()
    found = here.recv()
    process.join()
    return found


def main() -> None:
    field = Field(SPEC)
    ours, plain = least(lambda: picture(field, WINDOW, (512, 512))), least(lambda: naive(512))
    agreement = np.abs(picture(field, WINDOW, (512, 512)).astype(int) - naive(512)).max()
    linear = {side: least(lambda side=side: tiled(side), 5) / side**2 for side in (256, 512, 1024, 2048)}
    figures = {
        "frame_512_ms": ours,
        "frame_512_cpu_ms": processor(lambda: picture(field, WINDOW, (512, 512))),
        "naive_512_ms": plain,
        "time_ratio": round(plain / ours, 2),
        "largest_difference_of_255": int(agreement),
        "default_frame_512_ms": least(lambda: picture(FieldSpec(), WINDOW, (512, 512))),
        "opening_frame_512_ms": least(lambda: picture(starter("Night lightning").spec, WINDOW, (512, 512))),
        "grid_16_of_160_ms": least(lambda: list(pictures([FieldSpec(seed=i) for i in range(16)], (160, 160)))),
        "sixteen_surprises_of_160_ms": least(lambda: list(pictures([surprise(i) for i in range(16)], (160, 160)))),
        "choosing_16_siblings_ms": least(lambda: list(siblings([surprise(3)], 16, 1)), 5),
        "ns_a_pixel_by_side": {side: round(ms * 1e6, 1) for side, ms in linear.items()},
        "peak_mib_and_s_2048": {"tiled": peak(tiled, 2048), "naive": peak(naive, 2048)},
    }
    if "--large" in sys.argv:
        figures["estimate_8192"] = estimate(SPEC, (8192, 8192))._asdict()
        figures["peak_mib_and_s_8192"] = {"tiled": peak(tiled, 8192), "png": peak(written, 8192)}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    twice()
    main()
