"""The studios of digit diffusion, on a tiny denoiser."""

import re
import time

import numpy as np
import pytest
import torch
from atelier import checkpoints, figures
from atelier.data.digits import font_digits
from atelier.diffusion.denoiser import (
    DEFAULT_GUIDANCE,
    KIND,
    YOUNG_GUIDANCE,
    YOUNG_IMAGES,
    Guidance,
    build_denoiser,
    save_denoiser,
)
from atelier.diffusion.schedules import SCHEDULES, build_schedule
from atelier.digits import judge_studio, page, sheets, steer_studio, train_studio
from atelier.digits.judge_studio import JudgeStudio
from atelier.digits.models import Model, read_model, shipped_model
from atelier.digits.settings import DigitSettings
from atelier.digits.steer_studio import EXPERIMENTS, Steering, SteerStudio
from atelier.digits.studio import SampleStudio
from atelier.digits.train_studio import TrainStudio
from atelier.errors import UserError
from atelier.page.packing import unpack

TINY = {"widths": [16, 16], "blocks": 1, "embedding": 16, "heads": 2}


@pytest.fixture(scope="module")
def model():
    return Model("tiny", build_denoiser(options=TINY).eval())


@pytest.fixture
def small(monkeypatch):
    """Training and judging on a few font digits with a tiny network."""
    digits = font_digits(600)
    for module in (train_studio, judge_studio, steer_studio):
        monkeypatch.setattr(module, "load_digits", lambda *_, **__: digits)
    monkeypatch.setattr(
        train_studio,
        "fresh_denoiser",
        lambda s: build_denoiser(s.backbone, s.schedule, s.target, T=s.timesteps, options=TINY, seed=s.seed),
    )


def status(canvas):
    return unpack(canvas.frame)[0]


def saved(studio):
    *_, last = studio.checkpoint()
    return last.data


def wait_until(true):
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def run(canvas):
    canvas.play()
    canvas.job.join(30)
    assert canvas.job.message is None
    return canvas.job.state


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"samples": 0}, "Samples must be a whole number from 1 to 10,000"),
        ({"samples": 10**6}, "Samples must be"),
        ({"digit": 12}, "Digit must be one of all, 0"),
        ({"guidance": "nan"}, "Guidance must be a number from 0 to 100"),
        ({"timesteps": 1}, "Timesteps must be a whole number from 2"),
        ({"guidance-from": 0.9, "guidance-to": 0.1}, "guidance interval must rise"),
        ({"target": "eps"}, "choose the target v, flow or x0"),
        ({"epochs": 1, "train-minutes": 1}, "one of them"),
        ({"resume": "x.safetensors"}, "how long to train"),
        ({"checkpoint": "x.safetensors", "epochs": 1}, "--resume"),
        ({"sampler": "euler"}, "Sampler must be one of"),
    ],
)
def test_wrong_words_get_one_sentence(words, sentence):
    with pytest.raises(UserError) as refused:
        DigitSettings.read(words)
    assert sentence in str(refused.value)


def test_an_address_may_not_name_files_of_the_server():
    with pytest.raises(UserError, match="command line only"):
        DigitSettings.read({"checkpoint": "/etc/passwd"}, address=True)


def test_guidance_that_is_left_open_follows_the_age_of_the_network(model):
    young, old, unknown = (Model("x", model.denoiser, images_seen=n) for n in (1, YOUNG_IMAGES, None))
    assert DigitSettings().guide(young.guidance) == YOUNG_GUIDANCE
    assert DigitSettings().guide(old.guidance) == DigitSettings().guide(unknown.guidance) == DEFAULT_GUIDANCE
    assert shipped_model().guidance == DEFAULT_GUIDANCE
    assert Model("x", build_denoiser("diffunet"), images_seen=1).guidance == Guidance()


@pytest.mark.parametrize(
    ("words", "suited", "guidance"),
    [
        ({"guidance": 4}, YOUNG_GUIDANCE, Guidance(4, YOUNG_GUIDANCE.interval)),
        ({"guidance_to": 0.7}, DEFAULT_GUIDANCE, Guidance(DEFAULT_GUIDANCE.scale, (0.2, 0.7))),
        ({"guidance_to": 0.1}, DEFAULT_GUIDANCE, Guidance(DEFAULT_GUIDANCE.scale, (0.0, 0.1))),
        ({"guidance_from": 0.9}, DEFAULT_GUIDANCE, Guidance(DEFAULT_GUIDANCE.scale, (0.9, 1.0))),
        ({"guidance_from": 0, "guidance_to": 1, "guidance": "auto"}, YOUNG_GUIDANCE, Guidance(YOUNG_GUIDANCE.scale)),
    ],
)
def test_guidance_that_is_chosen_stays_chosen(words, suited, guidance):
    settings = DigitSettings.read(words)
    assert settings.guide(suited) == guidance
    assert DigitSettings().with_guidance(guidance, suited).guide(suited) == guidance
    assert DigitSettings().with_guidance(suited, suited) == DigitSettings()


