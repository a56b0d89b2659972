"""How good are generated digits? Every figure stands beside the same figure for real digits and for noise.

Features come from our own judge classifier, so the distances are named *classifier*-FID and *classifier*-KID;
they can't be compared with figures computed on Inception features. The reference is the held-out split; the
*floor* is what as many real training images score against it, the *ceiling* what pure noise scores.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from atelier.data.digits import Digits, load_digits
from atelier.diffusion.catalogue import DEFAULT_STEPS
from atelier.diffusion.denoiser import Denoiser, Guidance
from atelier.diffusion.judges import Judge, judge_features, judge_logits, judge_path, load_judge
from atelier.diffusion.models import Model, guide
from atelier.diffusion.sampling import Sampler, initial_noise, sample
from atelier.diffusion.training import to_uint8
from atelier.errors import UserError
from atelier.paths import WEIGHTS, cache_dir

NEIGHBOURS = 5
MOST_FOR_NEIGHBOURS = 5_000
MOST_FOR_MEMORISATION = 1_000
CHUNK = 500


@dataclass(frozen=True)
class Compared:
    """One figure for generated images, for as many real ones (the best to hope for) and for noise."""

    generated: float
    real: float
    noise: float

    @property
    def ratio(self) -> float:
        """Generated over real: 1 is indistinguishable to this figure."""
        return self.generated / self.real


@dataclass(frozen=True)
class Neighbours:
    """Share of generated images that fall among real ones (precision) and the reverse (recall)
    (Kynkäänniemi et al. 2019); density and coverage (Naeem et al. 2020). 1 is ideal; density may be above."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class Memorisation:
    """Euclidean distances (pixels in [0, 1]) to the nearest training image, for generated and for test
    images, each (M,); and the closest pairs: generated and training images (P, 28, 28) uint8 with distances.
    Much smaller distances for generated than for test images would mean copying."""

    generated: Tensor = field(repr=False)
    test: Tensor = field(repr=False)
    closest_generated: Tensor = field(repr=False)
    closest_training: Tensor = field(repr=False)
    closest_distances: Tensor = field(repr=False)

    @property
    def median_ratio(self) -> float:
        """Median distance of generated over that of test images; near 1 is alike."""
        return float(self.generated.median() / self.test.median())

    @property
    def suspicious(self) -> float:
        """Share of generated images closer to the training set than 99 % of the test images are."""
        return float((self.generated < self.test.quantile(0.01)).float().mean())


