"""Where files are, independent of the working directory, and how they are written: whole or not at all."""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atelier.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout (the package is installed editable from lib/)."""
WEIGHTS = ROOT / "data" / "weights"
"""Trained weights that ship with the product."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LEAST_FREE = 1 << 16


def data_dirs() -> list[Path]:
    """Folders searched for data, in order: ATELIER_DATA if it is set, data/ of the checkout, and the folder below the
    system's temporary one that takes downloads if none of the others can be written to."""
    given = os.environ.get("ATELIER_DATA")
    fallback = Path(tempfile.gettempdir()) / f"atelier-data-{getattr(os, 'getuid', int)()}"
    return [*([given_path(given)] if given else []), ROOT / "data", fallback]


def cache_dir() -> Path:
    """The first data folder that can be written to; downloads go there. Raises UserError if none can."""
    for folder in data_dirs():
        try:
            return writable_folder(folder)
        except UserError as error:
            refusal = error
    raise refusal


def given_path(path: str | Path) -> Path:
    """A path as a person writes it: `~` stands for the home folder.

    Raises:
        UserError: `~name` of an unknown user, or a name that no file can have.
    """
    shown = str(path) if len(str(path)) <= 80 else f"{str(path)[:77]}..."
    try:
        found = Path(path).expanduser()
        os.lstat(found)
    except RuntimeError:
        raise UserError(f"There is no home folder for {shown!r}; write the whole path.") from None
    except ValueError:
        raise UserError(f"{shown!r} cannot be the name of a file; choose another.") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"The name {shown!r} is too long for a file; choose a shorter one.") from None
    return found


def writable_folder(path: str | Path) -> Path:
    """The folder `path`, made if it is missing, after a trial that a file can be written into it.

    Raises:
        UserError: it is a file, lies below a file, or cannot be written to.
    """
    folder = given_path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{folder} is a file or lies below one; choose a folder.") from None
    except OSError as error:
        raise UserError(f"Nothing can be written into {folder} ({error.strerror}); choose another folder.") from None
    return folder


def writable_file(path: str | Path) -> Path:
    """The path of a file that is still to be written, its folder made and tried. Errors as `writable_folder`."""
    file = given_path(path)
    if file.is_dir():
        raise UserError(f"{file} is a folder; give the name of a file.")
    writable_folder(file.parent)
    return file


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary neighbour of `path` to write; it becomes `path` only if the block ends well.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    path = writable_file(path)
    part = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}")
    try:
        part.touch()
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except UserError:
        raise
    except Exception as error:
        # encoders in C report a full disk without its number
        if getattr(error, "errno", None) in _FULL or shutil.disk_usage(path.parent).free < _LEAST_FREE:
            raise UserError(f"The disk is full, so {path.name} was not written; make room and try again.") from error
        raise
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: str | Path, data: bytes) -> Path:
    """Write a file that is whole or not there; gives its path back. Errors as `atomic_write`."""
    with atomic_write(path) as part:
        part.write_bytes(data)
    return Path(path)


@contextmanager
def spare_file(name: str, data: bytes | None = None) -> Iterator[Path]:
    """The path of a file for as long as the block lasts, with `data` in it unless that is None. Errors as
    `atomic_write`."""
    with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
        path = Path(folder) / name
        yield path if data is None else write_whole(path, data)
