"""What a step in the plane looks like, and how near its points are to what they should follow."""

import functools
import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from atelier.drawing import Chart, Frame
from atelier.drawing import Line as Curve
from atelier.fields.plane import axis
from atelier.restoration.catalogue import PLANES
from atelier.restoration.mixtures import Mixture
from atelier.restoration.plane import PlaneStep
from atelier.restoration.problems import Problem

_REACH = 2.0, 3.0  # half of a picture's height and width in the plane
_SIZE, _COARSE, _FINER = (360, 540), (180, 270), 2
_GROUND, _DENSE = (22, 25, 33), (126, 148, 196)
_PARTS, _COLOURS = ((92, 192, 218), (242, 166, 90), (127, 206, 150)), ("blue", "orange", "green")
_TRAIL, _RULE = (255, 255, 255, 46), (255, 255, 255, 150)
_BINS = 40
_DIRECTIONS, _EXACT = 16, 4000


def plane_panels(step: PlaneStep, full: bool = True) -> Frame:
    """The way of the points over the distribution, where they are beside what they should follow, and both along the
    line; from left to right where nothing is measured."""
    inside = step.prior.label_of(step.at.x0_hat).tolist()
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
    about = {"step": step.step, "total": f"of {step.at.steps} steps", "seconds": step.at.seconds}
    return Frame(pictures, captions, [_chart(step)] if full else [], **about)


def _goal(step: PlaneStep) -> str:
    """What the samples should follow."""
    return "posterior" if step.problem else "distribution"


def _chart(step: PlaneStep) -> Chart:
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
    return Chart(title, lines, digits=2, over=over, height=96, newest=False)


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
        inside, true = step.prior.label_of(step.points), step.prior.label_of(exact)
        told = [
            f"{name} {(inside == k).double().mean():.0%} of the samples, {(true == k).double().mean():.0%} in truth"
            for k, name in enumerate(parts)
        ]
        words.append(f"{'; '.join(told)}.".capitalize())
    return " ".join(words)
