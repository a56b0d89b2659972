"""The painting fitter's figures, in one run, with the reference perceptron and SIREN beside the default network.

ATELIER_DATA=... uv run python tests/benchmarks/painting.py fit      # PSNR after 4, 10 and 60 s
ATELIER_DATA=... uv run python tests/benchmarks/painting.py memory   # what a 4096 x 4096 render adds
ATELIER_DATA=... uv run python tests/benchmarks/painting.py live     # frames and slider in Chromium
"""

import argparse
import resource
import shutil
import subprocess
import sys
import time
import urllib.request

import atelier  # noqa: F401 (sets the OpenMP spin count before torch is loaded)
from atelier.data import painting_file, prepare, read_picture
from atelier.fields import Window, build, fit, load, parameter_count
from atelier.fields.rendering import render_steps
from atelier.paths import ROOT, WEIGHTS
from machines import twice

SIZE = 256


def square():
    """The middle square of Mona Lisa, 256 x 256 in colour: 196,608 values."""
    image = read_picture(painting_file("mona_lisa"))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return prepare(image.crop((left, top, left + side, top + side)), "Mona Lisa", SIZE).pixels


NETWORKS = {
    "default (hash grid, 0.9)": {"budget": 0.9},
    "hash grid, 0.48": {"budget": 0.48},
    "reference perceptron 4x128": {"network": "relu"},
    "SIREN 3x256": {"network": "siren"},
}


def fit_figures(asked):
    picture = square()
    times = "".join(f"{seconds:5g} s " for seconds in asked.seconds)
    print(f"{'network':28} {'parameters':>10} {'÷ values':>8} {times}  ms a step ({asked.seconds[-1]:g} s)")
    for name, options in NETWORKS.items():
        network = build(**options, picture=picture)
        cells = []
        for seconds in asked.seconds:
            *_, last = fit(network, picture, steps=None, seconds=seconds)
            cells.append(f"{last.psnr:7.2f}")
        count, pace = parameter_count(network), 1000 * last.seconds / last.step
        print(f"{name:28} {count:10,} {count / picture.numel():8.2f} {''.join(cells)}  {pace:.1f}", flush=True)


def memory_figures(asked):
    network = load(WEIGHTS / "mona_lisa.safetensors")
    for _ in render_steps(network, Window(), 256, 256):
        pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    for _ in render_steps(network, Window(), asked.side, asked.side):
        pass
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{asked.side} x {asked.side}: {added:.0f} MiB above the process, {time.perf_counter() - begin:.1f} s")


COUNT = """() => { let most = 0; const walk = (n) => n.querySelectorAll('*').forEach((e) => {
    most = Math.max(most, Number(e.dataset.frames || 0)); if (e.shadowRoot) walk(e.shadowRoot); });
    walk(document); return most; }"""


def live_figures(asked):
    from playwright.sync_api import sync_playwright

    port = "28741"
    app = str(ROOT / "apps" / "painting_fitter.py")
    server = subprocess.Popen([sys.executable, "-m", "marimo", "run", app, "--headless", "--port", port])
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--disable-gpu"]
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"http://127.0.0.1:{port}/?size={SIZE}&steps=50000")
            page.get_by_text("Running").first.wait_for(timeout=60_000)  # an address that asks for a run starts it
            page.wait_for_function(f"({COUNT})() > 15", timeout=60_000)
            first, begin = page.evaluate(COUNT), time.perf_counter()
            page.wait_for_timeout(10_000)
            rate = (page.evaluate(COUNT) - first) / (time.perf_counter() - begin)
            print(f"{rate:.1f} frames/s painted while training at {SIZE} pixels")
            slider = page.locator("marimo-slider", has_text="Learning rate").get_by_role("slider")
            delays = []
            for key in ("ArrowLeft", "ArrowRight") * 5:
                address = page.url
                begin = time.perf_counter()
                slider.press(key)
                page.wait_for_function("(old) => location.href !== old", arg=address, polling=5)
                delays.append(time.perf_counter() - begin)
                page.wait_for_timeout(300)
            delays.sort()
            print(f"a slider is answered by the kernel after {1000 * delays[len(delays) // 2]:.0f} ms (median of 10)")
            browser.close()
    finally:
        server.terminate()
        server.wait()


PARTS = {"fit": fit_figures, "memory": memory_figures, "live": live_figures}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--seconds", type=float, nargs="+", default=[4, 10, 60], help="fit: training times")
    parser.add_argument("--side", type=int, default=4096, help="memory: pixels along a side")
    asked = parser.parse_args()
    twice()
    PARTS[asked.part](asked)
