import stat
import subprocess
import sys

import pytest
from atelier import paths
from atelier.errors import UserError
from atelier.paths import atomic_write, given_path, writable_file, writable_folder, write_whole


def broken_off(target, error):
    with atomic_write(target) as part:
        part.write_bytes(b"half")
        raise error


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "x.bin"
    with pytest.raises(ZeroDivisionError):
        broken_off(target, ZeroDivisionError())
    assert list(target.parent.iterdir()) == []
    assert write_whole(target, b"whole").read_bytes() == b"whole"
    assert [path.name for path in target.parent.iterdir()] == ["x.bin"]
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path):
    write_whole(tmp_path / ("x" * 250), b"x")


FULL = """
import resource, sys
from atelier import animation, checkpoints
from atelier.errors import UserError
from atelier.paths import write_whole
import numpy as np
import torch
from pathlib import Path
noise = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for write in (
    lambda: write_whole(Path(sys.argv[1]) / "x.bin", bytes(100_000)),
    lambda: checkpoints.save(Path(sys.argv[1]) / "x.st", checkpoints.Checkpoint("k", {}, {"w": torch.ones(9999)})),
    *(
        lambda ending=ending: list(animation.write(Path(sys.argv[1]) / f"x{ending}", noise))
        for ending in (".gif", ".png", ".webp")
    ),
):
    try:
        write()
    except UserError as error:
        print(error)
"""


FILES = ("x.bin", "x.st", "x.gif", "x.png", "x.webp")


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path):
    script = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [
        f"The disk is full, so {name} was not written; make room and try again." for name in FILES
    ], done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_hides_the_reason_is_understood(tmp_path, monkeypatch):
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 0}))
    with pytest.raises(UserError, match="disk is full"):
        broken_off(tmp_path / "x", OSError("encoder error -2"))


def test_folders_are_made_and_tried(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert writable_folder("~/a/b") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    assert writable_file("~/c/x.html") == tmp_path / "c" / "x.html"
    (tmp_path / "file").write_bytes(b"")
    for wrong, sentence in (
        (tmp_path / "file", "is a file or lies below one"),
        (tmp_path / "file" / "below" / "it", "is a file or lies below one"),
        ("~nosuchuser/x", "no home folder"),
        ("x" * 300, "too long"),
        ("x\0y", "cannot be the name"),
        ("/proc/nothing", "Nothing can be written into"),
    ):
        with pytest.raises(UserError, match=sentence):
            writable_folder(wrong)
    with pytest.raises(UserError, match="is a folder"):
        writable_file(tmp_path)


def test_what_was_downloaded_into_the_fallback_folder_is_found_again(tmp_path, monkeypatch):
    monkeypatch.delenv("ATELIER_DATA", raising=False)
    monkeypatch.setattr(paths, "ROOT", given_path("/proc/nothing"))
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = paths.cache_dir()
    assert folder.is_relative_to(tmp_path)
    assert folder in paths.data_dirs()


@pytest.mark.parametrize("data", [None, b"abc"])
def test_a_spare_file_is_gone_when_its_block_ends(data):
    with paths.spare_file("a.bin", data) as path:
        assert path.name == "a.bin"
        assert (path.read_bytes() if path.exists() else None) == data
        path.write_bytes(b"other")
    assert not path.parent.exists()
