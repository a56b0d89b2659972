"""The exact denoiser against its formula and DeepInv, and how it compares with a network."""

import pytest
import torch
from atelier.data.digits import font_digits
from atelier.diffusion.denoiser import build_denoiser, to_model
from atelier.diffusion.models import Model
from atelier.diffusion.schedules import build_schedule
from atelier.errors import UserError
from atelier.restoration import ExactDenoiser, compare, comparison_panels, comparison_words, exact
from torch import Generator

TINY = {"widths": [16, 32], "blocks": 1, "embedding": 16, "heads": 2}


@pytest.fixture(scope="module")
def digits():
    return font_digits(60)


@pytest.fixture
def denoiser(digits, monkeypatch):
    monkeypatch.setattr(exact, "_POOL", 17)  # several parts
    return ExactDenoiser(digits.images, digits.labels, build_schedule("flow"))


def noisy(denoiser, images, t, seed=0):
    x0 = to_model(images)
    alpha, sigma = denoiser.schedule.rates(x0, t)
    return alpha * x0 + sigma * torch.randn(x0.shape, generator=Generator().manual_seed(seed)), alpha, sigma


@pytest.mark.parametrize("t", [100.0, 600.0, 950.0])
def test_it_is_the_mean_under_the_posterior(denoiser, digits, t):
    x_t, alpha, sigma = noisy(denoiser, digits.images[:5], t)
    pool = to_model(digits.images).double()
    apart = (x_t.double()[:, None] - float(alpha[0]) * pool).square().flatten(2).sum(2)  # (5, 60)
    weights = (-apart / (2 * sigma[:, :, 0, 0].double() ** 2)).softmax(1)
    wanted = torch.einsum("nk,kchw->nchw", weights, pool).float()
    torch.testing.assert_close(denoiser(x_t, t), wanted, atol=2e-4, rtol=0)


def test_it_is_deepinvs_mmse(denoiser, digits):
    deepinv = pytest.importorskip("deepinv")
    x_t, alpha, sigma = noisy(denoiser, digits.images[:4], 500.0)
    loader = torch.utils.data.DataLoader([(image, 0) for image in to_model(digits.images)], batch_size=16)
    wanted = deepinv.models.MMSE(loader, device=torch.device("cpu"))(x_t / alpha, float(sigma[0] / alpha[0]))
    torch.testing.assert_close(denoiser(x_t, 500.0), wanted.float(), atol=2e-3, rtol=0)


def test_with_little_noise_it_finds_its_own_digit_and_with_much_their_mean(denoiser, digits):
    x_t, _, _ = noisy(denoiser, digits.images[:8], 20.0)
    torch.testing.assert_close(denoiser(x_t, 20.0), to_model(digits.images[:8]), atol=1e-3, rtol=0)
    x_t, _, _ = noisy(denoiser, digits.images[:8], 1000.0)
    torch.testing.assert_close(denoiser(x_t, 1000.0)[0], to_model(digits.images).mean(0), atol=1e-3, rtol=0)


def test_a_label_leaves_its_digits_only(denoiser, digits):
    x_t, _, _ = noisy(denoiser, digits.images[:1], 1000.0)
    asked = digits.labels[3]
    found = denoiser(x_t, 1000.0, asked[None])
    torch.testing.assert_close(found[0], to_model(digits.images[digits.labels == asked]).mean(0), atol=1e-3, rtol=0)


def test_a_comparison_is_of_both_splits_and_says_what_it_found(digits, monkeypatch):
    monkeypatch.setattr(exact, "load_digits", lambda name, split="train": digits)
    model = Model("x", build_denoiser(options=TINY).eval())
    steps = list(compare(model, n=6))
    assert [step.fractions for step in steps][-1] == list(exact.FRACTIONS)
    last = steps[-1]
    assert last.progress == 1
    for name, values in last.errors.items():
        assert len(values) == len(exact.FRACTIONS), name
        assert all(value >= 0 for value in values)
    assert last.errors["exact, training digits"][0] < 1e-6  # at little noise it remembers
    assert max(last.errors["exact, training digits"]) < max(last.errors["network, training digits"])
    assert "network" in comparison_words(last)
    assert len(comparison_panels(last).charts[0].lines) == 4
    with pytest.raises(UserError, match="from 1 to 5,000"):
        next(compare(model, n=0))
