import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from atelier import checkpoints
from atelier.diffusion import training
from atelier.diffusion.denoiser import KIND, build_denoiser, load_denoiser, save_denoiser, to_model, to_uint8
from atelier.diffusion.models import images_seen_in
from atelier.diffusion.training import OPTIMISERS, Recipe, estimate, train
from atelier.errors import UserError
from atelier.optimisers import matrices_of
from oracles import WIDE

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (40, 28, 28), dtype=torch.uint8, generator=GENERATOR)
LABELS = torch.arange(40) % 10


def fresh(schedule="flow", target="flow"):
    return build_denoiser("unet", schedule, target, T=100, options=WIDE, seed=1)


def recipe(**changes):
    return Recipe(**({"steps": 8, "batch_size": 8, "warmup": 2, "precision": "float32"} | changes))


def state(denoiser):
    return {name: tensor.clone() for name, tensor in denoiser.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_images_survive_the_way_to_the_model_and_back():
    assert torch.equal(to_uint8(to_model(IMAGES)), IMAGES)
    assert to_model(IMAGES).abs().max() <= 1


def test_steps_tell_what_training_does():
    steps = list(train(fresh(), IMAGES, LABELS, recipe(steps=12)))
    assert [s.step for s in steps] == list(range(1, 13))
    assert len(steps[-1].epoch_losses) == 2  # 40 images are five batches of eight
    assert steps[4].epoch_losses[0] == pytest.approx(sum(s.loss for s in steps[:5]) / 5)
    assert sum(not torch.tensor(b).isnan() for b in steps[-1].bin_losses) >= 5
    assert steps[-1].last
    assert not steps[-2].last
    assert steps[-1].seconds_left == 0
    assert steps[0].images_per_second > 0
    assert steps[0].learning_rate < steps[2].learning_rate > steps[-1].learning_rate


def test_the_loss_falls_when_there_is_something_to_learn():
    images = torch.zeros(64, 28, 28, dtype=torch.uint8)
    images[:, 8:20, 8:20] = 255
    losses = [
        s.loss
        for s in train(fresh(), images, torch.zeros(64).long(), recipe(steps=60, batch_size=16, learning_rate=1e-2))
    ]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def test_the_average_has_the_statistics_of_batch_norm():
    class Normed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4)
            self.last = torch.nn.Conv2d(4, 1, 3, padding=1)

        def forward(self, x, noise_fraction, label_weights):
            return self.last(self.norm(self.first(x)))

    denoiser = build_denoiser(Normed())
    *_, last = train(denoiser, IMAGES, LABELS, recipe())
    assert torch.equal(last.average.backbone.norm.running_var, denoiser.backbone.norm.running_var)
    assert not torch.equal(denoiser.backbone.norm.running_var, torch.ones(4))


@pytest.mark.parametrize(
    ("schedule", "target"), [("linear", "eps"), ("cosine", "v"), ("sigmoid", "x0"), ("zero_snr", "v")]
)
def test_every_schedule_and_target_trains(schedule, target):
    steps = list(train(fresh(schedule, target), IMAGES, LABELS, recipe(steps=2)))
    assert all(torch.tensor(s.loss).isfinite() for s in steps)


def test_training_is_the_same_every_time_and_touches_no_global_seed():
    before = torch.get_rng_state()
    first, second = fresh(), fresh()
    list(train(first, IMAGES, LABELS, recipe()))
    list(train(second, IMAGES, LABELS, recipe()))
    assert same(state(first), state(second))
    assert torch.equal(before, torch.get_rng_state())


def test_the_average_lags_behind_with_its_ramp():
    denoiser = fresh()
    start = state(denoiser)["backbone.enter.weight"]
    step = next(train(denoiser, IMAGES, LABELS, recipe()))
    now = denoiser.state_dict()["backbone.enter.weight"]
    decay = 2 / 11  # (1 + k) / (10 + k) at k = 1
    wanted = decay * start + (1 - decay) * now
    torch.testing.assert_close(step.average.state_dict()["backbone.enter.weight"], wanted)


