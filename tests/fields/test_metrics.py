import math

import pytest
import torch
from atelier.fields.metrics import decibels, psnr, radial_spectrum, ssim
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(40, 56, 3, generator=generator)
    return a, (a + 0.1 * torch.randn(a.shape, generator=generator)).clamp(0, 1)


def test_psnr_agrees_with_scikit_image(pair):
    a, b = pair
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=1), abs=1e-4)
    assert psnr(a, a) == math.inf
    assert (decibels(psnr(a, a)), decibels(30.04)) == ("identical", "30.0 dB")


def test_ssim_agrees_with_scikit_image(pair):
    a, b = pair
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = structural_similarity(a.numpy(), b.numpy(), channel_axis=-1, **options)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-5)
    assert ssim(a, a).item() == pytest.approx(1)


def test_ssim_of_a_small_picture_and_its_gradient(pair):
    a, b = (x[:5, :7] for x in pair)
    b = b.clone().requires_grad_()
    ssim(a, b).backward()
    assert b.grad.abs().sum() > 0


def test_the_spectrum_of_a_wave_peaks_at_its_frequency():
    x = torch.arange(128) / 128
    wave = 0.5 + 0.5 * torch.cos(2 * math.pi * 12 * x).expand(128, 128)[..., None]
    frequency, power = radial_spectrum(wave)
    assert frequency[power.argmax()] == 12
