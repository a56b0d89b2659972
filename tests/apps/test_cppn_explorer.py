"""The random-field explorer without a browser: a script that writes files, an exported page, a report."""

import importlib.util
import json
import sys

import pytest
from atelier.cppn import recipe
from atelier.cppn.spec import FieldSpec
from atelier.cppn.window import Window
from atelier.paths import ROOT
from PIL import Image

APP = ROOT / "apps" / "cppn_explorer.py"


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", [str(APP), *map(str, words)])
    spec = importlib.util.spec_from_file_location("cppn_explorer", APP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.app.run()
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_picture_and_its_recipe(monkeypatch, capsys, tmp_path):
    words = ("--seed", 7, "--topology", "watts_strogatz", "--size", "64x48", "--zoom", 2, "--pan", "0.5,-1")
    found = run(monkeypatch, capsys, *words, "--out", tmp_path)
    png, text = found["files"]
    assert recipe.read(png) == recipe.read(text) == recipe.from_token(found["token"])
    assert recipe.read(png).window == Window(0.5, -1, 2)
    assert recipe.read(png).spec.topology == "watts_strogatz"
    assert Image.open(png).size == (64, 48) == tuple(found["size"])


def test_a_recipe_a_grid_an_animation_and_a_report(monkeypatch, capsys, tmp_path):
    saved = recipe.write_json(tmp_path / "recipe.json", recipe.Recipe(FieldSpec(width=4, depth=2)))
    report = tmp_path / "report.html"
    words = ("--recipe", saved, "--grid", "3x2", "--animate", "latent", "--frames", 4, "--format", "gif")
    found = run(monkeypatch, capsys, *words, "--size", "32x32", "--out", tmp_path / "out", "--report", report)
    grid, gif = found["files"][2:4]
    assert Image.open(grid).size == (3 * 262 - 6, 2 * 262 - 6)
    assert Image.open(gif).n_frames == 4
    page = report.read_text("utf-8")
    assert "Its siblings" in page
    assert found["token"] in page
    assert "<svg" in page


@pytest.mark.parametrize(
    "words", [("--width", 0), ("--field", "f1.abc"), ("--recipe", "nowhere.json"), ("--size", "10000000x1")]
)
def test_what_cannot_be_is_one_sentence(monkeypatch, capsys, tmp_path, words):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, capsys, *words, "--out", tmp_path)
    assert "cppn_explorer: " in str(caught.value)
    assert not list(tmp_path.iterdir())
