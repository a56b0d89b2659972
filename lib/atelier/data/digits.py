"""MNIST, Fashion-MNIST and KMNIST, each as one uint8 tensor; digits drawn from fonts as a stand-in.

Files are looked for in the data folders in torchvision's layout (`MNIST/raw/…`, plain or .gz), checked before
use, and fetched again where they are missing or damaged. Without a network, digits rendered from the fonts
that matplotlib ships stand in, and say so.
"""

import gzip
import hashlib
import math
import struct
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from atelier.errors import UserError
from atelier.paths import atomic_write, cache_dir, data_dirs

SIZE = 28
Progress = Callable[[str, int, int], None]
"""Called as progress(file name, bytes so far, bytes in all; 0 where the server does not tell)."""


@dataclass(frozen=True)
class _Source:
    """Where a data set lies: torchvision's class (folder, mirrors and .gz checksums), the names of its
    classes, and MD5 sums of the unpacked files where they are published or certain."""

    title: str
    torchvision_class: str
    classes: tuple[str, ...]
    plain_md5: dict[str, str]


DATASETS: dict[str, _Source] = {
    "mnist": _Source(
        "MNIST",
        "MNIST",
        tuple("0123456789"),
        {
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        },
    ),
    "fashion": _Source(
        "Fashion-MNIST",
        "FashionMNIST",
        ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"),
        {},
    ),
    "kmnist": _Source("KMNIST", "KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"), {}),
}
STAND_IN = "fonts"
SPLITS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}


@dataclass(frozen=True)
class Digits:
    """images (N, 28, 28) uint8, white on black; labels (N,) int64; `classes` names them. `note` is empty, or
    one sentence on what happened on the way (fetched again, stand-in)."""

    title: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    stand_in: bool = False
    note: str = ""


class Damaged(Exception):
    """A file is there and is not what it should be."""


def load_digits(
    name: str = "mnist",
    split: str = "train",
    *,
    progress: Progress | None = None,
    download: bool = True,
    stand_in_size: int | None = None,
) -> Digits:
    """The data set called `name` ("mnist", "fashion", "kmnist" or "fonts"), found, fetched or replaced.

    Args:
        split: "train" (60,000 images) or "test" (10,000).
        progress: told of every downloaded block.
        download: whether the network may be used.
        stand_in_size: number of font digits if they have to stand in (default 20,000 / 4,000).

    Raises:
        UserError: an unknown name or split.
    """
    if name not in (*DATASETS, STAND_IN):
        raise UserError(f"There is no data set {name!r}; choose one of {', '.join((*DATASETS, STAND_IN))}.")
    if split not in SPLITS:
        raise UserError(f"There is no split {split!r}; choose train or test.")
    size = stand_in_size or (20_000 if split == "train" else 4_000)
    seed = 0 if split == "train" else 1
    if name == STAND_IN:
        return font_digits(size, seed=seed)
    source = DATASETS[name]
    try:
        images, labels, note = _load(source, split, progress, download)
    except OSError as error:
        note = f"{source.title} is not here and could not be fetched ({error}); digits from fonts stand in."
        return font_digits(size, seed=seed, note=note)
    return Digits(source.title, images, labels, source.classes, note=note)


def _load(source: _Source, split: str, progress: Progress | None, download: bool) -> tuple[Tensor, Tensor, str]:
    stem, count = SPLITS[split]
    names = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
    notes: list[str] = []
    images, labels = (_file(source, name, count, notes, progress, download) for name in names)
    return images, labels.long(), " ".join(notes)


def _file(
    source: _Source, name: str, count: int, notes: list[str], progress: Progress | None, download: bool
) -> Tensor:
    """The first good copy of a file, else a fresh download of it."""
    # Packed files always have a published checksum, so they go first where the plain one's is not known.
    names = (name, f"{name}.gz") if name in source.plain_md5 else (f"{name}.gz", name)
    for folder in data_dirs():
        for path in (folder / source.torchvision_class / "raw" / each for each in names):
            if path.is_file():
                try:
                    return _read(source, path, count)
                except Damaged as error:
                    notes.append(f"{path.name} was damaged ({error}) and is not used.")
    if not download:
        raise OSError("no good copy of " + name)
    return _read(source, _fetch(source, f"{name}.gz", progress), count)


