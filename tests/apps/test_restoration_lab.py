"""The restoration lab as a program: the command line, cells of one's own, the report."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from atelier.data.digits import font_digits
from atelier.paths import ROOT
from PIL import Image

APP = ROOT / "apps" / "restoration_lab.py"
QUICK = ("--samples", 2, "--steps", 4, "--method", "diffpir")


def load_app():
    spec = importlib.util.spec_from_file_location("restoration_lab", APP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


@pytest.fixture
def script(monkeypatch, capfd):
    """Runs the app with the words of a command line; gives the JSON object of its last line and the cells' names."""

    def run(*words, **defs):
        monkeypatch.setattr(sys, "argv", ["restoration_lab.py", *map(str, words)])
        _, found = load_app().run(defs=defs)
        return json.loads(capfd.readouterr().out.strip().splitlines()[-1]), found

    return run


@pytest.fixture
def digit(tmp_path):
    path = tmp_path / "digit.png"
    Image.fromarray(font_digits(1, seed=1).images[0].numpy()).save(path)
    return path


@pytest.fixture
def cover(tmp_path):
    mask = np.zeros((28, 28), np.uint8)
    mask[12:20] = 255
    Image.fromarray(mask).save(tmp_path / "cover.png")
    return tmp_path / "cover.png"


def test_a_digit_is_repaired_written_and_summed_up(script, tmp_path):
    told, found = script("--task", "mask", "--digit", 3, *QUICK, "--seed", 4, "--out", tmp_path)
    assert (told["task"], told["digit"], told["method"], told["seed"], told["steps"]) == ("mask", 3, "diffpir", 4, 4)
    assert sorted(Path(path).suffix for path in told["files"]) == [".gif", ".json", ".npz", ".png"]
    assert np.load(tmp_path / "restored.npz")["samples"].shape == (2, 28, 28)
    assert sum(told["shares"].values()) == pytest.approx(1)
    assert len(json.loads((tmp_path / "restored.json").read_text())["samples_scored"]) == 2
    assert found["run"].step.progress == 1


def test_a_drawing_and_a_painted_mask_come_from_files_and_go_into_a_report(script, tmp_path, digit, cover):
    words = ["--drawing", digit, "--task", "painted", "--painted", cover, *QUICK, "--out", tmp_path]
    with pytest.raises(SystemExit) as ended:
        script(*words, "--report", tmp_path / "page.html")
    assert ended.value.code == 0
    assert json.loads((tmp_path / "restored.json").read_text())["digit"] is None
    assert (np.load(tmp_path / "restored.npz")["measured"] != 0).sum() == 28 * 20
    assert "share of samples" in (tmp_path / "page.html").read_text()


def test_a_method_of_ones_own_goes_down_the_page(script, tmp_path, digit):
    def mine(prior, problem, x, t, s, noise, strength=1):
        x0_hat = problem.nearest(prior(x, t.t), strength * (t.sigma / t.alpha) ** 2)
        return s.alpha * x0_hat + s.sigma * noise(), x0_hat

    told, found = script("--drawing", digit, *QUICK, "--out", tmp_path, method=mine)
    assert told["method"] == "mine"
    assert found["run"].step.by == "your mine"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--noise", "100"], "Noise must be a number from 0 to 1, and 100 is not."),
        (["--task", "noise", "--noise", "0"], "choose more noise"),
        (["--task", "shrink", "--method", "replacement"], "does not fit this measurement"),
        (["--task", "painted"], "Nothing is covered"),
        (["--task", "mask", "--blur", "2"], "Blur has no use with what is chosen above"),
        (["--checkpoint", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_bad_input_is_one_sentence(words, sentence, digit, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["restoration_lab.py", *words, "--drawing", str(digit)])
    with pytest.raises(SystemExit) as ended:
        load_app().run()
    assert sentence in str(ended.value) + capfd.readouterr().err


def test_help_answers_without_torch():
    code = "import sys, runpy; sys.argv = ['restoration_lab.py', '--help']\n"
    code += f"try: runpy.run_path({str(APP)!r}, run_name='__main__')\nexcept SystemExit: pass\n"
    code += "assert 'torch' not in sys.modules and 'deepinv' not in sys.modules"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "--method" in told.stdout
