"""Figures of the digit diffusion, run by hand: `uv run python tests/benchmarks/diffusion.py [WHAT …]`.

    speed      seconds for 100 digits by every way to draw, milliseconds for the ten digits of the page's instrument,
               training images/s of our U-Net against ADMUNet
    memory     what drawing 10,000 digits with 30 steps adds to the process
    ways       classifier-FID and label accuracy against network calls: DPM-Solver++ at 4, 8 and 30 steps, at 4 steps
               with learned times, and the distilled networks (shipped weights)
    guidance   classifier-FID and label accuracy over guidance scales and intervals (shipped weights, --steps)
    compile    torch.compile: its warm-up, milliseconds of a call and of a training step without it and with it
    busy       training images/s beside a program that uses one processor, on all processors and on the free ones
    scratch    train from nothing for 10 minutes (--minutes or --train-steps, --optimiser), say when its digits are
               readable, then evaluate; --ablation adds averages of several widths and other ways of guidance

Everything runs twice: as the machine is, and limited to AVX2 (see machines.py). Figures are those of the judges by
which settings are chosen; `--report` takes the one that has never chosen any.
"""

import argparse
import copy
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import torch
from atelier.data.digits import load_digits
from atelier.devices import best_device
from atelier.diffusion.denoiser import (
    DEFAULT_GUIDANCE,
    SHIPPED,
    YOUNG_GUIDANCE,
    Denoiser,
    Guidance,
    build_denoiser,
    few_path,
    format_of,
    load_denoiser,
    parameter_count,
    suited_guidance,
)
from atelier.diffusion.distilling import KNOTS
from atelier.diffusion.evaluation import evaluate, load_judges
from atelier.diffusion.judges import judge_logits
from atelier.diffusion.models import shipped_model, with_steps
from atelier.diffusion.sampling import DEFAULT_STEPS, knot_rates, sample
from atelier.diffusion.steering import morphing
from atelier.diffusion.training import OPTIMISERS, Recipe, TrainStep, estimate, train
from atelier.processors import cores, on_free_processors
from averages import PowerAverages
from machines import twice

ADMUNET = {"width": 32}
UNET_AS_LARGE = {"embedding": 368}
WIDER = {"widths": [48, 96]}
LABELS = torch.arange(100) % 10
EARLY = 1 / 8
AUTOGUIDANCE = (1.5, (0.0, 1.0)), (2.0, (0.1, 0.7)), (3.0, (0.1, 0.6))
"""Scales and intervals, of autoguidance by the average at that share of the training."""
READABLE, READABLE_DIGITS, READABLE_EVERY = 0.9, 200, 5.0


def seconds_of(repeats: int, denoiser: Denoiser, **options) -> str:
    """The median time of 100 digits in a warm process, in words."""
    seconds = []
    for seed in range(repeats + 1):
        *_, last = sample(denoiser, LABELS, seed=seed, **options)
        seconds.append(last.seconds)
    return f"{statistics.median(seconds[1:]):.2f} s"


def speed(given: argparse.Namespace) -> None:
    """Drawing and training."""
    denoiser = load_denoiser(SHIPPED)[0]
    print(f"drawing in {format_of(denoiser)}, training in {format_of(denoiser, training=True)}")
    for name, guidance in (("everywhere", Guidance(DEFAULT_GUIDANCE.scale)), ("in its interval", DEFAULT_GUIDANCE)):
        print(f"100 digits, 20 steps, guidance {name}: {seconds_of(5, denoiser, steps=20, guidance=guidance)}")
    wider = build_denoiser(options=WIDER).eval()
    print(f"the same with widths 48 and 96: {seconds_of(5, wider, steps=20, guidance=DEFAULT_GUIDANCE)}", flush=True)
    for count in KNOTS:
        few = load_denoiser(few_path(count))[0]
        print(f"100 digits, distilled to {count}: {seconds_of(9, few, guidance=DEFAULT_GUIDANCE)}", flush=True)
    draw = morphing(with_steps(shipped_model(), "few4"), (3, 8, 0, 6))
    redraws = []
    for k in range(20):
        began = time.perf_counter()
        draw(k / 20, 0.5, 0.1 * k, 2.5)
        redraws.append(time.perf_counter() - began)
    print(f"the instrument's ten digits: {1000 * statistics.median(redraws[3:]):.0f} ms")
    rates = {}
    for backbone, options in (("unet", {}), ("unet", WIDER), ("unet", UNET_AS_LARGE), ("admunet", ADMUNET)):
        trial = build_denoiser(backbone, options=options)
        measured = estimate(trial, 60_000, Recipe(steps=1, batch_size=128), measured_steps=8)
        rates[backbone] = 128 / measured.seconds_per_step
        print(f"{backbone}: {parameter_count(trial):,} parameters, {rates[backbone]:.0f} training images/s", flush=True)
    print(f"ratio of the last two {rates['unet'] / rates['admunet']:.1f}")


