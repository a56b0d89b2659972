"""The painting fitter without a browser: train with a progress bar, write files, print one JSON object."""

import sys
from pathlib import Path
from typing import Any, TextIO

from atelier import figures
from atelier.data.download import DownloadError
from atelier.data.pictures import PAINTINGS, Picture, load_picture, painting_download
from atelier.fields import networks
from atelier.fields.fitting import FitStep
from atelier.fields.metrics import radial_spectrum
from atelier.fields.networks import NETWORKS
from atelier.painting.exports import comparison_png, training_gif
from atelier.painting.run import Run, train
from atelier.painting.settings import PaintingSettings
from atelier.paths import write_whole
from atelier.page.report import Report
from atelier.page.terminal import ProgressBar


def run_command(settings: PaintingSettings, words: TextIO | None = None) -> dict[str, Any]:
    """Fit, write GIF, comparison and checkpoint into `settings.out`, and give the summary that is printed last."""
    words = words or sys.stderr
    run = finished_run(settings, words)
    picture = run.picture
    out = Path(settings.out)
    name = Path(settings.picture).stem
    gif = write_whole(out / f"{name}.gif", drawn_gif(run))
    comparison = write_whole(out / f"{name}.png", comparison_png(picture.pixels, run.last, picture.title))
    checkpoint = networks.save(out / f"{name}.safetensors", run.network, run.spec, steps=run.step, seconds=run.seconds)
    files = [gif, comparison, checkpoint]
    if settings.report:
        files.append(report(settings, run).write(Path(settings.report)))
    return {
        "psnr": round(run.last.psnr, 3),
        "ssim": round(run.last.ssim, 5),
        **({"held_out_psnr": round(run.last.held_out_psnr, 3)} if run.last.held_out_psnr is not None else {}),
        "steps": run.step,
        "seconds": round(run.seconds, 3),
        "parameters": run.parameters,
        "values": run.values,
        "checkpoint_bytes": checkpoint.stat().st_size,
        "files": [str(path) for path in files],
    }


def finished_run(settings: PaintingSettings, words: TextIO | None = None) -> Run:
    """The run of the settings, exhausted, with a progress bar on the terminal."""
    words = words or sys.stderr
    bar = ProgressBar(words)

    def tell(step: FitStep) -> None:
        bar("training", step.progress, f"step {step.step:,}  loss {step.loss:.2e}  {step.seconds:.1f} s")

    return train(Run.from_settings(settings, fetch(settings, words)), tell)


def fetch(settings: PaintingSettings, words: TextIO) -> Picture:
    """The picture of the settings; a painting is downloaded if need be, and drawn by its network if that fails."""
    if settings.picture in PAINTINGS:
        try:
            for step in painting_download(settings.picture):
                print(f"\rdownloading {settings.picture}: {step.done / 1e6:.1f} MB", end="", file=words)
        except DownloadError as error:
            print(error, file=words)
    picture = load_picture(settings.picture, settings.size, settings.gray)
    if picture.note:
        print(picture.note, file=words)
    return picture


def drawn_gif(run: Run) -> bytes:
    *_, last = training_gif(run.picture.pixels, run.spec, run.recording.moments)
    return last.data


def report(settings: PaintingSettings, run: Run) -> Report:
    """The run as a page of its own."""
    jpeg, last, picture = run.jpeg(), run.last, run.picture
    page = Report(
        f"{picture.title}, learned by a network",
        f"{NETWORKS[run.spec.network].title} · {run.step:,} steps · {run.seconds:.1f} seconds of training",
    )
    numbers = {
        "PSNR": f"{last.psnr:.2f} dB",
        "SSIM": f"{last.ssim:.4f}",
        "parameters": f"{run.parameters:,}",
        "parameters ÷ values": f"{run.parameters / run.values:.2f}",
        "float32 weights": f"{run.bytes / 1e3:,.0f} kB",
        "best JPEG no larger": f"{jpeg.psnr:.2f} dB, {jpeg.size / 1e3:,.0f} kB" if jpeg.size <= run.bytes else "none",
    }
    if last.held_out_psnr is not None:
        numbers["held-out pixels"] = f"{last.held_out_psnr:.2f} dB"
    page.numbers(numbers)
    if picture.note:
        page.text(picture.note)
    page.pictures({f"{picture.title}, the network's, and the error": comparison_png(picture.pixels, last, "original")})
    page.heading("How it learned").text(
        "A coordinate network is a function from a place (x, y) to a colour. It never sees the picture as a whole: "
        "each step asks it for the colours of some pixels and nudges its weights towards the right answers."
    )
    page.pictures({"Original, the picture at each step, and the curves so far": drawn_gif(run)})
    page.drawing(figures.svg(figures.learning_curves(run.history)), "Loss, PSNR and SSIM over the steps")
    page.heading("What it has not learned").text(
        "The finest waves of a picture come last, and in a plain perceptron hardly at all: spectral bias. Where the "
        "network's line falls below the original's, detail of that fineness is missing."
    )
    spectra = {"original": radial_spectrum(picture.pixels), "network": radial_spectrum(last.picture)}
    page.drawing(figures.svg(figures.spectra(spectra)), "Power of the waves in both pictures")
    chosen = {
        k: str(v) for k, v in vars(settings).items() if v not in (None, "auto", "") and k not in ("out", "report")
    }
    page.heading("Settings").table(["setting", "value"], [[k.replace("_", " "), v] for k, v in chosen.items()])
    return page
