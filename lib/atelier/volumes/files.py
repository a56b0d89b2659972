"""Volumes as files of other tools, written slab by slab, and arrays read from files.

Each format is a header and one or two runs of plain numbers at known places, so a volume of any size is written with
the memory of a slab. ImageJ's TIFF is one hyperstack of the channels red, green, blue and density. VTK image data is
XML with raw appended data (VTK File Formats, "ImageData").
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from atelier.animation import Written, in_memory
from atelier.cppn.spec import FieldSpec
from atelier.errors import UserError
from atelier.paths import atomic_write, given_path, spare_file
from atelier.volumes.catalogue import ENDINGS, SIDE, Camera
from atelier.volumes.generating import Slab, check_voxels, generate, slabs_of, solid

MOST_VALUES = 1 << 29
"""Numbers of the largest array that is read: 2 GB as float32."""
_CLASSIC = (1 << 32) - (1 << 20)  # bytes that a TIFF with 32-bit offsets can hold, with room for its header
Size = tuple[int, int, int]


@dataclass(frozen=True)
class _Run:
    """Numbers of a file that lie in the order of the slices: where the first begins, the bytes of a slice, and how they
    are taken from voxels (d, H, W, 4)."""

    offset: int
    slice: int
    take: Callable[[np.ndarray], np.ndarray]


def write(path: str | Path, slabs: Iterable[Slab] | np.ndarray, spec: FieldSpec | None = None) -> Iterator[Written]:
    """Write a volume as .tif, .npy or .vti; yields after each slab.

    The file appears when the last slab is written. .npy and .vti hold (D, H, W, 4) and two arrays, colour and density.
    .tif holds the channels red, green, blue and density of each slice, for ImageJ and Fiji; above 4 GB, which ImageJ's
    own format cannot hold, it is an OME-TIFF.

    Args:
        slabs: of `generate`, or a volume (D, H, W, 4) uint8.
        spec: the field, to be named in the metadata of .tif.

    Raises:
        UserError: another ending, not a volume, a full disk.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"A volume is written as {', '.join(ENDINGS)}, and {path.name} is none of them.")
    begin = _BEGIN[path.suffix.lower()]
    runs: list[_Run] = []
    with atomic_write(path) as part:
        for slab in slabs_of(slabs) if isinstance(slabs, np.ndarray) else slabs:
            runs = runs or begin(part, slab.size, spec)
            with part.open("r+b") as file:
                for run in runs:
                    file.seek(run.offset + slab.z * run.slice)
                    file.write(np.ascontiguousarray(run.take(slab.voxels)).data)
            yield Written(slab.step, slab.size[0] + 1)
    yield Written(slab.size[0] + 1, slab.size[0] + 1)


def volume_file(
    spec: FieldSpec | np.ndarray,
    voxels: int | Sequence[int] = 128,
    ending: str = ".tif",
    *,
    envelope: str = "ball",
    path: Path | None = None,
) -> Iterator[Written]:
    """The volume of a field, or voxels (D, H, W, 4) uint8, as a file: at `path`, which the last step names, or in
    memory, with its bytes as the last step's `data`. Errors as `generate` and `write`."""
    given = isinstance(spec, np.ndarray)
    slabs = spec if given else generate(spec, voxels, envelope=envelope)

    def make(path: Path) -> Iterator[Written]:
        return write(path, slabs, None if given else spec)

    if not path:
        return in_memory(f"volume{ending}", make)
    return (replace(step, path=path) if step.progress == 1 else step for step in make(path))


