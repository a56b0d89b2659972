"""The same methods and samplers in two dimensions, where everything can be seen.

The distributions are mixtures of narrow Gaussians, so that the denoiser, the posterior after a measured line, and
therefore every error of a method is known exactly. Points are pictures of shape (1, 1, 2), x to the right, y upwards.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from atelier.diffusion.catalogue import SAMPLERS
from atelier.diffusion.sampling import sampler_of
from atelier.drawing import Chart, Frame
from atelier.drawing import Line as Curve
from atelier.errors import UserError
from atelier.fields.plane import axis
from atelier.restoration.catalogue import PLANE_OPTIONS, PLANES, method_title
from atelier.restoration.mixtures import Line, Mixture
from atelier.restoration.problems import Problem
from atelier.restoration.sampling import PosteriorStep, posterior_samples
from atelier.settings import Choice, Number

SHAPE = (1, 1, 2)
MOST_POINTS = 2000
_REACH = 2.0, 3.0  # half of a picture's height and width in the plane
_SIZE, _COARSE, _FINER = (360, 540), (180, 270), 2
_TRAILS = 30
_STEPS = 50
_GROUND, _DENSE = (22, 25, 33), (126, 148, 196)
_PARTS, _COLOURS = ((92, 192, 218), (242, 166, 90), (127, 206, 150)), ("blue", "orange", "green")
_TRAIL, _RULE = (255, 255, 255, 46), (255, 255, 255, 150)
_BINS = 40
_DIRECTIONS, _EXACT = 16, 4000


def distribution(name: str = "moons", drawn: Any = None) -> Mixture:
    """A distribution in the plane by its name in `PLANES`; its labels number its parts.

    Args:
        drawn: for "drawn", a picture (H, W) or (1, H, W) of which the bright pixels are likely.

    Raises:
        UserError: an unknown name, a picture that is missing or dark.
    """
    Choice(tuple(PLANES)).check("The distribution", name)
    if name == "drawn":
        return _of_ink(drawn)
    if name == "islands":
        means = torch.tensor([[-0.9, -0.5], [0.9, -0.6], [0.1, 1.0]])
        spreads = torch.tensor([0.3, 0.22, 0.16])
        covs = spreads.square()[:, None, None] * torch.eye(2)
        return Mixture(means, covs, torch.tensor([0.5, 0.3, 0.2]), SHAPE, torch.arange(3))
    if name == "moons":
        angles = torch.linspace(0, math.pi, 24)
        upper = torch.stack([angles.cos() - 0.5, angles.sin() - 0.2], 1)
        lower = torch.stack([0.5 - angles.cos(), 0.2 - angles.sin()], 1)
        return _narrow(torch.cat([upper, lower]), 0.08, torch.arange(2).repeat_interleave(24))
    turns = torch.linspace(0.15, 1, 40).sqrt()
    arm = (1.5 * turns)[:, None] * torch.stack([(2.2 * math.pi * turns).cos(), (2.2 * math.pi * turns).sin()], 1)
    return _narrow(torch.cat([arm, -arm]), 0.06, torch.arange(2).repeat_interleave(40))


def _narrow(means: Tensor, spread: float, labels: Tensor, weights: Tensor | None = None) -> Mixture:
    """Round components of one width."""
    covs = (spread**2 * torch.eye(2)).expand(len(means), 2, 2)
    return Mixture(means, covs, torch.ones(len(means)) if weights is None else weights, SHAPE, labels)


def _of_ink(drawn: Any) -> Mixture:
    ink = torch.as_tensor(np.asarray(drawn if drawn is not None else 0)).double().squeeze(0)
    if ink.ndim != 2 or not (ink > 0).any():
        raise UserError("There is nothing drawn above; draw something, or choose another distribution.")
    rows, columns = ink.nonzero(as_tuple=True)
    side = max(ink.shape)
    middle = (torch.tensor(ink.shape) - 1) / 2
    means = torch.stack([columns - middle[1], middle[0] - rows], 1) * (3.2 / side)
    return _narrow(means, 1.6 / side, torch.zeros(len(means), dtype=torch.long), ink[rows, columns])


class Guided(nn.Module):
    """A denoiser under classifier-free guidance (Ho & Salimans 2022): x0_hat + (scale - 1) (x0_hat - x0_hat without a
    label)."""

    def __init__(self, denoiser: nn.Module, scale: float) -> None:
        super().__init__()
        self.denoiser, self.scale, self.schedule = denoiser, scale, denoiser.schedule

    def forward(self, x_t: Tensor, t: Any, label: Tensor | None = None) -> Tensor:
        found = self.denoiser(x_t, t, label)
        if label is None or self.scale == 1:
            return found
        return found + (self.scale - 1) * (found - self.denoiser(x_t, t))


@dataclass(frozen=True)
class PlaneStep:
    """State after one step: points over a distribution."""

    name: str
    prior: Mixture = field(repr=False)
    target: Mixture = field(repr=False)  # what the points should follow at the end
    problem: Problem | None = field(repr=False)  # the line measured, if any
    by: str  # title of the method
    at: PosteriorStep = field(repr=False)
    trail: list[Tensor] = field(repr=False)  # (M, 2) of the first points, from the noise to now

    @property
    def step(self) -> int:
        return self.at.step

    @property
    def progress(self) -> float:
        return self.at.progress

    @property
    def points(self) -> Tensor:
        """(N, 2) float64, as they are now."""
        return self.at.x_t.flatten(1).double()


def sample_plane(
    name: str = "moons",
    method: str | Callable[..., tuple[Tensor, Tensor]] = "pigdm",
    *,
    angle: float | None = None,
    value: float | None = None,
    plane_noise: float | None = None,
    part: str = "none",
    guidance: float = 1.0,
    samples: int = 300,
    plane_steps: int | None = None,
    strength: float | None = None,
    seed: int = 0,
    drawn: Any = None,
) -> Iterator[PlaneStep]:
    """Turn noise into points of a distribution, or of its posterior after a line was measured, one step each.

    Args:
        name: of the distribution, see `distribution`. drawn: for "drawn".
        method: a name in METHODS, or a function (see `methods`), to sample the posterior; a name in SAMPLERS to sample
            the distribution itself.
        angle, value, plane_noise: y = cos(angle) x + sin(angle) y + noise is measured, in degrees; by default as in
            PLANE_OPTIONS. plane_steps, strength: by default those of the method.
        part: name of the part that is told, or "none". guidance: weight of this label.

    Raises:
        UserError: an unknown name, a number out of bounds.
    """
    prior = distribution(name, drawn)
    Choice(("none", *PLANES[name].parts)).check("The label", part)
    label = None if part == "none" else PLANES[name].parts.index(part)
    PLANE_OPTIONS["guidance"].check("guidance", guidance)
    samples = Number(1, MOST_POINTS, whole=True).check("The number of points", samples)
    options = {"angle": angle, "value": value, "plane_noise": plane_noise}
    problem, target = _measured(prior if label is None else prior.told(label), **options)
    free = method in SAMPLERS if isinstance(method, str) else False
    if free:
        target = prior if label is None else prior.told(label)
    step = _as_method(sampler_of(method)) if free else method
    run = posterior_samples(
        Guided(prior, guidance),
        problem,
        n=samples,
        method=step,
        label=label,
        steps=plane_steps or (_STEPS if callable(step) else None),
        strength=strength,
        seed=seed,
        clip=False,
        batch=MOST_POINTS,
    )
    trail: list[Tensor] = []
    for at in run:
        trail.append(at.x_t[:_TRAILS].flatten(1).double())
        yield PlaneStep(name, prior, target, None if free else problem, method_title(method), at, trail)


def _as_method(sampler: Callable[..., Any]) -> Callable[..., Any]:
    """A sampler of the digits as a method that ignores what was measured."""

    def step(prior, problem, x, t, s, noise):
        return sampler(prior, x, t, s, noise)

    return step


def _measured(prior: Mixture, **options: float | None) -> tuple[Problem, Mixture]:
    """The problem of a measured line, and the posterior."""
    angle, value, spread = (
        PLANE_OPTIONS[name].check(name, PLANE_OPTIONS[name].default if given is None else given)
        for name, given in options.items()
    )
    direction = torch.tensor([math.cos(math.radians(angle)), math.sin(math.radians(angle))], dtype=torch.float64)
    line, y = Line(direction, SHAPE), torch.tensor([[value]], dtype=torch.float64)
    problem = Problem(lambda: line, y, spread, SHAPE, kind="Line")
    return problem, prior.posterior(direction[None], y[0], problem.variance)


# What a step looks like.


def plane_panels(step: PlaneStep, full: bool = True) -> Frame:
    """The way of the points over the distribution, where they are beside what they should follow, and both along the
    line; from left to right where nothing is measured."""
    inside = step.prior.labels[step.prior.nearest(step.at.x0_hat)].tolist()
    paths, places = torch.stack(step.trail, 1), step.points
    pictures = {
        "way": _drawn(step.prior, places, inside, step.problem, paths),
        "target": _drawn(step.target, places, inside, step.problem),
    }
    named = ", ".join(f"{colour}: {part}" for colour, part in zip(_COLOURS, PLANES[step.name].parts, strict=False))
    captions = {
        "way": f"from noise to samples by {step.by}; {named}",
        "target": f"{len(places)} samples on the {_goal(step)}, exact",
    }
    frame = Frame(pictures, captions, step=step.step, total=f"of {step.at.steps} steps", seconds=step.at.seconds)
    return _with_chart(frame, step) if full else frame


def _goal(step: PlaneStep) -> str:
    """What the samples should follow."""
    return "posterior" if step.problem else "distribution"


def _with_chart(frame: Frame, step: PlaneStep) -> Frame:
    """Samples and what they should follow along the line that was measured, or from left to right."""
    across = step.problem.physics.direction if step.problem else torch.tensor([0.0, -1.0], dtype=torch.float64)
    along = torch.stack([-across[1], across[0]])
    heights, edges = np.histogram((step.points @ along).numpy(), _BINS, (-_REACH[0], _REACH[0]))
    heights = heights / (len(step.points) * (edges[1] - edges[0]))
    middles = (edges[:-1] + edges[1:]) / 2
    means, variances = step.target.means @ along, along @ step.target.covs @ along
    exact = torch.distributions.Normal(means, variances.sqrt()).log_prob(torch.from_numpy(middles)[:, None]).exp()
    lines = [
        Curve(middles.tolist(), heights.tolist(), "samples"),
        Curve(middles.tolist(), (exact @ step.target.weights).tolist(), f"{_goal(step)}, exact"),
    ]
    title, over = "Density from left to right", "x"  # not the same title: a page would keep the chart of the line
    if step.problem:
        title, over = "Density along the line", "place on the line"
    chart = Chart(title, lines, digits=2, over=over, height=96, newest=False)
    return replace(frame, charts=[chart])


def _drawn(
    ground: Mixture, places: Tensor, parts: list[int], problem: Problem | None, paths: Tensor | None = None
) -> np.ndarray:
    """Points, and their paths (M, T, 2), over a density: (360, 540, 3) uint8."""
    image = _density(ground).copy()
    draw = ImageDraw.Draw(image, "RGBA")
    unit = _SIZE[0] * _FINER / 2 / _REACH[0]

    def at(points: Tensor) -> list[tuple[float, float]]:
        return [(unit * (_REACH[1] + x), unit * (_REACH[0] - y)) for x, y in points.tolist()]

    if problem:
        across, y = problem.physics.direction, problem.y[0, 0]
        along = torch.stack([-across[1], across[0]])
        ends = [y * across + far * along for far in (-2 * _REACH[1], 2 * _REACH[1])]
        draw.line(at(torch.stack(ends)), fill=_RULE, width=_FINER)
    for path in [] if paths is None else paths:
        draw.line(at(path), fill=_TRAIL, width=_FINER)
    radius = 2.2 * _FINER
    for (x, y), part in zip(at(places), parts, strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_PARTS[part % len(_PARTS)])
    return np.asarray(image.reduce(_FINER))


@functools.lru_cache(maxsize=8)
def _density(mixture: Mixture) -> Image.Image:
    """A density as a picture, brightest where it is highest."""
    down, across = (axis(0.0, reach / side, side) for reach, side in zip(_REACH, _COARSE, strict=True))
    rows, columns = torch.meshgrid(-down, across, indexing="ij")
    found = mixture.density(torch.stack([columns, rows], -1).view(-1, 2)).view(_COARSE)
    share = (found / found.max()).sqrt()[..., None]  # (H, W, 1)
    colours = torch.lerp(torch.tensor(_GROUND).double(), torch.tensor(_DENSE).double(), share)
    image = Image.fromarray(colours.round().to(torch.uint8).numpy())
    return image.resize((_SIZE[1] * _FINER, _SIZE[0] * _FINER), Image.Resampling.BICUBIC)


def sliced_distance(points: Tensor, others: Tensor) -> float:
    """Wasserstein-1 distance of two sets of points, (N, 2) and (M, 2), averaged over directions (Bonneel et al.
    2015)."""
    angles = torch.arange(_DIRECTIONS).double() * math.pi / _DIRECTIONS
    directions = torch.stack([angles.cos(), angles.sin()])  # (2, K)
    shares = (torch.arange(1000).double() + 0.5) / 1000
    a, b = (torch.quantile(found.double() @ directions, shares, dim=0) for found in (points, others))
    return float((a - b).abs().mean())


def plane_words(step: PlaneStep | None) -> str:
    """How near the samples came to what they should follow, computed from them; empty before the end."""
    if step is None or not step.at.last:
        return ""
    generator = torch.Generator().manual_seed(0)
    exact = step.target.draw(_EXACT, generator)
    found = sliced_distance(step.points, exact)
    floor = np.mean([sliced_distance(step.target.draw(len(step.points), generator), exact) for _ in range(5)])
    words = [
        f"The distance of the samples to the true {_goal(step)} is **{found:.3f}**; as many exact samples have "
        f"{floor:.3f} (Wasserstein distance, averaged over directions; the picture is {2 * _REACH[1]:g} wide)."
    ]
    parts = PLANES[step.name].parts
    if len(parts) > 1:
        inside = step.prior.labels[step.prior.nearest(step.points)]
        true = step.prior.labels[step.prior.nearest(exact)]
        told = [
            f"{name} {(inside == k).double().mean():.0%} of the samples, {(true == k).double().mean():.0%} in truth"
            for k, name in enumerate(parts)
        ]
        words.append(f"{'; '.join(told)}.".capitalize())
    return " ".join(words)
