"""What all widgets share: one binary message for a frame, commands of the page, and the texts of their modules."""

import contextlib
import functools
import json
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anywidget
import marimo as mo
import traitlets

from atelier.errors import sentence
from atelier.page.jobs import QUICK
from atelier.page.session import session
from atelier.paths import ROOT, write_whole

HERE = Path(__file__).parent
POSTERS = ROOT / "data" / "gallery" / "posters"
WIDGETS: weakref.WeakSet["Widget"] = weakref.WeakSet()
"""Every widget that is not closed, for the report, which takes their state with it."""
_BYTES_PER_SECOND = 4e6
_SHARED = {
    "live": ("chart",),
    "mixer": ("chart",),
    "viewer": ("painter", "gestures"),
    "loop": ("painter",),
    "volume": ("gestures",),
}


class Widget(anywidget.AnyWidget):
    """A piece of the page. Its module, `_source`.js with `_source`.css, lies beside this file.

    Commands of the page come as messages, which run no cell again; `_heard(name, value)` obeys them. Where it returns
    True the page counts `acted` up, and the cells that use the widget follow. Slow drawings go through `_aside`. An
    error in either becomes a sentence on the page, in `_telling`. `acts` are functions of the notebook by name.
    """

    _source: str
    acted = traitlets.Int(0).tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "_source" in vars(cls):  # anywidget makes subclasses of its own
            # As text: anywidget watches a path for changes, and would keep each widget alive through its watcher.
            cls._esm, cls._css = source(cls._source, "js"), source(cls._source, "css")
        super().__init_subclass__(**kwargs)

    def __init__(self, acts: Mapping[str, Callable[..., object]] | None = None, **traits: Any) -> None:
        super().__init__(**traits)
        self._acts = dict(acts or {})
        self._session = session()  # asked here, since a thread belongs to none
        self._watched = self._session.live
        self._lock = threading.RLock()
        self._work: Callable[[], object] | None = None
        self._busy = False
        self._seen, self._due = False, 0.0  # whether somebody sees it, and when the next step of a run may be shown
        self.on_msg(self._obey)
        WIDGETS.add(self)

    def close(self) -> None:
        """Forget all that the page could reach; safe to call twice."""
        WIDGETS.discard(self)
        self._work, self._acts = None, {}
        self.on_msg(self._obey, remove=True)
        self.unobserve_all()
        super().close()

    def _obey(self, widget: object, message: Any, buffers: object) -> None:
        if isinstance(message, Mapping) and isinstance(message.get("name"), str):
            with self._telling():
                if self._heard(message["name"], message.get("value")):
                    self.send({"problem": "", "acted": True})

    def _heard(self, name: str, value: Any) -> bool | None:
        """Obey a command of the page; True if what the notebook shows may have changed."""

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """The one place where an error of a callback becomes a sentence on the page; the widget goes on."""
        try:
            yield
        except Exception as error:
            self.send({"problem": sentence(error)})

    def _aside(self, work: Callable[[], object]) -> None:
        """Do `work` in a thread; of all that waits only the newest is done. Without a browser at once, if anybody sees
        it."""
        if not self._watched:
            if self._session.shown:
                work()
            return
        with self._lock:
            self._work, idle = work, not self._busy
            self._busy = True
        if idle:
            threading.Thread(target=self._work_off, name=f"atelier-{self._source}", daemon=True).start()

    def _awaits(self) -> bool:
        """Whether to show the newest step of a run that goes on: somebody sees the widget, and it is idle."""
        return self._seen and not self._busy and time.monotonic() >= self._due

    def _meanwhile(self, work: Callable[[], int]) -> None:
        """Do `work` aside while a run goes on; it returns how many bytes it sent. The next one waits nine times as long
        as this one took, or as its bytes need."""

        def share() -> None:
            begin, sent = time.monotonic(), 0
            try:
                sent = work()
            finally:  # also after an error, which the next frame would only repeat
                now = time.monotonic()
                self._due = now + max(0.1, 9 * (now - begin), sent / _BYTES_PER_SECOND)

        self._aside(share)

    def _work_off(self) -> None:
        while True:
            with self._lock:
                work, self._work = self._work, None
                self._busy = work is not None
            if work is None:
                return
            with self._telling(), QUICK:
                work()
                self.send({"problem": ""})


def element(kind: type[Widget]) -> Callable[..., Any]:
    """The function that makes such a widget as an element of the page. It is closed when its cell runs again."""

    @functools.wraps(kind, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        return session().element(lambda: mo.ui.anywidget(kind(*args, **kwargs)))

    return make


def pack(header: Mapping[str, Any], pictures: Mapping[str, bytes]) -> bytes:
    """Length of the header (uint32, little endian), the header as JSON, then the pictures end to end.

    The header gains `pictures`: name -> [start, length], counted from the end of the header.
    """
    places, start = {}, 0
    for name, data in pictures.items():
        places[name] = [start, len(data)]
        start += len(data)
    text = json.dumps({**header, "pictures": places}, allow_nan=False).encode()
    return struct.pack("<I", len(text)) + text + b"".join(pictures.values())


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The inverse of `pack`."""
    if not message:
        return {}, {}
    (length,) = struct.unpack_from("<I", message)
    header = json.loads(message[4 : 4 + length])
    body = message[4 + length :]
    return header, {name: body[start : start + size] for name, (start, size) in header.pop("pictures").items()}


def hung(poster: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Header and pictures of the frame that `hang` stored under that name, for a page that has just opened; else empty
    ones. A page whose address asks for something else than the defaults gets no pictures."""
    path, words = POSTERS / f"{poster}.poster", session().state.get("words")
    if not (poster and session().live and path.is_file()):
        return {}, {}
    header, pictures = unpack(path.read_bytes())
    return header, {} if words and words.asked else pictures


def hang(poster: str, frame: bytes) -> Path:
    """Store a frame, to show it before the library is there."""
    return write_whole(POSTERS / f"{poster}.poster", frame)


def source(name: str, ending: str) -> str:
    """The text of a widget's module ("js") or style ("css"), with what it shares with others before it."""
    parts = [(HERE / f"{part}.{ending}") for part in ("common", *_SHARED.get(name, ()), name)]
    return "".join(path.read_text("utf-8") for path in parts if path.is_file())
