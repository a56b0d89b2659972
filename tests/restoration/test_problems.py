"""What is measured, the scores, the baselines, and bad input."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from atelier import diffusion
from atelier.data.digits import font_digits
from atelier.diffusion.denoiser import to_model
from atelier.errors import UserError
from atelier.restoration.catalogue import METHODS, TASKS, ways_of
from atelier.restoration.problems import measure, pseudo_inverse, read_pixels
from atelier.restoration.repairing import Past, repair, samples_gif, samples_npz, samples_png, summary
from atelier.restoration.scores import score, shares, shares_words
from PIL import Image
from total_variation import total_variation

DIGITS = font_digits(8, seed=1).images
COVER = torch.zeros(28, 28, dtype=torch.uint8)
COVER[10:20, 5:25] = 255


def broken(task, **options):
    return measure(DIGITS, task, **({"painted": COVER} if task == "painted" else {}), **options)


@pytest.mark.parametrize("task", TASKS)
def test_a_measurement_is_linear_and_its_noise_is_as_large_as_asked_for(task):
    problem = broken(task, noise=0.1)
    clean = to_model(DIGITS)
    assert problem.consistency(clean).mean() == pytest.approx(0.1, abs=0.012)
    a, b = torch.randn(2, 8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    physics = problem.physics
    measured, back = physics.A(a.double()), physics.A_adjoint(problem.y)
    assert torch.allclose(physics.A(a.double() + b.double()), measured + physics.A(b.double()), atol=1e-9)
    assert float((measured * problem.y).sum()) == pytest.approx(float((a.double() * back).sum()), rel=1e-9)
    assert problem.shown().shape == (8, 28, 28)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variance", [1e-3, 1.0, 1e5])
def test_nearest_solves_its_equations(task, variance):
    problem = broken(task, noise=0.1)
    x = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = problem.nearest(x, variance).double()
    gradient = (found - x.double()) / variance - problem.physics.A_adjoint(problem.residual(found)) / problem.variance
    assert gradient.abs().max() < 1e-4 * max(1 / variance, 1 / problem.variance)


@pytest.mark.parametrize(
    ("task", "options"),
    [("mask", {}), ("painted", {}), ("pixels", {}), ("columns", {"every": 3}), ("shrink", {})]
    + [("blur", {"blur": blur}) for blur in (0.3, 2.0, 5.0)],
)
def test_what_is_measured_before_deepinv_is_there_is_what_its_physics_gives(task, options):
    problem = broken(task, noise=0, **options)
    assert torch.allclose(problem.y, problem.physics.A(to_model(DIGITS).double()), atol=1e-9)
    assert problem.kind == type(problem.physics).__name__


def test_a_digit_is_broken_without_deepinv():
    code = "import sys, torch; from atelier.restoration.problems import measure; measure(torch.ones(1, 28, 28).byte())"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'deepinv' not in sys.modules"], check=True)


def test_masks_keep_what_they_say():
    left = broken("mask", side="left").mask
    assert left[0, :, :14].sum() == 0
    assert left.sum() == 14 * 28
    assert broken("mask").mask[0, :14].sum() == 0
    assert broken("columns", every=4).mask.sum() == 7 * 28
    assert broken("pixels", kept=0.2, seed=1).mask.mean() == pytest.approx(0.2, abs=0.04)
    assert torch.equal(broken("painted").mask[0] == 0, COVER > 0)
    assert broken("blur").mask is None


def test_noise_belongs_to_seed_and_picture():
    assert torch.equal(broken("blur", seed=2).y, broken("blur", seed=2).y)
    assert not torch.equal(broken("blur", seed=2).y, broken("blur", seed=3).y)
    assert torch.allclose(broken("blur", seed=2).y[:3], measure(DIGITS[:3], "blur", seed=2).y)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"noise": -0.1}, "Noise in grey values must be a number from 0 to 1"),
        ({"noise": 100}, "Noise in grey values must be a number from 0 to 1, and 100 is not."),
        ({"noise": float("nan")}, "Noise in grey values must be a number from 0 to 1"),
        ({"task": "noise", "noise": 0}, "choose more noise"),
        ({"task": "tear"}, "There is no task 'tear'"),
        ({"task": "painted"}, "Nothing is covered"),
        ({"task": "painted", "painted": torch.ones(28, 28)}, "covers everything"),
        ({"task": "painted", "painted": torch.ones(3, 3)}, "must be 28 x 28 pixels"),
        ({"task": "pixels", "kept": 2}, "Kept must be|kept must be"),
        ({"task": "pixels", "keptt": 0.3}, "Did you mean kept"),
    ],
)
def test_bad_input_is_one_sentence(change, sentence):
    with pytest.raises(UserError, match=sentence):
        measure(DIGITS, **change)


def test_an_empty_drawing_is_refused():
    with pytest.raises(UserError, match="The drawing is empty; draw a digit first"):
        measure(torch.zeros(1, 28, 28, dtype=torch.uint8))


@pytest.mark.parametrize("task", ["mask", "blur", "shrink", "noise"])
def test_total_variation_solves_its_problem(task):
    problem, clean = broken(task, noise=0.1), to_model(DIGITS)
    inverse, smooth = pseudo_inverse(problem), total_variation(problem, 0.1, 300)
    if task in ("mask", "noise"):
        assert (smooth - clean).square().mean() < (inverse - clean).square().mean()

    def objective(x):
        down, right = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
        down, right = torch.nn.functional.pad(down, (0, 0, 0, 1)), torch.nn.functional.pad(right, (0, 1))
        return problem.residual(x).square().sum() / 2 + 0.1 * (down.square() + right.square()).sqrt().sum()

    generator = torch.Generator().manual_seed(0)
    for other in (inverse, clean, *(smooth + 0.02 * torch.randn(smooth.shape, generator=generator) for _ in range(3))):
        assert objective(smooth) < objective(other.clamp(-1, 1)) + 1e-3


def test_shares_are_said_in_a_sentence():
    labels = torch.tensor([9] * 9 + [4] * 5 + [7] * 2)
    assert shares(labels) == {9: 9, 4: 5, 7: 2}
    assert shares_words(labels) == "Of 16 samples 9 are read as 9, 5 as 4 and 2 as 7."
    assert shares_words(torch.tensor([3, 3])) == "All 2 samples are read as 3."
    assert shares_words(torch.tensor([3, 5])) == "Of 2 samples 1 is read as 3 and 1 as 5."
    assert shares_words(torch.tensor([3])) == "The sample is read as 3."


def test_scores_of_the_digit_itself():
    problem = broken("mask", noise=0.0)
    found = score(problem, to_model(DIGITS), DIGITS)
    assert found.psnr.min() > 100
    assert found.ssim.min() > 0.999
    assert found.consistency.max() < 1e-6


def test_a_picture_file_is_read_and_a_broken_one_is_refused(tmp_path):
    Image.fromarray(DIGITS[0].numpy()).save(tmp_path / "digit.png")
    assert torch.equal(read_pixels(str(tmp_path / "digit.png")), DIGITS[0])
    (tmp_path / "no.png").write_bytes(b"no")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        read_pixels(str(tmp_path / "no.png"))


@pytest.fixture
def model():
    return diffusion.choose_model("shipped")


@pytest.mark.parametrize("method", METHODS)
def test_the_shipped_network_repairs_with_every_method(method, model):
    options = {"drawn": DIGITS[0].numpy(), "task": "noise" if METHODS[method].fits else "blur"}
    *_, last = repair(model, method=method, samples=2, steps=6, noise=0.2, **options)
    assert last.progress == 1
    assert last.images.shape == (2, 28, 28)
    assert last.at.estimate.isfinite().all()
    assert len(last.scores.labels) == 2
    told = summary(last)
    assert told["strength"] == ways_of(method)["strength"].default
    assert told["sentence"].startswith(("All 2", "Of 2"))


def test_a_repair_begins_with_what_was_measured_and_leaves_files(model):
    steps = list(repair(model, drawn=DIGITS[1].numpy(), samples=3, steps=4, method="diffpir"))
    assert [step.step for step in steps] == [0, 1, 2, 3, 4]
    assert steps[0].at is None
    with pytest.raises(UserError, match="nothing to save yet"):
        samples_png(steps[0])
    last = steps[-1]
    assert samples_png(last).startswith(b"\x89PNG")
    packed = np.load(io.BytesIO(samples_npz(last)))
    assert packed["samples"].shape == (3, 28, 28)
    assert packed["labels"].tolist() == last.scores.labels.tolist()
    for step in (replace(steps[1], past=Past()), last):  # before anything was remembered, at the end
        *_, written = samples_gif(step)
        assert written.data.startswith(b"GIF")


def test_a_distilled_network_and_a_number_beyond_the_digits_are_refused(model):
    with pytest.raises(UserError, match="A distilled network knows a few noise levels only"):
        list(repair(diffusion.with_steps(model, "few4"), drawn=DIGITS[1].numpy()))
    with pytest.raises(UserError, match="There are test digits 0 to"):
        list(repair(model, digit=10_000_000))
    with pytest.raises(UserError, match="The label that the network is told must be one of none, 0"):
        list(repair(model, digit=1, told="33"))
