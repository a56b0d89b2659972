"""Drawing step by step, and what is made of a drawing."""

import io
import itertools
import json

import numpy as np
import pytest
import torch
from atelier.diffusion import drawing
from atelier.diffusion.catalogue import SAMPLERS
from atelier.diffusion.denoiser import DEFAULT_GUIDANCE, Guidance, build_denoiser
from atelier.diffusion.drawing import (
    MOST_SHOWN,
    digits_gif,
    digits_npz,
    digits_png,
    draw,
    moments,
    panels,
    summary,
)
from atelier.diffusion.models import Model
from atelier.diffusion.sheets import sheet
from atelier.errors import UserError
from oracles import TINY
from PIL import Image


@pytest.fixture(scope="module")
def model():
    return Model("tiny", build_denoiser(options=TINY).eval())


def last(steps):
    *_, found = steps
    return found


def test_every_step_is_told_and_the_last_has_digits(model):
    steps = list(draw(model, samples=12, sampling_steps=4))
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert [step.progress for step in steps] == [0.25, 0.5, 0.75, 1.0]
    assert steps[-1].at.noise_fraction == 0
    assert steps[-1].images.shape == (12, 28, 28)
    assert steps[-1].past.steps == [1, 2, 3, 4]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_eps_hat_is_what_the_network_took_for_noise(model, sampler):
    first = next(draw(model, samples=2, sampling_steps=3, sampler=sampler, guidance=Guidance()))
    schedule = model.denoiser.schedule
    alpha, sigma = schedule.rates(first.at.x, schedule.T)
    torch.testing.assert_close(alpha * first.at.x0_hat + sigma * first.at.eps_hat, first.at.x, atol=1e-4, rtol=1e-4)


def test_a_step_is_drawn_from_the_step_alone(model):
    step = last(draw(model, samples=12, sampling_steps=4))
    frame = panels(step)
    assert list(frame.pictures) == ["x_t", "x0_hat"]
    assert list(frame.flow) == ["pure noise", "xₜ, goes in", "network: “noise”", "x̂₀, what is left", "next xₜ, cleaner"]
    assert np.array_equal(frame.pictures["x_t"], sheet(step.images))
    assert frame.captions["x_t"] == "xₜ: 0% noise"
    assert len(frame.charts[0].lines[0].x) == 5
    again = panels(step)
    assert all(np.array_equal(frame.pictures[name], again.pictures[name]) for name in frame.pictures)


def test_a_page_shows_some_hundreds_and_the_files_hold_all(model):
    step = last(draw(model, samples=MOST_SHOWN + 1, sampling_steps=1))
    assert "the first 400" in panels(step).captions["x_t"]
    packed = np.load(io.BytesIO(digits_npz(step)))
    assert packed["images"].shape == (MOST_SHOWN + 1, 28, 28)
    assert packed["labels"].tolist() == [k % 10 for k in range(MOST_SHOWN + 1)]


def test_many_digits_come_group_after_group_and_are_the_same(model, monkeypatch):
    asked = {"samples": 10, "sampling_steps": 3, "sampler": "ddpm", "seed": 5, "layout": "contiguous"}
    together = last(draw(model, **asked))
    monkeypatch.setattr(drawing, "_GROUP", 4)
    steps = list(draw(model, **asked))
    assert [len(step.images) for step in steps] == [4, 4, 4, 4, 4, 8, 8, 8, 10]
    assert [step.step for step in steps] == [1, 2, 3, 3, 3, 3, 3, 3, 3]
    shares = [step.progress for step in steps]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1
    seconds = [step.at.seconds for step in steps]
    assert seconds == sorted(seconds)
    torch.testing.assert_close(steps[-1].at.x_t, together.at.x_t, atol=1e-5, rtol=0)
    torch.testing.assert_close(steps[-1].at.eps_hat, together.at.eps_hat, atol=1e-5, rtol=0)
    assert panels(steps[-2]).total == "of 3 steps · 8 of 10 digits"
    assert panels(steps[-1]).total == "of 3 steps"
    half = np.load(io.BytesIO(digits_npz(steps[-2])))
    assert len(half["images"]) == len(half["labels"]) == 8
    with pytest.raises(UserError, match="The number of samples must be"):
        list(draw(model, samples=0))


