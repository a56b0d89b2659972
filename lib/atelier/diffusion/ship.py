"""Make the weights that ship with Atelier, and print their figures.

    python -m atelier.diffusion.ship judges   train both judges and write their hashes
    python -m atelier.diffusion.ship denoiser   train the conditional U-Net (goes on where it was stopped)
    python -m atelier.diffusion.ship figures   evaluate the shipped denoiser and store the figures in it
    python -m atelier.diffusion.ship show   print the figures stored in the shipped files

Everything is trained on MNIST with fixed seeds.
"""

import argparse
from pathlib import Path

import torch

from atelier.datasets.digits import Digits, load_digits
from atelier.diffusion.denoiser import build_denoiser
from atelier.diffusion.judges import JUDGES, judge_path, save_judge, train_judge, write_sums
from atelier.diffusion.training import Recipe, train
from atelier.errors import UserError
from atelier.paths import WEIGHTS, cache_dir

SHIPPED = WEIGHTS / "digits-unet.safetensors"
RECIPE = {"learning_rate": 2e-3, "batch_size": 128, "ema_decay": 0.999, "seed": 0}
STEPS = 8_000


def mnist(split: str) -> Digits:
    """The real MNIST; what ships is never trained on a stand-in.

    Raises:
        UserError: it is neither here nor to be fetched.
    """
    digits = load_digits("mnist", split)
    if digits.stand_in:
        raise UserError("Shipped weights need the real MNIST; set ATELIER_DATA to the folder that holds it.")
    return digits


def judges() -> None:
    """Train both judges."""
    digits, test = mnist("train"), mnist("test")
    for role in JUDGES:
        for step in train_judge(role, digits.images, digits.labels, test.images, test.labels):
            if step.step % 100 == 0 or step.last:
                print(f"{role} judge: step {step.step}/{step.steps} loss {step.loss:.4f}", flush=True)
        print(f"{role} judge: test accuracy {100 * step.accuracy:.2f} %")
        save_judge(judge_path(role), role, step.judge, step.accuracy)
    write_sums(WEIGHTS)


def denoiser(steps: int, working: Path) -> None:
    """Train the conditional U-Net, from `working` where that exists."""
    digits = mnist("train")
    run = train(
        build_denoiser("unet", "flow", "flow", seed=RECIPE["seed"]),
        digits.images,
        digits.labels,
        Recipe(steps=steps, **RECIPE),
        checkpoint=working,
        resume=working if working.is_file() else None,
        notes={"dataset": digits.title},
    )
    for step in run:
        if step.step % 100 == 0 or step.last:
            print(
                f"step {step.step} epoch {step.epoch:.2f} loss {step.loss:.4f} "
                f"{step.images_per_second:.0f} images/s, {step.seconds_left / 60:.1f} min left",
                flush=True,
            )


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("judges", "denoiser", "figures", "show"))
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps of the denoiser")
    parser.add_argument("--working", type=Path, default=cache_dir() / "ship" / "digits-unet.safetensors")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.what == "judges":
        judges()
    elif given.what == "denoiser":
        denoiser(given.steps, given.working)


if __name__ == "__main__":
    main()
