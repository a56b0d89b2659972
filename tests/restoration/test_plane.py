"""Two dimensions: denoiser and posterior against integrals, samples against what they should follow, bad input."""

import math

import numpy as np
import pytest
import torch
from atelier.diffusion.catalogue import SAMPLERS
from atelier.errors import UserError
from atelier.restoration.catalogue import METHODS, PLANE_METHODS, PLANE_OPTIONS, PLANES, plane_options
from atelier.restoration.mixtures import Line, Mixture
from atelier.restoration.plane import SHAPE, Guided, distribution, sample_plane
from atelier.restoration.plane_showing import plane_panels, plane_words, sliced_distance
from moments import cov_of, mean_of

DRAWN = np.zeros((28, 28), np.uint8)
DRAWN[4:24, 14], DRAWN[8, 8:20] = 255, 128
SIDE = torch.linspace(-3, 3, 121).double()
GRID = torch.stack(torch.meshgrid(SIDE, SIDE, indexing="xy"), -1).view(-1, 2)
CELL = float(SIDE[1] - SIDE[0]) ** 2


def named(name):
    return distribution(name, DRAWN if name == "drawn" else None)


def last(*args, **options):
    *_, found = sample_plane(*args, **options)
    return found


@pytest.mark.parametrize("name", PLANES)
def test_the_denoiser_follows_tweedies_formula(name):
    prior = named(name)
    x = prior.draw(40, torch.Generator().manual_seed(0)).mul_(1.1).requires_grad_()  # where the density is above 0
    for t in (20, 300, 900):
        alpha, sigma = (float(rate) for rate in prior.schedule.rates(x[:1], t))
        covs = alpha**2 * prior.covs + sigma**2 * torch.eye(2).double()
        noisy = Mixture(alpha * prior.means, covs, prior.weights, SHAPE)
        (slope,) = torch.autograd.grad(noisy.density(x).log().sum(), x)
        wanted = (x + sigma**2 * slope) / alpha
        assert torch.allclose(prior(x.view(-1, *SHAPE), t).view(-1, 2), wanted, atol=1e-6)


@pytest.mark.parametrize("name", PLANES)
def test_the_posterior_is_bayes_rule_on_a_grid(name):
    prior, direction, y = named(name), torch.tensor([0.6, 0.8], dtype=torch.float64), 0.4
    assert float(prior.density(GRID).sum() * CELL) == pytest.approx(1, abs=0.01)
    wanted = prior.density(GRID) * torch.exp(-((GRID @ direction - y) ** 2) / (2 * 0.3**2))
    found = prior.posterior(direction[None], torch.tensor([y]).double(), 0.3**2).density(GRID)
    assert torch.allclose(found, wanted / (wanted.sum() * CELL), atol=0.02 * float(found.max()))


def test_a_line_is_a_physics():
    line = Line(torch.tensor([0.6, 0.8], dtype=torch.float64), SHAPE)
    x, y = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1)).double(), torch.full((5, 1), 0.7).double()
    assert float((line.A(x) * y).sum()) == pytest.approx(float((x * line.A_adjoint(y)).sum()))
    assert torch.allclose(line.A(line.A_dagger(y)), y)
    found = line.prox_l2(x, y, 3.0)
    assert torch.allclose(found - x + 3.0 * line.A_adjoint(line.A(found) - y), torch.zeros_like(x), atol=1e-12)


def test_exact_samples_follow_their_mixture():
    prior = named("islands")
    points = prior.draw(20_000, torch.Generator().manual_seed(0))
    assert torch.allclose(points.mean(0), mean_of(prior), atol=0.02)
    assert torch.allclose(torch.cov(points.T), cov_of(prior), atol=0.03)
    assert torch.allclose(torch.bincount(prior.label_of(points)) / len(points), prior.weights.float(), atol=0.02)
    assert mean_of(prior.told(2)).tolist() == pytest.approx([0.1, 1.0])


def test_the_sliced_distance_of_a_shift_is_the_mean_length_of_its_shadow():
    points = torch.randn(3000, 2, generator=torch.Generator().manual_seed(0))
    assert sliced_distance(points, points) == 0
    assert sliced_distance(points, points + torch.tensor([0.5, 0.0])) == pytest.approx(0.5 * 2 / math.pi, rel=0.02)


