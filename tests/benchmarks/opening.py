"""How long a visitor waits: from the request for an app to the first poster on screen, and to the live result.

`uv run python tests/benchmarks/opening.py [APP ...] [--native | --avx2] [--repeats N]` starts a cold `marimo run`
server for each app in turn and visits it twice in headless Chromium, the second time while the server is warm. By
default everything is measured twice: natively, and with torch's libraries limited to AVX2 as on an older processor.
With `--screenshots` it measures nothing and stores the first screen of each app in data/gallery.
"""

import argparse
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
from statistics import median

from atelier.paths import ROOT
from machines import AVX2, processor
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

PATIENCE = 120_000  # ms
SCREEN = {"width": 1280, "height": 800}
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

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
def chromium(*flags: str) -> Iterator[Browser]:
    """A headless browser, as playwright drives it."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def visit(browser: Browser, address: str) -> tuple[float, float]:
    """Seconds from the request to the poster and to the live result."""
    context = browser.new_context(viewport=SCREEN)
    page = context.new_page()
    try:
        start = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.wait_for_function(REACHED, arg=["poster", "live"], timeout=PATIENCE)
        poster = time.perf_counter() - start
        page.wait_for_function(REACHED, arg=["live"], timeout=PATIENCE)
        return poster, time.perf_counter() - start
    finally:
        context.close()


def measure(browser: Browser, app: str, limits: dict[str, str], repeats: int) -> None:
    """Print the medians of both visitors."""
    times = []
    for _ in range(repeats):
        with served(app, limits) as address:
            times.append((*visit(browser, address), *visit(browser, address)))
    cells = (f"{median(column):.1f}" for column in zip(*times, strict=True))
    print(f"| {app} | {'AVX2' if limits else 'native'} | {' | '.join(cells)} |", flush=True)


def screenshots(browser: Browser, apps: Sequence[str], seconds: float = 6.0) -> None:
    """Store the first screen of each app, `seconds` after its live result came."""
    for app in apps:
        with served(app) as address:
            page = browser.new_page(viewport=SCREEN, color_scheme="light")
            page.goto(address, wait_until="commit")
            page.wait_for_function(REACHED, arg=["live"], timeout=PATIENCE)
            page.wait_for_timeout(1000 * seconds)
            image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            image.save(ROOT / "data" / "gallery" / f"{app}.webp", quality=82)
            page.close()


def main() -> None:
    """Parse the command line and print one table."""
    apps = sorted(path.stem for path in (ROOT / "apps").glob("*.py"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users' machines keep bytecode
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("app", nargs="*", help=f"of {', '.join(apps)} (default: all)")
    parser.add_argument("--native", action="store_true", help="only as the processor is")
    parser.add_argument("--avx2", action="store_true", help="only limited to AVX2")
    parser.add_argument("--repeats", type=int, default=1, help="cold starts per app; medians are printed")
    parser.add_argument("--screenshots", action="store_true", help="only store the first screens")
    asked = parser.parse_args()
    if unknown := set(asked.app) - set(apps):
        parser.error(f"there is no app {min(unknown)}; choose from {', '.join(apps)}")
    if asked.screenshots:
        with chromium() as browser:
            screenshots(browser, asked.app or apps)
        return
    print(f"{processor()}; seconds from the request, median of {asked.repeats}\n")
    print("| app | instructions | first visitor: poster | live | second visitor: poster | live |")
    print("|---|---|---|---|---|---|", flush=True)
    with chromium() as browser:
        for app in asked.app or apps:
            for limits in [*([{}] if not asked.avx2 else []), *([AVX2] if not asked.native else [])]:
                measure(browser, app, limits, asked.repeats)


if __name__ == "__main__":
    main()
