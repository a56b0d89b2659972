"""The notebook itself, run from top to bottom without a browser."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from atelier.fields import networks
from atelier.paths import ROOT

APP = ROOT / "apps" / "painting_fitter.py"


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", [str(APP), *words])
    runpy.run_path(str(APP), run_name="__main__")


def test_a_script_run_writes_its_files_and_ends_in_json(monkeypatch, capfd, tmp_path):
    words = ("--picture", "camera", "--network", "hashgrid", "--size", "64", "--steps", "300", "--gray")
    run(monkeypatch, *words, "--out", str(tmp_path))
    summary = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert summary["steps"] == 300
    assert summary["values"] == 64 * 64
    assert summary["psnr"] > 20
    assert all(Path(name).stat().st_size > 1000 for name in summary["files"])
    assert len(summary["files"]) == 3
    network = networks.load(tmp_path / "camera.safetensors")
    assert networks.parameter_count(network) == summary["parameters"]
    assert (network.spec.channels, network.past["steps"]) == (1, 300)


def test_a_checkpoint_goes_on(monkeypatch, capsys, tmp_path):
    common = ("--picture", "camera", "--size", "64", "--network", "siren", "--width", "32", "--out", str(tmp_path))
    run(monkeypatch, *common, "--steps", "60")
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    run(monkeypatch, *common, "--steps", "60", "--checkpoint", str(tmp_path / "camera.safetensors"))
    second = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert second["psnr"] > first["psnr"]


def test_a_volume_of_the_command_line_is_learned_and_written(monkeypatch, capfd, tmp_path):
    np.save(tmp_path / "ball.npy", np.linspace(-1, 1, 16).reshape(-1, 1, 1) ** 2 * np.ones((16, 12, 8)))
    words = ("--picture", "camera", "--size", "64", "--steps", "20", "--volume", str(tmp_path / "ball.npy"))
    run(monkeypatch, *words, "--volume-seconds", "1", "--out", str(tmp_path / "out"))
    summary = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert {"volume.npy", "volume.tif", "volume.vti", "volume.safetensors"} < {
        Path(name).name for name in summary["files"]
    }
    learned = np.load(tmp_path / "out" / "volume.npy")[..., 3] / 255
    assert learned.shape == (16, 12, 8)
    assert np.abs(learned - np.load(tmp_path / "ball.npy")).mean() < 0.02
    assert networks.load(tmp_path / "out" / "volume.safetensors").spec.channels == 1


def test_a_network_of_ones_own_works_all_down_the_page(monkeypatch, tmp_path):
    own = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
    words = ("--picture", "camera", "--size", "64", "--steps", "20", "--out", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["a program of its own", *words])  # all is drawn
    _, found = runpy.run_path(str(APP))["app"].run(defs={"network": own})
    assert isinstance(found["step"].network, torch.nn.Sequential)
    assert found["step"].step == 20


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--network", "perceptron"), "Network must be one of"),
        (("--steps", "0"), "Steps must be a whole number"),
        (("--picture", "nothing.png"), "There is no picture 'nothing.png'"),
        (("--colour", "red"), "There is no option --colour"),
        (("--checkpoint", "none.safetensors"), "there is none at 'none.safetensors'"),
        (("--volume", "none.npy"), "Volume must be a file, and there is none at 'none.npy'"),
    ],
)
def test_wrong_words_end_in_one_sentence(monkeypatch, tmp_path, words, sentence):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *words, "--out", str(tmp_path))
    assert sentence in str(ended.value)
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_setting(monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--help")
    assert not ended.value.code
    assert "--learning-rate" in capsys.readouterr().out
