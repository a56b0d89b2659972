"""A label helps the denoiser, so a denoiser reads."""

import pytest
import torch
from atelier.data.digits import font_digits, load_digits
from atelier.diffusion.denoiser import build_denoiser
from atelier.diffusion.models import Model, shipped_model
from atelier.diffusion.schedules import build_schedule
from atelier.errors import UserError
from atelier.restoration import ExactDenoiser, classify, reading_figure, reading_words


def test_the_exact_denoiser_reads_its_own_digits():
    digits = font_digits(80)
    oracle = ExactDenoiser(digits.images, digits.labels, build_schedule("flow"))
    *_, last = classify(Model("exact", oracle), digits.images[:20], draws=3)
    assert last.progress == 1
    assert (last.read == digits.labels[:20]).float().mean() >= 0.95
    assert last.errors.mean(1) == pytest.approx(1.0)
    assert "<svg" in reading_figure(last)
    assert f"The label {int(last.read[0])} helps" in reading_words(last)


@pytest.mark.real_data
def test_the_shipped_network_reads_test_digits():
    test = load_digits("mnist", "test", download=False)
    if test.stand_in:
        pytest.skip("no MNIST in ATELIER_DATA or data/")
    steps = list(classify(shipped_model(), test.images[:40], draws=4))
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert (steps[-1].read == test.labels[:40]).float().mean() >= 0.9


def test_bad_input_gets_one_sentence():
    digits = font_digits(10)
    with pytest.raises(UserError, match="drawing is empty"):
        next(classify(shipped_model(), torch.zeros(1, 28, 28, dtype=torch.uint8)))
    with pytest.raises(UserError, match="from 1 to 1,000"):
        next(classify(shipped_model(), digits.images[:1], draws=0))
    with pytest.raises(UserError, match="knows no labels"):
        next(classify(Model("x", build_denoiser("diffunet")), digits.images[:1]))
