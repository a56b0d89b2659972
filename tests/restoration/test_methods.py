"""Each method on priors whose posterior is known in closed form.

ΠGDM is exact on a Gaussian of unit variance, replacement on noise alone; Langevin and replacement on masks are exact
in the limit. The others are approximations, and what is asked of them is what they promise.
"""

from dataclasses import replace

import deepinv.physics
import pytest
import torch
from atelier.errors import UserError
from atelier.restoration.catalogue import METHODS
from atelier.restoration.mixtures import Mixture
from atelier.restoration.problems import Problem
from atelier.restoration.sampling import posterior_samples
from moments import cov_of, mean_of

SHAPE = (1, 2, 2)
NOISE = 0.3
Y = torch.tensor([0.8, -0.4, 0.2, 0.6]).double()
CORRELATED = torch.tensor([[0.6, 0.4, 0.15, 0.0], [0.4, 0.6, 0.25, 0.1], [0.15, 0.25, 0.6, 0.3], [0.0, 0.1, 0.3, 0.6]])
MEAN = torch.tensor([0.3, -0.2, 0.1, 0.4])
UNIT = Mixture(torch.zeros(1, 4), torch.eye(4)[None], torch.ones(1), SHAPE)
LEANING = Mixture(MEAN[None], CORRELATED[None], torch.ones(1), SHAPE)


def measured(physics, y, mask=None):
    return Problem(lambda: physics, y, NOISE, SHAPE, mask, type(physics).__name__)


def masked():
    """The upper two pixels are known. Gives the problem, A as a matrix, and y."""
    mask = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    physics = deepinv.physics.Inpainting(img_size=SHAPE, mask=mask.double())
    y = torch.where(mask.bool(), Y.view(SHAPE), 0.0)
    return measured(physics, y[None], mask), torch.eye(4).double()[:2], Y[:2]


def noisy():
    return measured(deepinv.physics.Denoising(), Y.view(1, *SHAPE)), torch.eye(4).double(), Y


def blurred():
    kernel = torch.tensor([[[[0.5, 0.2], [0.2, 0.1]]]]).double()
    physics = deepinv.physics.BlurFFT(img_size=SHAPE, filter=kernel)
    matrix = torch.stack([physics.A(row.view(1, *SHAPE)).flatten() for row in torch.eye(4).double()], 1)
    y = torch.tensor([0.5, 0.3, 0.4, 0.2]).double()
    return measured(physics, y.view(1, *SHAPE)), matrix, y


def drawn(prior, problem, method, n=500, **options):
    *_, last = posterior_samples(prior, problem, n=n, method=method, clip=False, batch=1000, **options)
    return last.x_t.flatten(1).double()


def deviations(prior, made, method, **options):
    """How far the mean is off, in standard deviations of the posterior; standard deviations over the true ones; how far
    correlations are off."""
    problem, matrix, y = made
    posterior = prior.posterior(matrix, y, problem.variance)
    mean, cov = mean_of(posterior), cov_of(posterior)
    found, spread = drawn(prior, problem, method, **options), cov.diag().sqrt()
    correlations = torch.corrcoef(found.T) - cov / spread / spread[:, None]
    return ((found.mean(0) - mean) / spread).abs().max(), found.std(0) / spread, correlations.abs().max()


@pytest.mark.parametrize("make", [masked, noisy, blurred])
def test_pigdm_is_exact_for_a_gaussian_of_unit_variance(make):
    shift, spread, correlation = deviations(UNIT, make(), "pigdm", steps=100)
    assert shift < 0.15
    assert (spread - 1).abs().max() < 0.12
    assert correlation < 0.15


@pytest.mark.parametrize(("prior", "make"), [(UNIT, masked), (LEANING, masked), (LEANING, noisy)])
def test_replacement_is_exact_on_gaussians(prior, make):
    shift, spread, correlation = deviations(prior, make(), "replacement", n=300, steps=60, strength=3)
    assert shift < 0.2
    assert (spread - 1).abs().max() < 0.18
    assert correlation < 0.2


@pytest.mark.parametrize(("make", "most"), [(masked, 0.2), (noisy, 0.2), (blurred, 0.4)])
def test_langevin_comes_near_to_every_gaussian_posterior(make, most):
    shift, spread, correlation = deviations(LEANING, make(), "langevin", steps=60)
    assert shift < most
    assert (spread - 1).abs().max() < 0.18
    assert correlation < 0.2


@pytest.mark.parametrize("make", [masked, noisy, blurred])
def test_pigdm_comes_near_to_a_gaussian_that_is_not_its_own(make):
    shift, spread, _ = deviations(LEANING, make(), "pigdm", steps=100)
    assert shift < 0.3
    assert (spread - 1).abs().max() < 0.2


@pytest.mark.parametrize(("method", "low", "high"), [("diffpir", 0.5, 1.0), ("ddrm", 0.3, 1.1)])
@pytest.mark.parametrize("make", [masked, noisy])
def test_diffpir_and_ddrm_find_the_mean_and_underrate_the_spread(method, low, high, make):
    shift, spread, _ = deviations(UNIT, make(), method, strength=1.0)
    assert shift < 0.3
    assert ((spread > low) & (spread < high)).all()


