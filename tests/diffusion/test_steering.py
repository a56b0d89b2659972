import numpy as np
import pytest
import torch
from atelier.data.digits import Digits, font_digits
from atelier.diffusion import steering
from atelier.diffusion.catalogue import EXPERIMENTS
from atelier.diffusion.denoiser import Guidance, build_denoiser, to_uint8
from atelier.diffusion.models import Model
from atelier.diffusion.sampling import sample
from atelier.diffusion.schedules import build_schedule
from atelier.diffusion.sheets import sheet
from atelier.diffusion.steering import (
    GUIDANCE_SCALES,
    between_labels,
    between_noises,
    experiment,
    morphing,
    picture,
    race,
    real_digit,
    steering_panels,
    sweep,
)
from atelier.errors import UserError
from oracles import oracle


class Plain(Model):
    """A model that is drawn from without guidance."""

    guidance = Guidance()


@pytest.fixture
def known():
    return Plain("known", oracle(build_schedule("flow", T=1000), std=0.2))


def means(row):
    """Mean brightness of each digit in a row, in [-1, 1]."""
    return row.float().mean((1, 2)) / 127.5 - 1


def test_the_sweep_has_a_column_per_scale_and_is_plain_at_one(tiny):
    steps = list(sweep(Model.of(tiny), steer_seed=2))
    assert [float(word) for word in steps[-1].column_words] == list(GUIDANCE_SCALES)
    assert steps[-1].step == steps[-1].total == len(steps[-1].rows[0]) == 8
    *_, plain = sample(tiny, torch.arange(10), steps=20, seed=2)
    assert torch.equal(torch.stack([row[1] for row in steps[-1].rows]), plain.images)


def test_a_morph_goes_from_one_digit_to_the_other(known):
    *_, last = between_labels(known, first=1, second=8, steer_seed=0)
    wanted = known.denoiser.backbone.means[[1, 8]].mean((1, 2))
    for row in last.rows:
        assert (means(row).diff() > 0).all()
        torch.testing.assert_close(means(row)[[0, -1]], wanted, atol=0.05, rtol=0)


def test_blending_labels_keeps_the_handwriting(tiny):
    *_, slerped = between_noises(Model.of(tiny), first=3, steer_seed=0)
    *_, fixed = between_labels(Model.of(tiny), first=3, second=3, steer_seed=0)
    assert not torch.equal(slerped.rows[0][0], slerped.rows[0][-1])
    torch.testing.assert_close(fixed.rows[0][0], fixed.rows[0][-1], atol=1, rtol=0)


def test_a_real_digit_is_rebuilt_and_led_to_another(known, monkeypatch):
    generator = torch.Generator().manual_seed(1)
    drawn = known.denoiser.backbone.means[2] + 0.2 * torch.randn(28, 28, generator=generator)
    image = to_uint8(drawn[None, None])
    test = Digits("test", image, torch.tensor([2]), tuple("0123456789"))
    monkeypatch.setattr(steering, "load_digits", lambda *_: test)
    steps = list(real_digit(known, real=0, second=9))
    assert [s.progress for s in steps] == sorted(s.progress for s in steps)
    given, rebuilt, *others = steps[-1].rows[0]
    assert torch.equal(given, image[0])
    assert float((rebuilt.float() - image[0].float()).abs().mean()) < 2
    assert len(others) == 8
    assert (means(steps[-1].rows[0][1:]).diff() > 0).all()


def test_racers_start_from_the_same_noise(known, monkeypatch):
    monkeypatch.setattr(steering, "RACERS", (("ddim", 40), ("dpmpp", 40), ("flow_euler", 40)))
    *_, last = race(known, first=4, steer_seed=0)
    assert [len(row) for row in last.rows] == [10, 10, 10]
    assert all("40 calls" in words for words in last.row_words)
    for row in last.rows[1:]:
        assert float((row[-1].float() - last.rows[0][-1].float()).abs().mean()) < 4


def test_a_label_out_of_range_is_refused(known):
    with pytest.raises(UserError, match="0 to 9"):
        next(between_labels(known, first=1, second=12, steer_seed=0))


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_every_experiment_runs_to_a_picture(kind, tiny, monkeypatch):
    monkeypatch.setattr(steering, "load_digits", lambda *_, **__: font_digits(20))
    steps = list(experiment(tiny, kind))
    assert steps[-1].progress == 1
    assert steps[-1].picture.ndim == 2
    assert steering_panels(steps[-1]).captions == {"picture": EXPERIMENTS[kind].title}
    assert picture(steps[-1]).startswith(b"\x89PNG")


@pytest.mark.parametrize("wrong", [{"kind": "x"}, {"first": 10}, {"steer_seed": -1}, {"real": 10**6}, {"second": 1.5}])
def test_odd_steering_is_refused(wrong, tiny):
    with pytest.raises(UserError):
        next(experiment(tiny, **wrong))


def test_steering_needs_labels():
    with pytest.raises(UserError, match="knows labels"):
        next(experiment(build_denoiser("diffunet")))


def test_a_morph_under_the_hand_blends_labels_and_walks_through_noises(tiny):
    tiny.knots = (1.0, 0.5)
    draw = morphing(tiny, (3, 8, 0, 6), seed=4)
    *_, plain = sample(tiny, torch.full((10,), 8), seed=4, guidance=Guidance(2))
    corner, note = draw(1, 0, 0, 2)
    assert np.array_equal(corner, sheet(plain.images, 5, 4))
    assert note.startswith("100% 8 · 2 network calls")
    *_, after = sample(tiny, torch.full((10,), 8), seed=4, first=10, guidance=Guidance(2))
    walked, _ = draw(1, 0, 1, 2)
    assert np.array_equal(walked, sheet(after.images, 5, 4))
    assert draw(0.5, 0.5, 0, 2)[1].startswith("25% 0, 25% 3, 25% 6, 25% 8 ·")
    tiny.knots = ()
    assert "11 network calls" in morphing(tiny, (3, 8, 0, 6))(0, 0, 0, 2)[1]
    tiny.backbone.conditional = False
    assert "knows no labels" in morphing(tiny, (3, 8, 0, 6))(0, 0, 0, 2)[1]
    with pytest.raises(UserError, match="corners must be from 0 to 9"):
        morphing(tiny, (3, 8, 0, 10))
