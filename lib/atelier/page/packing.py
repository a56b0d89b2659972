"""What all widgets share: one binary message for a frame, commands of the page, and the texts of their modules."""

import json
import struct
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from atelier.errors import UserError
from atelier.page.session import session
from atelier.paths import ROOT, write_whole

_HERE = Path(__file__).parent
POSTERS = ROOT / "data" / "gallery" / "posters"
WIDGETS: weakref.WeakSet["Widget"] = weakref.WeakSet()
"""Every widget there is, for the report, which takes their state with it."""


class Widget(anywidget.AnyWidget):
    """A piece of the page. Its module, `_source`.js with `_source`.css, lies beside this file.

    Commands of the page come as messages, which run no cell again; `_heard(name, value)` obeys them, and an error in it
    becomes a sentence. Where it returns True the page counts `acted` up, and the cells that use the widget follow.
    `close` forgets everything that the page could reach, and is safe to call twice.
    """

    _source: str
    acted = traitlets.Int(0).tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "_source" in vars(cls):
            # As text: anywidget watches a path for changes, and would keep each widget alive through its watcher.
            cls._esm = source(cls._source, "js")
            cls._css = source(cls._source, "css")
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._lock = threading.RLock()
        self.on_msg(self._obey)
        WIDGETS.add(self)

    def close(self) -> None:
        self.on_msg(self._obey, remove=True)
        self.unobserve_all()
        super().close()

    def _obey(self, widget: object, message: Any, buffers: object) -> None:
        if not isinstance(message, Mapping) or not isinstance(message.get("name"), str):
            return
        try:
            if self._heard(message["name"], message.get("value")):
                self.send({"problem": "", "acted": True})
        except UserError as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"This ended in an error ({type(error).__name__}: {error}).")

    def _heard(self, name: str, value: Any) -> bool | None:
        """Obey a command of the page; True if what the notebook shows may have changed."""

    def _fail(self, sentence: str) -> None:
        """Tell the page what went wrong."""
        self.send({"problem": sentence})


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


def hung(poster: str) -> bytes:
    """The stored frame of that name for a page that has just opened, as `hang` stored it; else an empty one."""
    path = POSTERS / f"{poster}.poster"
    return path.read_bytes() if poster and session().live and path.is_file() else b""


def hang(poster: str, frame: bytes) -> Path:
    """Store a frame, to show it before the library is there."""
    return write_whole(POSTERS / f"{poster}.poster", frame)


_SHARED = {"live": ("chart",), "mixer": ("chart",)}


def source(name: str, ending: str) -> str:
    """The text of a widget's module ("js") or style ("css"), with what it shares with others before it."""
    parts = [(_HERE / f"{part}.{ending}") for part in ("common", *_SHARED.get(name, ()), name)]
    return "".join(path.read_text("utf-8") for path in parts if path.is_file())
