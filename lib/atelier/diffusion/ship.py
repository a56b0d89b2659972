"""Make the weights that ship with Atelier, and print their figures.

    python -m atelier.diffusion.ship judges     train the three judges and write their hashes
    python -m atelier.diffusion.ship denoiser   train the conditional U-Net (goes on where it was stopped)
    python -m atelier.diffusion.ship early      train its first steps again, for autoguidance
    python -m atelier.diffusion.ship few        distil it to 4, 2 and 1 steps (goes on where it was stopped)
    python -m atelier.diffusion.ship figures    judge all of them, store the figures in their files, print
    python -m atelier.diffusion.ship show       print the figures stored in the shipped files

What ships is trained on the real MNIST with fixed seeds. Judges of the other data sets (`judges --dataset fashion`) are
trained likewise and kept in the data folder.
"""

import argparse
import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from atelier import checkpoints
from atelier.data.catalogue import DATASETS
from atelier.data.digits import Digits, load_digits
from atelier.devices import best_device
from atelier.diffusion import judges
from atelier.diffusion.catalogue import DEFAULT_STEPS
from atelier.diffusion.denoiser import (
    DEFAULT_GUIDANCE,
    EARLY,
    KIND,
    SHIPPED,
    Denoiser,
    Guidance,
    build_denoiser,
    cost_per_image,
    few_path,
    load_denoiser,
    parameter_count,
    save_denoiser,
)
from atelier.diffusion.distilling import KNOTS, distill
from atelier.diffusion.evaluation import evaluate, load_judges
from atelier.diffusion.training import Recipe, TrainStep, train
from atelier.errors import UserError
from atelier.parallel import team
from atelier.paths import WEIGHTS, cache_dir

RECIPE = {"optimiser": "muon", "learning_rate": 2e-3, "batch_size": 1024, "ema_decay": 0.999, "seed": 0}
STEPS = 5_000
EARLY_STEPS = 250
FEW_RECIPE = {"optimiser": "muon", "learning_rate": 1e-3, "batch_size": 512, "ema_decay": 0.998, "warmup": 50}
FEW_STEPS = {4: 800, 2: 400, 1: 400}
WALK = 20
"""Steps of the teacher from noise to image, shared among the segments of a student."""
NETWORKS = {"unet": SHIPPED} | {f"few{count}": few_path(count) for count in KNOTS}
SEEDS, STUDENT_T = 3, 4.303
"""Of the figures that ship; the 97.5 % point of Student's t with two degrees of freedom."""


def real_digits(name: str, split: str) -> Digits:
    """A real data set, never a stand-in."""
    digits = load_digits(name, split)
    if digits.stand_in:
        raise UserError(f"{name} is needed and not here; set ATELIER_DATA to the folder that holds it.")
    return digits


def make_judges(dataset: str) -> None:
    """Train the judges; MNIST's go to the shipped weights, others to the data folder."""
    digits, test = real_digits(dataset, "train"), real_digits(dataset, "test")
    folder = WEIGHTS if dataset == "mnist" else cache_dir() / "judges"
    for role in judges.JUDGES:
        for step in judges.train_judge(role, digits, test):
            if step.step % 100 == 0 or step.last:
                print(f"{role} judge: step {step.step}/{step.steps} loss {step.loss:.4f}", flush=True)
        print(f"{role} judge: test accuracy {100 * step.accuracy:.2f} %")
        judges.save_judge(judges.judge_path(role, dataset, folder), role, step.judge, step.accuracy)
    judges.write_sums(folder)


def told(run: Iterable[TrainStep], name: str, every: int = 100) -> TrainStep | None:
    """Train to the end and print how it goes; the last step, None where there was nothing left to do."""
    step = None
    for step in run:
        if team().leads and (step.step % every == 0 or step.last):
            left = f"{step.images_per_second:.0f} images/s, {step.seconds_left / 60:.1f} min left"
            print(f"{name}: step {step.step} epoch {step.epoch:.2f} loss {step.loss:.5f} {left}", flush=True)
    return step


def training_of_unet(steps: int, **options: Any) -> Iterator[TrainStep]:
    """The training of the conditional U-Net; options: of `train`."""
    team()  # which may choose the device
    digits, recipe = real_digits("mnist", "train"), Recipe(steps=steps, **RECIPE)
    denoiser = build_denoiser("unet", "flow", "flow", seed=recipe.seed).to(best_device())
    return train(denoiser, digits.images, digits.labels, recipe, notes={"dataset": digits.title}, **options)


def make_denoiser(steps: int, working: Path, out: Path) -> None:
    """Train the conditional U-Net, from `working` where that exists, and write its average to `out`."""
    resume = working if working.is_file() else None
    told(training_of_unet(steps, checkpoint=working, resume=resume), "U-Net")
    if team().leads:
        write(out, *load_denoiser(working))


def make_early(steps: int, early_steps: int) -> None:
    """Train the first steps of `make_denoiser` again and keep the average."""
    last = told(islice(training_of_unet(steps), early_steps), "Early U-Net")
    if team().leads:
        write(EARLY, last.average, {"dataset": DATASETS["mnist"].title, "step": last.step})


