"""Downloading a file by pooch: retries, a bound on its size, progress, a check before it counts, an atomic place."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from atelier.errors import UserError

Progress = Callable[[str, int, int], None]
"""Called as progress(file name, bytes so far, bytes in all; 0 if the server does not tell)."""

OFFLINE_SECONDS = 300
_HEADERS = {
    "User-Agent": "Atelier/0.1 (interactive neural image-making; educational)",
    "Accept-Encoding": "identity",  # the bytes of a .gz as they are, which the checksum is of
}
_TIMEOUT = 6, 20  # seconds: to connect, between two blocks
_RETRIES = 2
_BLOCK = 1 << 16

_failed_at: dict[Path, float] = {}
_locks: dict[Path, threading.Lock] = {}


class DownloadError(UserError):
    """A file could not be fetched; the message says what to do instead."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    md5: str | None = None,
    check: Callable[[Path], object] = lambda path: None,
    most_bytes: int = 1 << 28,
    progress: Progress | None = None,
) -> Path:
    """Fetch `target` from the first of `urls` that has it.

    It appears only whole, with the right checksum if `md5` is given, and if `check(path)` does not raise. A file that
    is there already is kept unless its checksum is wrong. After a failure nothing is tried for five minutes, so that a
    machine without a network waits once. If several threads ask for the same file, one of them downloads it.

    Raises:
        DownloadError: no address gave the right file.
    """
    with _locks.setdefault(target, threading.Lock()):
        if time.monotonic() - _failed_at.get(target, -OFFLINE_SECONDS) < OFFLINE_SECONDS:
            raise DownloadError(
                f"The download of {target.name} failed a moment ago; it is tried again after five minutes."
            )
        for url in urls:
            try:
                return _fetch(url, target, md5, _Transfer(target.name, check, most_bytes, progress))
            except (OSError, ValueError) as error:
                reason = error
        _failed_at[target] = time.monotonic()
        raise DownloadError(
            f"{target.name} could not be downloaded ({_sentence(reason)}); check the connection, "
            f"or put the file into {target.parent} by hand."
        ) from reason


def _fetch(url: str, target: Path, md5: str | None, transfer: "_Transfer") -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(
        target.parent,
        base_url="",
        registry={target.name: md5 and f"md5:{md5}"},
        urls={target.name: url},
        retry_if_failed=_RETRIES,
    )
    store.fetch(target.name, downloader=transfer)
    target.chmod(0o644)  # pooch's temporary file is for its owner only
    return target


class _Final(OSError):
    """A failure that another try would not mend; pooch repeats other ones."""


class _Transfer:
    """One transfer as pooch wants it: a downloader, and the progress bar of its downloader."""

    def __init__(self, name: str, check: Callable[[Path], object], most_bytes: int, progress: Progress | None) -> None:
        self.name, self.check, self.most_bytes, self.progress = name, check, most_bytes, progress
        self.total = self.done = 0

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        import requests
        from pooch import HTTPDownloader

        self.done = 0
        get = HTTPDownloader(progressbar=self, chunk_size=_BLOCK, headers=_HEADERS, timeout=_TIMEOUT)
        try:
            get(url, output_file, pooch)
        except requests.ConnectionError as error:
            if self.done:  # it broke off on the way
                raise
            raise _Final("no connection") from error
        except requests.HTTPError as error:
            code = error.response.status_code
            if code in (408, 429) or code >= 500:
                raise
            raise _Final(f"the server answered {code}") from error
        self.check(Path(output_file))

    def update(self, arrived: int) -> None:
        self.done += arrived
        if max(self.done - _BLOCK, self.total) > self.most_bytes:  # pooch counts the last block as a whole one
            raise _Final(f"it is larger than {self.most_bytes >> 20} MB, so the source must be wrong")
        if self.progress is not None:
            self.progress(self.name, min(self.done, self.total or self.done), self.total)

    def reset(self) -> None:
        """Called by pooch at the end, before it reports the whole once more."""
        self.done = 0

    def close(self) -> None:
        """Nothing to close."""


def _sentence(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError):
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.RequestException):
        return "the transfer broke off"
    if isinstance(error, ValueError) and not isinstance(error, UserError):
        return "wrong checksum"
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