def test_every_parameter_has_one_optimiser():
    denoiser = fresh()
    both = training._optimisers(denoiser, recipe())
    taken = [p for optimiser in both for group in optimiser.param_groups for p in group["params"]]
    assert sorted(map(id, taken)) == sorted(map(id, denoiser.parameters()))
    assert len(matrices_of(denoiser)) >= 6
    assert len(training._optimisers(denoiser, recipe(optimiser="adamw"))) == 1


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_resuming_continues_bit_for_bit(tmp_path, optimiser):
    path = tmp_path / "run.safetensors"
    whole, half, rest = fresh(), fresh(), fresh()
    steps = list(train(whole, IMAGES, LABELS, recipe(optimiser=optimiser)))
    for step in train(half, IMAGES, LABELS, recipe(optimiser=optimiser, checkpoint_seconds=0), checkpoint=path):
        if step.step == 3:
            assert step.saved == path
            break
    resumed = list(train(rest, IMAGES, LABELS, recipe(optimiser=optimiser), resume=path))
    assert resumed[0].step == 4
    assert [s.loss for s in resumed] == [s.loss for s in steps[3:]]
    assert resumed[-1].epoch_losses == steps[-1].epoch_losses
    assert resumed[-1].bin_losses == pytest.approx(steps[-1].bin_losses, nan_ok=True)
    assert same(state(whole), state(rest))
    assert same(state(steps[-1].average), state(resumed[-1].average))


def test_a_checkpoint_from_before_the_choice_of_optimisers_goes_on_with_adamw(tmp_path):
    path = tmp_path / "run.safetensors"
    *_, last = train(fresh(), IMAGES, LABELS, recipe(steps=3, optimiser="adamw"), checkpoint=path)
    held = checkpoints.load(path, KIND)
    del held.extra["recipe"]["optimiser"]
    checkpoints.save(path, held)
    with pytest.raises(UserError, match="optimiser adamw, and muon is asked for"):
        next(train(fresh(), IMAGES, LABELS, recipe(), resume=path))
    assert next(train(fresh(), IMAGES, LABELS, recipe(optimiser="adamw"), resume=path)).step == last.step + 1


def test_a_step_can_be_kept_and_gone_on_from(tmp_path):
    path = tmp_path / "kept.safetensors"
    whole = list(train(fresh(), IMAGES, LABELS, recipe()))
    for step in train(fresh(), IMAGES, LABELS, recipe()):
        if step.step == 5:
            assert step.keep(path) == path
    resumed = list(train(fresh(), IMAGES, LABELS, recipe(), resume=path))
    assert [s.loss for s in resumed] == [s.loss for s in whole[5:]]


def test_closing_the_iterator_early_saves_the_position(tmp_path):
    path = tmp_path / "run.safetensors"
    run = train(fresh(), IMAGES, LABELS, recipe(), checkpoint=path)
    next(run), next(run)
    assert not path.exists()
    run.close()
    assert checkpoints.load(path, KIND).extra["run"]["step"] == 2


KILLED = """
import sys, torch
sys.path.insert(0, {tests!r})
import test_training as t
from pathlib import Path
recipe, path = t.recipe(steps=100000, checkpoint_seconds=0), Path(sys.argv[1])
for step in t.train(t.fresh(), t.IMAGES, t.LABELS, recipe, checkpoint=path):
    print(step.step, flush=True)
"""


def test_a_run_killed_at_any_moment_resumes(tmp_path):
    path = tmp_path / "run.safetensors"
    code = KILLED.format(tests=os.path.dirname(__file__))
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    seen = 0
    while seen < 5:
        seen = int(child.stdout.readline())
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    seen = max([seen, *(int(line) for line in child.stdout.read().split())])
    child.wait()
    position = checkpoints.load(path, KIND).extra["run"]["step"]
    assert seen <= position <= seen + 1
    step = next(train(fresh(), IMAGES, LABELS, recipe(steps=100000), resume=path))
    assert step.step == position + 1


def test_a_pause_between_steps_does_not_count(monkeypatch):
    now = [0.0]

    def clock():
        now[0] += 1
        return now[0]

    def elapsed(pause):
        found = []
        for step in train(fresh(), IMAGES, LABELS, recipe(steps=3)):
            found.append((step.elapsed, step.images_per_second))
            now[0] += pause
        return found

    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=clock))
    assert elapsed(1000.0) == elapsed(0.0)