def test_guidance_that_is_chosen_outlives_a_look_at_another_network():
    chosen = DigitSettings().with_guidance(DEFAULT_GUIDANCE, YOUNG_GUIDANCE)
    for suited in (DEFAULT_GUIDANCE, Guidance(), YOUNG_GUIDANCE):
        assert chosen.guide(suited) == DEFAULT_GUIDANCE
        chosen = chosen.with_guidance(chosen.guide(suited), suited)


def test_sampling_keeps_every_step_and_can_be_scrubbed_and_saved(model):
    studio = SampleStudio(model, DigitSettings())
    settings = DigitSettings(samples=12, sampling_steps=4)
    studio.configure(model, settings)
    studio.canvas.job.join(30)
    assert studio.canvas.job.state == "finished"
    assert [kept.step for kept in studio.kept] == [0, 1, 2, 3, 4]
    assert studio.kept[0].noise_fraction == 1
    assert studio.kept[-1].noise_fraction == 0
    assert {"x_t", "x0_hat", "flow eps"} <= studio.canvas._pictures.keys()
    studio.scrub(2)
    assert status(studio.canvas)["step"] == 2
    assert next(studio.png()).data.startswith(b"\x89PNG")
    *_, last = studio.gif()
    assert last.data.startswith(b"GIF")
    job = studio.canvas.job
    studio.configure(model, settings.replace(train_minutes=2.0, guidance=model.guidance.scale))
    assert studio.canvas.job is job, "nothing that a drawing depends on has changed"
    studio.configure(model, settings.replace(guidance=7.0))
    assert studio.canvas.job is not job
    studio.close()


def test_a_digit_of_a_network_without_labels_is_refused_and_nothing_is_lost(model):
    class Unlabelled:
        conditional = False

    studio = SampleStudio(model, DigitSettings())
    studio.configure(model, DigitSettings(samples=1, sampling_steps=1))
    studio.canvas.job.join(30)
    with pytest.raises(UserError, match="without labels"):
        studio.configure(Model("x", Unlabelled()), DigitSettings(digit="3"))
    assert len(studio.kept) == 2
    studio.close()


@pytest.mark.parametrize("data", [b"", b"\x80\x04pickle", b"\x00" * 100])
@pytest.mark.parametrize("name", ["x.safetensors", "..", "", "a/b\x00c", "写" * 200])
def test_a_file_that_is_no_checkpoint_is_refused(data, name):
    with pytest.raises(UserError, match="not a whole safetensors file"):
        read_model(data, name)


def test_training_draws_samples_and_its_checkpoint_goes_on(small, tmp_path):
    settings = DigitSettings(epochs=1.0, batch=100)
    studio = TrainStudio(settings)
    studio.keep_after = (0.5, 1.0)
    assert run(studio.canvas) == "finished"
    assert status(studio.canvas)["step"] == 6
    assert {"samples", "kept 0", "kept 1"} <= studio.canvas._pictures.keys()
    assert studio.model().denoiser.conditional
    assert studio.note.startswith("Digits from fonts")
    data = saved(studio)
    assert "step 6" in studio.load(data)
    studio.configure(settings.replace(batch=50, epochs=2.0), [1.0])
    assert studio.settings.batch == 100, "the recipe is the checkpoint's"
    assert run(studio.canvas) == "finished"
    assert status(studio.canvas)["step"] == 12
    studio.close()


def test_a_checkpoint_is_of_the_step_at_which_it_is_asked_for(small, tmp_path):
    def step_saved():
        path = tmp_path / "x.safetensors"
        path.write_bytes(saved(studio))
        return checkpoints.load(path, KIND).extra["run"]["step"]

    studio = TrainStudio(DigitSettings(epochs=100.0, batch=100))
    with pytest.raises(UserError, match="press Train"):
        studio.checkpoint()
    studio.canvas.play()
    job = studio.canvas.job
    wait_until(lambda: job.count >= 2)
    before = job.count
    assert before <= step_saved() <= job.count
    job.pause()
    wait_until(lambda: job.state == "paused")
    assert step_saved() == job.count
    job.stop()
    job.join(30)
    assert step_saved() == job.count
    studio.close()


def test_a_closed_session_leaves_no_file_behind(small):
    studio = TrainStudio(DigitSettings(epochs=100.0, batch=100))
    studio.canvas.play()
    job = studio.canvas.job
    wait_until(lambda: job.count >= 2)
    folder = studio._run_file.parent
    assert folder.is_dir()
    studio.close()
    job.join(30)
    assert job.state == "stopped"
    assert not folder.exists()
    assert job.latest is None, "network and optimiser are let go"


