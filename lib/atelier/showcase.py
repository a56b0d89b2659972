"""The pictures of the README, the covers of the apps and their posters, from what the product makes:
`uv run python -m atelier.showcase [PART …]`, all but the screenshots if no part is named. Parts: painting, digits,
random_fields, posters, screenshots. Screenshots need playwright and Chromium."""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from atelier.drawing import as_image, captioned, contact_sheet
from atelier.paths import ROOT, write_whole

APPS = "painting_fitter", "digit_diffusion", "cppn_explorer"
GALLERY = ROOT / "data" / "gallery"
COVER_SIZE = 800, 420
SCREEN = {"width": 1280, "height": 800}
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-sync"),
)
ENDLESS = "Shell without end"
_MOMENTS = 1, 20, 60, 200, 3000
_DIGIT_STEPS = 1, 7, 11, 15, 20

# A live picture marks its root with data-state: "poster" from the start, "live" once its result is drawn. It is looked
# for in shadow roots, and counts when it is on screen and decoded.
REACHED = """(states) => {
    const shown = (element) => {
        const box = element.getBoundingClientRect();
        const pictures = [...element.querySelectorAll("img")];
        return box.width > 0 && box.height > 0 && box.top < innerHeight
            && pictures.every((picture) => picture.complete && picture.naturalWidth > 0);
    };
    const search = (root) => [...root.querySelectorAll("*")].some((element) =>
        (states.includes(element.dataset?.state) && shown(element))
        || (element.shadowRoot && search(element.shadowRoot)));
    return search(document);
}"""


@contextmanager
def served(app: str, limits: dict[str, str] | None = None) -> Iterator[str]:
    """The address of a freshly started server of an app; `limits` are more environment variables."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", f"{ROOT}/apps/{app}.py", "--headless", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env=os.environ | (limits or {}), cwd=ROOT, **quiet)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser, as playwright drives it."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


def screenshots(seconds: float = 6.0) -> None:
    """The first screen of each app, `seconds` after its live result came."""
    with chromium() as browser:
        for app in APPS:
            with served(app) as address:
                page = browser.new_page(viewport=SCREEN, color_scheme="light")
                page.goto(address, wait_until="commit")
                page.wait_for_function(REACHED, arg=["live"], timeout=120_000)
                page.wait_for_timeout(1000 * seconds)
                _write(GALLERY / f"{app}.webp", Image.open(io.BytesIO(page.screenshot())).convert("RGB"), quality=82)
                page.close()


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


def posters() -> None:
    """The first picture of each app, which stands there until the live one comes."""
    from atelier import cppn, data, diffusion, fields, page
    from atelier.page.live import write_poster
    from atelier.page.packing import hang

    model = diffusion.choose_model("shipped")
    *_, drawn = diffusion.draw(model)
    *_, steered = diffusion.experiment(model)
    _report(write_poster("painting_fitter", fields.panels(fields.finished(data.load_picture("mona_lisa")))))
    _report(write_poster("digit_diffusion", diffusion.panels(drawn)))
    _report(write_poster("digit_steering", diffusion.steering_panels(steered)))
    breeder = cppn.Breeder(cppn.begin())
    view = page.viewer({breeder.name: breeder.draw}, spans="shorter")
    view.widget.draw(breeder.place, 512)
    siblings = page.gallery(breeder.choose)
    siblings.fill(breeder.breed(), total=cppn.LITTER)
    _report(hang("random_fields", view.widget.frame))
    _report(hang("random_fields_siblings", siblings.widget.frame))


PARTS = {part.__name__: part for part in (painting, digits, random_fields, posters, screenshots)}


def main() -> None:
    """Make what the command line names."""
    named = sys.argv[1:] or [name for name in PARTS if name != "screenshots"]
    unknown = [name for name in named if name not in PARTS]
    if unknown:
        sys.exit(f"showcase: there is no part {unknown[0]!r}; choose among {', '.join(PARTS)}.")
    for name in named:
        PARTS[name]()


if __name__ == "__main__":
    main()
