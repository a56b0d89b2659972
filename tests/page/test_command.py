"""A notebook as a program: help, files, a report, an orderly end. A tiny notebook without torch stands for the apps."""

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from atelier.page import command, downloads
from atelier.page.downloads import File, take_home
from atelier.paths import ROOT
from marimo._metadata.opengraph import resolve_opengraph_metadata
from visits import NOTEBOOK, wait_for

APPS = sorted(path.stem for path in (ROOT / "apps").glob("*.py"))


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(NOTEBOOK)
    return path


def run(notebook, *words, **limits):
    line = [sys.executable, str(notebook), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, cwd=notebook.parent, timeout=60, check=False, **limits)


def test_files_are_written_and_the_last_line_is_json(notebook, tmp_path):
    done = run(notebook, "--steps", 7, "--value", "-0.5", "--out", "deep/er")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["steps"], told["side"]) == (7, False), "a side show is left out of a script"
    assert [Path(name).name for name in told["files"]] == ["last.png"]
    assert (tmp_path / "deep" / "er" / "last.png").read_bytes()[:4] == b"\x89PNG"
    assert not (tmp_path / "drawn").exists(), "nobody sees the viewer of a script"


def test_help_is_quick_and_needs_no_torch(notebook):
    code = "import runpy, sys; sys.argv = ['tiny.py', '--help']\ntry: runpy.run_path('tiny.py', run_name='__main__')\n"
    code += "except SystemExit as end: print({'torch', 'matplotlib.pyplot'} & set(sys.modules), end.code)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=notebook.parent, check=True)
    assert "--value" in done.stdout
    assert done.stdout.splitlines()[-1] == "set() 0"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--stepz", "3"], "tiny: There is no option --stepz; did you mean --steps?"),
        (["--out", "tiny.py"], "tiny.py"),
        (["--report", "."], "is a folder"),
    ],
)
def test_wrong_words_end_in_one_sentence_before_anything_runs(notebook, words, sentence):
    done = run(notebook, *words)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_after_the_step_and_keeps_what_there_is(notebook, tmp_path, number, status):
    line = [sys.executable, str(notebook), "--steps", "100000", "--out", "out"]
    program = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    wait_for((tmp_path / "begun").exists, 60)
    time.sleep(0.1)
    for _ in range(2):  # as `timeout` and systemd do, to uv and to its child
        program.send_signal(number)
        time.sleep(0.003)
    out, errors = program.communicate(timeout=30)
    assert program.returncode == status
    assert "Traceback" not in errors
    assert "Stopped at step" in errors
    assert json.loads(out.splitlines()[-1])["steps"] > 1
    assert (tmp_path / "out" / "last.png").is_file()


def test_a_second_signal_ends_a_program_at_once(tmp_path):
    code = "import time\nfrom atelier.page.command import STOPPED\nSTOPPED.listen()\n"
    code += "open('begun', 'w').close()\ntime.sleep(60)"
    program = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for((tmp_path / "begun").exists, 60)
    for _ in range(2):
        program.send_signal(signal.SIGINT)
        time.sleep(0.7)
    assert program.wait(10) == -signal.SIGINT


def test_a_file_that_is_being_made_is_left_out_and_the_others_are_kept(tmp_path, monkeypatch, capsys):
    stopped = command.Stopped()
    for module in (command, downloads):
        monkeypatch.setattr(module, "STOPPED", stopped)
    monkeypatch.chdir(tmp_path)

    def slowly():
        for k in range(1000):
            yield SimpleNamespace(progress=k / 1000, data=None, path=None)
            stopped._note(signal.SIGINT, None)

    before = signal.getsignal(signal.SIGINT)
    makes = {"before.txt": lambda: b"1", "slow.gif": slowly, "after.txt": lambda: b"2"}
    try:
        with pytest.raises(SystemExit) as ended:
            take_home({name: File(name, "", make) for name, make in makes.items()}, dict)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["after.txt", "before.txt"]
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["files"] == ["out/before.txt", "out/after.txt"]
    assert "Stopped while slow.gif was made; written: out/before.txt, out/after.txt." in told.err


def test_a_full_disk_ends_a_command_in_one_sentence(notebook, tmp_path):
    done = run(notebook, "--out", "out", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20)))
    assert done.returncode == 1
    assert "tiny: The disk is full, so last.png was not written; make room and try again." in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_report_is_one_file_that_keeps_its_widgets(notebook, tmp_path):
    done = run(notebook, "--steps", 9, "--report", "r.html", "--out", "out")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["steps"], told["side"]) == (9, True), "a report shows every section"
    assert told["files"][-1].endswith("r.html")
    assert (tmp_path / "drawn").exists()
    page = (tmp_path / "r.html").read_text()
    assert "<h1" in page
    assert 'class="formula"' in page
    svg = page[page.index('class="formula"') :].split("</svg>")[0]
    assert "<text" not in svg  # glyphs, which need no font
    assert "#ffffff" not in svg  # nothing behind them, so that they are read on dark ground
    assert "marimo-" not in page
    assert "tiny.py --steps 9" in page
    assert page.count("data-widget=") == 2
    states = json.loads(page.split('id="states">')[1].split("</script>")[0].replace("<\\/", "</"))
    assert {state["source"] for state in states.values()} == {"live", "viewer"}
    assert "http" not in page.replace("http://www.w3.org", "")


def test_without_a_script_an_export_writes_no_files(notebook, tmp_path):
    command = [
        sys.executable,
        "-m",
        "marimo",
        "export",
        "html",
        str(notebook),
        "-o",
        "e.html",
        "-f",
        "--",
        "--steps",
        "5",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", APPS)
def test_the_gallery_shows_a_title_a_sentence_and_a_picture_of_every_notebook(name):
    card = resolve_opengraph_metadata(str(ROOT / "apps" / f"{name}.py"))
    assert f'app_title="{card.title}"' in (ROOT / "apps" / f"{name}.py").read_text(), "one title everywhere"
    assert 40 < len(card.description) < 120
    assert card.description.endswith(".")
    assert (ROOT / "apps" / card.image).is_file()
