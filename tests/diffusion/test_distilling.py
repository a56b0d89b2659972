"""Distillation: the objective against its closed form, what a student learns, and what is refused."""

import copy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from atelier import checkpoints
from atelier.data.digits import font_digits
from atelier.diffusion.denoiser import KIND, SIZE, Guidance, denoiser_in, to_model
from atelier.diffusion.distilling import KNOTS, Distillation, distill
from atelier.diffusion.sampling import knot_rates, sample
from atelier.diffusion.schedules import build_schedule
from atelier.diffusion.training import Recipe, train
from atelier.errors import UserError
from oracles import oracle

DIGITS = font_digits(64, seed=1)
RECIPE = Recipe(steps=80, batch_size=16, optimiser="adamw", learning_rate=2e-3, warmup=5, ema_decay=0.9)


def draws(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x0, eps = torch.randn(2, n, 1, SIZE, SIZE, generator=generator)
    return 0.1 * x0, eps, generator


@pytest.mark.parametrize("schedule", ["flow", "cosine"])
@pytest.mark.parametrize("knots", [(1.0,), (1.0, 0.5), KNOTS[4]])
def test_a_student_that_follows_the_probability_flow_of_gaussian_data_has_no_loss(schedule, knots):
    """Along the flow of N(m, std²) the distance from alpha m scales with the standard deviation of x_t."""
    std = 0.3
    teacher = oracle(build_schedule(schedule, T=1000), std)
    student = copy.deepcopy(teacher)
    student.knots = knots
    grid = knot_rates(student, knots)
    ends = {round(t.t, 3): (t, s) for t, s in pairwise(grid)}
    null = student.label_weights(None, 12)
    mean = torch.einsum("nc,chw->nhw", null, teacher.backbone.means)[:, None]

    def spread(rates):
        return (rates.alpha**2 * std**2 + rates.sigma**2) ** 0.5

    def exact_one(x, m, t):
        t, s = ends[round(float(t), 3)]
        x_s = s.alpha * m + spread(s) / spread(t) * (x - t.alpha * m)
        kept = s.sigma / t.sigma
        return (x_s - kept * x) / (s.alpha - kept * t.alpha)

    def exact(x, t, weights):
        return torch.stack([exact_one(*row) for row in zip(x, mean, t, strict=True)])

    student.forward = exact
    x0, eps, generator = draws(12)
    objective = Distillation(teacher, walk=60)
    times = objective.training_times(student, 12, generator)
    losses = objective.loss(student, x0, eps, times, null)
    rough = Distillation(teacher, walk=1).loss(student, x0, eps, times, null)
    assert losses.shape == (12,)
    assert float(losses.mean()) < 1e-3
    assert float(losses.mean()) < 0.2 * float(rough.mean())


def test_every_time_trains_at_the_knot_of_its_segment():
    schedule = build_schedule("flow", T=1000)
    student = oracle(schedule)
    student.knots, asked = (1.0, 0.75, 0.5, 0.25), []
    answer = student.forward
    student.forward = lambda x, t, weights: asked.extend((t / 1000).tolist()) or answer(x, t, weights)
    x0, eps, _ = draws(6)
    fractions = torch.tensor([0.1, 0.25, 0.26, 0.6, 0.99, 1.0])
    Distillation(oracle(schedule)).loss(student, x0, eps, schedule.time_of(fractions), student.label_weights(None, 6))
    assert asked == pytest.approx([0.25, 0.25, 0.5, 0.75, 1.0, 1.0])


def test_each_segment_has_its_share_of_the_batch():
    student = oracle(build_schedule("flow", T=1000))
    times = Distillation(student).training_times(student, 24, torch.Generator().manual_seed(0))
    assert torch.histc(times.float() / 1000, 4, 0, 1).tolist() == [6, 6, 6, 6]


def test_guidance_is_an_input_of_the_student(tiny):
    tiny.knots = KNOTS[2]
    labels = torch.tensor([3, 8])
    weights = tiny.guided_weights(labels, 2, 2.5)
    assert weights[0].tolist() == [0, 0, 0, 2.5, 0, 0, 0, 0, 0, 0, -1.5]
    torch.testing.assert_close(tiny.guided_weights(labels, 2, 1.0), tiny.label_weights(labels, 2))
    torch.testing.assert_close(tiny.guided_weights(labels, 2, 0), tiny.label_weights(None, 2))
    *_, plain = sample(tiny, labels, guidance=Guidance(1))
    *_, strong = sample(tiny, labels, guidance=Guidance(5))
    assert plain.steps == 2
    assert plain.network_calls == 2
    assert not torch.equal(plain.x_t, strong.x_t)


def test_a_student_comes_closer_to_its_teacher_and_survives_its_file(tiny, tmp_path):
    *_, taught = train(tiny, DIGITS.images, DIGITS.labels, RECIPE)
    tiny = taught.average
    path = tmp_path / "few.safetensors"
    *_, last = distill(tiny, DIGITS.images, DIGITS.labels, RECIPE, knots=KNOTS[2], checkpoint=path)
    untaught = copy.deepcopy(tiny)
    untaught.knots = KNOTS[2]
    objective, (_, eps, generator) = Distillation(tiny), draws(64)
    times = objective.training_times(untaught, 64, generator)

    @torch.no_grad()
    def loss(student):
        weights = student.label_weights(DIGITS.labels, 64)
        return float(objective.loss(student, to_model(DIGITS.images), eps, times, weights).mean())

    assert loss(last.average) < 0.7 * loss(untaught)
    again = denoiser_in(checkpoints.load(path, KIND))
    assert again.knots == KNOTS[2]
    assert loss(again) == pytest.approx(loss(last.average), rel=1e-4)
    with pytest.raises(UserError, match="distilled and is not trained further"):
        next(train(copy.deepcopy(tiny), DIGITS.images, DIGITS.labels, RECIPE, resume=path))
    # from a distilled teacher, with fewer knots
    *_, one = distill(again, DIGITS.images, DIGITS.labels, replace(RECIPE, steps=30), knots=KNOTS[1])
    assert one.average.knots == (1.0,)
    assert one.loss < 0.1


@pytest.mark.parametrize(
    ("knots", "sentence"),
    [
        ((), "must fall from 1"),
        ((0.9, 0.5), "must fall from 1"),
        ((1, 0.5, 0.5), "must fall from 1"),
        ((1, 0), "above 0"),
    ],
)
def test_knots_that_do_not_fall_from_one_are_refused(tiny, knots, sentence):
    with pytest.raises(UserError, match=sentence):
        distill(tiny, DIGITS.images, DIGITS.labels, RECIPE, knots=knots)


def test_what_a_distilled_network_cannot_do_is_one_sentence(tiny):
    with pytest.raises(UserError, match="choose another sampler for this one"):
        next(sample(tiny, torch.arange(2), sampler="few4"))
    tiny.knots = KNOTS[2]
    for options in ({"sampler": "heun"}, {"steps": 30}, {"sampler": "few4"}):
        with pytest.raises(UserError, match="distilled to 2 steps; draw with the sampler few2"):
            next(sample(tiny, torch.arange(2), **options))
    with pytest.raises(UserError, match="takes guidance 0, or from 1 to 5, and 9 is not"):
        next(sample(tiny, torch.arange(2), guidance=Guidance(9)))
    with pytest.raises(UserError, match="choose fewer of them"):
        distill(tiny, DIGITS.images, DIGITS.labels, RECIPE, knots=KNOTS[4])
    tiny.backbone.conditional = False
    with pytest.raises(UserError, match="knows labels"):
        distill(tiny, DIGITS.images, DIGITS.labels, RECIPE)
