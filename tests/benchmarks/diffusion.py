"""Figures of the digit diffusion, run by hand: `uv run python tests/benchmarks/diffusion.py [WHAT …]`.

    speed      100 guided digits with 20 steps, warm; training images/s of our U-Net against ADMUNet
    few        DPM-Solver++ at 10 steps against 50, by classifier-FID (shipped weights, n = 2000)
    guidance   classifier-FID and label accuracy over guidance scales and intervals (shipped weights, --steps)
    busy       training images/s beside a program that uses one processor, on all processors and on the free ones
    scratch    train from nothing for 10 minutes (--minutes or --train-steps, --optimiser), then evaluate at n = 2000
               with the guidance that such a network starts with, and with that of another age

Every run prints the measured values and their ratio; times depend on the machine, ratios hardly do.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import torch
from atelier.data.digits import load_digits
from atelier.diffusion.denoiser import (
    DEFAULT_GUIDANCE,
    SHIPPED,
    YOUNG_GUIDANCE,
    Denoiser,
    Guidance,
    build_denoiser,
    load_denoiser,
    parameter_count,
    suited_guidance,
)
from atelier.diffusion.evaluation import evaluate, load_judges
from atelier.diffusion.sampling import DEFAULT_STEPS, sample
from atelier.diffusion.training import OPTIMISERS, Recipe, TrainStep, estimate, train
from atelier.processors import cores, on_free_processors

ADMUNET = {"width": 32}
UNET_AS_LARGE = {"embedding": 288}


def speed(given: argparse.Namespace) -> None:
    """Seconds for 100 guided digits, and the training ratio at (nearly) equal parameters."""
    denoiser, labels = load_denoiser(SHIPPED)[0], torch.arange(100) % 10
    for name, guidance in (("everywhere", Guidance(DEFAULT_GUIDANCE.scale)), ("in its interval", DEFAULT_GUIDANCE)):
        seconds = []
        for repeat in range(4):
            *_, last = sample(denoiser, labels, steps=20, guidance=guidance, seed=repeat)
            seconds.append(last.seconds)
        print(f"100 digits, 20 steps, guidance {name}: {statistics.median(seconds[1:]):.2f} s")
    rates = {}
    for backbone, options in (("unet", UNET_AS_LARGE), ("admunet", ADMUNET)):
        trial = build_denoiser(backbone, options=options)
        measured = estimate(trial, 60_000, Recipe(steps=1, batch_size=128), measured_steps=4)
        rates[backbone] = 128 / measured.seconds_per_step
        print(f"{backbone}: {parameter_count(trial):,} parameters, {rates[backbone]:.0f} training images/s")
    print(f"ratio {rates['unet'] / rates['admunet']:.1f}")


def report(denoiser: Denoiser, given: argparse.Namespace, **options) -> dict:
    """The figures of an evaluation at the asked-for n."""
    training, test = load_digits("mnist", "train"), load_digits("mnist", "test")
    *_, last = evaluate(denoiser, training, test, load_judges(), n=given.n, **options)
    return last.report.figures


def line(name: str, r: dict) -> None:
    """One row of a table."""
    print(
        f"{name}: classifier-FID {r['classifier_fid']:.3f} (real {r['classifier_fid_real']:.3f}, "
        f"ratio {r['classifier_fid_ratio']:.2f}), "
        f"labels {100 * r['label_accuracy']:.2f} % (real {100 * r['label_accuracy_real']:.2f} %), "
        f"nearest {r['nearest_distance_ratio']:.3f}, {r['seconds']:.0f} s",
        flush=True,
    )


def few(given: argparse.Namespace) -> None:
    """Ten steps against fifty."""
    denoiser = load_denoiser(SHIPPED)[0]
    reports = {steps: report(denoiser, given, steps=steps, guidance=DEFAULT_GUIDANCE) for steps in (10, 20, 50)}
    for steps, found in reports.items():
        line(f"dpmpp, {steps} steps", found)
    print(f"ratio 10 to 50 steps: {reports[10]['classifier_fid'] / reports[50]['classifier_fid']:.3f}")


def guidance(given: argparse.Namespace) -> None:
    """Scales and intervals."""
    denoiser = load_denoiser(SHIPPED)[0]
    for scale, interval in (
        (1.0, (0.0, 1.0)),
        (1.5, (0.0, 1.0)),
        (1.5, (0.6, 0.9)),
        (1.5, (0.3, 0.8)),
        (1.5, (0.3, 0.6)),
        (2.0, (0.3, 0.6)),
        (2.5, (0.2, 0.55)),
        (3.0, (0.2, 0.5)),
    ):
        found = report(denoiser, given, steps=given.steps, guidance=Guidance(scale, interval))
        line(f"guidance {scale} in {interval}", found)


def busy(given: argparse.Namespace) -> None:
    """One processor is taken."""
    digits = load_digits("mnist", "train")

    def run() -> Iterator[TrainStep]:
        torch.set_num_threads(cores())
        return train(build_denoiser(), digits.images, digits.labels, Recipe(minutes=0.3))

    def rate(steps: Iterator[TrainStep]) -> float:
        *_, last = steps
        return last.images_per_second

    program = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        time.sleep(2)
        free, every = rate(on_free_processors(run())), rate(run())
    finally:
        program.kill()
    print(f"{free:.0f} images/s on the free processors, {every:.0f} on all {cores()}: ratio {free / every:.1f}")


def scratch(given: argparse.Namespace) -> None:
    """From nothing."""
    digits = load_digits("mnist", "train")
    minutes = None if given.train_steps else given.minutes
    recipe = Recipe(steps=given.train_steps, minutes=minutes, optimiser=given.optimiser)
    for step in train(build_denoiser(), digits.images, digits.labels, recipe):
        if step.step % 200 == 0:
            print(f"step {step.step}, loss {step.loss:.4f}, {step.images_per_second:.0f} images/s", flush=True)
    print(f"{step.step} steps in {step.elapsed / 60:.1f} min")
    suited = suited_guidance(step.images_seen)
    for chosen in sorted((YOUNG_GUIDANCE, DEFAULT_GUIDANCE), key=lambda one: one != suited):
        found = report(step.average, given, guidance=chosen)
        line(f"{step.images_seen:,} images, guidance {chosen.scale} in {chosen.interval}", found)


WHAT = {"speed": speed, "few": few, "guidance": guidance, "busy": busy, "scratch": scratch}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", default=["speed", "few"], metavar="WHAT")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="of sampling, in `guidance`")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--train-steps", type=int)
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="muon")
    given = parser.parse_args()
    if odd := [what for what in given.what if what not in WHAT]:
        parser.error(f"there is no {odd[0]}; choose from {', '.join(WHAT)}")
    for what in given.what:
        WHAT[what](given)
