"""A picture carries its recipe: in the PNG, in recipe.json, in the address; each gives back the same picture.

The address token is "f1." and base64url of a CRC-32 (4 bytes, big-endian) and the zlib stream of the recipe's
compact JSON, holding only what differs from the defaults *of format 1*, with the dictionary below.
"""

import base64
import json
import struct
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from atelier.cppn.spec import FieldSpec
from atelier.errors import UserError
from atelier.fields.plane import Window

KEYWORD = "atelier-field"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
WHOLE = Window(spans="shorter")
"""[-1, 1] along the shorter side: where a field begins."""
_LONGEST = 200_000  # characters of JSON; a recipe has a few hundred
_PREFIX = "f1."

# Part of format 1: it may never change, or old addresses could not be read.
_DICTIONARY = (
    b'"linear""residual""gate""maximum""mlp""dense""conv""siren""watts_strogatz""random""tanh""sin""cos"'
    b'"gaussian""bump""triangle""softplus""gelu""elu""mish""softsign""hardtanh""uniform""normal""layer"'
    b'"periodic_x","periodic_y","spiral","theta","r""mirror_x""rotation""tiling""kaleidoscope""oklab""rgb"'
    b'"hsv""gray""palette":["#"],"latent":[0.,-0."latent_scale":"fourier_sigma":0.,"fourier":"omega":'
    b'"frequency":"neighbours":"rewiring":0."nodes":"operations":["linear"],"norm":"initialisation":"low":'
    b'"high":"mean":"brightness":"contrast":"saturation":"strands":[["relief":0.,"cycles":"symmetry":"order":'
    b'"bias":"scale":"std":1."inputs":["x","y","r"],"activations":["bump","tanh"],"depth":"width":"topology":'
    b'{"window":{"pan_x":0.,"pan_y":0.,"zoom":1.},"spec":{"seed":'
)


@dataclass(frozen=True)
class Recipe:
    """A field and the window through which it was seen. Its name is not saved with it."""

    spec: FieldSpec
    window: Window = WHOLE
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", self.window.replace(spans="shorter"))

    @property
    def title(self) -> str:
        """Its name, or what a picture of its kind is called."""
        return self.name or self.spec.name()

    @property
    def place(self) -> dict[str, float]:
        """x, y and zoom of the window."""
        return {key: getattr(self.window, key) for key in ("x", "y", "zoom")}

    def to_json(self) -> dict[str, Any]:
        place = {"pan_x": float(self.window.x), "pan_y": float(self.window.y), "zoom": float(self.window.zoom)}
        return {"kind": KEYWORD, "spec": self.spec.to_json(), "window": place}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Raises UserError: not a recipe, a newer version, a value out of bounds."""
        if not isinstance(data, dict) or "spec" not in data:
            raise UserError("This is not the recipe of a field; choose a recipe that Atelier saved.")
        spec, place = FieldSpec.from_json(data["spec"]), data.get("window", {})
        if not isinstance(place, dict) or not place.keys() <= {"pan_x", "pan_y", "zoom"}:
            raise UserError("The window must hold pan_x, pan_y and zoom; choose a recipe that Atelier saved.")
        try:
            return cls(spec, Window(place.get("pan_x", 0.0), place.get("pan_y", 0.0), place.get("zoom", 1.0)))
        except OverflowError:
            raise UserError("The window is far out of bounds; choose a recipe that Atelier saved.") from None


def to_token(recipe: Recipe) -> str:
    """The compact word for an address (letters, digits, "-", "_", "."), typically 100 to 250 characters."""
    full, default = recipe.to_json(), Recipe(FieldSpec()).to_json()
    data = {part: {k: v for k, v in full[part].items() if v != default[part][k]} for part in ("spec", "window")}
    packer = zlib.compressobj(9, wbits=-15, zdict=_DICTIONARY)
    text = compact(data).encode()
    packed = struct.pack(">I", zlib.crc32(text)) + packer.compress(text) + packer.flush()
    return _PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def from_token(token: str) -> Recipe:
    """The recipe of an address token. Raises UserError: cut off, mistyped, of a newer version, or not a token."""
    token = token.strip()
    if not token.startswith(_PREFIX):
        newer = token[:1] == "f" and token[1:2].isdigit() and "." in token
        what = "was made by a newer Atelier; update it" if newer else "does not describe a field; copy it again"
        raise UserError(f"This address {what}.")
    try:
        word = token[len(_PREFIX) :]
        packed = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj(wbits=-15, zdict=_DICTIONARY)
        text = unpacker.decompress(packed[4:], _LONGEST)
        if not unpacker.eof or packed[:4] != struct.pack(">I", zlib.crc32(text)):
            raise ValueError
        data = json.loads(text)
    except (ValueError, RecursionError, zlib.error, struct.error):
        raise UserError("This address was cut off or mistyped; copy the whole of it again.") from None
    return Recipe.from_json(data)


def to_file(recipe: Recipe) -> bytes:
    """recipe.json."""
    return (json.dumps(recipe.to_json(), indent=2) + "\n").encode()


def read(path: Path) -> Recipe:
    """The recipe of a PNG or a JSON file, named after the file unless that is recipe.json. Raises UserError: no such
    file, no recipe inside, a newer version, a value out of bounds."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError:
        raise UserError(f"There is no recipe at {path.name} that can be read; check the path.") from None
    return read_bytes(data, path.name)


def read_bytes(data: bytes, name: str) -> Recipe:
    """As `read`, for a file of this name that was dropped into a page."""
    if data.startswith(SIGNATURE):
        data = _text_chunk(data, name)
    elif len(data) > _LONGEST:
        raise UserError(f"{name} is too large for a recipe; choose a PNG or a recipe.json from Atelier.")
    text = data.decode("utf-8", errors="replace")
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"The recipe in {name} cannot be read; choose a PNG or recipe.json from Atelier.") from None
    stem = Path(name).stem
    return replace(Recipe.from_json(loaded), name="" if stem == "recipe" else stem)


def _text_chunk(data: bytes, name: str) -> bytes:
    """The recipe in a PNG's text: iTXt as Atelier writes it, or tEXt, as other programs may write it anew."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        key, _, rest = body.partition(b"\0")
        if kind in (b"iTXt", b"tEXt") and key == KEYWORD.encode():
            if kind == b"iTXt":
                rest = rest[2:].split(b"\0", 2)[-1] if rest[:1] == b"\0" else b""
            return rest[:_LONGEST]
        at += 12 + length
    raise UserError(f"{name} carries no recipe; choose a PNG that Atelier saved.")


def compact(data: Any) -> str:
    """JSON without spaces."""
    return json.dumps(data, separators=(",", ":"))
