"""Where things lie, independent of the directory the program was started in."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout (the package is installed editable from lib/)."""

WEIGHTS = ROOT / "data" / "weights"
"""Trained weights that ship with the product."""


def data_dirs() -> list[Path]:
    """Folders searched for data, in order: ATELIER_DATA where it is set, then data/ of the checkout."""
    given = os.environ.get("ATELIER_DATA")
    return ([Path(given).expanduser()] if given else []) + [ROOT / "data"]


def cache_dir() -> Path:
    """The first data folder that can be written to; downloads land there."""
    for folder in data_dirs():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.gettempdir()) / "atelier"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour of `path` to write; it becomes `path` only if the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file that is whole or not there; gives its path back."""
    with atomic_write(path) as part:
        part.write_bytes(data)
    return path
