"""Digit diffusion as a program: the command line, cells of one's own, the report."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from atelier.diffusion.denoiser import DEFAULT_GUIDANCE, YOUNG_GUIDANCE, build_denoiser
from atelier.diffusion.learning import recipe_of
from atelier.diffusion.models import Model
from atelier.paths import ROOT

APP = ROOT / "apps" / "digit_diffusion.py"
TINY = {"widths": [16, 16], "blocks": 1, "embedding": 16, "heads": 2}


def load_app():
    spec = importlib.util.spec_from_file_location("digit_diffusion", APP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


@pytest.fixture
def script(monkeypatch, capfd):
    """Runs the app with the words of a command line; gives the JSON object of its last line and the cells' names."""

    def run(*words, **defs):
        monkeypatch.setattr(sys, "argv", ["digit_diffusion.py", *map(str, words)])
        _, found = load_app().run(defs=defs)
        return json.loads(capfd.readouterr().out.strip().splitlines()[-1]), found

    return run


def lesson(asked, schedule, seed):
    """A tiny network in place of the one that is asked for."""
    denoiser = build_denoiser("unet", schedule, asked["target"], options=TINY, seed=seed)
    return denoiser, asked["dataset"], recipe_of(asked, seed)


def test_samples_are_written_and_summed_up(script, tmp_path):
    told, _ = script("--samples", 12, "--sampler", "dpmpp", "--sampling-steps", 3, "--seed", 4, "--out", tmp_path)
    packed = np.load(tmp_path / "samples.npz")
    assert packed["images"].shape == (12, 28, 28)
    assert packed["images"].dtype == np.uint8
    assert packed["labels"].tolist() == [k % 10 for k in range(12)]
    assert told["samples"] == 12
    assert (told["guidance"], tuple(told["guidance_interval"])) == (DEFAULT_GUIDANCE.scale, DEFAULT_GUIDANCE.interval)
    assert (told["seed"], told["sampling_steps"]) == (4, 3)
    assert sorted(Path(path).name for path in told["files"]) == ["samples.npz", "samples.png"]
    assert all(Path(path).is_file() for path in told["files"])


def test_image_k_does_not_depend_on_the_number(script, tmp_path):
    for n in (3, 5):
        script("--samples", n, "--digit", 7, "--out", tmp_path / str(n))
    few, more = (np.load(tmp_path / str(n) / "samples.npz")["images"].astype(int) for n in (3, 5))
    assert np.abs(few - more[:3]).max() <= 4


def test_training_leaves_a_checkpoint_that_resumes_and_draws(script, tmp_path):
    words = ["--samples", 4, "--sampling-steps", 2, "--dataset", "fonts", "--batch", 400, "--out", tmp_path]
    told, found = script(*words, "--epochs", 0.04, lesson=lesson)
    assert told["training"]["steps"] == 2
    assert found["training"].step.samples.shape == (60, 28, 28)
    checkpoint = tmp_path / "checkpoint.safetensors"
    assert str(checkpoint) in told["files"]
    again, _ = script(*words, "--epochs", 0.08, "--resume", checkpoint, "--evaluate", 100, lesson=lesson)
    assert again["training"]["steps"] == 4
    assert again["evaluation"]["n"] == 100
    drawn, found = script("--samples", 2, "--sampling-steps", 1, "--checkpoint", checkpoint, "--out", tmp_path)
    assert drawn["samples"] == 2
    assert drawn["guidance"] == again["guidance"] == YOUNG_GUIDANCE.scale
    assert drawn["model"] == "checkpoint.safetensors"
    assert found["training"].step is None, "nothing was trained this time"


def test_a_sampler_of_ones_own_goes_down_the_page(script, tmp_path):
    def forgetful(predict, x, t, s, noise):
        x0_hat = predict(x, t.t)
        return s.alpha * x0_hat + s.sigma * noise(), x0_hat

    words = ["--samples", 6, "--sampling-steps", 3, "--evaluate", 100, "--out", tmp_path]
    told, found = script(*words, sampler=forgetful)
    assert told["sampler"] == told["evaluation"]["sampler"] == "forgetful"
    assert found["run"].step.images.shape == (6, 28, 28)
    assert found["judgement"].report.figures["n"] == 100


