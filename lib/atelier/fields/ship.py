"""The networks that ship with the product: `uv run python -m atelier.fields.ship` fits them.

Each painting, 384 pixels on its longer side, becomes a hash grid with 0.9 parameters per value, stored as float16.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import nn

from atelier.data.catalogue import PAINTINGS
from atelier.data.pictures import Picture, load_picture, painting_file, weights_file
from atelier.errors import UserError
from atelier.fields import networks
from atelier.fields.fitting import FitStep, compared, fit, rendered
from atelier.fields.history import History
from atelier.fields.networks import CoordinateNetwork, build
from atelier.settings import Knob

STEPS = 10_000
_SAME = 1.0  # dB
_AS_SHIPPED = {"loss": "l2", "optimiser": "adam", "decay": True, "sampling": "lattice", "held_out": False}


def finished(picture: Picture, network: nn.Module | None = None, **training: Any) -> FitStep | None:
    """A finished step to open a page with, for a run of `fit` with these arguments.

    A network that comes from a checkpoint is shown as it is. In place of a fresh one (or None) that is built like the
    network that ships with this painting, the shipped one is shown. For all else there is None, also where the training
    differs from that of the shipped network in more than its length.
    """
    if isinstance(network, CoordinateNetwork) and network.past:
        return _step(picture, network, "Play goes on from here")
    rate = training.get("learning_rate")
    own_rate = rate is not None and not isinstance(rate, Knob)
    if own_rate or any(training.get(word, value) != value for word, value in _AS_SHIPPED.items()):
        return None
    name = next((name for name, painting in PAINTINGS.items() if painting.title == picture.title), None)
    if name is None or not weights_file(name).is_file():
        return None
    shipped = networks.load(weights_file(name))
    spec = shipped.spec
    own = spec if network is None else getattr(network, "spec", None)
    if own is None or dataclasses.replace(own, seed=spec.seed, aspect=spec.aspect) != spec:
        return None
    if abs(spec.aspect / picture.aspect - 1) > 0.02 or picture.pixels.shape[-1] != spec.channels:
        return None
    step = _step(picture, shipped, "trained beforehand; Play starts anew")
    best = max(_numbers(shipped.past, "psnr"), default=0.0)
    return step if step.psnr > best - _SAME else None  # an upload may bear a painting's name


def _step(picture: Picture, network: CoordinateNetwork, note: str) -> FitStep:
    """The step of a network that has learned already, with its file's curves where they end at this picture's PSNR."""
    history, past = History(), network.past
    psnr = compared(rendered(network, picture.pixels), picture.pixels).psnr
    lines = {name: _numbers(past, name) for name in ("step", "seconds", "loss", "psnr", "ssim")}
    alike = len({len(line) for line in lines.values()}) == 1
    if alike and lines["psnr"] and abs(lines["psnr"][-1] - psnr) < _SAME:
        history.curves.update(lines)
    steps, seconds = (past[name] if _is_number(past.get(name)) else 0 for name in ("steps", "seconds"))
    loss, words = 10 ** (-psnr / 10), {"title": picture.title, "total": "steps", "note": note}
    return FitStep(int(steps), loss, float(seconds), 0.0, 1.0, picture.pixels, history, network, **words)


def _numbers(past: Mapping[str, Any], name: str) -> list[float]:
    """A curve of a checkpoint's history, empty where it holds anything but numbers."""
    history = past.get("history")
    line = history.get(name) if isinstance(history, Mapping) else None
    return line if isinstance(line, list) and all(map(_is_number, line)) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e12


def main() -> None:
    """Fit, store and measure every painting's network."""
    for name in PAINTINGS:
        if painting_file(name) is None:
            raise UserError(f"{name} is not on this machine; open it once in the painting fitter, online.")
        picture, path, due = load_picture(name), weights_file(name), 0.0
        for step in fit(build(picture=picture), picture, steps=STEPS):
            if step.seconds >= due or step.progress == 1:
                step.measure()
                due = 1.18 * step.seconds
        history = {key: [float(f"{v:.5g}") for v in values] for key, values in step.history.curves.items()}
        networks.save(path, step.network, True, steps=step.step, seconds=round(step.seconds, 1), history=history)
        shipped = finished(picture)
        print(
            f"{path.name}: {shipped.psnr:.2f} dB, SSIM {shipped.measure().ssim:.4f}, "
            f"{networks.parameter_count(shipped.network):,} parameters for {picture.pixels.numel():,} values, "
            f"{path.stat().st_size / 1e3:,.0f} kB, {step.seconds:.0f} s"
        )


if __name__ == "__main__":
    main()