def _read(source: _Source, path: Path, count: int) -> Tensor:
    """The tensor in an idx file, plain or gzip.

    Raises:
        Damaged: a wrong checksum, magic number, size or label.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Damaged(f"cannot be read: {error}") from error
    packed = path.suffix == ".gz"
    wanted = _gz_md5(source, path.name) if packed else source.plain_md5.get(path.name)
    if wanted is not None and _md5(data) != wanted:
        raise Damaged("wrong checksum")
    if packed:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise Damaged("not a whole gzip file") from error
    return _parse(data, count, "images" in path.name)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _parse(data: bytes, count: int, images: bool) -> Tensor:
    """idx: magic (type 8 = uint8, number of dimensions), dimensions as big-endian int32, then the bytes."""
    shape = (count, SIZE, SIZE) if images else (count,)
    header = struct.pack(f">{1 + len(shape)}i", 0x0800 + len(shape), *shape)
    if data[:4] != header[:4]:
        raise Damaged("wrong magic number")
    if data[: len(header)] != header or len(data) != len(header) + math.prod(shape):
        raise Damaged("wrong size")
    tensor = torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=len(header)).reshape(shape)
    if not images and int(tensor.max()) > 9:
        raise Damaged("labels above 9")
    if images and int(tensor.max()) == 0:
        raise Damaged("black images only")
    return tensor


def _gz_md5(source: _Source, name: str) -> str:
    return dict(_torchvision(source).resources)[name]


def _torchvision(source: _Source) -> type:
    from torchvision import datasets

    return getattr(datasets, source.torchvision_class)


def _fetch(source: _Source, name: str, progress: Progress | None) -> Path:
    """Download `name` into the cache; only a file with the right checksum becomes visible.

    Raises:
        OSError: no mirror gave the right file.
    """
    target = cache_dir() / source.torchvision_class / "raw" / name
    trouble = "no mirror"
    for mirror in _torchvision(source).mirrors:
        try:
            with atomic_write(target) as part:
                _download(mirror + name, part, name, progress)
                if _md5(part.read_bytes()) != _gz_md5(source, name):
                    raise OSError("the download has the wrong checksum")
            return target
        except OSError as error:
            trouble = str(getattr(error, "reason", error))
    raise OSError(trouble)


def _download(url: str, path: Path, name: str, progress: Progress | None) -> None:
    with urllib.request.urlopen(url, timeout=20) as answer, path.open("wb") as file:
        total, done = int(answer.headers.get("Content-Length") or 0), 0
        while block := answer.read(1 << 16):
            file.write(block)
            done += len(block)
            if progress is not None:
                progress(name, done, total)


def font_digits(n: int, *, seed: int = 0, note: str = "") -> Digits:
    """`n` digits from the fonts that matplotlib ships, each under a random affine map and a small elastic
    distortion (Simard et al. 2003). Same seed, same digits; labels run through 0 … 9.

    Raises:
        UserError: n outside 1 to 200,000.
    """
    if not 1 <= n <= 200_000:
        raise UserError(f"The number of font digits must be from 1 to 200,000, and {n} is not.")
    glyphs = _glyphs()  # (10, fonts, 56, 56)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 10
    fonts = torch.randint(glyphs.shape[1], (n,), generator=generator)
    parts = [_distort(glyphs[labels[i : i + 1000], fonts[i : i + 1000]], generator) for i in range(0, n, 1000)]
    return Digits(
        "Digits from fonts (a stand-in for MNIST)",
        torch.cat(parts),
        labels,
        DATASETS["mnist"].classes,
        stand_in=True,
        note=note,
    )


def _glyphs() -> Tensor:
    """(10, fonts, 56, 56) float in [0, 1]: every digit in every text font matplotlib ships, about 40 high."""
    import matplotlib
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = [path for path in sorted(folder.glob("*.ttf")) if path.stem.startswith(("DejaVu", "STIXGeneral"))]
    files = [path for path in files if "Display" not in path.stem]  # mathematical signs, no digits
    glyphs = torch.zeros(10, len(files), 56, 56)
    for f, path in enumerate(files):
        font = ImageFont.truetype(str(path), 52)
        for digit in range(10):
            page = Image.new("L", (56, 56))
            ImageDraw.Draw(page).text((28, 28), str(digit), fill=255, font=font, anchor="mm")
            glyphs[digit, f] = torch.from_numpy(np.asarray(page).copy()).float() / 255
    return glyphs


def _distort(glyphs: Tensor, generator: torch.Generator) -> Tensor:
    """(N, 56, 56) glyphs -> (N, 28, 28) uint8 under a random affine and elastic map."""
    n = len(glyphs)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator)

    angle, shear, scale = uniform(-0.25, 0.25), uniform(-0.3, 0.3), uniform(1.05, 1.4)
    stretch, shift_x, shift_y = uniform(0.85, 1.2), uniform(-0.12, 0.12), uniform(-0.12, 0.12)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [cos * stretch, -sin + shear * cos, shift_x, sin * stretch, cos + shear * sin, shift_y]
    affine = torch.stack(rows, 1).view(n, 2, 3)
    grid = torch.nn.functional.affine_grid(affine, [n, 1, SIZE, SIZE], align_corners=False)
    bumps = 0.12 * torch.randn(n, 2, 5, 5, generator=generator)
    bumps = torch.nn.functional.interpolate(bumps, (SIZE, SIZE), mode="bicubic", align_corners=True)
    grid = grid + 0.6 * bumps.permute(0, 2, 3, 1)  # (N, 28, 28, 2)
    drawn = torch.nn.functional.grid_sample(glyphs[:, None], grid, align_corners=False)
    return (drawn[:, 0].clamp(0, 1) * 255).round().to(torch.uint8)
