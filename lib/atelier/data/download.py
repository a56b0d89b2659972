"""Downloading a file: time-outs, retries, progress, a check before it counts, and an atomic place to land."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atelier.errors import UserError
from atelier.paths import atomic_write

_USER_AGENT = "Atelier/0.1 (interactive neural image-making; educational)"
_TIMEOUT_SECONDS = 6
_TRIES = 3
_CHUNK = 1 << 16


@dataclass(frozen=True)
class DownloadStep:
    """Bytes that have arrived, and the whole where the server says it."""

    done: int
    total: int | None


class DownloadError(UserError):
    """A file could not be fetched; the message says what to do instead."""


def download(
    url: str, target: Path, check: Callable[[Path], None], most_bytes: int = 1 << 28, pause: float = 1.0
) -> Iterator[DownloadStep]:
    """Fetch `url` into `target`, which appears only whole and after `check(path)` has not raised.

    Raises:
        DownloadError: no answer, an answer that breaks off or fails its check, three times; or too large a file.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            with atomic_write(target) as part:
                yield from _transfer(url, part, most_bytes)
                check(part)
            return
        except (OSError, EOFError, ValueError) as error:
            if attempt == _TRIES or isinstance(error, DownloadError) or not _worth_repeating(error):
                raise DownloadError(
                    f"{target.name} could not be downloaded ({_reason(error)}); "
                    f"check the connection, or put the file into {target.parent.name}/ by hand."
                ) from error
            time.sleep(pause * attempt)


def _transfer(url: str, part: Path, most_bytes: int) -> Iterator[DownloadStep]:
    request = urllib.request.Request(url, headers={"User-Agent": _USER_AGENT})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer, part.open("wb") as file:
        total = int(answer.headers["Content-Length"]) if answer.headers.get("Content-Length") else None
        done = 0
        while chunk := answer.read(_CHUNK):
            done += len(chunk)
            if done > most_bytes:
                raise DownloadError(f"{part.name} is larger than {most_bytes >> 20} MB; the source must be wrong.")
            file.write(chunk)
            yield DownloadStep(done, total)
    if total is not None and done != total:
        raise EOFError(f"{done:,} of {total:,} bytes arrived")


def _worth_repeating(error: Exception) -> bool:
    """A name that cannot be resolved, or a refusal, will not change within seconds; a broken transfer may."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in (408, 429) or error.code >= 500
    return not isinstance(error, urllib.error.URLError)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        return "no connection"
    return str(error) or type(error).__name__
