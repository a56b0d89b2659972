"""A race: several networks learn the same picture for equal seconds of processor time."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from atelier.fields.fitting import FitError, FitOptions, FitStep, Measure, fit
from atelier.fields.networks import NetworkSpec, build, parameter_count

_MEASURES = 24


@dataclass(frozen=True)
class Lap:
    """One measured moment of one runner: processor seconds it has used, its figures then."""

    runner: str
    seconds: float
    step: int
    parameters: int
    measure: Measure
    error: str | None = None


def race(entries: Mapping[str, tuple[NetworkSpec, FitOptions]], picture: Tensor, seconds: float) -> Iterator[Lap]:
    """Let every entry learn `picture` (H, W, C) for `seconds` of processor time each; yields laps as they happen.

    The runner with the least time used goes next, so all curves grow together. Time is that of this thread with one
    torch thread, measuring excluded: other work on the machine makes the race longer, not unfair. A runner that
    fails drops out with an error.
    """
    networks = {name: build(spec) for name, (spec, _) in entries.items()}
    runs = {}
    for name, (_, options) in entries.items():
        timed = FitOptions(**{**vars(options), "steps": None, "seconds": seconds})
        runs[name] = fit(networks[name], picture, timed, clock=time.thread_time)
    used = dict.fromkeys(runs, 0.0)
    due = dict.fromkeys(runs, 0.0)
    last: dict[str, FitStep] = {}
    while runs:
        name = min(runs, key=used.__getitem__)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            step = next(runs[name], None)
        except FitError as failed:
            del runs[name]
            if name in last:
                yield _lap(name, last[name], networks[name], str(failed))
            continue
        finally:
            torch.set_num_threads(threads)
        if step is None:
            del runs[name]
            continue
        last[name], used[name] = step, step.seconds
        if step.seconds >= due[name] or step.progress == 1:
            due[name] = step.seconds + seconds / _MEASURES
            yield _lap(name, step, networks[name])


def _lap(name: str, step: FitStep, network: torch.nn.Module, error: str | None = None) -> Lap:
    return Lap(name, step.seconds, step.step, parameter_count(network), step.measure(), error)
