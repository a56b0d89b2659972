"""One binary message for a frame: a JSON header and the encoded pictures it speaks of, so that picture and
numbers never disagree on the page."""

import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_HERE = Path(__file__).parent


def encode_picture(pixels: np.ndarray, lossless: bool = True) -> bytes:
    """Encode (H, W), (H, W, 1) or (H, W, 3) uint8 pixels: PNG, or JPEG where speed matters more than exactness."""
    image = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels)
    buffer = io.BytesIO()
    if lossless:
        image.save(buffer, "PNG", compress_level=3)
    else:
        image.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


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


class Commands:
    """Reads the `command` trait that the page writes: each command once, also those that came together."""

    def __init__(self) -> None:
        self._last = -1

    def fresh(self, message: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        """Name and value of every command that has not been read yet, oldest first."""
        found = []
        for command in (*message.get("earlier", ()), message):
            if isinstance(number := command.get("number"), int) and number > self._last:
                self._last = number
                found.append((command.get("name"), command.get("value")))
        return found


def module_text(name: str) -> str:
    """The source of a widget's ES module, with what the widgets share before it.

    As text: anywidget watches a path for changes, and would keep each widget alive through its watcher.
    """
    return (_HERE / "common.js").read_text("utf-8") + (_HERE / f"{name}.js").read_text("utf-8")


def style_text(name: str) -> str:
    """The style sheet of a widget, with what the widgets share before it."""
    return (_HERE / "common.css").read_text("utf-8") + (_HERE / f"{name}.css").read_text("utf-8")
