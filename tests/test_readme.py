"""The README's own commands and lines of Python, run as printed; only minutes and sizes are made smaller."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from atelier.paths import ROOT
from PIL import Image

README = (ROOT / "README.md").read_text()
_BRIEF = "--race-seconds 1 --repair-seconds 1 --volume-seconds 1"
SMALLER = {
    "--train-minutes 10": "--train-minutes 0.03",
    "--size 256 --seconds 10": f"--size 96 --seconds 2 {_BRIEF}",
    "starry_night --seconds 10": f"starry_night --size 96 --seconds 2 {_BRIEF}",
    "--size 128 --steps 300": f"--size 96 --steps 100 {_BRIEF}",
    "--size 2048x2048 --volume 48": "--size 512x512 --volume 12",
    "--method pigdm --samples 16": "--method pigdm --samples 4",
    "size=256": "size=64",
    "steps=100": "steps=10",
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(beginning):
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(beginning)]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder in which `apps/NAME.py` is the notebook, and `out` is not the checkout's."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "apps").symlink_to(ROOT / "apps", target_is_directory=True)
    return folder


def made_smaller(text):
    for printed, smaller in SMALLER.items():
        text = text.replace(printed, smaller)
    return text


def run(line, folder):
    words = shlex.split(made_smaller(line), comments=True)
    assert words[:2] == ["uv", "run"]
    words = words[3:] if words[2] == "python" else ["-m", *words[2:]]
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, words


def check_file(path):
    assert path.stat().st_size > 100, path
    if path.suffix in (".png", ".gif", ".webp", ".jpg"):
        with Image.open(path) as image:
            image.seek(getattr(image, "n_frames", 1) - 1)
            assert len(image.convert("RGB").getcolors(1 << 24)) > 1, f"{path} is blank"
    elif path.suffix == ".html":
        check_page(path)


def check_page(path, most=6_000_000):
    """A whole page with its sections, and nothing that marimo could not show."""
    text = path.read_text()
    assert len(text) < most
    assert "Your output is too large" not in text
    assert "Traceback" not in text
    assert "Run(key=" not in text
    for section in re.findall(r'mo\.md\(\s*r?f?"(?:""\s*)?## (.*?)(?:\\n|\n)', (ROOT / "apps" / APP[path]).read_text()):
        assert section in text, section


APP = {}


@pytest.mark.parametrize("line", commands("uv run python apps/"))
def test_scripts(line, workplace):
    printed, words = run(line, workplace)
    told = json.loads(printed.strip().splitlines()[-1])
    files = [workplace / file for file in told["files"]]
    assert files
    if "--report" in words:
        files.append(workplace / words[words.index("--report") + 1])
    for file in files:
        APP[file] = words[0].removeprefix("apps/")
        check_file(file)


@pytest.mark.parametrize("line", commands("uv run marimo export"))
def test_export(line, workplace):
    _, words = run(line, workplace)
    page = workplace / words[words.index("-o") + 1]
    APP[page] = next(word for word in words if word.startswith("apps/")).removeprefix("apps/")
    check_page(page, most=8_000_000)  # marimo keeps each widget's whole record
    assert "Best JPEG of at most that size" in page.read_text()  # a cell that follows the run


@pytest.mark.parametrize("block", blocks("python"))
def test_lines_of_python(block, capsys):
    exec(compile(made_smaller(block), "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) > 1


def test_what_the_readme_points_to_is_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target
    assert len(README.splitlines()) <= 110
