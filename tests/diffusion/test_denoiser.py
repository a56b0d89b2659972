import copy
import json

import pytest
import torch
from atelier import checkpoints
from atelier.checkpoints import Checkpoint
from atelier.diffusion.denoiser import (
    KIND,
    TARGETS,
    Denoiser,
    Guidance,
    build_denoiser,
    cost_per_image,
    load_denoiser,
    parameter_count,
    save_denoiser,
)
from atelier.diffusion.schedules import SCHEDULES, build_schedule
from atelier.errors import UserError
from oracles import TINY, oracle
from safetensors.torch import save_file


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_targets_round_trip_to_x0(target, schedule):
    x0, eps = noise(9, 1, 28, 28).clamp(-1, 1).double(), noise(9, 1, 28, 28, seed=1).double()
    built = build_schedule(schedule, T=10)
    t = torch.arange(1, 10).double()
    alpha, sigma = (rate[:, None, None, None] for rate in (built.alpha(t), built.sigma(t)))
    x_t = alpha * x0 + sigma * eps
    prediction = TARGETS[target].of(x0, eps, alpha, sigma)
    torch.testing.assert_close(TARGETS[target].x0_hat(prediction, x_t, alpha, sigma), x0)


def test_noisy_images_have_the_mean_and_variance_of_the_schedule():
    denoiser = oracle(build_schedule("cosine", T=100))
    x0 = torch.full((4000, 1, 1, 1), 0.7)
    for t in (10, 50, 90):
        alpha, sigma = denoiser.schedule.rates(x0, t)
        x_t = alpha * x0 + sigma * noise(4000, 1, 1, 1)
        assert float(x_t.mean()) == pytest.approx(0.7 * float(alpha[0]), abs=0.06)
        assert float(x_t.var()) == pytest.approx(float(sigma[0]) ** 2, rel=0.08)


def test_the_backbone_sees_the_same_whatever_the_schedule():
    """At one noise level, the flow and a variance-preserving schedule must look alike to the network."""
    seen = []

    class Spy(torch.nn.Module):
        conditional = True

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x, noise_fraction, label):
            seen.append((x, noise_fraction))
            return x

    x0, eps = noise(1, 1, 28, 28), noise(1, 1, 28, 28, seed=1)
    for name in SCHEDULES:
        denoiser = Denoiser(Spy(), build_schedule(name, T=1000), "x0")
        t = denoiser.schedule.time_of(torch.tensor([0.4], dtype=torch.float64))
        alpha, sigma = denoiser.schedule.rates(x0, t)
        denoiser(alpha * x0 + sigma * eps, t)
    for x, fraction in seen[1:]:
        torch.testing.assert_close(x, seen[0][0])
        torch.testing.assert_close(fraction, seen[0][1])


def test_guidance_one_is_conditional_and_zero_unconditional(tiny):
    x, label = noise(3, 1, 28, 28), torch.tensor([1, 2, 3])
    guided = [tiny.guided(x, 600.0, label, Guidance(scale), clip=False) for scale in (0.0, 1.0, 3.0)]
    conditional, unconditional = tiny(x, 600.0, label), tiny(x, 600.0)
    assert torch.equal(guided[1], conditional)
    assert torch.equal(guided[0], unconditional)
    wanted = unconditional + 3 * (conditional - unconditional)
    torch.testing.assert_close(guided[2], wanted, rtol=1e-4, atol=1e-4)


def test_autoguidance_extrapolates_from_the_snapshot(tiny):
    weak, x, label = moved(tiny), torch.randn(2, 1, 28, 28), torch.tensor([3, 8])
    found = tiny.guided(x, 600.0, label, Guidance(3.0, weak=weak), clip=False)
    torch.testing.assert_close(found, 3 * tiny(x, 600.0, label) - 2 * weak(x, 600.0, label), rtol=1e-4, atol=1e-4)
    same = tiny.guided(x, 600.0, label, Guidance(3.0, weak=tiny), clip=False)
    torch.testing.assert_close(same, tiny(x, 600.0, label), rtol=1e-4, atol=1e-4)
    outside = Guidance(3.0, (0.0, 0.5), weak=weak)
    assert torch.equal(tiny.guided(x, 600.0, label, outside, clip=False), tiny(x, 600.0, label))


def moved(denoiser):
    """The same network with other weights."""
    other = copy.deepcopy(denoiser)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1)
    return other


def test_guidance_acts_only_in_its_interval(tiny):
    x, label = noise(2, 1, 28, 28), torch.tensor([4, 5])
    guidance = Guidance(5.0, (0.2, 0.5))
    assert torch.equal(tiny.guided(x, 800.0, label, guidance, clip=False), tiny(x, 800.0, label))
    assert not torch.allclose(tiny.guided(x, 400.0, label, guidance, clip=False), tiny(x, 400.0, label))


