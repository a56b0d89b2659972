from dataclasses import replace

import pytest
import torch
from atelier import checkpoints
from atelier.data.digits import Digits, font_digits, load_digits
from atelier.diffusion.evaluation import (
    Judges,
    evaluate,
    frechet_distance,
    inception_style_score,
    kernel_distance,
    load_judges,
    memorisation,
    nearest,
    neighbour_figures,
)
from atelier.diffusion.judges import (
    JUDGES,
    KIND,
    halves,
    judge_logits,
    load_judge,
    save_judge,
    train_judge,
    write_sums,
)
from atelier.errors import UserError


def features(n, mean=0.0, std=1.0, seed=0, d=8):
    return mean + std * torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_frechet_distance_of_a_set_to_itself_is_zero():
    x = features(500)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_is_its_closed_form():
    """Between N(0, I) and N(m, s² I): |m|² + d (1 - s)²."""
    value = frechet_distance(features(60_000), features(60_000, mean=0.5, std=2.0, seed=1))
    assert value == pytest.approx(8 * 0.25 + 8 * 1.0, rel=0.03)


def test_frechet_distance_agrees_with_torchmetrics():
    from torchmetrics.image.fid import _compute_fid

    a, b = features(300), features(300, 0.3, 1.5, seed=1) ** 2
    theirs = _compute_fid(a.double().mean(0), torch.cov(a.double().T), b.double().mean(0), torch.cov(b.double().T))
    assert frechet_distance(a, b) == pytest.approx(float(theirs), rel=1e-6)


def test_frechet_distance_survives_dead_features():
    x = features(400)
    x[:, 3] = 0
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_is_unbiased_near_zero_and_grows():
    same = kernel_distance(features(2000), features(2000, seed=1))
    apart = kernel_distance(features(2000), features(2000, mean=0.5, seed=1))
    assert abs(same) < 0.02
    assert apart > 0.2


def test_neighbour_figures_of_alike_far_and_collapsed_sets():
    real = features(1000)
    alike = neighbour_figures(features(1000, seed=1), real)
    assert min(alike["precision"], alike["recall"], alike["coverage"]) > 0.8
    assert alike["density"] == pytest.approx(1, abs=0.15)
    far = neighbour_figures(features(1000, mean=20, seed=1), real)
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    collapsed = neighbour_figures(features(1000, std=0.01, seed=1), real)
    assert collapsed["precision"] > 0.9
    assert collapsed["recall"] < 0.1
    assert collapsed["coverage"] < 0.3


def test_inception_style_score_runs_from_one_to_the_number_of_classes():
    assert inception_style_score(torch.zeros(100, 10)) == pytest.approx(1)
    sure = 100 * torch.eye(10).repeat(10, 1)
    assert inception_style_score(sure) == pytest.approx(10)
    assert inception_style_score(sure[:1].repeat(50, 1)) == pytest.approx(1)


def test_copies_are_found_out():
    training, test = font_digits(600, seed=1).images, font_digits(300, seed=2).images
    copied = memorisation(training[:200], training, test)
    honest = memorisation(font_digits(300, seed=3).images, training, test)
    assert copied.suspicious > 0.9
    assert float(copied.closest_distances.max()) < 1e-2
    assert honest.suspicious < 0.1
    assert honest.median_ratio == pytest.approx(1, abs=0.1)
    assert torch.equal(copied.closest_generated, copied.closest_training)


def test_nearest_over_chunks_is_nearest_over_all():
    pool, images = font_digits(50, seed=1).images, font_digits(7, seed=2).images
    distances, index = nearest(images, pool, chunk=11)
    all_pairs = torch.cdist(images.flatten(1).float() / 255, pool.flatten(1).float() / 255)
    torch.testing.assert_close(distances, all_pairs.min(1).values, atol=1e-3, rtol=1e-3)
    assert torch.equal(index, all_pairs.argmin(1))


@pytest.fixture(scope="module")
def shipped():
    return load_judges("mnist")


def test_evaluation_reports_everything_and_tells_its_progress(tiny, shipped):
    training, test = font_digits(400, seed=1), font_digits(200, seed=2)
    steps = list(evaluate(tiny, training, test, shipped, n=120, steps=2))
    assert [s.progress for s in steps] == sorted(s.progress for s in steps)
    assert [s.last for s in steps[:-1]] == [False] * (len(steps) - 1)
    report = steps[-1].report
    assert int(report.confusion.sum()) == 120
    assert sum(report.histogram) == 120
    assert report.figures["classifier_fid_real"] < report.figures["classifier_fid"]
    assert report.figures["classifier_fid_ratio"] > 2  # an untrained network
    assert report.figures["n"] == 120
    assert "test split" in report.figures["reference"]
    first = next(evaluate(tiny, training, test, shipped, n=120, steps=2))
    assert first.stage == "sampling"