def test_a_sampler_that_remembers_begins_anew_with_each_group(model, monkeypatch):
    class Remembers:
        def __init__(self):
            self.before = None

        def __call__(self, predict, x, t, s, noise):
            x0_hat = predict(x, t.t)
            if self.before is not None:
                x0_hat = (x0_hat + self.before) / 2
            self.before = x0_hat
            return s.alpha * x0_hat + s.sigma * t.eps_hat(x, x0_hat), x0_hat

    asked = {"samples": 5, "sampling_steps": 3, "layout": "contiguous"}
    together = last(draw(model, sampler=Remembers(), **asked))
    monkeypatch.setattr(drawing, "_GROUP", 2)
    apart = last(draw(model, sampler=Remembers(), **asked))
    torch.testing.assert_close(apart.at.x_t, together.at.x_t, atol=1e-5, rtol=0)


def test_a_drawing_that_was_stopped_says_how_many_digits_it_has(model, monkeypatch):
    monkeypatch.setattr(drawing, "_GROUP", 2)
    first, *_, end = draw(model, samples=5, sampling_steps=1)
    assert (summary(first)["samples"], summary(first)["drawn"]) == (5, 2)
    assert "drawn" not in summary(end)


def test_moments_of_a_long_drawing_stay_within_their_memory(model):
    step = last(draw(model, samples=10, sampling_steps=200, sampler="ddim"))
    assert len(step.past.moments) <= 60
    assert step.past.moments[-1].step == 200
    frames = list(moments(step))
    assert len(frames) == len(step.past.moments)
    assert np.array_equal(frames[-1].pictures["x_t"], panels(step).pictures["x_t"])


def test_the_animation_has_every_moment_and_rests_at_its_end(tiny):
    *_, made = digits_gif(last(draw(tiny, samples=4, sampling_steps=5)))
    gif = Image.open(io.BytesIO(made.data))
    assert gif.n_frames == 5
    gif.seek(4)
    assert gif.info["duration"] == 2120


def test_nothing_to_save_is_a_sentence():
    for make in (digits_png, digits_npz, lambda step: next(digits_gif(step))):
        with pytest.raises(UserError, match="nothing to save yet"):
            make(None)


def test_guidance_suits_the_model_unless_it_is_asked_for(model):
    told = [summary(next(draw(model, sampling_steps=1, samples=1, **words))) for words in ({}, {"guidance": 4.0})]
    assert [found["guidance"] for found in told] == [DEFAULT_GUIDANCE.scale, 4.0]
    assert told[1]["guidance_interval"] == list(DEFAULT_GUIDANCE.interval)
    json.dumps(told)


def test_guidance_zero_ignores_the_label_at_every_noise_level(model):
    options = {"samples": 3, "sampling_steps": 4, "guidance": 0.0, "seed": 5}
    one, other = (last(draw(model, digit=digit, **options)) for digit in ("3", "8"))
    assert torch.equal(one.at.x_t, other.at.x_t)


def test_a_denoiser_and_a_sampler_of_ones_own_are_taken_as_they_are(model):
    seen = []

    def forgetful(predict, x, t, s, noise):
        seen.append((t.t, s.t))
        x0_hat = predict(x, t.t)
        return s.alpha * x0_hat + s.sigma * noise(), x0_hat

    step = last(draw(model.denoiser, samples=2, sampling_steps=3, sampler=forgetful))
    assert step.model.title == "Your own denoiser"
    assert summary(step)["sampler"] == "forgetful"
    assert len(seen) == 3
    assert all(a > b for a, b in itertools.pairwise([t for t, _ in seen]))
    torch.testing.assert_close(step.at.x_t, step.at.x0_hat)


def test_a_network_without_labels_refuses_a_digit():
    unlabelled = Model("x", build_denoiser("diffunet"))
    with pytest.raises(UserError, match="without labels"):
        next(draw(unlabelled, digit="3"))


def test_sheets_lay_digits_out_row_by_row():
    images = torch.arange(12, dtype=torch.uint8)[:, None, None].expand(12, 28, 28)
    laid = sheet(images, 5, 1)
    assert laid.shape == (84, 140)
    assert laid[30, 30] == 6
    assert np.all(laid[60:, 60:] == 24)