def test_x0_hat_is_clipped_on_demand(tiny):
    x = 5 * noise(2, 1, 28, 28)
    with torch.no_grad():
        clipped = tiny.guided(x, 100.0, None, Guidance())
        free = tiny.guided(x, 100.0, None, Guidance(), clip=False)
    assert float(clipped.abs().max()) <= 1
    assert float(free.abs().max()) > 1


def test_labels_as_numbers_and_as_weights_agree(tiny):
    x, label = noise(2, 1, 28, 28), torch.tensor([3, 7])
    assert torch.equal(tiny(x, 500.0, label), tiny(x, 500.0, torch.eye(10)[label]))
    half = torch.zeros(2, 10)
    half[:, [3, 4]] = 0.5
    assert tiny(x, 500.0, half).isfinite().all()


def test_a_batch_of_one_is_one_of_a_batch(tiny):
    x, label = noise(3, 1, 28, 28), torch.tensor([0, 5, 9])
    torch.testing.assert_close(tiny(x, 300.0, label)[1:2], tiny(x[1:2], 300.0, label[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "label",
    [
        torch.tensor([10, 0]),
        torch.tensor([-1, 0]),
        torch.tensor([1]),
        torch.full((2, 10), float("nan")),
        torch.ones(2, 4),
    ],
)
def test_refuses_labels_out_of_range(tiny, label):
    with pytest.raises(UserError, match=r"labels|weights"):
        tiny(noise(2, 1, 28, 28), 500.0, label)


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -1.0, 1000.0])
def test_refuses_guidance_that_is_no_guidance(scale):
    with pytest.raises(UserError, match="Guidance must be a number"):
        Guidance(scale)


def test_refuses_odd_intervals_targets_and_backbones():
    with pytest.raises(UserError, match="interval"):
        Guidance(1.5, (0.7, 0.2))
    with pytest.raises(UserError, match="must be one of eps"):
        build_denoiser(target="epsilon", options=TINY)
    with pytest.raises(UserError, match="must be one of unet"):
        build_denoiser("unett")
    with pytest.raises(UserError, match="does not take"):
        build_denoiser("unet", options={"width": 3})
    for schedule in ("flow", "zero_snr"):
        with pytest.raises(UserError, match="says nothing"):
            build_denoiser("unet", schedule, "eps", options=TINY)


def test_same_seed_same_weights():
    a, b, c = (build_denoiser(options=TINY, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_starts_with_an_output_of_zero_and_the_published_size():
    denoiser = build_denoiser()
    with torch.no_grad():
        assert float(denoiser.predict(noise(1, 1, 28, 28), 500.0).abs().max()) == 0
    assert parameter_count(denoiser) == sum(p.numel() for p in denoiser.parameters())
    assert 1_000_000 < parameter_count(denoiser) < 2_000_000
    assert 30e6 < cost_per_image(denoiser) < 100e6


def test_a_checkpoint_rebuilds_the_denoiser_from_the_file_alone(tiny, tmp_path):
    tiny = copy.deepcopy(tiny).half().float()  # files hold half precision
    path = save_denoiser(tmp_path / "d.safetensors", tiny, {"dataset": "MNIST"})
    again, extra = load_denoiser(path)
    x = noise(2, 1, 28, 28)
    assert torch.equal(again(x, 300.0, torch.tensor([1, 2])), tiny(x, 300.0, torch.tensor([1, 2])))
    assert again.spec == tiny.spec
    assert extra == {"dataset": "MNIST"}


def test_a_checkpoint_of_another_range_is_refused(tiny, tmp_path):
    path = save_denoiser(tmp_path / "d.safetensors", tiny, {})
    held = checkpoints.load(path, KIND)
    other = held.spec | {"data": {"range": [0.0, 1.0], "size": 28}}
    checkpoints.save(path, Checkpoint(KIND, other, held.tensors))
    with pytest.raises(UserError, match="another range or size"):
        load_denoiser(path)


def test_a_checkpoint_without_a_whole_spec_is_refused(tiny, tmp_path):
    path = tmp_path / "d.safetensors"
    checkpoints.save(path, Checkpoint(KIND, {"backbone": "unet"}, {"ema.a": torch.zeros(1)}))
    with pytest.raises(UserError, match="does not say how"):
        load_denoiser(path)


def test_a_pickle_is_never_loaded(tmp_path):
    path = tmp_path / "d.safetensors"
    touched = tmp_path / "touched"

    class Bomb:
        def __reduce__(self):
            return (touched.touch, ())

    torch.save({"model": Bomb()}, path)
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load_denoiser(path)
    assert not touched.exists()


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "d.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"atelier": json.dumps({"kind": 3})})
    with pytest.raises(UserError, match="description"):
        load_denoiser(path)
