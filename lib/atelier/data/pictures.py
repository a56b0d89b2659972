"""Pictures to learn: the three paintings, scikit-image's own, and anything a person brings.

A picture is (H, W, C) float32 in [0, 1], C = 3 or 1 (gray).
"""

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from atelier.data.download import DownloadError, DownloadStep, download
from atelier.errors import UserError
from atelier.paths import WEIGHTS, cache_dir, data_dirs

MOST_BYTES = 25 << 20
MOST_PIXELS = 50_000_000
LEAST_SIDE = 8
FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class Painting:
    """A painting in the public domain, as Wikimedia Commons names its file."""

    title: str
    painter: str
    commons: str

    @property
    def url(self) -> str:
        return f"https://commons.wikimedia.org/wiki/Special:FilePath/{quote(self.commons)}?width=960"


PAINTINGS = {
    "mona_lisa": Painting(
        "Mona Lisa", "Leonardo da Vinci", "Mona_Lisa,_by_Leonardo_da_Vinci,_from_C2RMF_retouched.jpg"
    ),
    "starry_night": Painting(
        "The Starry Night", "Vincent van Gogh", "Van_Gogh_-_Starry_Night_-_Google_Art_Project.jpg"
    ),
    "girl_with_a_pearl_earring": Painting(
        "Girl with a Pearl Earring", "Johannes Vermeer", "1665_Girl_with_a_Pearl_Earring.jpg"
    ),
}
BUILT_IN = {"astronaut": "Astronaut", "chelsea": "Chelsea the cat", "coffee": "Coffee", "camera": "Cameraman"}
"""Pictures that come with scikit-image."""


@dataclass(frozen=True)
class Picture:
    """A picture with its title; `note` says in a sentence what a person should know about where it comes from."""

    title: str
    pixels: Tensor
    note: str = ""

    @property
    def aspect(self) -> float:
        """Width ÷ height."""
        return self.pixels.shape[1] / self.pixels.shape[0]


def load_picture(name: str, size: int, gray: bool = False) -> Picture:
    """A picture by name or path, its longer side `size` pixels (never enlarged).

    A painting that is not on this machine is drawn from the network that ships with the product, and the note
    says so; `painting_download` fetches the original.

    Raises:
        UserError: neither a known name nor a readable picture file.
    """
    if name in PAINTINGS:
        painting = PAINTINGS[name]
        found = painting_file(name)
        if found is None:
            return Picture(painting.title, _as_gray(network_rendition(name, size), gray), NETWORK_NOTE)
        return prepare(read_picture(found), painting.title, size, gray)
    if name in BUILT_IN:
        import skimage.data

        image = Image.fromarray(getattr(skimage.data, name)())
        return prepare(image.convert("RGB"), BUILT_IN[name], size, gray)
    path = Path(name).expanduser()
    if not path.is_file():
        known = ", ".join((*PAINTINGS, *BUILT_IN))
        raise UserError(f"There is no picture {name!r}: give the path of a picture file, or one of {known}.")
    return prepare(read_picture(path), path.stem, size, gray)


NETWORK_NOTE = (
    "The original is not on this machine, so the picture to learn from is itself drawn by a network: "
    "the one that ships with Atelier, fitted to the original at 384 pixels."
)


def painting_file(name: str) -> Path | None:
    """Where a painting lies on this machine, if it does."""
    for folder in data_dirs():
        path = folder / "paintings" / f"{name}.jpg"
        if path.is_file():
            return path
    return None


def weights_file(name: str) -> Path:
    """The shipped network of a painting."""
    return WEIGHTS / f"{name}.safetensors"


def network_rendition(name: str, size: int) -> Tensor:
    """A painting as its shipped network draws it: (H, W, 3), longer side `size`."""
    from atelier.fields import networks, rendering
    from atelier.fields.window import Window

    network, spec, _ = networks.load(weights_file(name))
    height, width = fitted_size(spec.aspect, 1.0, size)
    return rendering.render(network, Window(aspect=width / height), height, width)


_OFFLINE_SECONDS = 300
_failed_at: dict[str, float] = {}


def painting_download(name: str) -> Iterator[DownloadStep]:
    """Fetch a painting from Wikimedia Commons into the data folder, if it is not there yet.

    After a failure nothing is tried for five minutes, so that an offline machine waits once.

    Raises:
        DownloadError: it could not be fetched.
    """
    if painting_file(name) is not None:
        return
    if time.monotonic() - _failed_at.get(name, -_OFFLINE_SECONDS) < _OFFLINE_SECONDS:
        raise DownloadError("The download failed a moment ago; it is tried again after five minutes.")
    try:
        target = cache_dir() / "paintings" / f"{name}.jpg"
        yield from download(PAINTINGS[name].url, target, read_picture, MOST_BYTES)
    except DownloadError:
        _failed_at[name] = time.monotonic()
        raise


def read_picture(source: Path | bytes) -> Image.Image:
    """Decode a PNG, JPEG or WebP into an upright RGB image; transparency is laid over white, 16-bit gray scaled.

    Raises:
        UserError: too large, too small, cut off, or no such picture.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > MOST_BYTES:
        raise UserError(f"The file has {size >> 20} MB, and at most {MOST_BYTES >> 20} MB are read; make it smaller.")
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            _check_size(*image.size)
            image.load()
            return _as_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise UserError("This is not a PNG, JPEG or WebP picture; convert it to one of these.") from None
    except Image.DecompressionBombError:
        raise UserError(_too_large("more than 100 million")) from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError("The picture file is damaged or cut off; get a whole copy of it.") from error


def prepare(image: Image.Image, title: str, size: int, gray: bool = False) -> Picture:
    """Scale an RGB image to `size` pixels on its longer side, keeping its shape, and make it a picture."""
    height, width = fitted_size(image.width, image.height, min(size, max(image.size)))
    note = ""
    if max(image.size) < size:
        note = f"The picture has only {max(image.size)} pixels on its longer side, and is not enlarged."
    scaled = image.resize((width, height), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(scaled, dtype=np.float32) / 255)
    return Picture(title, _as_gray(pixels, gray), note)


def fitted_size(width: float, height: float, size: int) -> tuple[int, int]:
    """(height, width) in pixels of a picture of this shape whose longer side is `size`."""
    longer = max(width, height)
    return max(1, round(height / longer * size)), max(1, round(width / longer * size))


def _as_gray(pixels: Tensor, gray: bool) -> Tensor:
    """Luma of ITU-R BT.601, as Pillow's mode L; (H, W, 1)."""
    return pixels @ torch.tensor([[0.299], [0.587], [0.114]]) if gray else pixels


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UserError(_too_large(f"{width:,}×{height:,}"))
    if min(width, height) < LEAST_SIDE:
        raise UserError(f"The picture is {width}×{height} pixels; it needs at least {LEAST_SIDE} on each side.")


def _too_large(extent: str) -> str:
    return f"The picture has {extent} pixels, and at most {MOST_PIXELS // 10**6} million are read; scale it down."


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray
        scaled = np.asarray(image, dtype=np.float64) / 257
        return Image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