def _begin_npy(path: Path, size: Size, spec: FieldSpec | None) -> list[_Run]:
    header = {"descr": "|u1", "fortran_order": False, "shape": (*size, 4)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        return [_Run(file.tell(), size[1] * size[2] * 4, lambda voxels: voxels)]


def _begin_tif(path: Path, size: Size, spec: FieldSpec | None) -> list[_Run]:
    import tifffile

    depth, height, width = size
    shape, spacing = (depth, 4, height, width), 2 / max(size)
    options = {"photometric": "minisblack", "resolution": (1 / spacing, 1 / spacing), "resolutionunit": "none"}
    names = ["red", "green", "blue", "density"]
    if np.prod(shape) < _CLASSIC:
        ramp, none = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)
        tables = [np.stack([ramp if i in on else none for i in range(3)]) for on in ((0,), (1,), (2,), (0, 1, 2))]
        about = {"axes": "ZCYX", "mode": "composite", "spacing": spacing, "unit": "", "LUTs": tables}
        about |= {"Labels": names * depth, "min": 0.0, "max": 255.0}
        if spec:
            about["Info"] = json.dumps(solid(spec).to_json())
        kind = {"imagej": True}
    else:
        about = {"axes": "ZCYX", "PhysicalSizeZ": spacing, "PhysicalSizeY": spacing, "PhysicalSizeX": spacing}
        about["Channel"] = {"Name": names}
        kind = {"ome": True, "bigtiff": True}
    with tifffile.TiffWriter(path, **kind) as tif:
        place = tif.write(None, shape=shape, dtype=np.uint8, returnoffset=True, metadata=about, **options)
    return [_Run(place[0], 4 * height * width, lambda voxels: voxels.transpose(0, 3, 1, 2))]


def _begin_vti(path: Path, size: Size, spec: FieldSpec | None) -> list[_Run]:
    depth, height, width = size
    spacing = 2 / max(size)
    extent = f"0 {width - 1} 0 {height - 1} 0 {depth - 1}"
    origin = " ".join(f"{(1 - side) / max(size):.10g}" for side in (width, height, depth))
    points = depth * height * width
    place = f'Origin="{origin}" Spacing="{spacing:.10g} {spacing:.10g} {spacing:.10g}"'
    head = (
        '<?xml version="1.0"?>\n'
        '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
        f'<ImageData WholeExtent="{extent}" {place}>\n<Piece Extent="{extent}">\n<PointData Scalars="density">\n'
        '<DataArray type="UInt8" Name="colour" NumberOfComponents="3" format="appended" offset="0"/>\n'
        f'<DataArray type="UInt8" Name="density" format="appended" offset="{8 + 3 * points}"/>\n'
        '</PointData>\n</Piece>\n</ImageData>\n<AppendedData encoding="raw">\n_'
    ).encode()
    with path.open("wb") as file:  # each array after its length
        file.write(head + (3 * points).to_bytes(8, "little"))
        colours = file.tell()
        file.seek(3 * points, 1)
        file.write(points.to_bytes(8, "little"))
        densities = file.tell()
        file.seek(points, 1)
        file.write(b"\n</AppendedData>\n</VTKFile>\n")
    area = height * width
    return [
        _Run(colours, 3 * area, lambda voxels: voxels[..., :3]),
        _Run(densities, area, lambda voxels: voxels[..., 3]),
    ]


_BEGIN: dict[str, Callable[[Path, Size, FieldSpec | None], list[_Run]]] = {
    ".tif": _begin_tif,
    ".npy": _begin_npy,
    ".vti": _begin_vti,
}


def read(source: str | Path | bytes, name: str = "The volume") -> np.ndarray:
    """Values (D, H, W, C) float32 in [0, 1] of a .npy file or a TIFF stack, or of the bytes of one that was called
    `name`, with 1 to 4 channels.

    Whole numbers are divided by the largest of their kind; other numbers that leave [0, 1] are stretched to it.
    Channels are the last axis, or axis C or S of a TIFF.

    Raises:
        UserError: no such file, another kind of file, no numbers, other dimensions, too large, not finite.
    """
    if isinstance(source, bytes):
        with spare_file(Path(name).name, source) as path:
            return read(path)
    path = given_path(source)
    if not path.is_file():
        raise UserError(f"There is no file {path.name}; check the path.")
    endings = {".npy": _read_npy, ".tif": _read_tif, ".tiff": _read_tif}
    if path.suffix.lower() not in endings:
        raise UserError(f"A volume is read from .npy, .tif or .tiff, and {path.name} is none of them.")
    return as_values(endings[path.suffix.lower()](path), path.name)


