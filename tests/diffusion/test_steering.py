import pytest
import torch
from atelier.data.digits import font_digits
from atelier.diffusion import steering
from atelier.diffusion.catalogue import EXPERIMENTS
from atelier.diffusion.denoiser import Guidance, build_denoiser
from atelier.diffusion.sampling import sample
from atelier.diffusion.schedules import build_schedule
from atelier.diffusion.steering import (
    GUIDANCE_SCALES,
    experiment,
    guidance_sweep,
    morph,
    morph_real,
    picture,
    race,
    steering_panels,
)
from atelier.diffusion.training import to_uint8
from atelier.errors import UserError
from oracles import oracle


@pytest.fixture
def known():
    return oracle(build_schedule("flow", T=1000), std=0.2)


def test_the_sweep_has_a_column_per_scale_and_is_plain_at_one(tiny):
    columns = list(guidance_sweep(tiny, (3, 5), steps=3, seed=2))
    assert tuple(c.scale for c in columns) == GUIDANCE_SCALES
    assert columns[-1].column == columns[-1].columns == 8
    *_, plain = sample(tiny, torch.tensor([3, 5]), steps=3, seed=2)
    assert torch.equal(columns[1].images, plain.images)


def test_a_morph_goes_from_one_digit_to_the_other(known):
    *_, last = morph(known, 1, 8, frames=5, guidance=Guidance(1.0))
    means = last.x_t.mean((1, 2, 3))
    wanted = known.backbone.means[[1, 8]].mean((1, 2))
    assert (means.diff() > 0).all()
    torch.testing.assert_close(means[[0, -1]], wanted, atol=0.05, rtol=0)


def test_blending_labels_keeps_the_handwriting(tiny):
    *_, slerped = morph(tiny, 3, 3, frames=3, steps=3)
    *_, fixed = morph(tiny, 3, 3, frames=3, steps=3, noise="fixed")
    assert not torch.equal(slerped.images[0], slerped.images[2])
    torch.testing.assert_close(fixed.x_t[0], fixed.x_t[2], atol=1e-3, rtol=1e-3)


def test_a_real_digit_is_rebuilt_and_led_to_another(known):
    generator = torch.Generator().manual_seed(1)
    picture = known.backbone.means[2] + 0.2 * torch.randn(28, 28, generator=generator)
    image = to_uint8(picture[None, None])[0]
    steps = list(morph_real(known, image, 2, 9, frames=4, steps=20))
    assert [s.progress for s in steps] == sorted(s.progress for s in steps)
    done = steps[-1]
    assert float((done.rebuilt.float() - image.float()).abs().mean()) < 2
    assert done.frames.shape == (4, 28, 28)
    brightness = done.frames.float().mean((1, 2))
    assert (brightness.diff() > 0).all()


def test_racers_start_from_the_same_noise(known):
    lanes = list(race(known, 4, (("ddim", 40), ("dpmpp", 40), ("flow_euler", 40)), guidance=Guidance(1.0)))
    assert [lane.strip.shape[0] for lane in lanes] == [40, 40, 40]
    assert all(lane.seconds > 0 for lane in lanes)
    for lane in lanes[1:]:
        assert float((lane.image.float() - lanes[0].image.float()).abs().mean()) < 4


def test_refuses_odd_morphs(tiny):
    with pytest.raises(UserError, match="frames"):
        next(morph(tiny, 1, 2, frames=1))
    with pytest.raises(UserError, match="slerp or fixed"):
        next(morph(tiny, 1, 2, noise="linear"))
    with pytest.raises(UserError, match="0 to 9"):
        next(morph(tiny, 1, 12))


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
