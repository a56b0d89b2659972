"""MNIST, Fashion-MNIST and KMNIST, each as one uint8 tensor; digits drawn from fonts as a stand-in.

Files in torchvision's layout (`MNIST/raw/…`, plain or .gz) are checked before use, and fetched again if they are
missing or damaged. Without a network, digits rendered from matplotlib's fonts stand in, and the note says so.
"""

import functools
import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from atelier.data.catalogue import DATASETS, FONTS
from atelier.data.download import download
from atelier.errors import UserError
from atelier.paths import cache_dir, data_dirs
from atelier.settings import Number

SIZE = 28
SPLITS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Digits:
    """Images with their labels. The tensors are shared by all callers: read them only."""

    title: str
    images: Tensor  # (N, 28, 28) uint8, white on black
    labels: Tensor  # (N,) int64
    classes: tuple[str, ...]  # the names of the labels
    stand_in: bool = False
    note: str = ""  # a sentence where files were damaged or digits from fonts stand in


class Damaged(Exception):
    """A file exists, but its content is wrong."""


def load_digits(
    name: str = "mnist", split: str = "train", *, download: bool = True, stand_in_size: int | None = None
) -> Digits:
    """The data set called `name` ("mnist", "fashion", "kmnist" or "fonts"): found, fetched or replaced.

    Every call looks for the files anew, so that real digits replace the stand-in as soon as they arrive; files that
    did not change are not read again.

    Args:
        split: "train" (60,000 images) or "test" (10,000).
        download: whether the network may be used.
        stand_in_size: number of font digits if they have to stand in (default 20,000 / 4,000).

    Raises:
        UserError: an unknown name or split.
    """
    if name not in DATASETS:
        raise UserError(f"There is no data set {name!r}; choose one of {', '.join(DATASETS)}.")
    if split not in SPLITS:
        raise UserError(f"There is no split {split!r}; choose train or test.")
    size, seed = stand_in_size or (20_000 if split == "train" else 4_000), 0 if split == "train" else 1
    if name == FONTS:
        return font_digits(size, seed=seed)
    dataset, (stem, count), notes = DATASETS[name], SPLITS[split], []
    try:
        images, labels = (
            _file(name, f"{stem}-{kind}-ubyte", count, notes, download) for kind in ("images-idx3", "labels-idx1")
        )
    except UserError as error:
        note = f"{dataset.title} is not on this machine, so digits from fonts stand in. {error}"
        return replace(font_digits(size, seed=seed), note=note)
    return Digits(dataset.title, images, labels, dataset.classes, note=" ".join(notes))


def _file(name: str, file: str, count: int, notes: list[str], may_download: bool) -> Tensor:
    """The first good copy of a file of a data set, else a fresh download of it."""
    dataset, packed = DATASETS[name], f"{file}.gz"
    # Packed files always have a published checksum, so they go first if the plain one's is not known.
    names = (file, packed) if file in dataset.plain_md5 else (packed, file)
    for path in (folder / dataset.folder / "raw" / each for folder in data_dirs() for each in names):
        if path.is_file():
            try:
                return _read(name, path, path.stat().st_mtime_ns, count)
            except Damaged as error:
                notes.append(f"{path.name} was damaged ({error}) and is not used.")
    if not may_download:
        raise UserError("Nothing was downloaded.")
    mirrors, target = [mirror + packed for mirror in dataset.mirrors], cache_dir() / dataset.folder / "raw" / packed
    download(mirrors, target, md5=dataset.packed_md5[file], most_bytes=_MOST_BYTES)
    return _read(name, target, target.stat().st_mtime_ns, count)


@functools.lru_cache(6)  # three data sets, of which one keeps 47 MB
def _read(name: str, path: Path, modified: int, count: int) -> Tensor:
    """The tensor in an idx file, plain or gzip: images (count, 28, 28) uint8, labels (count,) int64. It is read once
    for all visitors, as long as its time of modification stays the same.

    Raises:
        Damaged: a wrong checksum, magic number, size or label.
    """
    packed = path.suffix == ".gz"
    sums = DATASETS[name].packed_md5 if packed else DATASETS[name].plain_md5
    wanted = sums.get(path.name.removesuffix(".gz"))
    try:
        data = path.read_bytes()
        if wanted is not None and hashlib.md5(data, usedforsecurity=False).hexdigest() != wanted:
            raise Damaged("wrong checksum")
        data = gzip.decompress(data) if packed else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Damaged("not a whole gzip file") from error
    except OSError as error:
        raise Damaged(f"cannot be read: {error}") from error
    return _parse(data, count, "images" in path.name)


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
    return tensor if images else tensor.long()


@functools.lru_cache(2)
def font_digits(n: int, *, seed: int = 0) -> Digits:
    """`n` digits from the fonts that matplotlib ships, each under a random affine map and a small elastic
    distortion (Simard et al. 2003). Same seed, same digits; labels run through 0 … 9.

    Raises:
        UserError: n outside 1 to 200,000.
    """
    n = Number(1, 200_000, whole=True).check("The number of font digits", n)
    glyphs = _glyphs()  # (10, fonts, 56, 56)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 10
    fonts = torch.randint(glyphs.shape[1], (n,), generator=generator)
    parts = [_distort(glyphs[labels[i : i + 1000], fonts[i : i + 1000]], generator) for i in range(0, n, 1000)]
    title = "Digits from fonts (a stand-in for MNIST)"
    return Digits(title, torch.cat(parts), labels, DATASETS[FONTS].classes, stand_in=True)


def _glyphs() -> Tensor:
    """(10, fonts, 56, 56) float in [0, 1]: every digit in every text font matplotlib ships, about 40 high."""
    import matplotlib

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
    grid = F.affine_grid(torch.stack(rows, 1).view(n, 2, 3), [n, 1, SIZE, SIZE], align_corners=False)
    bumps = 0.12 * torch.randn(n, 2, 5, 5, generator=generator)
    bumps = F.interpolate(bumps, (SIZE, SIZE), mode="bicubic", align_corners=True)
    grid = grid + 0.6 * bumps.permute(0, 2, 3, 1)  # (N, 28, 28, 2)
    drawn = F.grid_sample(glyphs[:, None], grid, align_corners=False)
    return (drawn[:, 0].clamp(0, 1) * 255).round().to(torch.uint8)
