import math

import pytest
import torch
from atelier.diffusion.schedules import SCHEDULES, Linear, build_schedule
from atelier.diffusion.showing import leak_words
from atelier.errors import UserError

SIZES = [2, 10, 50, 300, 1000]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("T", SIZES)
def test_signal_falls_strictly_from_one(name, T):
    schedule = build_schedule(name, T=T)
    assert schedule.alphas.shape == (T + 1,)
    assert schedule.alphas[0] == 1
    assert (schedule.alphas.diff() < 0).all()
    assert (schedule.alphas >= 0).all()
    snr = schedule.snr(torch.arange(1, T + 1).double())
    assert (snr.diff() < 0).all()


@pytest.mark.parametrize("name", [n for n in SCHEDULES if n != "flow"])
def test_variance_preserving(name):
    schedule = build_schedule(name, T=100)
    t = torch.linspace(0, 100, 333, dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, torch.ones_like(t))


def test_cosine_is_its_closed_form():
    schedule = build_schedule("cosine", T=1000)
    t = torch.arange(1000).double()  # the last step is clipped at beta = 0.999
    f = torch.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
    torch.testing.assert_close(schedule.alphas.square()[:1000], f / f[0])
    assert float(schedule.betas.max()) <= 0.999 + 1e-12


def test_sigmoid_is_its_closed_form():
    schedule = build_schedule("sigmoid", T=200)
    curve = 1 / (1 + torch.exp(-(6 * torch.arange(201).double() / 200 - 3)))
    wanted = (curve[-1] - curve) / (curve[-1] - curve[0])
    torch.testing.assert_close(schedule.alphas.square()[:-1], wanted[:-1])
    assert schedule.terminal_signal < 1e-4


def test_linear_betas_and_the_known_terminal_leak():
    schedule = Linear(1000)
    torch.testing.assert_close(schedule.betas, torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    assert Linear(1000).terminal_signal == pytest.approx(0.0064, abs=1e-4)
    assert Linear(300, rescale=False).terminal_signal == pytest.approx(0.219, abs=1e-3)
    assert Linear(400, rescale=False).terminal_signal == pytest.approx(0.132, abs=1e-3)
    assert Linear(300, rescale=True).terminal_signal < 0.01
    assert "Hardly a leak" in leak_words(Linear(300, rescale=True))
    assert "21.9 % of the digit" in leak_words(Linear(300, rescale=False))


def test_zero_terminal_snr_ends_in_pure_noise_and_starts_where_linear_does():
    schedule = build_schedule("zero_snr", T=500)
    assert schedule.terminal_signal == 0
    torch.testing.assert_close(schedule.alphas[1], Linear(500).alphas[1])


def test_flow_is_a_straight_line_at_any_time():
    schedule = build_schedule("flow", T=7)
    t = torch.tensor([0.0, 1.3, 3.5, 6.99, 7.0], dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha(t), 1 - t / 7)
    torch.testing.assert_close(schedule.sigma(t), t / 7)


def test_flow_trains_at_logit_normal_times():
    times = build_schedule("flow", T=10).training_times(20_000, torch.Generator().manual_seed(0)) / 10
    logits = torch.logit(times)
    assert abs(float(logits.mean())) < 0.02
    assert abs(float(logits.std()) - 1) < 0.02


@pytest.mark.parametrize("name", SCHEDULES)
def test_time_of_inverts_noise_fraction(name):
    schedule = build_schedule(name, T=123)
    t = torch.linspace(0.5, 122.5, 77, dtype=torch.float64)
    torch.testing.assert_close(schedule.time_of(schedule.noise_fraction(t)), t, rtol=1e-6, atol=1e-6)
    assert float(schedule.time_of(torch.tensor([1.0]))) == 123
    assert float(schedule.time_of(torch.tensor([0.0]))) == 0


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 7, 20, 64, 200])
def test_sampling_times_start_at_T_and_end_at_zero(name, steps):
    times = build_schedule(name, T=64).sampling_times(steps)
    assert len(times) == steps + 1
    assert times[0] == 64
    assert times[-1] == 0
    assert (times.diff() < 0).all()


def test_the_full_grid_is_every_step():
    torch.testing.assert_close(build_schedule("cosine", T=30).sampling_times(30), torch.arange(30.0, -1, -1).double())


@pytest.mark.parametrize("T", [1, 0, -5, 2.5, 10**6, True])
def test_refuses_a_T_out_of_bounds(T):
    with pytest.raises(UserError, match="whole number from 2"):
        build_schedule("cosine", T=T)


@pytest.mark.parametrize("steps", [0, -1, 10**6, 1.5])
def test_refuses_steps_out_of_bounds(steps):
    with pytest.raises(UserError, match="Sampling steps"):
        build_schedule("cosine").sampling_times(steps)


def test_refuses_unknown_names_and_options():
    with pytest.raises(UserError, match="must be one of linear"):
        build_schedule("cosin")
    with pytest.raises(UserError, match="does not take beta_1;"):
        build_schedule("cosine", T=10, beta_1=0.1)
    with pytest.raises(UserError, match="lower T"):
        build_schedule("linear", T=100_000, rescale=False)
    with pytest.raises(UserError, match="beta"):
        build_schedule("linear", beta_1=0.5, beta_T=0.1)
