import copy

import pytest
import torch
from atelier.diffusion.catalogue import SAMPLERS
from atelier.diffusion.denoiser import Guidance, to_uint8
from atelier.diffusion.sampling import blend_labels, encode, initial_noise, sample, slerp
from atelier.diffusion.schedules import SCHEDULES, build_schedule
from atelier.errors import UserError
from oracles import oracle


def run(denoiser, labels, **options):
    return list(sample(denoiser, labels, precision="float32", **options))


def final(denoiser, labels, **options):
    return run(denoiser, labels, **options)[-1].x_t


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 11])
def test_on_one_point_data_every_sampler_returns_the_point(sampler, schedule, steps):
    denoiser, labels = oracle(build_schedule(schedule, T=200)), torch.tensor([2, 9])
    points = denoiser.backbone.means[labels][:, None]
    x = final(denoiser, labels, sampler=sampler, steps=steps)
    torch.testing.assert_close(x, points, rtol=0, atol=1e-4)


@pytest.mark.parametrize("schedule", ["cosine", "flow", "zero_snr"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_on_gaussian_data_every_sampler_reaches_mean_and_variance(sampler, schedule):
    denoiser, labels = oracle(build_schedule(schedule, T=1000), std=0.3), torch.full((24,), 7)
    x = final(denoiser, labels, sampler=sampler, steps=400, clip=False)
    gap = x - denoiser.backbone.means[7]
    assert abs(float(gap.mean())) < 0.01
    assert float(gap.std()) == pytest.approx(0.3, rel=0.03)


def test_linear_without_rescaling_leaks():
    """The known fault of few steps with the old constants: the mean is pulled to zero."""
    leaky = oracle(build_schedule("linear", T=100, rescale=False), std=0.3)
    right = oracle(build_schedule("linear", T=100), std=0.3)
    labels = torch.full((24,), 9)
    gaps = [
        abs(float((final(d, labels, sampler="ddim", steps=100, clip=False) - d.backbone.means[9]).mean()))
        for d in (leaky, right)
    ]
    assert gaps[0] > 5 * gaps[1]
    assert leaky.schedule.terminal_signal > 0.5


def test_second_order_needs_fewer_steps():
    denoiser, labels = oracle(build_schedule("cosine", T=1000), std=0.3), torch.arange(10)
    exact = final(denoiser, labels, sampler="ddim", steps=1000, clip=False)
    error = {
        name: float((final(denoiser, labels, sampler=name, steps=20, clip=False) - exact).abs().mean())
        for name in ("ddim", "dpmpp", "heun")
    }
    assert error["dpmpp"] < error["ddim"] / 2
    assert error["heun"] < error["ddim"] / 2


@pytest.mark.parametrize("schedule", ["linear", "cosine", "flow"])
def test_ddim_with_eta_one_on_the_full_grid_is_ddpm(tiny_on, schedule):
    denoiser, labels = tiny_on(schedule, T=15), torch.tensor([1, 2, 3])
    ddim = final(denoiser, labels, sampler="ddim", eta=1.0, steps=15, seed=4)
    ddpm = final(denoiser, labels, sampler="ddpm", steps=15, seed=4)
    torch.testing.assert_close(ddim, ddpm, rtol=1e-3, atol=1e-4)


def test_ddim_is_the_euler_step_of_the_flow(tiny_on):
    for schedule in ("cosine", "flow"):
        denoiser, labels = tiny_on(schedule, T=50), torch.tensor([1, 2])
        ddim, euler = (final(denoiser, labels, sampler=s, steps=9) for s in ("ddim", "flow_euler"))
        torch.testing.assert_close(ddim, euler, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_image_does_not_depend_on_its_batch(tiny, sampler):
    labels = torch.tensor([5, 6, 7, 8])
    whole = final(tiny, labels, sampler=sampler, steps=4, seed=9, guidance=Guidance(2.0))
    alone = final(tiny, labels[2:3], sampler=sampler, steps=4, seed=9, first=2, guidance=Guidance(2.0))
    split = final(tiny, labels, sampler=sampler, steps=4, seed=9, batch=3, guidance=Guidance(2.0))
    torch.testing.assert_close(whole[2:3], alone, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(whole, split, rtol=1e-3, atol=1e-3)


def test_same_seed_same_picture_bit_for_bit(tiny):
    labels = torch.arange(3)
    a, b, c = (final(tiny, labels, sampler="ddpm", steps=3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_noise_of_an_image_depends_on_seed_and_number_only():
    assert torch.equal(initial_noise(5, 10)[7:], initial_noise(5, 3, first=7))
    pooled = initial_noise(0, 300)
    assert abs(float(pooled.mean())) < 0.01
    assert float(pooled.std()) == pytest.approx(1, abs=0.01)


def test_steps_tell_where_they_are(tiny):
    steps = run(tiny, torch.tensor([1]), sampler="heun", steps=5)
    assert [s.step for s in steps] == [1, 2, 3, 4, 5]
    assert [s.after.t for s in steps] == [800, 600, 400, 200, 0]
    assert [s.last for s in steps] == [False] * 4 + [True]
    assert steps[-1].network_calls == 9  # two a step, one at the last
    assert steps[-1].images.dtype == torch.uint8
    assert all(s.x0_hat.abs().max() <= 1 for s in steps)


def test_network_calls_count_both_halves_of_guidance(tiny):
    labels, half = torch.tensor([1]), Guidance(2.0, (0.0, 0.5))
    assert run(tiny, labels, steps=4)[-1].network_calls == 4
    assert run(tiny, labels, steps=4, guidance=half)[-1].network_calls == 6  # at noise fractions 1, 0.75, 0.5, 0.25
    weak = Guidance(2.0, (0.0, 0.5), weak=copy.deepcopy(tiny))
    assert run(tiny, None, n=1, steps=4, guidance=weak)[-1].network_calls == 6


def test_autoguidance_refuses_another_network(tiny, tiny_on):
    with pytest.raises(UserError, match=r"an early snapshot of the same network.*another schedule"):
        run(tiny, torch.tensor([1]), steps=2, guidance=Guidance(2.0, weak=tiny_on("cosine", 1000)))
    few = copy.deepcopy(tiny)
    few.knots = (1.0, 0.5)
    with pytest.raises(UserError, match="A distilled network has its guidance built in"):
        run(few, torch.tensor([1]), guidance=Guidance(2.0, weak=tiny))


def test_given_times_and_noise_are_used(tiny):
    noise = initial_noise(1, 2)
    steps = run(tiny, torch.tensor([1, 2]), sampler="ddim", noise=noise, times=[1000, 250, 0])
    assert [s.after.t for s in steps] == [250, 0]
    again = run(tiny, torch.tensor([1, 2]), sampler="ddim", seed=1, times=[1000, 250, 0])
    assert torch.equal(steps[-1].x_t, again[-1].x_t)


def test_unconditional_sampling_needs_a_number(tiny):
    assert final(tiny, None, n=3, steps=2).shape == (3, 1, 28, 28)
    with pytest.raises(UserError, match="how many"):
        final(tiny, None, steps=2)


@pytest.mark.parametrize("schedule", ["flow", "cosine"])
def test_inversion_finds_the_noise_that_makes_the_image(schedule):
    denoiser, label = oracle(build_schedule(schedule, T=1000), std=0.4), torch.tensor([3])
    generator = torch.Generator().manual_seed(0)
    image = to_uint8(denoiser.backbone.means[3][None, None] + 0.2 * torch.randn(1, 1, 28, 28, generator=generator))
    gaps = {}
    for corrections in (0, 6):
        code = list(encode(denoiser, image, label, steps=20, corrections=corrections))[-1].x_t
        back = final(denoiser, label, sampler="ddim", steps=20, noise=code, clip=False)
        gaps[corrections] = float((to_uint8(back).float() - image.float()).abs().mean())
    assert gaps[6] < 1.0
    assert gaps[6] < gaps[0]


def test_slerp_keeps_the_length_of_noise():
    a, b = initial_noise(0, 2)
    path = slerp(a, b, torch.linspace(0, 1, 5))
    torch.testing.assert_close(path[0], a)
    torch.testing.assert_close(path[-1], b)
    assert float(path[2].std()) == pytest.approx(1, abs=0.05)
    torch.testing.assert_close(slerp(a, a, torch.tensor([0.5]))[0], a)


def test_label_blends_reach_from_one_digit_to_the_other():
    mix = blend_labels(3, 4, torch.tensor([0.0, 0.5, 1.0]))
    assert mix[:, 3].tolist() == [1.0, 0.5, 0.0]
    assert mix[:, 4].tolist() == [0.0, 0.5, 1.0]
    assert blend_labels(3, 3, torch.tensor([0.3]))[0, 3] == 1
    with pytest.raises(UserError, match="0 to 9"):
        blend_labels(3, 10, torch.tensor([0.5]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n": 0}, "number of samples"),
        ({"n": 10**6}, "number of samples"),
        ({"n": 2, "sampler": "euler"}, "must be one of dpmpp"),
        ({"n": 2, "steps": 0}, "Sampling steps"),
        ({"n": 2, "seed": -1}, "seed"),
        ({"n": 2, "sampler": "ddim", "eta": 2.0}, "eta"),
        ({"n": 2, "times": [10, 20, 0]}, "times must fall"),
        ({"n": 2, "noise": torch.zeros(2, 28, 28)}, "starting noise"),
        ({"n": 3, "noise": torch.zeros(2, 1, 28, 28)}, "same number"),
        ({"n": 2, "precision": "float8"}, "Precision"),
    ],
)
def test_refuses_what_cannot_be_sampled(tiny, options, sentence):
    with pytest.raises(UserError, match=sentence):
        next(sample(tiny, None, **options))
