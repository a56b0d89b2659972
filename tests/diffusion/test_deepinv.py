import pytest
import torch
from atelier.diffusion.deepinv_backbones import ADMUNetBackbone, DiffUNetBackbone
from atelier.diffusion.denoiser import Denoiser, build_denoiser, cost_per_image, parameter_count
from atelier.diffusion.sampling import sample
from atelier.diffusion.schedules import SCHEDULES, Linear, build_schedule
from atelier.diffusion.training import Recipe, train
from atelier.errors import UserError
from deepinv.models import Denoiser as DeepinvDenoiser
from deepinv.sampling import DDIMSolver, DDPMSolver, EDMDiffusionSDE
from oracles import oracle
from torch import Tensor


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Recorder(torch.nn.Module):
    """Stands for DeepInv's DiffUNet and keeps what it was given."""

    def forward(self, x, t, type_t):
        self.x, self.t, self.type_t = x, t, type_t
        return x


@pytest.fixture(scope="module")
def diffunet():
    """Without building 93 million weights: the wrapper alone."""
    backbone = DiffUNetBackbone.__new__(DiffUNetBackbone)
    torch.nn.Module.__init__(backbone)
    backbone.network, backbone.steps = Recorder(), Linear(1000)
    backbone.unused = torch.nn.Parameter(torch.zeros(1))
    return backbone


@pytest.mark.parametrize("name", SCHEDULES)
def test_diffunet_is_told_the_noise_level_it_sees_under_every_schedule(diffunet, name):
    denoiser = Denoiser(diffunet, build_schedule(name, T=400), "v", name="diffunet")
    linear = Linear(1000)
    for t in (40.0, 170.0, 333.0):
        x0, eps = torch.zeros(2, 1, 28, 28), noise(2, 1, 28, 28)
        alpha, sigma = denoiser.schedule.rates(x0, t)
        denoiser(alpha * x0 + sigma * eps, t)
        seen = diffunet.network
        wanted = float(denoiser.schedule.noise_fraction(torch.tensor(t)))
        told = float(linear.noise_fraction(seen.t[0].double() + 1))
        assert told == pytest.approx(wanted, abs=1e-4)
        assert seen.type_t == "timestep"
        expected_std = float(linear.sigma(seen.t[:1].double() + 1))
        assert float(seen.x[..., 2:-2, 2:-2].std()) == pytest.approx(expected_std, rel=0.1)


def test_diffunet_pads_with_background_and_crops_back(diffunet):
    denoiser = Denoiser(diffunet, build_schedule("cosine", T=100), "x0", name="diffunet")
    x = noise(1, 1, 28, 28)
    torch.testing.assert_close(denoiser.predict(x, 30.0), x)
    padded, alpha = diffunet.network.x, float(denoiser.schedule.alpha(torch.tensor(30.0)))
    assert padded.shape[-2:] == (32, 32)
    torch.testing.assert_close(padded[..., :2, :], torch.full((1, 1, 2, 32), -alpha))
    torch.testing.assert_close(padded[..., -2:], torch.full((1, 1, 32, 2), -alpha))


def test_diffunet_says_that_it_is_unconditional(diffunet):
    denoiser = Denoiser(diffunet, build_schedule("cosine", T=100), "v", name="diffunet")
    with pytest.raises(UserError, match="unconditional"):
        denoiser(noise(1, 1, 28, 28), 30.0, torch.tensor([3]))


def test_the_whole_diffunet_denoises_and_has_the_published_size():
    denoiser = build_denoiser("diffunet", "cosine", "eps").eval()
    assert parameter_count(denoiser) == 93_555_841
    assert cost_per_image(denoiser) == pytest.approx(3.0e9, rel=0.1)
    with torch.no_grad():
        assert float(denoiser.predict(noise(1, 1, 28, 28), 500.0).abs().max()) == 0  # zero-initialised output


def test_admunet_is_conditional_small_and_trains():
    denoiser = build_denoiser("admunet", "flow", "flow", options={"width": 32})
    assert parameter_count(denoiser) < 3_000_000
    images = torch.zeros(8, 28, 28, dtype=torch.uint8)
    steps = list(train(denoiser, images, torch.arange(8), Recipe(steps=2, batch_size=4, precision="float32")))
    assert steps[-1].loss > 0
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.add_(0.02 * noise(*parameter.shape))
        x = noise(2, 1, 28, 28)
        one, two = (denoiser.eval()(x, 500.0, torch.tensor([k, k])) for k in (1, 2))
        assert denoiser(x, 1000.0).isfinite().all()
    assert not torch.allclose(one, two)


def test_admunet_refuses_widths_it_cannot_have():
    with pytest.raises(UserError, match="multiple of 32"):
        ADMUNetBackbone(width=48)


