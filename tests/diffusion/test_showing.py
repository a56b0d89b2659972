"""Schedules and evaluations as the page shows them."""

import numpy as np
import pytest
import torch
from atelier.data.digits import font_digits
from atelier.diffusion import evaluation
from atelier.diffusion.catalogue import SCHEDULES
from atelier.diffusion.denoiser import build_denoiser
from atelier.diffusion.evaluation import judge_model
from atelier.diffusion.models import Model, shipped_model
from atelier.diffusion.schedules import build_schedule
from atelier.diffusion.showing import Judgement, class_note, forward, judging_panels, leak_words
from atelier.errors import UserError
from oracles import TINY


@pytest.fixture(scope="module")
def model():
    return Model("tiny", build_denoiser(options=TINY).eval())


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("T", [2, 50, 5000])
def test_the_forward_process_of_every_schedule_can_be_mixed_by_the_page(name, T):
    schedule = build_schedule(name, T=T)
    way = forward(schedule)
    assert way.pictures.shape == (10, 28, 28)
    assert way.noise.dtype == np.float32
    assert len(way.times) == len(way.alphas) == len(way.sigmas) == 201
    assert (way.times[0], way.times[-1]) == (0, T)
    assert way.alphas[0] == pytest.approx(1)
    alphas, sigmas = np.array(way.alphas), np.array(way.sigmas)
    assert np.all(np.diff(alphas) <= 1e-12)
    for k in (0, 77, 200):
        alpha, sigma = schedule.rates(torch.zeros(1, 1, 1, 1, dtype=torch.float64), way.times[k])
        assert alphas[k] == pytest.approx(float(alpha))
        assert sigmas[k] == pytest.approx(float(sigma))
    assert "leak" in leak_words(schedule).lower()
    for chart in way.charts:
        assert len(chart.lines[0].x) == len(chart.lines[0].y) > 0


def test_a_leak_is_told_in_words():
    assert "21.9 %" in leak_words(build_schedule("linear", T=300, rescale=False))


def test_labels_that_are_no_digits_are_named(model):
    assert class_note(model) == ""
    assert class_note(Model("x", model.denoiser, {"dataset": "Fashion-MNIST"})).startswith("Labels: 0 T-shirt")


def test_judging_gives_a_report_with_floor_and_ceiling(model, monkeypatch):
    digits = font_digits(600)
    monkeypatch.setattr(evaluation, "load_digits", lambda *_, **__: digits)
    steps = list(judge_model(model, n=100, steps=2))
    assert steps[0].report is None
    assert steps[-1].step == 100
    assert judging_panels(steps[3]).note
    judgement = Judgement(model, steps[-1])
    assert judgement.figures["n"] == 100
    row = judgement.table[0]
    assert all(row[name] != "–" for name in ("generated", "real digits (floor)", "pure noise (ceiling)"))
    assert "times the floor" in judgement.verdict
    assert judgement.note.startswith("Measured now")
    pictures = judgement.pictures()
    assert len(pictures) == 3
    assert "currentColor" in pictures["Asked for and judged"], "it would be black on a dark page"
    other = Judgement(shipped_model(), steps[-1])
    assert other.note.startswith("Stored with the model"), "the figures of one model are not another's"
    assert other.pictures() == {}


def test_a_network_that_was_never_judged_has_no_figures(model):
    assert not Judgement(model).figures


def test_a_data_set_without_a_judge_is_refused(model):
    with pytest.raises(UserError, match="no judge for kmnist"):
        next(judge_model(Model("x", model.denoiser, {"dataset": "KMNIST"})))