def test_a_budget_that_is_used_up_says_so(small):
    settings = DigitSettings(epochs=0.5, batch=100)
    studio = TrainStudio(settings)
    run(studio.canvas)
    studio.load(saved(studio))
    studio.canvas.play()
    studio.canvas.job.join(30)
    assert "set more minutes or epochs" in studio.canvas.job.message
    studio.close()


def test_weights_for_drawing_alone_cannot_be_trained_on(model, tmp_path):
    path = save_denoiser(tmp_path / "x.safetensors", model.denoiser, {})
    studio = TrainStudio(DigitSettings())
    with pytest.raises(UserError, match="drawing only"):
        studio.load(path.read_bytes())
    assert studio.loaded is None
    studio.close()


def test_the_time_of_training_is_measured_before_the_start(small):
    studio = TrainStudio(DigitSettings(epochs=1.0, batch=100))
    studio.configure(studio.settings, [1.0])
    wait_until(lambda: "Measured" in status(studio.canvas)["note"])
    assert "an epoch" in status(studio.canvas)["note"]
    studio.close()


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_every_experiment_runs_to_a_picture(kind, model, small):
    studio = SteerStudio(model, Steering())
    studio.configure(model, Steering(kind=kind))
    job = studio.canvas.job
    job.join(30)
    assert job.state == "finished"
    studio.configure(model, Steering(kind=kind))
    assert studio.canvas.job is job, "what was run already is not run again"
    assert next(studio.png()).data.startswith(b"\x89PNG")
    assert status(studio.canvas)["error"] is None
    studio.close()


@pytest.mark.parametrize("wrong", [{"kind": "x"}, {"first": 10}, {"seed": -1}, {"real": 10**6}, {"second": 1.5}])
def test_odd_steering_is_refused(wrong):
    with pytest.raises(UserError):
        Steering(**wrong)


def test_judging_gives_a_report_with_floor_and_ceiling(model, small):
    studio = JudgeStudio(model, DigitSettings(sampling_steps=2), 100)
    assert run(studio.canvas) == "finished"
    found = studio.report.figures()
    assert found["n"] == 100
    rows = page.figure_rows(found)
    assert all(rows[0][name] != "–" for name in ("generated", "real digits (floor)", "pure noise (ceiling)"))
    assert "times the floor" in page.verdict(found)
    assert page.nearest_pairs(studio.report.memorisation).startswith(b"\x89PNG")
    studio.close()


def test_labels_that_are_no_digits_are_named(model):
    assert page.class_note(model.classes) == ""
    fashion = Model("x", model.denoiser, {"dataset": "Fashion-MNIST"})
    assert fashion.dataset == "fashion"
    assert page.class_note(fashion.classes).startswith("Labels: 0 T-shirt")


@pytest.mark.parametrize("figures", [None, [], {}, {"n": "many"}, {"classifier_fid": 1.0}])
def test_odd_figures_in_a_checkpoint_are_not_shown(model, figures):
    assert Model("x", model.denoiser, {"figures": figures}).figures == {}


def test_the_figures_of_the_shipped_network_are_shown_and_their_text_is_no_markup():
    found = shipped_model().figures
    assert found["n"] == 10_000
    assert "<script>" not in page.small(page.figure_note(found | {"reference": "<script>"}, stored=True))


def test_a_data_set_without_a_judge_is_refused(model):
    studio = JudgeStudio(model, DigitSettings(), 100)
    with pytest.raises(UserError, match="no judge for kmnist"):
        studio.configure(Model("x", model.denoiser, {"dataset": "KMNIST"}), DigitSettings(), 100)
    studio.close()


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_forward_process_is_shown_for_every_schedule(name):
    schedule = build_schedule(name, T=50)
    images, _ = page.example_digits()
    strip, now = page.drowning(schedule, images[3], 10)
    assert strip.shape == (page.STRIP, 28, 28)
    assert torch.equal(strip[0], images[3])
    assert now.shape == (1, 28, 28)
    assert "leak" in page.leak_words(schedule).lower()
    styles = re.findall('style="(font-size[^"]*)"', figures.svg(page.schedule_curves(schedule, 0.0)))
    assert styles
    assert all("fill: currentColor" in style for style in styles), "it would be black on a dark page"


def test_a_leak_is_told_in_words():
    assert "21.9 %" in page.leak_words(build_schedule("linear", T=300, rescale=False))


def test_sheets_lay_digits_out_row_by_row():
    images = torch.arange(12, dtype=torch.uint8)[:, None, None].expand(12, 28, 28)
    laid = sheets.sheet(images, 5, 1)
    assert laid.shape == (84, 140)
    assert laid[30, 30] == 6
    assert np.all(laid[60:, 60:] == 24)