def make_few(working: Path, names: Sequence[str]) -> None:
    """Distil the shipped U-Net to 4, 2 and 1 steps; only the networks with these names."""
    digits = real_digits("mnist", "train")
    notes = {"dataset": digits.title, "teacher": judges.sha256(SHIPPED)}
    for count, knots in KNOTS.items():
        out = few_path(count)
        if f"few{count}" not in names:
            continue
        teacher, at = load_denoiser(SHIPPED)[0], working.with_name(out.name)
        goes_on = at.is_file() and checkpoints.load(at, KIND).extra.get("teacher") == notes["teacher"]
        options = {"checkpoint": at, "resume": at if goes_on else None, "notes": notes, "walk": WALK // count}
        recipe = Recipe(steps=FEW_STEPS[count], seed=count, **FEW_RECIPE)
        run = distill(teacher.to(best_device()), digits.images, digits.labels, recipe, knots=knots, **options)
        told(run, f"{count} steps", every=50)
        if team().leads:
            write(out, *load_denoiser(at))


def make_figures(n: int, steps: int, guidance: Guidance, paths: Sequence[Path]) -> None:
    """Judge the networks at `paths` by the report judge, and store the means over seeds in their files."""
    given = real_digits("mnist", "train"), real_digits("mnist", "test"), load_judges(report=True)
    for path in paths:
        denoiser, extra = load_denoiser(path)
        denoiser, found = denoiser.to(best_device()), []
        for seed in range(SEEDS):
            for step in evaluate(denoiser, *given, n=n, steps=steps, guidance=guidance, seed=seed):
                if not step.last and round(1000 * step.progress) % 100 == 0:
                    left = f"{step.seconds_left / 60:.1f} min left"
                    print(f"{path.name}, seed {seed}: {step.stage} {step.progress:.0%}, {left}", flush=True)
            found.append(step.report.figures)
            ratio, right = (step.report.figures[name] for name in ("classifier_fid_ratio", "label_accuracy"))
            print(f"{path.name}, seed {seed}: {ratio:.3f} times the floor, labels {right:.2%}", flush=True)
        size = {"parameters": parameter_count(denoiser), "macs_per_image": cost_per_image(denoiser)}
        write(path, denoiser, extra | {"figures": means(found) | size})
    show()


def means(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures of several seeds as one: means, and for two of them half the 95 % confidence interval by Student's t."""
    told = {"seeds": len(found)}
    for name, value in found[0].items():
        values = [figures[name] for figures in found]
        told[name] = statistics.fmean(values) if isinstance(value, float) else value
        if name in ("classifier_fid_ratio", "label_accuracy"):
            told[f"{name}_interval"] = STUDENT_T * statistics.stdev(values) / len(values) ** 0.5
    return told


def write(out: Path, denoiser: Denoiser, extra: dict) -> None:
    """Write a sampling-only file, and the hashes anew where it ships."""
    save_denoiser(out, denoiser, extra)
    if out.parent == WEIGHTS:
        judges.write_sums(WEIGHTS)


def show() -> None:
    """Print what the shipped files say about themselves."""
    for role in judges.JUDGES:
        path = judges.judge_path(role)
        accuracy = checkpoints.load(path, judges.KIND).extra["test_accuracy"]
        print(f"{path.name}: test accuracy {100 * accuracy:.2f} %")
    for path in NETWORKS.values():
        extra = checkpoints.load(path, KIND).extra
        run, found = extra["run"], extra.get("figures", {})
        print(f"{path.name}: {run['step']} steps in {run['elapsed'] / 60:.0f} min of training")
        print(json.dumps(found, indent=2))


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("judges", "denoiser", "early", "few", "figures", "show"))
    parser.add_argument("--dataset", choices=tuple(DATASETS), default="mnist", help="of the judges")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps of the denoiser")
    parser.add_argument("--early-steps", type=int, default=EARLY_STEPS, help="training steps of the early snapshot")
    parser.add_argument("--working", type=Path, default=cache_dir() / "ship" / "digits-unet.safetensors")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where `denoiser` writes the sampling-only U-Net")
    parser.add_argument(
        "--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="that are distilled or judged"
    )
    parser.add_argument("--n", type=int, default=10_000, help="images in the figures")
    parser.add_argument("--sampling-steps", type=int, default=DEFAULT_STEPS)
    parser.add_argument("--guidance", type=float, default=DEFAULT_GUIDANCE.scale)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.what == "judges":
        make_judges(given.dataset)
    elif given.what == "denoiser":
        make_denoiser(given.steps, given.working, given.out)
    elif given.what == "early":
        make_early(given.steps, given.early_steps)
    elif given.what == "few":
        make_few(given.working, given.networks)
    elif given.what == "figures":
        guidance = Guidance(given.guidance, DEFAULT_GUIDANCE.interval)
        paths = [NETWORKS[name] for name in given.networks]
        make_figures(given.n, given.sampling_steps, guidance, paths)
    else:
        show()


if __name__ == "__main__":
    main()