def test_a_network_of_ones_own_goes_down_the_page(script, tmp_path):
    class Mine(torch.nn.Module):
        """Not good, but of the right shape."""

        def __init__(self):
            super().__init__()
            self.flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784 + 12, 784))

        def forward(self, x, noise_fraction, labels):
            seen = torch.cat([x.flatten(1), noise_fraction[:, None].to(x), labels.to(x)], 1)
            return self.flat(seen).view(-1, 1, 28, 28)

    torch.manual_seed(0)
    mine = Model("Mine", build_denoiser(Mine()).eval())
    told, found = script("--samples", 4, "--sampling-steps", 2, "--out", tmp_path, model=mine)
    assert (told["model"], told["parameters"]) == ("Mine", 796 * 784 + 784)
    assert not found["judgement"].figures

    def own_lesson(asked, schedule, seed):
        return build_denoiser(Mine(), schedule, asked["target"]), asked["dataset"], recipe_of(asked, seed)

    words = ["--dataset", "fonts", "--batch", 4000, "--epochs", 0.4, "--samples", 4, "--sampling-steps", 2]
    told, _ = script(*words, "--out", tmp_path, lesson=own_lesson)
    assert (told["model"], told["training"]["steps"]) == ("Trained here", 2)


def test_a_network_without_labels_goes_down_the_page(script, tmp_path):
    class Grey(torch.nn.Module):
        conditional = False

        def forward(self, x, noise_fraction, labels):
            return 0 * x

    words = ["--samples", 4, "--sampler", "dpmpp", "--sampling-steps", 2, "--out", tmp_path]
    told, found = script(*words, model=Model("Grey", build_denoiser(Grey()).eval()))
    assert told["guidance"] is None
    assert found["player"].widget.frame
    assert (tmp_path / "samples.png").is_file()


def test_a_schedule_of_ones_own_is_shown_and_trained_on(script, tmp_path):
    from atelier.diffusion.schedules import RectifiedFlow

    class Slow(RectifiedFlow):
        name = "slow"

        def _alphas(self):
            return super()._alphas() ** 0.5

    words = ["--dataset", "fonts", "--batch", 4000, "--epochs", 0.2, "--samples", 2, "--sampling-steps", 2]
    _, found = script(*words, "--out", tmp_path, lesson=lesson, schedule=Slow(T=20))
    assert found["model"].denoiser.schedule.name == "slow"
    assert found["way"].alphas[100] == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--samples", "0"], "Samples must be a whole number from 1 to 10,000"),
        (["--samples", "1000000"], "Samples must be"),
        (["--sampling-steps", "8"], "Sampling steps has no use with what is chosen above"),
        (["--guidance-from", "0.1"], "Guidance from has no use with what is chosen above"),
        (["--precision", "float8"], "Precision must be one of auto, float32"),
        (["--digit", "12"], "Digit must be one of all, 0"),
        (["--guidance", "nan"], "Guidance must be a number from 0 to 100"),
        (["--sampler", "dpmpp", "--guidance-from", "0.9", "--guidance-to", "0.1"], "interval must rise"),
        (["--timesteps", "1"], "Timesteps must be a whole number from 2"),
        (["--sampler", "magic"], "Sampler must be one of"),
        (["--epochs", "1", "--train-minutes", "1"], "one of them"),
        (["--target", "eps", "--epochs", "1"], "choose the target v, flow or x0"),
        (["--checkpoint", "nowhere.safetensors"], "there is none at"),
        (["--resume", APP], "how long to train"),
        (["--checkpoint", APP, "--epochs", "1"], "--resume"),
    ],
)
def test_bad_words_end_in_one_sentence(script, tmp_path, words, sentence):
    with pytest.raises(SystemExit, match=sentence):
        script(*words, "--out", tmp_path)


def test_help_needs_no_torch():
    call = f"sys.argv = ['{APP.name}', '--help']\ntry:\n    runpy.run_path({str(APP)!r}, run_name='__main__')\n"
    code = f"import sys, runpy; {call}finally:\n    print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--sampling-steps" in done.stdout
    assert done.stdout.strip().endswith("False")
    assert done.returncode == 0
