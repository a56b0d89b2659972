"""Pictures to learn: the three paintings, scikit-image's own, and anything a person brings.

A picture is (H, W, C) float32 in [0, 1], C = 3 or 1 (gray).
"""

import functools
import io
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from atelier.data.catalogue import BUILT_IN, PAINTINGS, PICTURES
from atelier.data.download import download as fetch
from atelier.errors import UserError
from atelier.fields.plane import Window, fitted_size
from atelier.paths import WEIGHTS, cache_dir, data_dirs, given_path

MOST_BYTES = 25 << 20
MOST_PIXELS = 50_000_000
LEAST_SIDE = 8
FORMATS = ("PNG", "JPEG", "WEBP")
NETWORK_NOTE = (
    "The original is not on this machine, so the picture to learn from is itself drawn by a network: "
    "the one that ships with Atelier, fitted to the original at 384 pixels."
)
_MANY_PIXELS = 16_000_000  # more are reduced before anything else is done with them
_BAND = 1 << 20  # pixels that are converted at a time
_decoding = threading.Lock()  # one picture at a time, since each may take some hundred MB for a moment


@dataclass(frozen=True)
class Picture:
    """A picture with its title. Raises UserError: pixels of another kind or shape."""

    title: str
    pixels: Tensor  # (H, W, 3), or (H, W, 1) for gray, float32 in [0, 1]
    note: str = ""  # a sentence about its origin or size

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, Tensor) or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not pixels.numel():
            got = tuple(pixels.shape) if isinstance(pixels, Tensor) else type(pixels).__name__
            raise UserError(f"A picture's pixels must be a tensor (height, width, 3), or (…, 1) for gray; got {got}.")
        if not pixels.is_floating_point():
            raise UserError(f"A picture's pixels must be floats in [0, 1], not {pixels.dtype}; divide by 255.")

    @property
    def aspect(self) -> float:
        """Width ÷ height."""
        return self.pixels.shape[1] / self.pixels.shape[0]


def load_picture(
    picture: str | Path | bytes,
    size: int = 384,
    gray: bool = False,
    *,
    title: str = "",
    download: bool = True,
) -> Picture:
    """A picture, its longer side `size` pixels (never enlarged).

    A painting that is not on this machine is fetched from Wikimedia Commons. If that fails, it is drawn by the network
    that ships with the product, and the note says so.

    Args:
        picture: a name of `PICTURES`, the path of a file, or the bytes of an uploaded one.
        gray: one channel instead of three.
        title: by default the picture's own title or its file's name.
        download: whether the network may be used.

    Raises:
        UserError: neither a known name nor a readable picture file.
    """
    if picture in BUILT_IN:
        import skimage.data

        image = Image.fromarray(getattr(skimage.data, picture)()).convert("RGB")
        return prepare(image, title or BUILT_IN[picture], size, gray)
    if isinstance(picture, bytes):
        source, own_title = picture, "Your picture"
    elif picture in PAINTINGS:
        source, own_title = painting_file(picture, download=download), PAINTINGS[picture].title
        if source is None:
            return Picture(title or own_title, _as_gray(network_rendition(picture, size), gray), NETWORK_NOTE)
    else:
        source = given_path(picture)
        own_title = source.stem
        if not source.is_file():
            raise UserError(
                f"There is no picture {str(picture)!r}: give the path of a picture file, or one of "
                f"{', '.join(PICTURES)}."
            )
    return prepare(read_picture(source, size), title or own_title, size, gray)


def painting_file(name: str, *, download: bool = False) -> Path | None:
    """Where a painting is on this machine, None if it is not; with `download` it is fetched."""
    file = f"paintings/{name}.jpg"
    found = next((folder / file for folder in data_dirs() if (folder / file).is_file()), None)
    if found or not download:
        return found
    try:
        check = functools.partial(read_picture, size=64)
        return fetch([PAINTINGS[name].url], cache_dir() / file, check=check, most_bytes=MOST_BYTES)
    except UserError:
        return None


