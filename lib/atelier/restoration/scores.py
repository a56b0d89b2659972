"""How good restored pictures are, and what a reader of digits makes of them."""

import functools
import math
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from atelier.diffusion.denoiser import to_uint8
from atelier.diffusion.evaluation import load_judges
from atelier.diffusion.judges import Judge, judge_logits
from atelier.fields.metrics import psnr, ssim
from atelier.restoration.problems import Problem


@dataclass(frozen=True)
class Scores:
    """Of N pictures, each (N,)."""

    consistency: Tensor  # root mean square of y - A x, in grey values from 0 to 1: near the noise where it fits
    labels: Tensor  # int64, as the judge reads them
    psnr: Tensor  # in dB
    ssim: Tensor  # at most 1


def score(problem: Problem, pictures: Tensor, truth: Tensor) -> Scores:
    """Score pictures (N, 1, 28, 28) in [-1, 1]; truth: (N, 28, 28) or (1, 28, 28) uint8."""
    shown = ((pictures[:, 0].float().clamp(-1, 1) + 1) / 2).cpu()  # (N, 28, 28)
    pairs = list(zip(shown[..., None], (truth.float() / 255).expand(len(shown), -1, -1)[..., None], strict=True))
    return Scores(
        problem.consistency(pictures),
        read(to_uint8(pictures)),
        torch.tensor([psnr(*pair) for pair in pairs]),
        torch.stack([ssim(*pair) for pair in pairs]),
    )


@functools.cache
def _judge() -> Judge:
    return load_judges(report=True).labels


def read(images: Tensor) -> Tensor:
    """(N,) labels of (N, 28, 28) uint8 digits, by the judge that no setting was chosen by."""
    return judge_logits(_judge(), images).argmax(1)


def shares(labels: Tensor) -> dict[int, int]:
    """label -> how many have it, the most frequent first."""
    return dict(Counter(sorted(labels.tolist())).most_common())  # of equal counts the smaller label first


def shares_words(labels: Tensor) -> str:
    """The shares as a sentence: "Of 16 samples 9 are read as 9, 5 as 4 and 2 as 7."."""
    found, n = list(shares(labels).items()), len(labels)
    if len(found) == 1:
        return f"All {n} samples are read as {found[0][0]}." if n > 1 else f"The sample is read as {found[0][0]}."
    parts = [f"{count} as {label}" for label, count in found[1:]]
    first = f"{found[0][1]} {'is' if found[0][1] == 1 else 'are'} read as {found[0][0]}"
    listed = ", ".join([first, *parts[:-1]]) + f" and {parts[-1]}"
    return f"Of {n} samples {listed}."


FEW = 8
"""Samples from which on their agreement means something."""


def verdict(labels: Tensor) -> str:
    """What the shares mean, with their entropy as a number of answers that are equally likely."""
    portions = [count / len(labels) for count in shares(labels).values()]
    answers = math.exp(-sum(p * math.log(p) for p in portions))
    if len(portions) > 1:
        return f"That is as open as {answers:.1f} equally likely answers."
    return "The answer is clear." if len(labels) >= FEW else "So few samples do not show other answers; draw more."