def test_a_checkpoint_samples_without_its_run(tmp_path):
    path = tmp_path / "run.safetensors"
    steps = list(train(fresh(), IMAGES, LABELS, recipe(), checkpoint=path, notes={"dataset": "noise"}))
    denoiser, extra = load_denoiser(path)
    assert same(state(denoiser), state(steps[-1].average))
    assert extra["dataset"] == "noise"
    assert extra["run"]["step"] == 8
    assert images_seen_in(extra) == steps[-1].images_seen == 8 * recipe().batch_size
    assert images_seen_in({}) is images_seen_in({"run": 3, "recipe": {}}) is None
    assert images_seen_in({"run": {"step": "many"}, "recipe": {"batch_size": 2}}) is None


def test_resuming_with_another_schedule_target_or_recipe_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    list(train(fresh(), IMAGES, LABELS, recipe(steps=2), checkpoint=path))
    for other, part in ((fresh("cosine", "flow"), "schedule"), (fresh("flow", "v"), "target")):
        with pytest.raises(UserError, match=f"This checkpoint has {part}"):
            next(train(other, IMAGES, LABELS, recipe(), resume=path))
    with pytest.raises(UserError, match="batch_size"):
        next(train(fresh(), IMAGES, LABELS, recipe(batch_size=4), resume=path))
    sampling_only = save_denoiser(tmp_path / "s.safetensors", fresh(), {})
    with pytest.raises(UserError, match="sampling only"):
        next(train(fresh(), IMAGES, LABELS, recipe(), resume=sampling_only))


def test_a_failed_resume_does_not_touch_the_denoiser(tmp_path):
    path = tmp_path / "run.safetensors"
    list(train(fresh(), IMAGES, LABELS, recipe(steps=2), checkpoint=path))
    path.write_bytes(path.read_bytes()[:-100])
    denoiser = fresh()
    with pytest.raises(UserError, match="not a whole"):
        next(train(denoiser, IMAGES, LABELS, recipe(), resume=path))
    assert same(state(denoiser), state(fresh()))


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")],
)
def test_out_of_memory_suggests_a_smaller_batch(monkeypatch, error):
    def burst(*_):
        raise error

    monkeypatch.setattr(training.Denoiser, "loss", burst)
    with pytest.raises(UserError, match="batch of 8 does not fit in memory; try a batch of 4"):
        next(train(fresh(), IMAGES, LABELS, recipe()))


def test_a_loss_that_is_not_a_number_stops_with_a_sentence(monkeypatch):
    monkeypatch.setattr(
        training.Denoiser, "loss", lambda self, x0, *_: x0.mean((1, 2, 3)).requires_grad_() * float("nan")
    )
    with pytest.raises(UserError, match="lower the learning rate"):
        next(train(fresh(), IMAGES, LABELS, recipe()))


def test_budgets_in_epochs_and_minutes():
    assert list(train(fresh(), IMAGES, LABELS, recipe(steps=None, epochs=2)))[-1].step == 10
    steps = list(train(fresh(), IMAGES, LABELS, recipe(steps=None, minutes=0.01)))
    assert steps[-1].elapsed >= 0.6
    assert steps[-2].elapsed < 0.6


def test_the_estimate_is_measured_and_leaves_the_denoiser_alone():
    denoiser = fresh()
    guess = estimate(denoiser, 400, recipe(steps=None, epochs=2))
    assert guess.seconds_per_epoch == pytest.approx(50 * guess.seconds_per_step)
    assert guess.seconds_in_all == pytest.approx(2 * guess.seconds_per_epoch)
    assert same(state(denoiser), state(fresh()))


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"steps": None},
        {"epochs": 1.0},
        {"steps": None, "minutes": float("nan")},
        {"batch_size": 0},
        {"learning_rate": float("nan")},
        {"ema_decay": 1.0},
        {"label_dropout": 1.5},
        {"optimiser": "sgd"},
        {"seed": -1},
    ],
)
def test_refuses_recipes_out_of_bounds(changes):
    with pytest.raises(UserError):
        recipe(**changes)


def test_refuses_data_that_does_not_fit():
    for images, labels in (
        (IMAGES[:0], LABELS[:0]),
        (IMAGES.float(), LABELS),
        (IMAGES, LABELS[:3]),
        (IMAGES, LABELS + 5),
    ):
        with pytest.raises(UserError, match="Training needs"):
            next(train(fresh(), images, labels, recipe()))
