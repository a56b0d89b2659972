"""A race: several networks learn the same picture for equal seconds of processor time."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from atelier.data.pictures import Picture
from atelier.drawing import Chart, Frame, Line
from atelier.errors import UserError
from atelier.fields.fitting import FitError, FitStep, fit
from atelier.fields.metrics import decibels
from atelier.fields.networks import parameter_count, pixels_of
from atelier.fields.rendering import to_uint8

MOST_RUNNERS = 4
_MEASURES = 24


@dataclass
class Runner:
    """The state of one network, as last measured."""

    parameters: int
    seconds: float = 0.0  # of processor time
    step: int = 0
    psnr: float = 0.0  # dB
    ssim: float = 0.0
    picture: Tensor | None = field(default=None, repr=False)  # (H, W, C)
    curve: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []), repr=False)  # seconds, dB
    error: str = ""  # the sentence that ended its race

    def measured(self, step: FitStep) -> None:
        """Take over the figures of a step."""
        found, curves = step.measure(), step.history.curves
        self.seconds, self.step, self.psnr, self.ssim = step.seconds, step.step, found.psnr, found.ssim
        self.picture, self.curve = found.picture, (curves["seconds"], curves["psnr"])


@dataclass(frozen=True)
class Lap:
    """A moment of a race."""

    step: int  # steps of all runners
    progress: float  # in [0, 1]
    seconds: float  # of all runners
    newest: str  # the runner that was measured just now
    runners: Mapping[str, Runner] = field(repr=False)
    picture: Tensor = field(repr=False)


def race(
    networks: Mapping[str, nn.Module], picture: Picture | Tensor, *, seconds: float = 5.0, **training: Any
) -> Iterator[Lap]:
    """Let every network learn a picture for `seconds` of processor time; yields a lap after each measurement.

    The runner with the least time used goes next, so all curves grow together. Time is that of this thread with one
    torch thread, measuring excluded: other work on the machine makes the race longer, not unfair. A runner that
    fails drops out with an error and keeps the figures that were measured last.

    Args:
        networks: name -> any module that `fit` takes; one to four. training: other arguments of `fit`.

    Raises:
        UserError: no network, or more than four.
    """
    if not 1 <= len(networks) <= MOST_RUNNERS:
        raise UserError(f"A race needs one to {MOST_RUNNERS} networks, and {len(networks)} are chosen.")
    training = training | {"seconds": seconds, "steps": None, "memory": 0, "clock": time.thread_time}
    runs = {name: fit(network, picture, **training) for name, network in networks.items()}
    runners = {name: Runner(parameter_count(network)) for name, network in networks.items()}
    used, due = dict.fromkeys(runs, 0.0), dict.fromkeys(runs, 0.0)
    count = 0
    while runs:
        name = min(runs, key=used.__getitem__)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            step = next(runs[name])
        except FitError as error:
            step, runners[name].error = None, str(error)
        finally:
            torch.set_num_threads(threads)
        if step:
            count += 1
            used[name] = step.seconds
            if step.seconds < due[name] and step.progress < 1:
                continue
            due[name] = step.seconds + max(seconds / _MEASURES, step.seconds / 5)  # the curve is steep at first
            runners[name].measured(step)
        if step is None or step.progress == 1:
            del runs[name]
        progress = min((used[each] / seconds for each in runs), default=1.0)
        yield Lap(count, min(progress, 1.0), sum(used.values()), name, runners, pixels_of(picture))


def race_panels(lap: Lap, full: bool = True) -> Frame:
    """The newest picture of every runner and their curves; with `full` false only the picture that changed."""
    blank = np.full(lap.picture.shape[:2], 128, np.uint8)
    shown = lap.runners if full else {lap.newest: lap.runners[lap.newest]}
    pictures = {name: blank if r.picture is None else to_uint8(r.picture) for name, r in shown.items()}
    told = {name: r.error or ("" if r.picture is None else decibels(r.psnr)) for name, r in lap.runners.items()}
    captions = {name: f"{name} · {words}" if words else name for name, words in told.items()}
    lines = [Line(*map(list, runner.curve), name) for name, runner in lap.runners.items()]
    chart = Chart("PSNR, dB", lines, digits=1, over="processor seconds each", height=180, newest=False)
    return Frame(pictures, captions, [chart], step=lap.step, total="steps in all", seconds=lap.seconds)


def standings(lap: Lap) -> list[dict[str, str]]:
    """The last figures of every runner as rows of a table, best first."""
    return [
        {
            "network": name,
            "PSNR, dB": f"{runner.psnr:.2f}",
            "SSIM": f"{runner.ssim:.4f}",
            "processor seconds": f"{runner.seconds:.1f}",
            "steps": f"{runner.step:,}",
            "parameters": f"{runner.parameters:,}",
            "remark": runner.error,
        }
        for name, runner in sorted(lap.runners.items(), key=lambda item: -item[1].psnr)
    ]