def memory(given: argparse.Namespace) -> None:
    """Peak above what the process has after drawing 100 digits."""
    denoiser = load_denoiser(SHIPPED)[0]

    def peak(n: int) -> float:
        for _ in sample(denoiser, torch.arange(n) % 10, steps=30, guidance=DEFAULT_GUIDANCE):
            pass
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    few, many = peak(100), peak(10_000)
    print(f"10,000 digits, 30 steps: {many - few:.0f} MiB above 100 digits")


def report(denoiser: Denoiser, given: argparse.Namespace, **options) -> dict:
    """The figures of an evaluation at the asked-for n."""
    training, test = load_digits("mnist", "train"), load_digits("mnist", "test")
    *_, last = evaluate(denoiser, training, test, load_judges(report=given.report), n=given.n, **options)
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


def ways(given: argparse.Namespace) -> None:
    """Every way to draw with the shipped network."""
    denoiser, options = load_denoiser(SHIPPED)[0], {"guidance": DEFAULT_GUIDANCE}
    for steps in (4, 8, 30):
        name = f"DPM-Solver++, {steps} steps, 100 digits in {seconds_of(3, denoiser, steps=steps, **options)}"
        line(name, report(denoiser, given, steps=steps, **options))
    times = learned_times(denoiser, 4)
    line(f"DPM-Solver++ at the learned times {times}", report(denoiser, given, times=times, **options))
    for count in KNOTS:
        few = load_denoiser(few_path(count))[0]
        line(f"distilled to {count}, 100 digits in {seconds_of(3, few, **options)}", report(few, given, **options))


def learned_times(denoiser: Denoiser, steps: int, rounds: int = 60) -> list[float]:
    """Times at which DPM-Solver++ ends closest to 40 even steps, by a random search over noise fractions on 100
    noises (after Tong et al. 2024, arXiv:2405.15506, who learn them by gradients)."""
    generator, options = torch.Generator().manual_seed(0), {"guidance": DEFAULT_GUIDANCE, "seed": 1000}

    def end(**how) -> torch.Tensor:
        *_, last = sample(denoiser, LABELS, **how, **options)
        return last.x_t

    def times_of(knots: torch.Tensor) -> list[float]:
        return [rates.t for rates in knot_rates(denoiser, knots.tolist())]

    wanted = end(steps=40)
    best = denoiser.schedule.noise_fraction(denoiser.schedule.sampling_times(steps))[:-1]
    least = float((end(times=times_of(best)) - wanted).square().mean())
    for k in range(rounds):
        tried = best.clone()
        tried[1:] += 0.15 * (1 - k / rounds) * torch.randn(steps - 1, generator=generator, dtype=tried.dtype)
        if bool((tried.diff() < -0.01).all()) and tried[-1] > 0.01:
            found = float((end(times=times_of(tried)) - wanted).square().mean())
            best, least = (tried, found) if found < least else (best, least)
    return [round(t, 1) for t in times_of(best)]


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