class AtelierDenoiser(DeepinvDenoiser):
    """Our denoiser as a `deepinv.models.Denoiser`: images in [0, 1], sigma on that scale.

    `forward(x, sigma, class_labels=None)` takes x = image + sigma · noise, (N, 1, 28, 28), and returns the denoised
    image. A sigma above the end of the schedule is taken as the largest level of the schedule.

    Args:
        denoiser: any `Denoiser`.
        label: labels or label weights, used when a call gives none.
    """

    def __init__(self, denoiser: Denoiser, label: Tensor | None = None) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.label = label

    def forward(self, x: Tensor, sigma: Tensor | float, *args, class_labels: Tensor | None = None, **kwargs) -> Tensor:
        schedule = self.denoiser.schedule
        sigma = self._handle_sigma(sigma, batch_size=len(x), device=x.device, dtype=torch.float64)
        ratio = 2 * sigma.double().flatten()  # sigma / alpha in [-1, 1] units
        t = schedule.time_of(ratio / (1 + ratio))
        alpha = schedule.alpha(t).to(x)[:, None, None, None]
        label = self.label if class_labels is None else class_labels
        x0_hat = self.denoiser(alpha * (2 * x - 1), t, label)
        return ((x0_hat + 1) / 2).to(x.dtype)


@pytest.mark.parametrize("name", ["cosine", "flow", "zero_snr"])
def test_our_denoiser_is_exact_as_a_deepinv_denoiser(name):
    """On Gaussian data in [0, 1] the posterior mean is known at every sigma."""
    ours = oracle(build_schedule(name, T=1000), std=0.4)
    wrapped = AtelierDenoiser(ours, label=torch.tensor([6, 6]))
    mean = (ours.backbone.means[6] + 1) / 2
    for sigma in (0.05, 0.3, 1.5):
        y = mean + 0.2 * noise(2, 1, 28, 28) + sigma * noise(2, 1, 28, 28, seed=1)
        gain = 0.2**2 / (0.2**2 + sigma**2)
        torch.testing.assert_close(wrapped(y, sigma), mean + gain * (y - mean), rtol=1e-3, atol=1e-3)
    per_image = wrapped(y, torch.tensor([0.3, 1.5]))
    torch.testing.assert_close(per_image[1], wrapped(y, 1.5)[1])


def deepinv_solution(denoiser, solver, x, labels):
    """DeepInv's solver on our schedule: s(t) = alpha, sigma(t) = sigma / alpha."""
    schedule = denoiser.schedule
    sde = EDMDiffusionSDE(
        sigma_t=lambda t: schedule.sigma(t) / schedule.alpha(t),
        scale_t=schedule.alpha,
        sigma_prime_t=torch.ones_like,
        scale_prime_t=torch.ones_like,
        T=float(schedule.T),
        denoiser=AtelierDenoiser(denoiser, labels),
    )
    return solver.sample(sde, x.double()).sample.float()


@pytest.mark.parametrize("schedule", ["linear", "cosine", "sigmoid"])
@pytest.mark.parametrize("steps", [12, 60])
def test_our_ddim_agrees_with_deepinvs(tiny_on, schedule, steps):
    denoiser, labels = tiny_on(schedule, T=60), torch.tensor([3, 8])
    x = noise(2, 1, 28, 28)
    run = sample(denoiser, labels, sampler="ddim", steps=steps, noise=x, clip=False, precision="float32")
    *_, ours = run
    solver = DDIMSolver(timesteps=denoiser.schedule.sampling_times(steps))
    theirs = deepinv_solution(denoiser, solver, x, labels)
    torch.testing.assert_close(ours.x_t, theirs, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_our_ddpm_agrees_with_deepinvs_on_the_same_noise(tiny_on, schedule, monkeypatch):
    denoiser, labels = tiny_on(schedule, T=40), torch.tensor([3, 8])
    x, draws = noise(2, 1, 28, 28), [noise(2, 1, 28, 28, seed=k) for k in range(1, 40)]
    ours_draws, their_draws = iter(draws), iter(draws)
    monkeypatch.setattr("atelier.diffusion.sampling._noise", lambda generators: next(ours_draws))
    *_, ours = sample(denoiser, labels, sampler="ddpm", steps=40, noise=x, clip=False, precision="float32")
    solver = DDPMSolver(timesteps=denoiser.schedule.sampling_times(40))
    monkeypatch.setattr(solver, "randn_like", lambda x: next(their_draws).double())
    theirs = deepinv_solution(denoiser, solver, x, labels)
    torch.testing.assert_close(ours.x_t, theirs, rtol=1e-2, atol=1e-2)
