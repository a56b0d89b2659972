"""Digit diffusion without a browser: the script and the exported page."""

import functools
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from atelier.data.digits import font_digits
from atelier.diffusion.denoiser import DEFAULT_GUIDANCE, YOUNG_GUIDANCE
from atelier.digits import command
from atelier.paths import ROOT


def load_app():
    spec = importlib.util.spec_from_file_location("digit_diffusion", ROOT / "apps" / "digit_diffusion.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


@pytest.fixture
def script(monkeypatch, capfd):
    """Runs the app with the words of a command line; gives the JSON object of its last line."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["digit_diffusion.py", *map(str, words)])
        load_app().run()
        return json.loads(capfd.readouterr().out.strip().splitlines()[-1])

    return run


def test_samples_are_written_and_summed_up(script, tmp_path):
    found = script("--samples", 12, "--sampling-steps", 3, "--seed", 4, "--out", tmp_path)
    packed = np.load(tmp_path / "samples.npz")
    assert packed["images"].shape == (12, 28, 28)
    assert packed["images"].dtype == np.uint8
    assert packed["labels"].tolist() == [k % 10 for k in range(12)]
    assert found["samples"] == 12
    assert (found["guidance"], tuple(found["guidance_interval"])) == (DEFAULT_GUIDANCE.scale, DEFAULT_GUIDANCE.interval)
    assert found["seed"] == 4
    assert all(Path(path).is_file() for path in found["files"])


def test_image_k_does_not_depend_on_the_number(script, tmp_path):
    for n in (3, 5):
        script("--samples", n, "--sampling-steps", 2, "--digit", 7, "--out", tmp_path / str(n))
    few, more = (np.load(tmp_path / str(n) / "samples.npz")["images"].astype(int) for n in (3, 5))
    assert np.abs(few - more[:3]).max() <= 4


def test_training_leaves_a_checkpoint_that_resumes_and_a_report(script, tmp_path, monkeypatch):
    tiny = {"widths": [16, 16], "blocks": 1, "embedding": 16, "heads": 2}
    monkeypatch.setattr(command, "load_digits", lambda *_, **__: font_digits(400))
    monkeypatch.setattr(command, "build_denoiser", functools.partial(command.build_denoiser, options=tiny))
    words = ["--samples", 4, "--sampling-steps", 2, "--dataset", "fonts", "--batch", 100, "--out", tmp_path]
    report = tmp_path / "report.html"
    found = script(*words, "--epochs", 0.5, "--report", report)
    assert found["training"]["steps"] == 2
    assert "From noise to a digit" in report.read_text()
    assert "<td>learning rate</td>" in report.read_text()
    checkpoint = tmp_path / "checkpoint.safetensors"
    again = script(*words, "--epochs", 1, "--resume", checkpoint, "--evaluate", 100)
    assert again["training"]["steps"] == 4
    assert again["evaluation"]["n"] == 100
    words = ["--samples", 2, "--sampling-steps", 1, "--checkpoint", checkpoint, "--out", tmp_path]
    drawn = script(*words, "--report", report)
    assert drawn["samples"] == 2
    assert "<td>learning rate</td>" not in report.read_text(), "the network was not trained by these settings"
    assert drawn["guidance"] == again["guidance"] == YOUNG_GUIDANCE.scale


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--samples", "0"], "Samples must be"),
        (["--guidance", "nan"], "Guidance must be"),
        (["--sampler", "magic"], "Sampler must be one of"),
        (["--checkpoint", "nowhere.safetensors"], "no checkpoint at"),
    ],
)
def test_bad_words_end_in_one_sentence(script, words, sentence):
    with pytest.raises(SystemExit, match=sentence):
        script(*words)