def compile(given: argparse.Namespace) -> None:
    """torch.compile against the network as it is, in turns."""
    for training in (False, True):
        net = copy.deepcopy(shipped_model().denoiser)
        form = format_of(net, training=training)
        net = form.laid_out(net).backbone.requires_grad_(training)
        x, t, labels = torch.randn(128, 1, 28, 28), torch.rand(128), torch.eye(11)[torch.arange(128) % 10]

        def seconds(net, x=x, t=t, labels=labels, form=form, training=training) -> float:
            begin = time.perf_counter()
            with form.autocast(x.device), torch.set_grad_enabled(training):
                loss = net(x, t, labels).float().square().mean()
            if training:
                loss.backward()
            return time.perf_counter() - begin

        compiled = torch.compile(net)
        warm_up, times = seconds(compiled), [(seconds(net), seconds(compiled)) for _ in range(20)]
        ratio = statistics.median(after / before for before, after in times)
        before, after = (1e3 * min(column) for column in zip(*times, strict=True))
        what = "a training step" if training else "a call"
        speeds = f"{before:.0f} ms, compiled {after:.0f} ms, median ratio {ratio:.2f}; warm-up {warm_up:.0f} s"
        print(f"{what} of 128 digits, {form.precision}, {form.layout}: {speeds}", flush=True)


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
    digits, judge = load_digits("mnist", "train"), load_judges().labels
    minutes = None if given.train_steps else given.minutes
    recipe = Recipe(steps=given.train_steps, minutes=minutes, optimiser=given.optimiser)
    denoiser, labels = build_denoiser().to(best_device()), torch.arange(READABLE_DIGITS) % 10
    averages, early, readable, marks = PowerAverages(denoiser), None, False, [k / 16 for k in range(1, 17)]
    next_look = READABLE_EVERY
    for step in train(denoiser, digits.images, digits.labels, recipe):
        averages.add()
        if marks and step.progress >= marks[0]:
            averages.keep()
            early = copy.deepcopy(step.average) if marks[0] == EARLY else early
            marks.pop(0)
        if not readable and step.elapsed >= next_look:
            *_, last = sample(step.average, labels, steps=10, guidance=YOUNG_GUIDANCE)
            right = float((judge_logits(judge, last.images).argmax(1) == labels).float().mean())
            readable, next_look = right >= READABLE, step.elapsed + READABLE_EVERY
            if readable:
                print(f"{READABLE:.0%} of the labels after {step.elapsed:.0f} s, {step.step} steps", flush=True)
        if step.step % 500 == 0:
            print(f"step {step.step}, loss {step.loss:.4f}, {step.images_per_second:.0f} images/s", flush=True)
    print(f"{step.step} steps in {step.elapsed / 60:.1f} min, {step.images_seen:,} images")
    suited = suited_guidance(step.images_seen)
    for judges in ("that choose", "that only reports"):
        given.report = judges == "that only reports"
        line(
            f"by the judges {judges}: guidance {suited.scale} in {suited.interval}",
            report(step.average, given, guidance=suited),
        )
    if not given.ablation:
        return
    given.report = False
    other = DEFAULT_GUIDANCE if suited is YOUNG_GUIDANCE else YOUNG_GUIDANCE
    for chosen in (other, Guidance()):
        line(f"guidance {chosen.scale} in {chosen.interval}", report(step.average, given, guidance=chosen))
    for width in given.widths:
        line(f"average of width {width}", report(averages.of_width(width), given, guidance=suited))
    for scale, interval in AUTOGUIDANCE:
        found = report(step.average, given, guidance=Guidance(scale, interval, early))
        line(f"autoguidance {scale} in {interval}, by the average at {EARLY:.0%}", found)


WHAT = {
    "speed": speed,
    "memory": memory,
    "ways": ways,
    "guidance": guidance,
    "compile": compile,
    "busy": busy,
    "scratch": scratch,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", default=["speed", "ways"], metavar="WHAT")
    parser.add_argument("--report", action="store_true", help="judge by the third judge")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="of sampling, in `guidance`")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--train-steps", type=int)
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="muon")
    parser.add_argument("--ablation", action="store_true", help="in `scratch`, also other guidance and averages")
    parser.add_argument("--widths", type=float, nargs="*", default=[0.05, 0.1, 0.15], help="of averages, in `scratch`")
    given = parser.parse_args()
    if odd := [what for what in given.what if what not in WHAT]:
        parser.error(f"there is no {odd[0]}; choose from {', '.join(WHAT)}")
    twice()
    for what in given.what:
        WHAT[what](given)
