"""Judge classifiers: small networks that stand in for Inception where digits are to be judged.

Three ship, each of its own architecture and seed. Two serve development: the *feature* judge gives the features for
classifier-FID, KID and the neighbour figures, and the *label* judge says which digit an image shows. The third, the
*report* judge, does both for the figures that are shown; no choice was ever made by it. All learn from one random half
of the training images, so the other half is real data that they do not know.
`python -m atelier.diffusion.ship judges` trains them and writes their hashes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atelier import checkpoints
from atelier.checkpoints import Checkpoint
from atelier.data.digits import Digits
from atelier.devices import unmeasured_format
from atelier.diffusion.denoiser import initialise, to_model
from atelier.errors import UserError
from atelier.optimisers import AdamW
from atelier.paths import WEIGHTS
from atelier.seeds import mixed_seed

KIND = "judge"
SUMS = "SHA256SUMS"


class Judge(nn.Module):
    """Images in [-1, 1] -> features and logits."""

    def __init__(self, body: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(features, classes)

    def features(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) in [-1, 1] -> (N, features), not negative."""
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) in [-1, 1] -> (N, classes) logits."""
        return self.head(self.features(x))


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


def _strided(classes: int) -> Judge:
    body = nn.Sequential(
        _convolution(1, 16, 3),
        _convolution(16, 32, 5, stride=2),  # (N, 32, 14, 14)
        _convolution(32, 64, 3),
        _convolution(64, 64, 3, stride=2),  # (N, 64, 7, 7)
        nn.Flatten(),
        nn.Linear(64 * 49, 64),
        nn.ReLU(),
    )
    return Judge(body, 64, classes)


def _pooled(classes: int) -> Judge:
    body = nn.Sequential(
        _convolution(1, 24, 5),
        nn.MaxPool2d(2),  # (N, 24, 14, 14)
        _convolution(24, 48, 5),
        nn.MaxPool2d(2),  # (N, 48, 7, 7)
        _convolution(48, 96, 3),
        nn.AvgPool2d(7),
        nn.Flatten(),
        nn.Linear(96, 96),
        nn.ReLU(),
    )
    return Judge(body, 96, classes)


class _Residual(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.straight = nn.Sequential(
            _convolution(channels_in, channels_out, 3, stride),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.straight(x) + self.shortcut(x))


def _residual(classes: int) -> Judge:
    body = nn.Sequential(
        _convolution(1, 16, 3),
        _Residual(16, 32, 2),  # (N, 32, 14, 14)
        _Residual(32, 64, 2),  # (N, 64, 7, 7)
        _Residual(64, 64, 1),
        nn.AvgPool2d(3, stride=2),  # (N, 64, 3, 3)
        nn.Flatten(),
        nn.Linear(64 * 9, 80),
        nn.ReLU(),
    )
    return Judge(body, 80, classes)


JUDGES = {"features": (_strided, 11), "labels": (_pooled, 23), "report": (_residual, 37)}
"""Architecture and seed of each judge."""
_HALVES_SEED = 0


def halves(n: int) -> tuple[Tensor, Tensor]:
    """The numbers of n training images in two random halves: those that judges learn from, and those that they never
    see."""
    known, unseen = torch.randperm(n, generator=torch.Generator().manual_seed(_HALVES_SEED)).tensor_split(2)
    return known, unseen


@dataclass(frozen=True)
class JudgeStep:
    """One step of `train_judge`."""

    step: int  # from 1
    steps: int
    loss: float
    last: bool
    accuracy: float  # on the test images, at the last step; NaN before
    judge: Judge = field(repr=False)


def train_judge(role: str, training: Digits, test: Digits, *, epochs: int = 6) -> Iterator[JudgeStep]:
    """Train the judge for `role`, a name in `JUDGES`, on one half of the training images, see `halves`.

    AdamW with a one-cycle rate, label smoothing 0.05, and random affine maps; some minutes of two cores.
    """
    build, seed = JUDGES[role]
    judge = build(10)
    initialise(judge, torch.Generator().manual_seed(seed))
    known, _ = halves(len(training.images))
    size, steps = 128, epochs * (len(known) // 128)
    optimiser = AdamW(judge.parameters(), 3e-3, weight_decay=0.05, fused=True)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.15)
    cpu = torch.device("cpu")
    number_format = unmeasured_format(cpu)
    judge.train()
    for step in range(steps):
        generator = torch.Generator().manual_seed(mixed_seed(seed, step))
        index = known[torch.randint(len(known), (size,), generator=generator)]
        x = _jitter(to_model(training.images[index]), generator)
        with number_format.autocast(cpu):
            logits = judge(x)
        loss = F.cross_entropy(logits.float(), training.labels[index], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rates.step()
        last, accuracy = step + 1 == steps, float("nan")
        if last:
            accuracy = float((judge_logits(judge.eval(), test.images).argmax(1) == test.labels).float().mean())
        yield JudgeStep(step + 1, steps, float(loss.detach()), last, accuracy, judge)


def _jitter(x: Tensor, generator: torch.Generator) -> Tensor:
    """Small random rotation, scale, shear and shift of (N, 1, 28, 28) images with background -1."""
    n = len(x)
    affine = torch.eye(2, 3).repeat(n, 1, 1)
    spread = torch.tensor([[0.08, 0.12, 0.08], [0.12, 0.08, 0.08]])
    affine += spread * (2 * torch.rand(n, 2, 3, generator=generator) - 1)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


@torch.no_grad()
def judge_features(judge: Judge, images: Tensor) -> Tensor:
    """(N, 28, 28) uint8 -> (N, features) float32."""
    return torch.cat([judge.features(to_model(b)) for b in images.split(1000)])


@torch.no_grad()
def judge_logits(judge: Judge, images: Tensor) -> Tensor:
    """(N, 28, 28) uint8 -> (N, classes) float32 logits."""
    return torch.cat([judge(to_model(b)) for b in images.split(1000)])


def judge_path(role: str, dataset: str = "mnist", folder: Path = WEIGHTS) -> Path:
    """Where the judge for `role` and data set lies."""
    return folder / f"judge-{role}-{dataset}.safetensors"


def save_judge(path: Path, role: str, judge: Judge, accuracy: float) -> Path:
    """Write a judge in half precision with its measured test accuracy."""
    spec = {"role": role, "classes": judge.head.out_features}
    return checkpoints.save(path, Checkpoint(KIND, spec, judge.state_dict(), {"test_accuracy": accuracy}), half=True)


def load_judge(path: Path) -> Judge:
    """A judge in eval mode; UserError if it is missing, no judge, or differs from the hash in its folder's
    SHA256SUMS."""
    path = Path(path)
    checkpoint = checkpoints.load(path, KIND)
    wanted = read_sums(path.parent).get(path.name)
    if wanted is not None and sha256(path) != wanted:
        raise UserError(f"{path.name} is not the judge that was shipped (its hash differs); restore the file.")
    role, classes = checkpoint.spec.get("role"), checkpoint.spec.get("classes")
    if not isinstance(role, str) or role not in JUDGES or type(classes) is not int or not 1 <= classes <= 1000:
        raise UserError(f"{path.name} does not say what it judges; choose another.")
    judge = checkpoints.rebuild(lambda: JUDGES[role][0](classes), checkpoint.tensors, path.name)
    return judge.eval().requires_grad_(False)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_sums(folder: Path) -> dict[str, str]:
    """file name -> SHA-256, from the folder's SHA256SUMS (as `sha256sum -c` reads it)."""
    sums = Path(folder) / SUMS
    if not sums.is_file():
        return {}
    lines = (line.split(maxsplit=1) for line in sums.read_text().splitlines() if line.strip())
    return {name.strip().lstrip("*"): digest for digest, name in lines}


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS for every weight file in `folder`."""
    files = sorted(Path(folder).glob("*.safetensors"))
    (Path(folder) / SUMS).write_text("".join(f"{sha256(path)}  {path.name}\n" for path in files))
