"""The random-field explorer without a browser: a script that writes files, a notebook with a field of one's own."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from atelier import cppn
from atelier.paths import ROOT
from PIL import Image

APP = ROOT / "apps" / "cppn_explorer.py"


@pytest.fixture(autouse=True)
def _own_favourites(tmp_path, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path / "data"))


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """`run(*words)` is what the program prints, its one line of JSON."""

    def act(*words):
        monkeypatch.setattr(sys, "argv", [str(APP), *map(str, words), "--out", str(tmp_path / "out")])
        runpy.run_path(str(APP), run_name="__main__")
        (line,) = capsys.readouterr().out.strip().splitlines()
        return json.loads(line)

    return act


def pixels(path):
    return np.asarray(Image.open(path))


def test_words_make_a_picture_that_carries_its_recipe(run):
    words = ("--seed", 7, "--topology", "watts_strogatz", "--size", "64x48", "--zoom", 2, "--pan", "0.5,-1")
    found = run(*words, "--style", next(iter(cppn.STYLES)))
    png, text = found["files"]
    recipe = cppn.read(png)
    assert recipe == cppn.read(text) == cppn.from_token(found["token"])
    assert (recipe.window.x, recipe.window.y, recipe.window.zoom) == (0.5, -1, 2)
    assert (recipe.spec.topology, recipe.spec.seed) == ("watts_strogatz", 7)
    assert pixels(png).shape == (48, 64, 3)
    assert (pixels(png) == cppn.picture(recipe.spec, recipe.window, (64, 48))).all()


def test_a_saved_picture_goes_on_with_siblings_and_a_loop(run, tmp_path):
    first = run("--picture", "Reef", "--size", "40x40")
    png = tmp_path / "kept.png"
    png.write_bytes(Path(first["files"][0]).read_bytes())
    asked = ("--grid", "3x2", "--animate", "latent", "--frames", 4, "--format", "gif", "--size", "40x40")
    second = run("--recipe", png, *asked)
    again, _, grid, loop = second["files"]
    assert (pixels(again) == pixels(png)).all()
    assert pixels(grid).shape == (2 * 262 - 6, 3 * 262 - 6, 3)
    assert Image.open(loop).n_frames == 4


def test_a_token_gives_the_same_picture_and_a_seed_the_same_surprise(run):
    token = cppn.to_token(cppn.begin(seed=11))
    first, second = (run(*words, "--size", "32x32") for words in (("--field", token), ("--seed", 11)))
    assert first["token"] == second["token"] == token


def test_a_field_of_ones_own_goes_all_the_way_down(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["a program of its own"])
    app = runpy.run_path(str(APP))["app"]
    spec = cppn.FieldSpec(seed=3, topology="watts_strogatz")
    _, found = app.run(defs={"begin": spec})
    assert found["shown"].spec == spec
    assert f'data-node="{found["node"]}"' in found["graph"].svg
    assert found["walk"](0.0).spec.topology == "watts_strogatz"
    assert len(found["siblings"].frame) > 1000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--width", 0), "Width must be a whole number from 1 to 256"),
        (("--field", "f1.abc"), "cut off"),
        (("--recipe", "nowhere.json"), "no recipe at nowhere.json"),
        (("--size", "10000000x1"), "Size"),
        (("--palette", "mud"), "no palette 'mud'"),
        (("--widht", 3), "did you mean --width"),
        (("--pan", "1"), "Pan must be 2 numbers"),
    ],
)
def test_what_cannot_be_is_one_sentence(run, tmp_path, words, sentence):
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert str(caught.value).startswith("cppn_explorer: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


def test_help_comes_without_torch():
    code = f"import sys, runpy; sys.argv = ['x', '--help']\ntry: runpy.run_path({str(APP)!r}, run_name='__main__')\n"
    code += "except SystemExit: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--topology" in done.stdout
    assert done.stdout.strip().endswith("False")


def test_the_report_is_one_file_with_its_picture(run, tmp_path):
    report = tmp_path / "report.html"
    command = [
        sys.executable,
        str(APP),
        "--size",
        "32x32",
        "--frames",
        "4",
        "--out",
        str(tmp_path),
        "--report",
        str(report),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert str(report) in found["files"]
    page = report.read_text("utf-8")
    assert "Night lightning" in page
    assert "viewer" in page
