"""Figures of the restoration lab, run by hand: `uv run python tests/benchmarks/restoration.py WHAT …`.

    tune       PSNR over strengths (and numbers of steps) on training digits, for --method or "tv"
    table      200 test digits (--digits) per task: PSNR, distance to the measurement and label accuracy of --method,
               "inverse" or "tv"; all where none is named
    time       seconds for 16 samples of a half-masked digit by each method, as the machine is and limited to AVX2
    calibrate  16 samples for each of --digits test digits with half of it covered, by --method: the share of samples
               that carry a label against how often that label is the true one, as a table with its error, and with
               --plot FILE as a picture
    read       the share of --digits random test digits that diffusion, and the plain classifier, read right

Noise is sigma = 0.1 in grey values from 0 to 1. Strengths and steps were chosen on training digits. `table` and
`calibrate` take --first, so that long runs can be done in parts, and --keep adds a part to a file.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from atelier.data.digits import load_digits
from atelier.diffusion.denoiser import to_uint8
from atelier.diffusion.models import shipped_model
from atelier.restoration.catalogue import METHODS, TASKS
from atelier.restoration.classify import classify
from atelier.restoration.problems import measure, pseudo_inverse
from atelier.restoration.sampling import posterior_samples
from atelier.restoration.scores import read, score
from machines import twice
from total_variation import total_variation

NOISE = 0.1
BROKEN = {"mask": {"side": "top"}, "shrink": {}, "blur": {"blur": 2.0}, "noise": {}}
TUNED_ON = 32
STRENGTHS = {
    "pigdm": (0.5, 0.75, 1.0, 1.5),
    "dps": (0.5, 1.0, 2.0, 4.0),
    "diffpir": (0.3, 1.0, 3.0, 10.0),
    "ddrm": (0.5, 0.8, 1.0),
    "replacement": (1, 4, 10),
    "langevin": (0.5, 1.0, 2.0),
}
TV_WEIGHTS = {"mask": 0.3, "shrink": 0.01, "blur": 0.001, "noise": 0.1}
"""Of total variation, the best on training digits for each task."""


def problem_of(task, images, seed=0):
    return measure(images, task, noise=NOISE, seed=seed, **BROKEN[task])


def fits(method, task):
    return method not in METHODS or METHODS[method].suits(TASKS[task].physics)


def restored(method, problem, **options):
    """(N, 1, 28, 28) of a method or a baseline."""
    if method == "inverse":
        return pseudo_inverse(problem)
    if method == "tv":
        return total_variation(problem, **options)
    *_, last = posterior_samples(shipped_model().denoiser, problem, method=method, **options)
    return last.x_t


def psnr_of(pictures, images):
    """(N,) in dB."""
    error = (pictures[:, 0].clamp(-1, 1) + 1) / 2 - images / 255
    return -10 * error.square().flatten(1).mean(1).log10()


def tune(args):
    digits = load_digits("mnist", "train")
    images = digits.images[1000 : 1000 + TUNED_ON]
    for method in args.method or [*METHODS, "tv"]:
        for task in BROKEN:
            if not fits(method, task):
                continue
            problem = problem_of(task, images, seed=1)
            tried = [{"weight": w} for w in (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4)]
            if method != "tv":
                tried = [{"strength": s} for s in STRENGTHS[method]]
                tried = [{**t, "steps": n} for t in tried for n in args.steps or [METHODS[method].steps]]
            for options in tried:
                began = time.perf_counter()
                found = restored(method, problem, **options)
                told = (
                    f"{float(psnr_of(found, images).mean()):.2f} dB, distance {problem.consistency(found).mean():.3f}"
                )
                print(f"{method} {task} {options}: {told}, {time.perf_counter() - began:.1f} s", flush=True)


def table(args):
    digits = load_digits("mnist", "test")
    rows = slice(args.first, args.first + args.digits)
    images, labels = digits.images[rows], digits.labels[rows]
    for method in args.method or ["inverse", "tv", *METHODS]:
        for task in BROKEN:
            if not fits(method, task):
                continue
            problem, began = problem_of(task, images), time.perf_counter()
            found = restored(method, problem, **({"weight": TV_WEIGHTS[task]} if method == "tv" else {}))
            scores = score(problem, found, images)
            told = {"method": method, "task": task, "n": len(images), "psnr": round(float(scores.psnr.mean()), 2)}
            told |= {"ssim": round(float(scores.ssim.mean()), 3)}
            told |= {"distance": round(float(scores.consistency.mean()), 3)}
            told |= {"labels": round(float((scores.labels == labels).float().mean()), 3)}
            print(json.dumps(told | {"seconds": round(time.perf_counter() - began, 1)}), flush=True)


def seconds(args):
    image = load_digits("mnist", "test").images[12:13]
    problem = measure(image, "mask", noise=NOISE)
    for method in args.method or METHODS:
        list(posterior_samples(shipped_model().denoiser, problem, n=2, method=method, steps=2))
        began, first = time.perf_counter(), None
        for _step in posterior_samples(shipped_model().denoiser, problem, n=16, method=method):
            first = first or time.perf_counter() - began
        taken = time.perf_counter() - began
        print(f"{METHODS[method].title}: 16 samples in {taken:.1f} s, first picture after {first:.2f} s", flush=True)


def calibrate(args):
    digits = load_digits("mnist", "test")
    method = (args.method or ["pigdm"])[0]
    kept = [] if not args.keep or not Path(args.keep).is_file() else json.loads(Path(args.keep).read_text())
    for k in range(args.first, args.first + args.digits):
        problem = problem_of("mask", digits.images[k : k + 1], seed=k)
        found = restored(method, problem, n=16, seed=k)
        shares = torch.bincount(read(to_uint8(found)), minlength=10) / 16
        kept.append({"digit": k, "true": int(digits.labels[k]), "shares": shares.tolist()})
        if args.keep:
            Path(args.keep).write_text(json.dumps(kept))
    found = reliability(kept)
    if args.plot:
        plot(found, METHODS[method].title, args.plot)


def reliability(kept):
    """Print the table of shares against frequencies, of the digits whose samples do not all agree. Gives its rows:
    share, frequency, standard error."""
    open_ones = [one for one in kept if max(one["shares"]) < 1]
    print(f"{len(kept)} digits, {len(open_ones)} of them ambiguous")
    shares = np.array([one["shares"] for one in open_ones])  # (digits, 10)
    true = np.array([[label == one["true"] for label in range(10)] for one in open_ones])
    edges, error, rows = [0, 1e-9, 0.125, 0.25, 0.5, 0.75, 1], 0.0, []
    for low, high in pairwise(edges):
        inside = (shares >= low) & (shares < high)
        if not inside.any():
            continue
        share, frequency, n = shares[inside].mean(), true[inside].mean(), inside.sum()
        error += n / inside.size * abs(share - frequency)
        spread = (frequency * (1 - frequency) / n) ** 0.5
        rows.append((share, frequency, spread))
        print(f"share {share:.3f}: true in {frequency:.3f} ± {spread:.3f} of {n}")
    brier, own = ((shares - true) ** 2).sum(1).mean(), shares[true].mean()
    print(f"calibration error {error:.3f}, Brier score {brier:.3f}, mean share of the true label {own:.3f}")
    return rows


def plot(rows, title, path):
    """A reliability plot: how often a label is the true one, over the share of samples that carry it."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.2, 4.2), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, label="calibrated")
    share, frequency, spread = np.array(rows).T
    axes.errorbar(share, frequency, spread, fmt="o", capsize=3, label=f"{title}, ± one standard error")
    axes.set(xlabel="share of samples with a label", ylabel="how often it is the true label", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(path)


def reading(args):
    test = load_digits("mnist", "test")
    pick = torch.randperm(len(test.images), generator=torch.Generator().manual_seed(0))[: args.digits]
    *_, last = classify(shipped_model(), test.images[pick])
    for name, found in {"diffusion": last.read, "classifier": last.others}.items():
        print(f"{name}: {float((found == test.labels[pick]).float().mean()):.1%} right")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["tune", "table", "time", "calibrate", "read"])
    parser.add_argument("--method", nargs="*", choices=[*METHODS, "inverse", "tv"])
    parser.add_argument("--steps", nargs="*", type=int)
    parser.add_argument("--digits", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep")
    parser.add_argument("--plot")
    args = parser.parse_args()
    if args.what == "time":
        twice()
    {"tune": tune, "table": table, "time": seconds, "calibrate": calibrate, "read": reading}[args.what](args)


if __name__ == "__main__":
    main()
