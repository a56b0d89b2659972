"""How good are generated digits? Each figure stands beside the same figure for real digits and for noise.

Features come from our own judge classifier, so the distances are named *classifier*-FID and *classifier*-KID; they
cannot be compared with figures computed on Inception features. The reference is the held-out split; the *floor* is the
score of as many real images against it, drawn from the half of the training split that the judges do not know, the
*ceiling* that of pure noise.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from atelier.data.digits import Digits, load_digits
from atelier.diffusion.catalogue import DEFAULT_STEPS
from atelier.diffusion.denoiser import Denoiser, Guidance, to_uint8
from atelier.diffusion.judges import Judge, halves, judge_features, judge_logits, judge_path, load_judge
from atelier.diffusion.models import Model, guide, sampler_for, with_steps
from atelier.diffusion.sampling import Sampler, initial_noise, sample, sampler_name
from atelier.errors import UserError
from atelier.paths import WEIGHTS, cache_dir
from atelier.settings import Number

NEIGHBOURS = 5
MOST_FOR_NEIGHBOURS = 5_000
MOST_FOR_MEMORISATION = 1_000
CHUNK = 500


@dataclass(frozen=True)
class Memorisation:
    """Distances (Euclidean, pixels in [0, 1]) to the nearest training image. Much smaller distances for generated than
    for test images would mean copying."""

    generated: Tensor = field(repr=False)  # (M,)
    test: Tensor = field(repr=False)  # (M,)
    closest_generated: Tensor = field(repr=False)  # (12, 28, 28) uint8, of the closest pairs
    closest_training: Tensor = field(repr=False)  # (12, 28, 28) uint8
    closest_distances: Tensor = field(repr=False)  # (12,)

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
    """What the judges found.

    Args:
        figures: name -> number or text, JSON-able, for a checkpoint's extras; "…_real" is the floor, "…_noise" the
            ceiling. Label accuracy is that of the label judge, NaN for an unconditional model.
        labels: what was asked for, (n,).
        confusion: [a, j] counts images asked for as a and judged j.
        histogram, real_histogram: counts of the judged labels, generated and real.
    """

    figures: dict[str, Any]
    labels: Tensor | None = field(repr=False)
    confusion: Tensor = field(repr=False)
    histogram: list[int] = field(repr=False)
    real_histogram: list[int] = field(repr=False)
    memorisation: Memorisation = field(repr=False)


@dataclass(frozen=True)
class EvaluationStep:
    """Progress of an evaluation."""

    stage: str
    progress: float  # share done
    seconds_left: float = float("nan")
    report: EvaluationReport | None = field(default=None, repr=False)  # at the last step
    model: Model | None = None

    @property
    def step(self) -> int:
        """Per cent done."""
        return round(100 * self.progress)

    @property
    def last(self) -> bool:
        return self.report is not None


@dataclass(frozen=True)
class Judges:
    """The judge of a data set for features, and the one for labels."""

    features: Judge
    labels: Judge


def load_judges(dataset: str = "mnist", *, report: bool = False) -> Judges:
    """The judges of a data set: shipped ones, or those that `python -m atelier.diffusion.ship judges` left in
    the data folder. Font digits are judged by MNIST's.

    Args:
        report: the third judge, for both: for figures that are shown. Choose settings by the two others.

    Raises:
        UserError: there are none yet for this data set.
    """
    name = "mnist" if dataset == "fonts" else dataset
    found = []
    for role in ("report",) if report else ("features", "labels"):
        paths = [judge_path(role, name, folder) for folder in (WEIGHTS, cache_dir() / "judges")]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise UserError(
                f"There is no judge for {dataset} yet; make one with "
                f"uv run python -m atelier.diffusion.ship judges --dataset {name}."
            )
        found.append(load_judge(path))
    return Judges(found[0], found[-1])


def evaluate(
    denoiser: Denoiser,
    training: Digits,
    test: Digits,
    judges: Judges,
    *,
    n: int = 2_000,
    sampler: str | Sampler = "dpmpp",
    steps: int = DEFAULT_STEPS,
    times: Sequence[float] | None = None,
    guidance: Guidance | None = None,
    seed: int = 0,
    precision: str = "auto",
    layout: str = "auto",
) -> Iterator[EvaluationStep]:
    """Sample n images, with labels drawn as the training set has them, and judge them.

    Args:
        training: the split the denoiser was trained on; the floor and the memorisation check use it.
        test: the held-out split, the reference of every distance.
        times, precision, layout: as `sample` takes them.
        n: at least 100, and at most half of the training split; with 64 features FID needs 2,000 to mean much.

    Raises:
        UserError: n out of bounds, or as `sample`.
    """
    _, unseen = halves(len(training.images))
    n = Number(100, len(unseen), whole=True).check("The number of images to judge", n)
    guidance, began, few = guidance or Guidance(), time.monotonic(), len(denoiser.knots)
    how = {"sampler": f"few{few}", "steps": None} if few else {"sampler": sampler, "steps": steps, "times": times}
    form = {"precision": precision, "layout": layout}
    pick = unseen[torch.randperm(len(unseen), generator=torch.Generator().manual_seed(seed))[:n]]
    labels = training.labels[pick] if denoiser.conditional else None
    images = []
    for first in range(0, n, CHUNK):
        count = min(CHUNK, n - first)
        asked = None if labels is None else labels[first : first + count]
        run = sample(denoiser, asked, n=count, **how, **form, guidance=guidance, seed=seed, first=first)
        for step in run:
            done = 0.95 * (first + count * step.progress) / n
            yield EvaluationStep("sampling", done, (time.monotonic() - began) * (1 - done) / done)
        images.append(step.images)
    yield EvaluationStep("judging", 0.95, (time.monotonic() - began) * 0.05 / 0.95)
    report = judge(torch.cat(images), labels, training, test, judges, real=pick, seed=seed)
    made = {
        "sampler": sampler_name(how["sampler"]),
        "steps": step.steps,
        "network_calls": step.network_calls,
        "guidance": guidance.scale,
        "guidance_by": "early" if guidance.weak else "label",
        "guidance_interval": list(guidance.interval),
        "seconds": time.monotonic() - began,
    }
    yield EvaluationStep("done", 1.0, 0.0, replace(report, figures=report.figures | made))


def judge_model(
    model: Model | Denoiser,
    *,
    n: int = 1_000,
    sampler: str | Sampler = "dpmpp",
    steps: int = DEFAULT_STEPS,
    seed: int = 0,
    precision: str = "auto",
    layout: str = "auto",
    **guidance: Guidance | float | str | None,
) -> Iterator[EvaluationStep]:
    """`evaluate` a model by the report judge of the data set that it was trained on, which is downloaded where it is
    missing, with the guidance of `models.guide`.

    Raises:
        UserError: there is no judge for this data set, or as `evaluate`.
    """
    model = with_steps(Model.of(model), sampler)
    judges = load_judges(model.dataset, report=True)
    yield EvaluationStep("loading the digits", 0.0)
    training, test = load_digits(model.dataset), load_digits(model.dataset, "test")
    options = {
        "sampler": sampler_for(model, sampler),
        "steps": steps,
        "guidance": guide(model, **guidance),
        "seed": seed,
        "precision": precision,
        "layout": layout,
    }
    for step in evaluate(model.denoiser, training, test, judges, n=n, **options):
        yield replace(step, model=model)


def judge(
    images: Tensor, labels: Tensor | None, training: Digits, test: Digits, judges: Judges, *, real: Tensor, seed: int
) -> EvaluationReport:
    """Judge images (n, 28, 28) uint8; `real` are the indices of as many training images, the floor."""
    noise = to_uint8(initial_noise(seed, min(len(images), 2_000)))
    reference = judge_features(judges.features, test.images)
    figures: dict[str, Any] = {
        "n": len(images),
        "dataset": training.title,
        "reference": f"{test.title} test split, {len(test.images):,} images",
    }
    judged = {}
    for suffix, shown in {"": images, "_real": training.images[real], "_noise": noise}.items():
        features, logits = judge_features(judges.features, shown), judge_logits(judges.labels, shown)
        judged[suffix] = logits.argmax(1)
        found = {
            "classifier_fid": frechet_distance(features, reference),
            "classifier_kid": kernel_distance(features, reference, seed=seed),
            "inception_style_score": inception_style_score(logits),
        }
        if suffix != "_noise":
            found |= neighbour_figures(features, reference)
        figures |= {name + suffix: value for name, value in found.items()}
    classes = logits.shape[1]
    asked = torch.empty(0, dtype=torch.long) if labels is None else labels * classes + judged[""]
    confusion = torch.bincount(asked, minlength=classes**2).view(classes, classes)
    close = memorisation(images, training.images, test.images, seed=seed)
    figures |= {
        "classifier_fid_ratio": figures["classifier_fid"] / figures["classifier_fid_real"],
        "label_accuracy": float("nan") if labels is None else float(confusion.diag().sum() / len(images)),
        "label_accuracy_real": float((judged["_real"] == training.labels[real]).float().mean()),
        "nearest_distance_ratio": close.median_ratio,
        "nearer_than_99_percent_of_test": close.suspicious,
    }
    histograms = [torch.bincount(judged[suffix], minlength=classes).tolist() for suffix in ("", "_real")]
    return EvaluationReport(figures, labels, confusion, *histograms, close)


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


def kernel_distance(a: Tensor, b: Tensor, *, seed: int = 0) -> float:
    """Unbiased squared MMD of features (N, D), (M, D) with the cubic kernel, mean over ten subsets of at most 1,000
    (Bińkowski et al. 2018, section 4); slightly negative at times where the two sets are alike."""
    generator = torch.Generator().manual_seed(seed)
    size = min(1_000, len(a), len(b))
    values = []
    for _ in range(10):
        x = a[torch.randperm(len(a), generator=generator)[:size]].double()
        y = b[torch.randperm(len(b), generator=generator)[:size]].double()
        xx, yy, xy = (_cubic_kernel(*pair) for pair in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - xx.trace() + yy.sum() - yy.trace()) / (size * (size - 1))
        values.append(float(within - 2 * xy.mean()))
    return sum(values) / len(values)


def _cubic_kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def neighbour_figures(generated: Tensor, real: Tensor) -> dict[str, float]:
    """Over features (N, D) and (M, D), of which the same number is drawn at random, at most 5,000: the share of
    generated images among real ones (precision) and the reverse (recall) (Kynkäänniemi et al. 2019), density and
    coverage (Naeem et al. 2020). 1 is ideal; density may be above."""
    size, generator = min(len(generated), len(real), MOST_FOR_NEIGHBOURS), torch.Generator().manual_seed(0)
    generated, real = (found[torch.randperm(len(found), generator=generator)[:size]] for found in (generated, real))
    k = min(NEIGHBOURS, size - 1)
    radius_real, radius_generated = _radii(real, k), _radii(generated, k)  # (size,) each
    between = torch.cdist(generated, real)  # (generated, real)
    inside_real = between < radius_real
    return {
        "precision": float(inside_real.any(1).float().mean()),
        "recall": float((between < radius_generated[:, None]).any(0).float().mean()),
        "density": float(inside_real.float().sum(1).mean() / k),
        "coverage": float((between.min(0).values < radius_real).float().mean()),
    }


def _radii(points: Tensor, k: int) -> Tensor:
    """Distance of every point to its k-th nearest neighbour, itself not counted."""
    return torch.cdist(points, points).kthvalue(k + 1, dim=1).values


def inception_style_score(logits: Tensor) -> float:
    """exp of the mean KL divergence of p(y|x) from p(y) (Salimans et al. 2016), on a judge's logits; at most
    the number of classes."""
    log_p = logits.double().log_softmax(1)
    marginal = log_p.exp().mean(0)
    return float((log_p.exp() * (log_p - marginal.log())).sum(1).mean().exp())


def memorisation(images: Tensor, training: Tensor, test: Tensor, *, seed: int = 0) -> Memorisation:
    """Nearest training image of up to 1,000 generated and test images, drawn at random; all (·, 28, 28) uint8."""
    m, generator = min(len(images), len(test), MOST_FOR_MEMORISATION), torch.Generator().manual_seed(seed)
    images, test = (found[torch.randperm(len(found), generator=generator)[:m]] for found in (images, test))
    distances, index = nearest(images, training)
    test_distances, _ = nearest(test, training)
    order = distances.argsort()[:12]
    return Memorisation(
        generated=distances,
        test=test_distances,
        closest_generated=images[order],
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