def test_dps_leaves_alone_what_is_not_measured_and_moves_to_what_is():
    problem, _, y = masked()
    found = drawn(UNIT, problem, "dps", steps=100, strength=1.0)
    assert found[:, 2:].mean(0).abs().max() < 0.15
    assert (found[:, 2:].std(0) - 1).abs().max() < 0.15
    assert (found[:, :2].mean(0) - y).norm() < 0.5 * y.norm()


TWO = Mixture(
    torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, 0.0, 0.0]]),
    0.04 * torch.eye(4).expand(3, 4, 4),
    torch.tensor([0.3, 0.4, 0.3]),
    SHAPE,
    torch.arange(3),
)
"""The upper pixels tell the third component from the two others, and these two only apart in the lower pixels."""


@pytest.mark.parametrize(
    ("method", "most"), [("pigdm", 0.15), ("replacement", 0.15), ("langevin", 0.15), ("diffpir", 0.2), ("ddrm", 0.2)]
)
def test_an_open_question_gets_both_answers_in_their_proportion(method, most):
    problem, matrix, _ = masked()
    y = torch.tensor([0.9, 1.1]).double()
    made = torch.cat([y, torch.zeros(2).double()]).view(1, *SHAPE)
    problem = replace(problem, y=made)
    posterior = TWO.posterior(matrix, y, problem.variance)
    assert posterior.weights[2] < 1e-6
    assert posterior.weights[0] == pytest.approx(3 / 7, abs=1e-3)
    labels = TWO.label_of(drawn(TWO, problem, method, n=300, steps=30))
    shares = torch.bincount(labels, minlength=3) / 300
    assert (shares - posterior.weights).abs().max() < most


@pytest.mark.parametrize("method", METHODS)
def test_sample_k_depends_on_its_seed_and_number_alone(method):
    problem, _, _ = masked()
    options = {"steps": 6, "seed": 3}
    many = drawn(LEANING, problem, method, n=5, **options)
    assert torch.allclose(many, drawn(LEANING, problem, method, n=5, **options))
    assert torch.allclose(many[:2], drawn(LEANING, problem, method, n=2, **options), atol=1e-5)
    assert not torch.allclose(many, drawn(LEANING, problem, method, n=5, steps=6, seed=4), atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_batches_change_nothing(method):
    problem, _, _ = noisy()
    whole, parts = (
        list(posterior_samples(LEANING, problem, n=5, method=method, steps=4, batch=batch))[-1].x_t for batch in (5, 2)
    )
    assert torch.allclose(whole, parts, atol=1e-5)


@pytest.mark.parametrize("method", ["pigdm", "dps", "diffpir", "langevin"])
def test_strength_0_ignores_the_measurement(method):
    problem, _, _ = noisy()
    other = replace(problem, y=problem.y + 3)
    options = {"n": 3, "steps": 5, "strength": 0.0}
    assert torch.equal(drawn(UNIT, problem, method, **options), drawn(UNIT, other, method, **options))


def test_a_method_of_ones_own():
    problem, _, _ = noisy()

    def nothing(prior, problem, x, t, s, noise):
        return s.alpha * prior(x, t.t), prior(x, t.t)

    steps = list(posterior_samples(UNIT, problem, n=2, method=nothing, steps=3))
    assert [step.network_calls for step in steps] == [2, 4, 6]
    assert steps[-1].last
    assert steps[-1].progress == 1


@pytest.mark.parametrize(
    ("mine", "sentence"),
    [
        (lambda prior, problem, x, t, s, noise: x, r"must give \(x, x0_hat\), both of shape \(2, 1, 2, 2\)"),
        (lambda prior, problem, x, t, s, noise: 1 / 0, "method ended in an error .ZeroDivisionError"),
        (lambda prior: prior, "method ended in an error .TypeError"),
    ],
)
def test_a_wrong_method_of_ones_own_is_told_what_it_must_give(mine, sentence):
    with pytest.raises(UserError, match=sentence):
        drawn(UNIT, noisy()[0], mine, n=2)


def test_what_does_not_fit_is_one_sentence():
    problem, _, _ = blurred()
    with pytest.raises(UserError, match=r"^Replacement \(RePaint\) does not fit .*choose one of"):
        drawn(UNIT, problem, "replacement", n=2)
    with pytest.raises(UserError, match="There is no method 'magic'"):
        drawn(UNIT, problem, "magic", n=2)
    with pytest.raises(UserError, match="strength of DDRM must be a number from 0 to 1"):
        drawn(UNIT, problem, "ddrm", n=2, strength=3)
    with pytest.raises(UserError, match="number of samples"):
        drawn(UNIT, problem, "pigdm", n=0)
    with pytest.raises(UserError, match="With 2 measured pictures there must be as many samples, and not 3"):
        drawn(UNIT, replace(problem, y=problem.y.expand(2, *SHAPE)), "pigdm", n=3)
    large = replace(problem, shape=(1, 3, 3))
    with pytest.raises(UserError, match=r"The prior must denoise pictures of \(1, 3, 3\)"):
        drawn(UNIT, large, "diffpir", n=2)
