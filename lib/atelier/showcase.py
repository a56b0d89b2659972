"""Draw the pictures of the README and the covers of the apps, from what the product makes:
`uv run python -m atelier.showcase`."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from atelier.data.pictures import load_picture
from atelier.diffusion.sampling import sample
from atelier.digits import sheets
from atelier.digits.models import shipped_model
from atelier.digits.settings import DigitSettings
from atelier.digits.steer_studio import Steering, sweep
from atelier.explorer import drawings
from atelier.explorer.exports import walk_for
from atelier.explorer.studio import jpeg
from atelier.cppn import favourites
from atelier.cppn.animation import animate, write
from atelier.cppn.rendering import picture
from atelier.painting.exports import as_image, captioned
from atelier.painting.run import Run
from atelier.painting.settings import PaintingSettings
from atelier.paths import ROOT, write_whole
from atelier.page.packing import encode_picture

GALLERY = ROOT / "data" / "gallery"
COVER_SIZE = 800, 420
ENDLESS = "Shell without end"
_MOMENTS = 1, 20, 60, 200, 3000
_DIGIT_STEPS = 1, 7, 11, 15, 20


def cover(app: str) -> Path:
    """Where marimo looks for the picture of an app on the page that lists the apps."""
    return ROOT / "apps" / "__marimo__" / "assets" / app / "opengraph.png"


def painting() -> None:
    """The Mona Lisa as the default network has her after a few steps and many."""
    run = Run.from_settings(PaintingSettings(steps=_MOMENTS[-1]), load_picture("mona_lisa", 384))
    images, captions = [], []
    for step in run.steps():
        if step.step in _MOMENTS:
            found = step.measure()
            height, width = found.picture.shape[:2]
            images.append(as_image(found.picture, height, width))
            captions.append(f"step {step.step:,} · {found.psnr:.1f} dB")
    small = [image.resize((198, round(198 * height / width)), Image.Resampling.LANCZOS) for image in images]
    _write(GALLERY / "mona_lisa_learning.png", captioned(small, captions))
    _write(cover("painting_fitter"), _side_by_side(images))


def digits() -> None:
    """Ten digits on their way out of noise, and the guidance sweep."""
    model, settings = shipped_model(), DigitSettings()
    rows = [
        step.images
        for step in sample(model.denoiser, torch.arange(10), steps=_DIGIT_STEPS[-1], guidance=settings.guide(), seed=3)
        if step.step in _DIGIT_STEPS
    ]
    emerging = Image.fromarray(sheets.sheet(torch.cat(rows), 10, 3))
    _write(GALLERY / "digits_emerging.png", emerging)
    _write(cover("digit_diffusion"), _covering(emerging))
    *_, last = sweep(model, Steering(seed=3))
    _write(GALLERY / "guidance_sweep.png", Image.fromarray(last.picture))


def random_fields() -> None:
    """Pictures that were bred and kept in the explorer, which opens their recipes as favourites; and a zoom without
    end into one of them."""
    kept = favourites.load(favourites.FileShelf(GALLERY / "random_fields.json"))
    pictures = [picture(found.spec, found.window, (320, 320), supersample=3) for found in kept.values()]
    _report(write_whole(GALLERY / "random_fields.jpg", jpeg(drawings.sheet(pictures, 4), quality=88)))
    half = _covering(Image.fromarray(drawings.sheet(pictures[:8], 4)))
    _report(write_whole(cover("cppn_explorer"), encode_picture(np.asarray(half))))  # too many colours for a palette
    loop = GALLERY / "random_field_zoom.webp"
    for _ in write(loop, animate(walk_for("zoom", kept[ENDLESS]), 48, (256, 256), supersample=2), 16):
        pass
    _report(loop)


def _side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """The middles of pictures of one thing, as strips of one cover."""
    width, height = COVER_SIZE
    sheet, strip = Image.new("RGB", COVER_SIZE), width // len(images)
    for k, image in enumerate(images):
        sheet.paste(_covering(image, (strip, height)), (k * strip, 0))
    return sheet


def _covering(image: Image.Image, size: tuple[int, int] = COVER_SIZE) -> Image.Image:
    """The largest middle part of this shape, at this size."""
    scale = max(size[0] / image.width, size[1] / image.height)
    left, top = (image.width - size[0] / scale) / 2, (image.height - size[1] / scale) / 2
    box = left, top, image.width - left, image.height - top
    return image.resize(size, Image.Resampling.LANCZOS, box)


def _write(path: Path, image: Image.Image) -> None:
    buffer = io.BytesIO()
    colours = image if image.mode == "L" else image.quantize(255, dither=Image.Dither.FLOYDSTEINBERG)
    colours.save(buffer, "PNG", optimize=True)
    _report(write_whole(path, buffer.getvalue()))


def _report(path: Path) -> None:
    print(path.relative_to(ROOT), f"{path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    painting()
    digits()
    random_fields()