@pytest.mark.parametrize("n", [0, 99, 10**6, 150.5, float("nan")])
def test_refuses_a_number_that_cannot_be_evaluated(tiny, shipped, n):
    training = font_digits(400, seed=1)
    with pytest.raises(UserError, match="whole number from 100 to 200"):
        next(evaluate(tiny, training, training, shipped, n=n))


def test_an_unconditional_report_has_no_label_accuracy(tiny, shipped):
    tiny.backbone.conditional = False
    training = font_digits(400, seed=1)
    *_, last = evaluate(tiny, training, training, shipped, n=100, steps=2)
    assert last.report.labels is None
    assert last.report.figures["label_accuracy"] != last.report.figures["label_accuracy"]


def test_a_judge_learns_and_survives_its_file(tmp_path):
    data, test = font_digits(1200, seed=1), font_digits(200, seed=2)
    *_, last = train_judge("labels", data, test, epochs=16)
    assert last.accuracy > 0.6
    path = save_judge(tmp_path / "judge-labels-x.safetensors", "labels", last.judge, last.accuracy)
    again = load_judge(path)
    assert checkpoints.load(path, KIND).extra["test_accuracy"] == last.accuracy
    agree = judge_logits(again, test.images).argmax(1) == judge_logits(last.judge, test.images).argmax(1)
    assert float(agree.float().mean()) > 0.98
    write_sums(tmp_path)
    load_judge(path)
    save_judge(path, "labels", last.judge, 1.0)
    with pytest.raises(UserError, match="hash"):
        load_judge(path)


def test_a_missing_judge_says_how_to_make_one():
    with pytest.raises(UserError, match="ship judges --dataset kmnist"):
        load_judges("kmnist")


def test_the_judges_are_independent():
    for builds_or_seeds in zip(*JUDGES.values(), strict=True):
        assert len(set(builds_or_seeds)) == 3


def test_judges_learn_one_half():
    digits, test = font_digits(600, seed=1), font_digits(20, seed=2)
    known, unseen = halves(600)

    def loss(spoilt):
        images = digits.images.clone()
        images[spoilt] = 255
        *_, step = train_judge("labels", replace(digits, images=images), test, epochs=1)
        return step.loss

    untouched = torch.empty(0, dtype=torch.long)
    assert loss(unseen) == loss(untouched)
    assert loss(known) != loss(untouched)


def test_floors_come_from_the_half_that_judges_do_not_know(tiny, shipped):
    known, unseen = halves(601)
    assert sorted([*known.tolist(), *unseen.tolist()]) == list(range(601))
    assert known.tolist() != sorted(known.tolist())
    digits = font_digits(400, seed=1)
    known, unseen = halves(400)
    digits = replace(digits, images=digits.images.clone())
    digits.images[known] = 255  # whatever looks at the known half sees white
    *_, last = evaluate(tiny, digits, font_digits(200, seed=2), shipped, n=120, steps=1)
    assert last.report.figures["classifier_fid_real"] < last.report.figures["classifier_fid_noise"]
    assert last.report.figures["label_accuracy_real"] > 0.5
    spoilt = replace(digits, images=digits.images.clone())
    spoilt.images[unseen] = 255
    *_, worse = evaluate(tiny, spoilt, font_digits(200, seed=2), shipped, n=120, steps=1)
    assert worse.report.figures["label_accuracy_real"] < 0.3


def test_the_report_judge_does_both():
    report = load_judges("mnist", report=True)
    assert report.features is report.labels
    assert report.features.head.in_features != load_judges("mnist").features.head.in_features


@pytest.mark.real_data
def test_shipped_judges_are_right_on_99_percent_of_real_digits(shipped):
    test: Digits = load_digits("mnist", "test", download=False)
    if test.stand_in:
        pytest.skip("no MNIST in ATELIER_DATA or data/")
    assert isinstance(shipped, Judges)
    for judge in (shipped.features, shipped.labels, load_judges(report=True).labels):
        accuracy = (judge_logits(judge, test.images[::4]).argmax(1) == test.labels[::4]).float().mean()
        assert float(accuracy) >= 0.99
