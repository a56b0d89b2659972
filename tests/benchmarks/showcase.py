"""The pictures of the README, the covers of the apps and their posters, from what the product makes:
`uv run python tests/benchmarks/showcase.py [PART …]`, all if no part is named. Parts: painting, digits, random_fields,
volumes, restored, posters. Screenshots of the apps are made by `tests/benchmarks/opening.py --screenshots`."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from atelier.drawing import Frame, as_image, captioned, contact_sheet
from atelier.page.live import Live
from atelier.page.packing import hang, pack
from atelier.paths import ROOT, write_whole
from PIL import Image, ImageOps

GALLERY = ROOT / "data" / "gallery"
COVER_SIZE = 800, 420
ENDLESS = "Shell without end"
_MOMENTS = 1, 20, 60, 200, 3000
_DIGIT_STEPS = 1, 7, 11, 15, 20
_KNOT_STEPS = 20, 800
_SOLID_SEEDS = 2, 17, 32


def _cover(app: str, images: Sequence[Image.Image], **options: Any) -> None:
    """Central parts of pictures, side by side, where marimo looks for the picture of an app on its list of apps."""
    width, height = COVER_SIZE[0] // len(images), COVER_SIZE[1]
    sheet = Image.new("RGB", COVER_SIZE)
    for k, image in enumerate(images):
        sheet.paste(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS), (k * width, 0))
    _write(ROOT / "apps" / "__marimo__" / "assets" / app / "opengraph.png", sheet, **options)


def _write(path: Path, image: Image.Image, palette: bool = False, **options: Any) -> None:
    """A picture in the format of its ending; `palette` for pictures of few colours."""
    buffer = io.BytesIO()
    image = image.quantize(255, dither=Image.Dither.FLOYDSTEINBERG) if palette else image
    image.save(buffer, Image.registered_extensions()[path.suffix], **options)
    _report(write_whole(path, buffer.getvalue()))


def _report(path: Path) -> None:
    print(path.relative_to(ROOT), f"{path.stat().st_size / 1e3:.0f} kB")


def painting() -> None:
    """The Mona Lisa as the default network has her after a few steps and many."""
    from atelier import data, fields
    from atelier.fields.rendering import to_uint8

    picture = data.load_picture("mona_lisa")
    images, captions = [], []
    for step in fields.fit(fields.build(picture=picture), picture, steps=_MOMENTS[-1]):
        if step.step in _MOMENTS:
            found = step.measure()
            images.append(as_image(to_uint8(found.picture)))
            captions.append(f"step {step.step:,} · {found.psnr:.1f} dB")
    size = 198, round(198 * images[0].height / images[0].width)
    small = [np.asarray(image.resize(size, Image.Resampling.LANCZOS)) for image in images]
    sheet = Image.fromarray(captioned(small, captions))
    _write(GALLERY / "mona_lisa_learning.png", sheet, palette=True, optimize=True)
    _cover("painting_fitter", images, palette=True, optimize=True)


def volumes() -> None:
    """A knot as the default network has it after a few steps and many, and random fields in space."""
    from atelier import fields
    from atelier import volumes as room
    from atelier.cppn import FieldSpec

    def still(voxels: np.ndarray) -> np.ndarray:
        return room.march(voxels, look=room.suited_look(voxels), size=(196, 196))

    knot, tiles, captions = room.example(), [], []
    for step in fields.fit(fields.build(picture=knot), knot, steps=_KNOT_STEPS[-1]):
        if step.step in _KNOT_STEPS:
            tiles.append(still(room.network_voxels(step.network, knot.shape[:3])))
            captions.append(f"a volume learned, step {step.step:,} · {step.psnr:.1f} dB")
    for seed in _SOLID_SEEDS:
        tiles.append(still(room.bake(FieldSpec(seed=seed), 96)))
        captions.append(f"random field, seed {seed}")
    _write(GALLERY / "volumes.png", Image.fromarray(captioned(tiles, captions)), palette=True, optimize=True)


def digits() -> None:
    """Ten digits on their way out of noise, and the guidance sweep."""
    import torch
    from atelier import diffusion
    from atelier.diffusion.sheets import sheet

    model = diffusion.choose_model("shipped")
    steps = diffusion.draw(model, samples=10, sampling_steps=_DIGIT_STEPS[-1], seed=3)
    rows = [step.at.images for step in steps if step.at.step in _DIGIT_STEPS]
    emerging = Image.fromarray(sheet(torch.cat(rows), 10, 3))
    _write(GALLERY / "digits_emerging.png", emerging, optimize=True)
    _cover("digit_diffusion", [emerging], optimize=True)
    *_, last = diffusion.experiment(model, "sweep", steer_seed=3)
    _write(GALLERY / "guidance_sweep.png", Image.fromarray(last.picture), optimize=True)


def random_fields() -> None:
    """Pictures that were bred and kept in the explorer, and a zoom without end into one of them."""
    from atelier import animation, cppn

    kept = cppn.load_favourites(cppn.FileShelf(GALLERY / "random_fields.json"))
    pictures = [cppn.picture(found.spec, found.window, (320, 320), supersample=3) for found in kept.values()]
    _write(GALLERY / "random_fields.jpg", Image.fromarray(contact_sheet(pictures, 4, gap=6)), quality=88, subsampling=0)
    _cover("cppn_explorer", [Image.fromarray(contact_sheet(pictures[:8], 4, gap=6))])
    walk = cppn.walk_for("zoom", kept[ENDLESS])
    frames = (frame.pixels for frame in cppn.animate(walk, 48, (256, 256), supersample=2))
    list(animation.write(GALLERY / "random_field_zoom.webp", frames, 16))
    _report(GALLERY / "random_field_zoom.webp")


def restored() -> None:
    """A nine whose upper half is covered, and what it could be."""
    from atelier import diffusion, restoration

    *_, last = restoration.repair(diffusion.choose_model("shipped"), digit=20)
    pictures = restoration.panels(last, False).pictures
    shown = [as_image(pictures[name]) for name in ("measured", "samples", "mean")]
    _cover("restoration_lab", shown, optimize=True)


def _poster(name: str, frame: Frame) -> Path:
    """Store the first frame of a live canvas, to hang it before the library is there."""
    made = Live()
    pictures = made._take(frame, "WEBP")
    made.close()
    return hang(name, pack({"scene": made._layout, "frame": made._status}, pictures))


def posters() -> None:
    """The first picture of each app, which stands there until the live one comes."""
    from atelier import cppn, data, diffusion, fields, page, restoration

    model = diffusion.choose_model("shipped")
    *_, drawn = diffusion.draw(model, sampler="few4")  # the page's own default
    *_, steered = diffusion.experiment(model)
    _report(_poster("painting_fitter", fields.panels(fields.finished(data.load_picture("mona_lisa")))))
    _report(_poster("digit_diffusion", diffusion.panels(drawn)))
    _report(_poster("digit_steering", diffusion.steering_panels(steered)))
    *_, last = restoration.repair(model, digit=20)
    _report(_poster("restoration_lab", restoration.panels(last)))
    breeder = cppn.Breeder(cppn.begin())
    view = page.viewer({breeder.name: breeder.drawing}, spans="shorter")
    view.widget.draw(breeder.recipe.place, 512)
    siblings = page.gallery(breeder.choose)
    siblings.fill(breeder.breed(), total=cppn.LITTER)
    _report(hang("random_fields", view.widget.frame))
    _report(hang("random_fields_siblings", siblings.widget.frame))


PARTS = {part.__name__: part for part in (painting, digits, random_fields, volumes, restored, posters)}


def main() -> None:
    """Make what the command line names."""
    named = sys.argv[1:] or list(PARTS)
    unknown = [name for name in named if name not in PARTS]
    if unknown:
        sys.exit(f"showcase: there is no part {unknown[0]!r}; choose among {', '.join(PARTS)}.")
    for name in named:
        PARTS[name]()


if __name__ == "__main__":
    main()
