"""Pictures and figures of a run: pure functions of a step."""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from atelier import figures
from atelier.drawing import Chart, Frame, Line, contact_sheet
from atelier.fields.fitting import FitStep, Measure, rendered
from atelier.fields.history import Moment
from atelier.fields.metrics import decibels, jpeg_of_size, psnr, radial_spectrum
from atelier.fields.networks import as_field, parameter_count
from atelier.fields.plane import fitted_size, whole
from atelier.fields.rendering import to_uint8
from atelier.steps import time_left

_FLOW_SIDE, _INSIDE_SIDE = 40, 56
_COLUMNS, _ROWS = 6, 4
_MOST_MOMENTS = 16
_GROUND = 128
_CHARTS = (Chart("Loss", digits=4, log=True), Chart("PSNR", unit="dB"), Chart("SSIM", digits=4))
_SCALES = (0.01, 0.02, 0.05, 0.1, 0.2)


def panels(step: FitStep, full: bool = True) -> Frame:
    """Original, network and error, the curves so far, and the values inside the network; with `full` false only the
    network's picture."""
    counted = {
        "step": step.step,
        "total": step.total,
        "seconds": step.seconds,
        "note": step.note or time_left(step.seconds, step.progress),
    }
    if not full:
        return Frame({"network": to_uint8(step.render())}, **counted)
    measure, original = step.measure(), step.picture
    error, scale = error_picture(measure, original)
    caption = f"network · {decibels(measure.psnr)}"
    if measure.held_out_psnr is not None:
        caption += f", held-out pixels {measure.held_out_psnr:.1f} dB"
    return Frame(
        {"original": to_uint8(original), "network": to_uint8(measure.picture), "error": error},
        {"original": step.title, "network": caption, "error": f"error: black is none, yellow {scale:g} or more"},
        charts(step),
        flow_pictures(step.trained, step.aspect),
        **counted,
    )


def charts(step: FitStep) -> list[Chart]:
    """The curves so far: loss, PSNR, SSIM."""
    curves = step.history.curves
    return [replace(c, lines=[Line(list(curves["step"]), list(curves[c.title.lower()]))]) for c in _CHARTS]


def error_picture(measure: Measure, original: Tensor) -> tuple[np.ndarray, float]:
    """The error in colours, (H, W, 3) uint8, and the mean absolute difference that is yellow: 0.2, or less where the
    error is so small that the map would be black."""
    import matplotlib

    rms = 10 ** (-measure.psnr / 20)
    scale = next((scale for scale in _SCALES if scale >= 8 * rms), _SCALES[-1])
    error = np.abs(measure.picture.numpy() - original.cpu().numpy()).mean(-1) / scale
    colours = matplotlib.colormaps["inferno"](error.clip(0, 1))[..., :3]
    return (colours * 255).round().astype(np.uint8), scale


@torch.inference_mode()
def station_maps(network: nn.Module, aspect: float, longer: int) -> dict[str, Tensor]:
    """Values of every unit of every station on a small grid: name -> (F, H, W) float32, H and W at most `longer`, in
    the picture's shape."""
    field = as_field(network).eval()
    height, width = (max(2, side) for side in fitted_size(aspect, 1.0, longer))
    ys, xs = (axis.to(field.device) for axis in whole(height, width))
    return {name: values.float().cpu().T.reshape(-1, height, width) for name, values in field.stages(ys, xs)}


def unit_sheet(maps: Tensor, columns: int, rows: int, gap: int = 1) -> np.ndarray:
    """The units of a station with the largest variance as one gray picture, in their own order, each stretched to its
    own range: maps (F, H, W) -> (rows·(H + gap) - gap, columns·(W + gap) - gap) uint8."""
    count = min(len(maps), rows * columns)
    chosen = maps.flatten(1).var(1).nan_to_num().topk(count).indices.sort().values
    low, high = (extreme[:, None, None] for extreme in maps[chosen].nan_to_num().flatten(1).aminmax(dim=1))
    gray = ((maps[chosen].nan_to_num() - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8).numpy()
    blank = np.full(maps.shape[1:], _GROUND, np.uint8)
    return contact_sheet([*gray, *[blank] * (rows * columns - count)], columns, gap, _GROUND)


def flow_pictures(network: nn.Module, aspect: float) -> dict[str, np.ndarray]:
    """A small picture for each station of a network: six of its units, and the colours at the end."""
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
    picks = np.linspace(0, len(moments) - 1, min(_MOST_MOMENTS - 1, len(moments))).round().astype(int)
    for moment in [moments[k] for k in sorted(set(picks.tolist()))]:
        yield _inside(step, network_at(step, moment), moment.step, moment.seconds)
    yield _inside(step, step.network, step.step, step.seconds)


def network_at(step: FitStep, moment: Moment) -> nn.Module:
    """A copy of the network as it was at a moment of the run."""
    return moment.restore(copy.deepcopy(step.trained).cpu())


def _inside(step: FitStep, network: nn.Module, number: int, seconds: float) -> Frame:
    original = step.picture.cpu()
    now = rendered(network, original)
    pictures, captions = {"picture": to_uint8(now)}, {"picture": decibels(psnr(now, original))}
    for name, maps in station_maps(network, step.aspect, _INSIDE_SIDE).items():
        if name not in ("coordinates", "colour"):
            rows = min(_ROWS, -(-len(maps) // _COLUMNS))
            pictures[name] = unit_sheet(maps, _COLUMNS, rows, gap=2)
            captions[name] = f"{name}: {min(len(maps), _COLUMNS * rows)} of {len(maps)} units"
    return Frame(pictures, captions, step=number, total=f"step {number:,}", seconds=seconds)


def honest_numbers(step: FitStep) -> dict[str, str]:
    """PSNR and size of the network at this step, and the PSNR of a JPEG of that size."""
    count, values = parameter_count(step.network), step.picture.numel()
    size = 4 * count
    jpeg_size, jpeg_psnr = jpeg_of_size(step.picture.cpu(), size)
    rival = f"{decibels(jpeg_psnr)} at {jpeg_size / 1e3:,.0f} kB" if jpeg_size <= size else "none is so small"
    steps = "1 step" if step.step == 1 else f"{step.step:,} steps"
    return {
        f"Network after {steps}": f"{decibels(step.measure().psnr)} at {size / 1e3:,.0f} kB",
        "Best JPEG of at most that size": rival,
        "Parameters": f"{count:,}",
        "Parameters ÷ picture values": f"{count / values:.2g}",
    }


def spectrum(step: FitStep) -> str:
    """Mean power by spatial frequency, of the picture and of the network, as an SVG element."""
    made, ax = figures.figure(6.4, 3.2)
    lines = {"the picture": (figures.INK, step.picture.cpu()), "the network": (figures.COLOURS[0], step.render())}
    for name, (colour, picture) in lines.items():
        ax.loglog(*map(Tensor.numpy, radial_spectrum(picture)), color=colour, linewidth=1.6, label=name)
    ax.set(xlabel="waves across the picture", ylabel="power")
    ax.legend(frameon=False, fontsize=9, labelcolor=figures.INK)
    return figures.svg(made)


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