def as_values(found: np.ndarray, name: str = "The array") -> np.ndarray:
    """Any array (D, H, W) or (D, H, W, C) as `read` gives it. Raises UserError: as `read`."""
    if found.dtype.kind not in "uifb":
        raise UserError(f"{name} holds no real numbers ({found.dtype}); choose a volume of whole or real numbers.")
    if not found.size:
        raise UserError(f"{name} is empty; choose a volume with voxels in it.")
    _check_shape(found.shape, name)
    values = found if found.ndim == 4 else found[..., None]
    if values.dtype.kind in "ui":
        values = np.divide(values, np.float32(np.iinfo(values.dtype).max), dtype=np.float32)
    else:
        values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise UserError(f"{name} holds numbers that are not finite (NaN or infinity); replace them first.")
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if low < 0 or high > 1 else values


def _check_shape(shape: Sequence[int], name: str) -> None:
    if len(shape) not in (3, 4) or (len(shape) == 4 and not 1 <= shape[3] <= 4):
        raise UserError(
            f"{name} has the shape {tuple(shape)}, and a volume has (D, H, W) or (D, H, W, 1 to 4 channels)."
        )
    least, most = int(SIDE.low), int(SIDE.high)
    if not all(least <= side <= most for side in shape[:3]) or np.prod(shape, dtype=np.float64) > MOST_VALUES:
        raise UserError(
            f"{name} has the shape {tuple(shape)}, and each side may be from {least} to {most:,} voxels, with "
            f"{MOST_VALUES / 1e6:,.0f} million numbers in all; crop or shrink it first."
        )


def _read_npy(path: Path) -> np.ndarray:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise UserError(f"{path.name} is not a whole .npy file of numbers; save it again with numpy.save.") from None
    if isinstance(found, np.ndarray):
        return found
    raise UserError(f"{path.name} holds several arrays; save one of them with numpy.save.")


def _read_tif(path: Path) -> np.ndarray:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            if not tif.pages or not tif.series:
                raise ValueError
            series = tif.series[0]
            axes, shape = series.axes, series.shape
            if np.prod(shape, dtype=np.float64) > MOST_VALUES:
                _check_shape(shape if len(shape) in (3, 4) else (*shape[:3], 1), path.name)
            found = series.asarray()
    except UserError:
        raise
    except Exception:  # tifffile raises whatever a broken file leads it to
        raise UserError(f"{path.name} is empty or not a whole TIFF; choose a stack of pictures.") from None
    channel = next((axes.index(letter) for letter in "CS" if letter in axes), None)
    if len(shape) == 4 and channel is not None:
        found = np.moveaxis(found, channel, 3)
    return found


def pyvista_still(
    voxels: np.ndarray,
    camera: Camera = Camera(),  # noqa: B008
    size: tuple[int, int] = (400, 400),
) -> np.ndarray:
    """A volume (D, H, W, 4) uint8 as PyVista draws it, off screen, from where `march` would look: (H, W, 3) uint8.

    Raises:
        UserError: not a volume, or PyVista is missing.
    """
    try:
        import pyvista
    except ImportError:
        raise UserError("PyVista is missing; install it with: uv sync --extra volume") from None
    depth, height, width, _ = check_voxels(voxels).shape
    voxel = 2 / max(depth, height, width)
    origin = [-(side - 1) / 2 * voxel for side in (width, height, depth)]
    grid = pyvista.ImageData(dimensions=(width, height, depth), spacing=(voxel,) * 3, origin=origin)
    grid["voxels"] = voxels.reshape(-1, 4)
    _, down, forward = camera.basis()
    plotter = pyvista.Plotter(off_screen=True, window_size=list(size))
    plotter.set_background("black")
    plotter.add_volume(grid, scalars="voxels", show_scalar_bar=False)
    angle = camera.perspective or 1.0
    eye = 1 / math.tan(math.radians(angle) / 2)
    plotter.camera.position = [-eye * part for part in forward]
    plotter.camera.focal_point, plotter.camera.up = (0.0, 0.0, 0.0), [-part for part in down]
    plotter.camera.view_angle = angle / camera.zoom
    found = plotter.screenshot(return_img=True)
    plotter.close()
    return np.asarray(found)[..., :3]
