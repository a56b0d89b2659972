"""Downloading a file by pooch: retries, a bound on its size, a check before it counts, an atomic place."""

import functools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from atelier.errors import UserError

OFFLINE_SECONDS = 300
_HEADERS = {
    "User-Agent": "Atelier/0.1 (interactive neural image-making; educational)",
    "Accept-Encoding": "identity",  # the checksum is of the packed bytes
}
_TIMEOUT = 6, 20  # seconds: to connect, between two blocks
_RETRIES = 2
_BLOCK = 1 << 16

_failed_at: dict[Path, float] = {}
_locks: dict[Path, threading.Lock] = {}


class _Final(OSError):
    """A failure that another try would not mend."""


class _BrokenOff(UserError):
    """A failure after which pooch tries again."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    md5: str | None = None,
    check: Callable[[Path], object] = lambda path: None,
    most_bytes: int = 1 << 28,
) -> Path:
    """Fetch `target` from the first of `urls` that has it.

    It appears only whole, with the right checksum if `md5` is given, and if `check(path)` does not raise. A file that
    is there already is kept unless its checksum is wrong. After a failure nothing is tried for five minutes, so that a
    machine without a network waits once. If several threads ask for the same file, one of them downloads it.

    Raises:
        UserError: no address gave the right file.
    """
    with _locks.setdefault(target, threading.Lock()):
        if time.monotonic() - _failed_at.get(target, -OFFLINE_SECONDS) < OFFLINE_SECONDS:
            raise UserError(f"The download of {target.name} failed a moment ago; it is tried again after five minutes.")
        import pooch

        pooch.get_logger().setLevel("WARNING")
        registry = {target.name: md5 and f"md5:{md5}"}
        transfer = functools.partial(_transfer, check, most_bytes)
        for url in urls:
            places = {"path": target.parent, "base_url": "", "urls": {target.name: url}}
            store = pooch.create(**places, registry=registry, retry_if_failed=_RETRIES)
            try:
                store.fetch(target.name, downloader=transfer)
                target.chmod(0o644)  # pooch's temporary file is for its owner only
                return target
            except (OSError, ValueError) as error:
                failure = error
        _failed_at[target] = time.monotonic()
        reason = "wrong checksum" if type(failure) is ValueError else getattr(failure, "strerror", None) or failure
        raise UserError(
            f"{target.name} could not be downloaded ({str(reason).rstrip('.')}); check the connection, "
            f"or put the file into {target.parent} by hand."
        ) from failure


def _transfer(check: Callable[[Path], object], most_bytes: int, url: str, output_file: str, pooch: object) -> None:
    """One transfer from `url`; the last three arguments are those that pooch gives."""
    import requests

    done = 0
    try:
        with requests.get(url, headers=_HEADERS, timeout=_TIMEOUT, stream=True) as response:
            response.raise_for_status()
            total = int(response.headers.get("content-length", 0))
            with Path(output_file).open("wb") as file:
                for block in response.iter_content(_BLOCK):
                    done += file.write(block)
                    if max(done, total) > most_bytes:
                        raise _Final(f"it is larger than {most_bytes >> 20} MB, so the source must be wrong")
    except requests.HTTPError as error:
        code = error.response.status_code
        kind = _BrokenOff if code in (408, 429) or code >= 500 else _Final
        raise kind(f"the server answered {code}") from error
    except requests.RequestException as error:
        if isinstance(error, requests.ConnectionError) and not done:
            raise _Final("no connection") from error
        raise _BrokenOff("the transfer broke off") from error
    check(Path(output_file))