@pytest.mark.parametrize("method", PLANE_METHODS)
def test_samples_come_near_to_what_they_should_follow(method):
    found = last("moons", method, samples=200)
    assert (found.problem is None) == (method in SAMPLERS)
    exact = found.target.draw(4000, torch.Generator().manual_seed(1))
    assert sliced_distance(found.points, exact) < 0.15
    if method not in SAMPLERS:
        assert sliced_distance(last("moons", "ddpm", samples=200).points, exact) > 0.2  # without the measurement


def test_guidance_weighs_the_label():
    prior, x, label = named("moons"), torch.randn(6, *SHAPE).double(), torch.zeros(6, dtype=torch.long)
    free, told = prior(x, 400), prior(x, 400, label)
    assert torch.equal(Guided(prior, 1.0)(x, 400, label), told)
    assert torch.allclose(Guided(prior, 0.0)(x, 400, label), free)
    assert torch.allclose(Guided(prior, 2.5)(x, 400, label), free + 2.5 * (told - free))
    assert torch.equal(Guided(prior, 2.5)(x, 400), free)


def test_a_label_chooses_a_part_with_and_without_a_measurement():
    for method in ("ddim", "langevin"):
        found = last("moons", method, part="lower moon", samples=50)
        assert (found.prior.label_of(found.points) == 1).double().mean() > 0.95
        assert found.target.weights[:24].sum() == 0


def test_a_method_of_ones_own_and_a_drawing():
    def nothing(prior, problem, x, t, s, noise):
        x0_hat = prior(x, t.t)
        return s.alpha * x0_hat, x0_hat

    found = last("drawn", nothing, drawn=DRAWN, samples=4, plane_steps=3)
    assert found.step == found.at.steps == 3
    assert torch.equal(distribution("drawn", torch.from_numpy(DRAWN)[None]).means, found.prior.means)
    assert mean_of(found.prior)[1] > 0  # rows go down, y goes up: the bar is above the middle


def test_pictures_and_words_tell_what_is_there():
    first, *_, end = sample_plane("moons", "pigdm", samples=40, plane_steps=8)
    assert plane_words(first) == plane_words(None) == ""
    frame = plane_panels(end)
    assert [picture.shape for picture in frame.pictures.values()] == [(360, 540, 3)] * 2
    samples, exact = frame.charts[0].lines
    width = samples.x[1] - samples.x[0]
    assert sum(samples.y) * width == pytest.approx(1, abs=0.06)
    assert sum(exact.y) * width == pytest.approx(1, abs=0.06)
    share = (end.prior.label_of(end.points) == 0).double().mean()
    assert f"Upper moon {share:.0%} of the samples" in plane_words(end)


def test_without_a_measurement_the_chart_is_another_one():
    end = last("moons", "ddim", samples=40, plane_steps=8)
    measured, free = (plane_panels(step).charts[0] for step in (last("moons", "pigdm", plane_steps=2), end))
    assert measured.title != free.title  # a page keeps a chart of the same title
    exact = free.lines[1]
    assert exact.label == "distribution, exact"
    cell = exact.x[1] - exact.x[0]
    assert sum(x * y for x, y in zip(exact.x, exact.y, strict=True)) * cell == pytest.approx(
        float(mean_of(end.target)[0]), abs=0.01
    )
    assert not plane_panels(end, full=False).charts


def test_controls_are_those_that_do_something():
    assert "angle" not in plane_options("moons", "ddim")
    assert "part" not in plane_options("drawn", "pigdm")
    for plane in PLANES:
        for method in (*METHODS, *SAMPLERS):
            assert plane_options(plane, method).keys() <= PLANE_OPTIONS.keys()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "donut"}, "distribution"),
        ({"name": "drawn"}, "nothing drawn above"),
        ({"name": "drawn", "drawn": np.zeros((28, 28))}, "nothing drawn above"),
        ({"part": "third moon"}, "label"),
        ({"angle": 400}, "angle|Direction"),
        ({"plane_noise": 0}, "oise"),
        ({"guidance": -1}, "uidance"),
        ({"samples": 0}, "number of points"),
        ({"method": "replacement"}, "does not fit this measurement"),
        ({"method": "magic"}, "There is no method"),
    ],
)
def test_bad_input_is_one_sentence(options, sentence):
    with pytest.raises(UserError, match=sentence):
        next(sample_plane(**options))
