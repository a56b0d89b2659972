"""What a run looks like: pure functions of a step."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor, nn

from atelier import figures
from atelier.drawing import Chart, Frame, Line
from atelier.fields.fitting import FitStep, Measure, rendered
from atelier.fields.history import Moment
from atelier.fields.inside import station_maps, unit_sheet
from atelier.fields.metrics import decibels, jpeg_of_size, psnr, radial_spectrum
from atelier.fields.networks import as_field, parameter_count
from atelier.fields.rendering import to_uint8

_FLOW_SIDE = 40
_CHARTS = (Chart("Loss", digits=4, log=True), Chart("PSNR", unit="dB"), Chart("SSIM", digits=4))
_SCALES = (0.01, 0.02, 0.05, 0.1, 0.2)
_INSIDE = {"most": 16, "side": 56, "columns": 6, "rows": 4}


def panels(step: FitStep, full: bool = True) -> Frame:
    """Original, network and error, the curves so far, and what passes through the network; with `full` false only the
    network's picture."""
    counted = {"step": step.step, "total": step.total, "seconds": step.seconds, "note": step.note or _time_left(step)}
    if not full:
        return Frame({"network": to_uint8(step.render())}, **counted)
    measure, original = step.measure(), step.picture
    error, scale = error_picture(measure, original)
    caption = f"network · {decibels(measure.psnr)}"
    if measure.held_out_psnr is not None:
        caption += f", held-out pixels {measure.held_out_psnr:.1f} dB"
    curves = step.history.curves
    charts = [
        Chart(c.title, [Line(list(curves["step"]), list(curves[c.title.lower()]))], c.unit, c.digits, c.log)
        for c in _CHARTS
    ]
    return Frame(
        {"original": to_uint8(original), "network": to_uint8(measure.picture), "error": error},
        {"original": step.title, "network": caption, "error": f"error: black is none, yellow {scale:g} or more"},
        charts,
        flow_pictures(step.trained, original.shape[1] / original.shape[0]),
        **counted,
    )


def _time_left(step: FitStep) -> str:
    left = step.seconds * (1 / step.progress - 1)
    if left < 5:
        return ""
    return f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left"


def error_picture(measure: Measure, original: Tensor) -> tuple[np.ndarray, float]:
    """The error in colours, (H, W, 3) uint8, and the mean absolute difference that is yellow: 0.2, or less where the
    error is so small that the map would be black."""
    rms = 10 ** (-measure.psnr / 20)
    scale = next((scale for scale in _SCALES if scale >= 8 * rms), _SCALES[-1])
    return figures.error_map(measure.picture.numpy(), original.cpu().numpy(), scale), scale


def flow_pictures(network: nn.Module, aspect: float) -> dict[str, np.ndarray]:
    """A small picture for each station of a network: its liveliest units in two rows, the colours at the end."""
    pictures = {}
    for name, maps in station_maps(network, aspect, _FLOW_SIDE).items():
        if name == "colour":
            pictures[name] = to_uint8(maps.clamp(0, 1).permute(1, 2, 0))
        elif name == "coordinates":
            pictures["coordinates x, y"] = unit_sheet(maps, columns=1, rows=2)
        else:
            pictures[name] = unit_sheet(maps, columns=3, rows=2)
    return pictures


def look_inside(step: FitStep) -> Iterator[Frame]:
    """The picture and the units of every layer at moments of the run, the newest last."""
    moments = [moment for moment in step.history.moments if moment.step < step.step]
    picks = np.linspace(0, len(moments) - 1, min(_INSIDE["most"] - 1, len(moments))).round().astype(int)
    for moment in [moments[k] for k in sorted(set(picks.tolist()))]:
        yield _inside(step, network_at(step, moment), moment.step, moment.seconds)
    yield _inside(step, step.network, step.step, step.seconds)


def network_at(step: FitStep, moment: Moment) -> nn.Module:
    """A copy of the network as it was at a moment of the run."""
    return moment.restore(copy.deepcopy(step.trained).cpu())


def _inside(step: FitStep, network: nn.Module, number: int, seconds: float) -> Frame:
    columns, rows = _INSIDE["columns"], _INSIDE["rows"]
    original = step.picture.cpu()
    stations = station_maps(network, original.shape[1] / original.shape[0], _INSIDE["side"])
    now = picture_of(network, original)
    pictures, captions = {"picture": to_uint8(now)}, {"picture": f"{decibels(psnr(now, original))}"}
    for name, maps in stations.items():
        if name not in ("coordinates", "colour"):
            high = min(rows, -(-len(maps) // columns))
            pictures[name] = unit_sheet(maps, columns, high, gap=2)
            captions[name] = f"{name}: {min(len(maps), columns * high)} of {len(maps)} units"
    return Frame(pictures, captions, step=number, total="steps", seconds=seconds)


def picture_of(network: nn.Module, picture: Tensor) -> Tensor:
    """What a network draws at the size of a picture: (H, W, C) in [0, 1]."""
    return rendered(as_field(network), picture)


def honest_numbers(step: FitStep) -> dict[str, str]:
    """What the network costs beside what it gives, and what a JPEG of that size would give."""
    count, values = parameter_count(step.network), step.picture.numel()
    size = 4 * count
    jpeg = jpeg_of_size(step.picture.cpu(), size)
    rival = f"{decibels(jpeg.psnr)} at {jpeg.size / 1e3:,.0f} kB" if jpeg.size <= size else "none is so small"
    return {
        "Network": f"{decibels(step.measure().psnr)} at {size / 1e3:,.0f} kB",
        "Best JPEG of at most that size": rival,
        "Parameters": f"{count:,}",
        "Parameters ÷ picture values": f"{count / values:.2f}",
    }


def spectrum(step: FitStep) -> str:
    """The power of the picture's waves beside the network's, as an SVG element."""
    curves = {"the picture": radial_spectrum(step.picture.cpu()), "the network": radial_spectrum(step.render())}
    return figures.svg(figures.spectra(curves))


def summary(step: FitStep) -> dict[str, Any]:
    """The figures of a run, as a script prints them."""
    found = step.measure()
    figures = {"psnr": found.psnr, "ssim": found.ssim, "held_out_psnr": found.held_out_psnr, "seconds": step.seconds}
    return {
        **{name: round(value, 5) for name, value in figures.items() if value is not None and math.isfinite(value)},
        "steps": step.step,
        "parameters": parameter_count(step.network),
        "values": step.picture.numel(),
    }