def weights_file(name: str) -> Path:
    """The shipped network of a painting."""
    return WEIGHTS / f"{name}.safetensors"


def network_rendition(name: str, size: int) -> Tensor:
    """A painting as its shipped network draws it: (H, W, 3), longer side `size`."""
    from atelier.fields import networks, rendering

    network = networks.load(weights_file(name))
    return rendering.render(network, Window(), *fitted_size(network.spec.aspect, 1.0, size))


def read_picture(source: Path | bytes, size: int = MOST_PIXELS) -> Image.Image:
    """Decode a PNG, JPEG or WebP into an upright RGB image; transparency is laid over white, 16-bit gray scaled.

    Args:
        size: pixels of the longer side that `prepare` will scale it to. To bound the memory, a much larger picture is
            reduced to about three times that while it is decoded.

    Raises:
        UserError: too large, too small, cut off, or no such picture.
    """
    length = len(source) if isinstance(source, bytes) else source.stat().st_size
    if length > MOST_BYTES:
        raise UserError(f"The file has {length >> 20} MB, and at most {MOST_BYTES >> 20} MB are read; make it smaller.")
    try:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        with _decoding, Image.open(stream, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise _too_large(f"{width:,}×{height:,}")
            if min(width, height) < LEAST_SIDE:
                raise UserError(f"The picture is {width}×{height} pixels; it needs at least {LEAST_SIDE} on each side.")
            many = width * height > _MANY_PIXELS
            if many:
                image.draft(None, (3 * size, 3 * size))
            image.load()
            return ImageOps.exif_transpose(_as_rgb(image, max(1, max(image.size) // (3 * size)) if many else 1))
    except UnidentifiedImageError:
        raise UserError("This is not a PNG, JPEG or WebP picture; convert it to one of these.") from None
    except Image.DecompressionBombError:
        raise _too_large("more than 100 million") from None
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError("The picture file is damaged or cut off; get a whole copy of it.") from error


def prepare(image: Image.Image, title: str, size: int, gray: bool = False) -> Picture:
    """Scale an RGB image to `size` pixels on its longer side, keeping its shape, and make it a picture."""
    longer = max(image.size)
    note = f"The picture has only {longer} pixels on its longer side, and is not enlarged." if longer < size else ""
    height, width = fitted_size(*image.size, min(size, longer))
    scaled = image.resize((width, height), Image.Resampling.LANCZOS)
    return Picture(title, _as_gray(torch.from_numpy(np.array(scaled, dtype=np.float32) / 255), gray), note)


def _as_gray(pixels: Tensor, gray: bool) -> Tensor:
    """Luma of ITU-R BT.601, as Pillow's mode L; (H, W, 1)."""
    return pixels @ torch.tensor([[0.299], [0.587], [0.114]]) if gray else pixels


def _too_large(extent: str) -> UserError:
    most = MOST_PIXELS // 10**6
    return UserError(f"The picture has {extent} pixels, and at most {most} million are read; scale it down.")


def _as_rgb(image: Image.Image, reduction: int) -> Image.Image:
    """A decoded image as RGB, its sides divided by `reduction`, converted in bands so that no second copy is made."""
    made = Image.new("RGB", tuple(-(-side // reduction) for side in image.size))
    made.info = image.info  # with the orientation
    rows = max(1, _BAND // (image.width * reduction)) * reduction
    for top in range(0, image.height, rows):
        band = _band_as_rgb(image.crop((0, top, image.width, min(top + rows, image.height))))
        made.paste(band.reduce(reduction), (0, top // reduction))
    return made


def _band_as_rgb(band: Image.Image) -> Image.Image:
    if band.mode.startswith("I"):  # 16-bit gray
        scaled = np.asarray(band, dtype=np.float64) / 257
        return Image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
    if band.has_transparency_data:
        band = band.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", band.size, "white"), band).convert("RGB")
    return band.convert("RGB")