@dataclass(frozen=True)
class EvaluationReport:
    """All figures at one n. `confusion[a, j]` counts images asked for as a and judged j; `histogram` counts
    judged labels of generated, `real_histogram` those of the real sample. Label accuracy is the label
    judge's, NaN for an unconditional model. `images` and `labels` are what was judged."""

    n: int
    dataset: str
    reference: str
    sampler: str
    steps: int
    guidance: float
    interval: tuple[float, float]
    fid: Compared
    kid: Compared
    label_accuracy: float
    real_label_accuracy: float
    inception_style: Compared
    neighbours: Neighbours
    real_neighbours: Neighbours
    memorisation: Memorisation
    histogram: tuple[int, ...]
    real_histogram: tuple[int, ...]
    confusion: Tensor = field(repr=False)
    images: Tensor = field(repr=False)
    labels: Tensor | None = field(repr=False)
    seconds: float = 0.0

    def figures(self) -> dict:
        """The scalar figures, JSON-able, for a checkpoint's extras or the last line of a command."""
        return {
            "n": self.n,
            "dataset": self.dataset,
            "reference": self.reference,
            "sampler": self.sampler,
            "steps": self.steps,
            "guidance": self.guidance,
            "guidance_interval": list(self.interval),
            "classifier_fid": self.fid.generated,
            "classifier_fid_real": self.fid.real,
            "classifier_fid_noise": self.fid.noise,
            "classifier_fid_ratio": self.fid.ratio,
            "classifier_kid": self.kid.generated,
            "classifier_kid_real": self.kid.real,
            "classifier_kid_noise": self.kid.noise,
            "label_accuracy": self.label_accuracy,
            "label_accuracy_real": self.real_label_accuracy,
            "inception_style_score": self.inception_style.generated,
            "inception_style_score_real": self.inception_style.real,
            "inception_style_score_noise": self.inception_style.noise,
            "precision": self.neighbours.precision,
            "recall": self.neighbours.recall,
            "density": self.neighbours.density,
            "coverage": self.neighbours.coverage,
            "precision_real": self.real_neighbours.precision,
            "recall_real": self.real_neighbours.recall,
            "density_real": self.real_neighbours.density,
            "coverage_real": self.real_neighbours.coverage,
            "nearest_distance_ratio": self.memorisation.median_ratio,
            "nearer_than_99_percent_of_test": self.memorisation.suspicious,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class EvaluationStep:
    """Progress: what is being done, the share done in [0, 1], seconds left by the pace so far; the report at
    the last step, None before."""

    stage: str
    progress: float
    seconds_left: float
    report: EvaluationReport | None = field(default=None, repr=False)
    model: Model | None = None
    note: str = ""

    @property
    def step(self) -> int:
        """Per cent done."""
        return round(100 * self.progress)

    @property
    def last(self) -> bool:
        return self.report is not None


@dataclass(frozen=True)
class Judges:
    """The two judges of a data set: one for features, one for labels."""

    features: Judge
    labels: Judge


def load_judges(dataset: str = "mnist") -> Judges:
    """The judges of a data set: shipped ones, or those that `python -m atelier.diffusion.ship judges` left in
    the data folder. Font digits are judged by MNIST's.

    Raises:
        UserError: there are none yet for this data set.
    """
    name = "mnist" if dataset == "fonts" else dataset
    found = {}
    for role in ("features", "labels"):
        paths = [judge_path(role, name, folder) for folder in (WEIGHTS, cache_dir() / "judges")]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise UserError(
                f"There is no judge for {dataset} yet; make one with "
                f"uv run python -m atelier.diffusion.ship judges --dataset {name}."
            )
        found[role] = load_judge(path)[0]
    return Judges(**found)


def evaluate(
    denoiser: Denoiser,
    training: Digits,
    test: Digits,
    judges: Judges,
    *,
    n: int = 2_000,
    sampler: str | Sampler | Callable = "dpmpp",
    steps: int = DEFAULT_STEPS,
    guidance: Guidance | None = None,
    seed: int = 0,
) -> Iterator[EvaluationStep]:
    """Sample n images, with labels drawn as the training set has them, and judge them.

    Args:
        training: the split the denoiser was trained on; the floor and the memorisation check use it.
        test: the held-out split, the reference of every distance.
        n: at least 100; with 64 features FID needs 2,000 to mean much.

    Raises:
        UserError: n out of bounds, or the sampler's own refusals.
    """
    if isinstance(n, bool) or int(n) != n or not 100 <= n <= len(training.images):
        raise UserError(f"Evaluation needs from 100 to {len(training.images):,} images, and {n} is not.")
    guidance, began = guidance or Guidance(), time.monotonic()
    pick = torch.randperm(len(training.images), generator=torch.Generator().manual_seed(seed))[:n]
    labels = training.labels[pick] if denoiser.conditional else None
    images = []
    for first in range(0, n, CHUNK):
        count = min(CHUNK, n - first)
        asked = None if labels is None else labels[first : first + count]
        run = sample(denoiser, asked, n=count, sampler=sampler, steps=steps, guidance=guidance, seed=seed, first=first)
        for step in run:
            done = 0.95 * (first + count * step.step / step.steps) / n
            yield EvaluationStep("sampling", done, _left(began, done))
        images.append(step.images)
    yield EvaluationStep("judging", 0.95, _left(began, 0.95))
    report = judge(torch.cat(images), labels, training, test, judges, real=pick, seed=seed)
    named = sampler if isinstance(sampler, str) else getattr(sampler, "__name__", type(sampler).__name__)
    settings = {"sampler": named, "steps": steps, "guidance": guidance.scale, "interval": guidance.interval}
    seconds = time.monotonic() - began
    yield EvaluationStep("done", 1.0, 0.0, EvaluationReport(**report, **settings, seconds=seconds))


def judge_model(
    model: Model | Denoiser,
    *,
    n: int = 1_000,
    sampler: str | Sampler | Callable = "dpmpp",
    steps: int = DEFAULT_STEPS,
    guidance: Guidance | float | None = None,
    guidance_from: float | None = None,
    guidance_to: float | None = None,
    seed: int = 0,
) -> Iterator[EvaluationStep]:
    """`evaluate` a model on the data set that it was trained on, which is downloaded where it is not here.

    Raises:
        UserError: there is no judge for this data set, or as `evaluate`.
    """
    model = Model.of(model)
    judges = load_judges(model.dataset)
    yield EvaluationStep("loading the digits", 0.0, float("nan"))
    training, test = load_digits(model.dataset), load_digits(model.dataset, "test")
    guidance = guide(model, guidance, guidance_from, guidance_to)
    options = {"sampler": sampler, "steps": steps, "guidance": guidance, "seed": seed}
    for step in evaluate(model.denoiser, training, test, judges, n=n, **options):
        yield replace(step, model=model, note=training.title if training.stand_in else "")


def judge(
    images: Tensor,
    labels: Tensor | None,
    training: Digits,
    test: Digits,
    judges: Judges,
    *,
    real: Tensor,
    seed: int = 0,
) -> dict:
    """Every figure of `EvaluationReport` about images (n, 28, 28) uint8; `real` are the indices of as many
    training images, the floor."""
    n, noise = len(images), to_uint8(initial_noise(seed, min(len(images), 2_000)))
    sets = {"generated": images, "real": training.images[real], "noise": noise}
    features = {name: judge_features(judges.features, shown) for name, shown in sets.items()}
    reference = judge_features(judges.features, test.images)
    logits = {name: judge_logits(judges.labels, shown) for name, shown in sets.items()}
    judged = {name: out.argmax(1) for name, out in logits.items()}
    classes = logits["generated"].shape[1]
    confusion = torch.zeros(classes, classes, dtype=torch.long)
    if labels is not None:
        confusion = torch.bincount(labels * classes + judged["generated"], minlength=classes**2)
        confusion = confusion.view(classes, classes)
    return {
        "n": n,
        "dataset": training.title,
        "reference": f"{test.title} test split, {len(test.images):,} images",
        "fid": Compared(**{name: frechet_distance(f, reference) for name, f in features.items()}),
        "kid": Compared(**{name: kernel_distance(f, reference, seed=seed) for name, f in features.items()}),
        "label_accuracy": float("nan") if labels is None else float(confusion.diag().sum() / n),
        "real_label_accuracy": float((judged["real"] == training.labels[real]).float().mean()),
        "inception_style": Compared(**{name: inception_style_score(out) for name, out in logits.items()}),
        "neighbours": neighbour_figures(features["generated"], reference),
        "real_neighbours": neighbour_figures(features["real"], reference),
        "memorisation": memorisation(images, training.images, test.images),
        "histogram": tuple(torch.bincount(judged["generated"], minlength=classes).tolist()),
        "real_histogram": tuple(torch.bincount(judged["real"], minlength=classes).tolist()),
        "confusion": confusion,
        "images": images,
        "labels": labels,
    }


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of two Gaussians fitted to features (N, D), (M, D) (Heusel et al. 2017, eq. 6).

    The trace of the root of C_a C_b is taken by symmetric eigenvalues in float64, so it is never complex.
    """
    a, b = a.double(), b.double()
    mean_gap = (a.mean(0) - b.mean(0)).square().sum()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)  # (D, D)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return max(0.0, float(mean_gap + cov_a.trace() + cov_b.trace() - 2 * cross))


def kernel_distance(a: Tensor, b: Tensor, *, subsets: int = 10, size: int = 1_000, seed: int = 0) -> float:
    """Unbiased squared MMD with the cubic kernel, mean over subsets (Bińkowski et al. 2018, section 4).

    May be slightly negative when the two sets are alike.
    """
    generator = torch.Generator().manual_seed(seed)
    size = min(size, len(a), len(b))
    values = []
    for _ in range(subsets):
        x = a[torch.randperm(len(a), generator=generator)[:size]].double()
        y = b[torch.randperm(len(b), generator=generator)[:size]].double()
        xx, yy, xy = (_cubic_kernel(*pair) for pair in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - xx.trace() + yy.sum() - yy.trace()) / (size * (size - 1))
        values.append(float(within - 2 * xy.mean()))
    return sum(values) / len(values)


def _cubic_kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def neighbour_figures(generated: Tensor, real: Tensor, k: int = NEIGHBOURS) -> Neighbours:
    """Precision, recall, density, coverage over features (N, D) and (M, D), as many of each are used (at most
    5,000)."""
    size = min(len(generated), len(real), MOST_FOR_NEIGHBOURS)
    generated, real = generated[:size], real[:size]
    k = min(k, size - 1)
    radius_real, radius_generated = _radii(real, k), _radii(generated, k)  # (size,) each
    between = torch.cdist(generated, real)  # (generated, real)
    inside_real = between < radius_real
    return Neighbours(
        precision=float(inside_real.any(1).float().mean()),
        recall=float((between < radius_generated[:, None]).any(0).float().mean()),
        density=float(inside_real.float().sum(1).mean() / k),
        coverage=float((between.min(0).values < radius_real).float().mean()),
    )


def _radii(points: Tensor, k: int) -> Tensor:
    """Distance of every point to its k-th nearest neighbour, itself not counted."""
    return torch.cdist(points, points).kthvalue(k + 1, dim=1).values


def inception_style_score(logits: Tensor) -> float:
    """exp of the mean KL divergence of p(y|x) from p(y) (Salimans et al. 2016), on a judge's logits; at most
    the number of classes."""
    log_p = logits.double().log_softmax(1)
    marginal = log_p.exp().mean(0)
    return float((log_p.exp() * (log_p - marginal.log())).sum(1).mean().exp())


def memorisation(images: Tensor, training: Tensor, test: Tensor, pairs: int = 12) -> Memorisation:
    """Nearest training image of up to 1,000 generated and test images, all (·, 28, 28) uint8."""
    m = min(len(images), len(test), MOST_FOR_MEMORISATION)
    distances, index = nearest(images[:m], training)
    test_distances, _ = nearest(test[:m], training)
    order = distances.argsort()[:pairs]
    return Memorisation(
        generated=distances,
        test=test_distances,
        closest_generated=images[:m][order],
        closest_training=training[index[order]],
        closest_distances=distances[order],
    )


def nearest(images: Tensor, pool: Tensor, chunk: int = 5_000) -> tuple[Tensor, Tensor]:
    """Distance (float32, pixels in [0, 1]) and index of the nearest image in `pool`, for each of `images`."""
    x = images.flatten(1).float() / 255
    best = torch.full((len(x),), torch.inf)
    index = torch.zeros(len(x), dtype=torch.long)
    for start in range(0, len(pool), chunk):
        values, where = torch.cdist(x, pool[start : start + chunk].flatten(1).float() / 255).min(1)
        nearer = values < best
        best, index = torch.where(nearer, values, best), torch.where(nearer, where + start, index)
    return best, index


def _left(began: float, done: float) -> float:
    return (time.monotonic() - began) * (1 - done) / done if done else float("nan")
