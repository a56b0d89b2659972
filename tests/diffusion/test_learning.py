"""Training to watch: samples, kept moments, and checkpoints at any time."""

import functools

import pytest
import torch
from atelier import checkpoints
from atelier.data.digits import font_digits
from atelier.diffusion import learning
from atelier.diffusion.catalogue import trains
from atelier.diffusion.denoiser import KIND, build_denoiser, save_denoiser
from atelier.diffusion.drawing import draw, summary
from atelier.diffusion.learning import learn, learning_panels, measure, measured, recipe_of, saved
from atelier.diffusion.models import choose_model, read_model
from atelier.errors import UserError
from oracles import TINY


def lesson(words, dataset="fonts"):
    return build_denoiser(options=TINY, seed=1), dataset, recipe_of({"batch": 100} | words, seed=1)


@pytest.fixture
def small(monkeypatch):
    digits = font_digits(600)
    monkeypatch.setattr(learning, "load_digits", lambda *_, **__: digits)
    return functools.partial(functools.partial, lesson)


def last(steps):
    *_, found = steps
    return found


def position(data, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    return checkpoints.load(path, KIND).extra["run"]["step"]


def test_training_draws_samples_and_keeps_some(small):
    steps = list(learn(small({"epochs": 1.0}), keep_after=(1.0, 0.5)))
    assert steps[0].note.startswith("Loading")
    assert steps[0].progress == 0
    assert [step.step for step in steps] == list(range(7))
    assert steps[-1].progress == 1
    assert list(steps[-1].past.kept) == [0.5, 1.0]
    assert steps[-1].samples.shape == (60, 28, 28)
    assert steps[-1].data_note.startswith("Digits from fonts")
    frame = learning_panels(steps[-1])
    assert list(frame.flow) == ["0.5 epochs", "1 epochs"]
    assert len(frame.charts[0].lines[0].x) == 6
    assert steps[-1].figures()["steps"] == 6


def test_the_panels_stand_before_anything_is_trained(small):
    first = next(learn(small({"epochs": 1.0}), keep_after=(0.5,)))
    before, after = learning_panels(first), learning_panels(last(learn(small({"epochs": 0.2}), keep_after=(0.5,))))
    assert {name: p.shape for name, p in before.pictures.items()} == {n: p.shape for n, p in after.pictures.items()}
    assert [chart.title for chart in before.charts] == [chart.title for chart in after.charts]
    assert before.flow.keys() == after.flow.keys()


def test_a_run_that_was_paused_while_it_loads_has_no_network_yet(small):
    first = next(learn(small({"epochs": 1.0})))
    assert choose_model("trained", first).note.startswith("Nothing was trained yet")
    drawn = next(draw(choose_model("shipped"), samples=1, sampling_steps=1))
    assert "training" not in summary(drawn, first)


def test_a_checkpoint_is_of_the_newest_step_and_training_goes_on_from_it(small, tmp_path):
    run = learn(small({"epochs": 2.0}))
    step = [next(run) for _ in range(4)][-1]
    data = step.checkpoint()
    run.close()
    assert position(data, tmp_path) == 3
    # The network and the recipe are the file's; only the budget is asked for.
    other = functools.partial(lesson, {"epochs": 2.0, "batch": 50})
    gone_on = last(learn(other, resume=data))
    assert gone_on.step == 12
    whole = last(learn(small({"epochs": 2.0})))
    for a, b in zip(gone_on.at.average.parameters(), whole.at.average.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_trained_network_draws_and_its_copy_stays_as_it_is(small):
    run = learn(small({"epochs": 2.0}))
    step = [next(run) for _ in range(3)][-1]
    model = choose_model("trained", step)
    before = [parameter.clone() for parameter in model.denoiser.parameters()]
    list(run)
    assert all(torch.equal(a, b) for a, b in zip(before, model.denoiser.parameters(), strict=True))
    assert choose_model("trained", step) is model
    assert model.images_seen == 200
    assert model.dataset == "fonts"


def test_an_early_snapshot_of_the_run_is_kept(small):
    averages = {}
    for step in learn(small({"epochs": 7.0})):
        if step.at and step.at.step in (2, 4):
            averages[step.at.step] = [parameter.clone() for parameter in step.at.average.parameters()]
        if step.at and step.at.step == 8:
            assert step.past.early.keys() == {1, 2, 4, 8}
    assert step.at.step == 42
    assert step.past.early.keys() == {4, 8, 16, 32}  # at most an eighth of the way: 4
    early = list(step.model.early.parameters())
    assert all(torch.equal(a, b) for a, b in zip(averages[4], early, strict=True))


def test_a_run_writes_its_checkpoint_and_a_path_must_match(small, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    last(learn(small({"epochs": 0.5}), checkpoint=path))
    assert read_model(path.read_bytes()).goes_on
    assert last(learn(small({"epochs": 1.0}), resume=str(path))).step == 6
    with pytest.raises(UserError, match="batch_size 100, and 50 is asked for"):
        last(learn(small({"epochs": 1.0, "batch": 50}), resume=str(path)))
    with pytest.raises(UserError, match="used up that budget"):
        last(learn(small({"epochs": 0.5}), resume=str(path)))


def test_weights_for_drawing_alone_cannot_be_trained_on(small, tmp_path):
    path = save_denoiser(tmp_path / "x.safetensors", build_denoiser(options=TINY), {})
    with pytest.raises(UserError, match="sampling only"):
        last(learn(small({"epochs": 1.0}), resume=str(path)))


@pytest.mark.parametrize("recipe", [[], {"batch_size": "many"}, {"learning_rate": None}, {"seed": 10**30}])
def test_an_odd_recipe_in_a_checkpoint_is_refused(small, recipe, tmp_path):
    data = last(learn(small({"epochs": 0.2}))).checkpoint()
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    found = checkpoints.load(path, KIND)
    checkpoints.save(path, checkpoints.Checkpoint(KIND, found.spec, found.tensors, found.extra | {"recipe": recipe}))
    with pytest.raises(UserError):
        last(learn(small({"epochs": 1.0}), resume=path.read_bytes()))


@pytest.mark.parametrize("run", [{}, {"step": "x"}, {"step": -1}, [], None])
def test_an_odd_position_in_a_checkpoint_is_refused(small, run, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(last(learn(small({"epochs": 0.2}))).checkpoint())
    found = checkpoints.load(path, KIND)
    checkpoints.save(path, checkpoints.Checkpoint(KIND, found.spec, found.tensors, found.extra | {"run": run}))
    with pytest.raises(UserError):
        last(learn(small({"epochs": 1.0}), resume=path.read_bytes()))


def test_nothing_trained_is_a_sentence():
    with pytest.raises(UserError, match="press Train"):
        saved(None)


def test_the_time_of_training_is_measured(small):
    words = measured(last(measure(small({"epochs": 1.0})))).note
    assert "an epoch" in words


def test_words_of_training_that_do_not_go_together_are_refused():
    assert not trains()
    assert trains(epochs=1.0)
    with pytest.raises(UserError, match="how long to train"):
        trains(resume="x.safetensors")
    with pytest.raises(UserError, match="--resume"):
        trains(checkpoint="x.safetensors", train_minutes=1.0)
    with pytest.raises(UserError, match="one of them"):
        recipe_of({"epochs": 1.0, "train_minutes": 1.0})


def test_a_recipe_takes_the_words_it_knows_and_ten_minutes_by_default():
    recipe = recipe_of({"batch": 7, "ema": 0.5, "dataset": "mnist", "epochs": None}, seed=3)
    assert (recipe.batch_size, recipe.ema_decay, recipe.minutes, recipe.seed) == (7, 0.5, 10, 3)
