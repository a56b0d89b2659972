"""Files of a run: an animation, a comparison, a checkpoint, a large picture, a page and a shader."""

import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw
from torch import nn

from atelier import animation, figures
from atelier.drawing import as_image, captioned, encoded
from atelier.errors import UserError
from atelier.fields import networks, rendering
from atelier.fields.fitting import FitStep, Measure, compared, rendered
from atelier.fields.plane import Window, fitted_size
from atelier.fields.shading import shader_of
from atelier.fields.showing import error_picture, network_at
from atelier.paths import spare_file
from atelier.shaders.pages import shadertoy, standalone

GIF_FRAMES = 51
GIF_SIDE = 320
GIF_FPS = 10
_LEAST_CURVES = 200
_WHOLE = {"x": 0.0, "y": 0.0, "zoom": 1.0}


def training_gif(step: FitStep) -> Iterator[animation.Written]:
    """The run as a GIF: original, picture at each moment, curves so far, on scales that stay.

    Raises:
        UserError: no run has gone before.
    """
    moments = step.history.moments
    if len(moments) < 2:
        raise UserError("An animation needs a run: press Play first.")
    chosen = [moments[k] for k in sorted({round(k) for k in np.linspace(0, len(moments) - 1, GIF_FRAMES)})]
    original = step.picture.cpu()
    height, width = fitted_size(original.shape[1], original.shape[0], min(GIF_SIDE, max(original.shape[:2])))

    def frames() -> Iterator[np.ndarray]:
        ends = [compared(rendered(network_at(step, m), original), original) for m in (moments[0], moments[-1])]
        curves_until = curve_panel(*ends, moments[-1].step, max(height, _LEAST_CURVES))
        for moment in chosen:
            now = compared(rendered(network_at(step, moment), original), original)
            caption = f"step {moment.step:,} · {now.psnr:.1f} dB"
            images = [as_image(rendering.to_uint8(p)).convert("RGB") for p in (original, now.picture)]
            small = [np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)) for image in images]
            yield captioned([*small, curves_until(moment.step, now)], [step.title, caption, ""])

    return animation.encode(".gif", frames(), GIF_FPS, rest=2, count=len(chosen))


def curve_panel(first: Measure, last: Measure, steps: int, height: int) -> Callable[[int, Measure], np.ndarray]:
    """PSNR and SSIM over `steps` steps as a picture that grows, `height` pixels high; `first` and `last` give the
    scales.

    Returns:
        A function that adds the figures at a step and gives the panel, (H, W, 3) uint8.
    """
    made, left = figures.figure(height / 100 * 1.25, height / 100)
    right = left.twinx()
    right.spines[["top", "left", "bottom"]].set_visible(False)
    lines = ("psnr", "PSNR, dB", left, figures.COLOURS[0], []), ("ssim", "SSIM", right, figures.COLOURS[1], [])
    for name, title, ax, colour, _ in lines:
        low, high = sorted((getattr(first, name), getattr(last, name)))
        ax.set_xlim(0, steps)
        ax.set_ylim(low, max(high, low + 1e-3))
        ax.set_ylabel(title, color=colour)
        ax.tick_params(labelsize=8)
    left.set_xlabel("step")
    drawn = io.BytesIO()
    made.savefig(drawn, format="png", dpi=200, facecolor="white")
    base = Image.open(drawn).convert("RGB")

    def until(step: int, now: Measure) -> np.ndarray:
        image = base.copy()
        draw = ImageDraw.Draw(image)
        for name, _, ax, colour, points in lines:
            across, up = ax.transData.transform((step, np.clip(getattr(now, name), *ax.get_ylim())))
            x, y = 2 * across, image.height - 2 * up  # the base has twice the figure's own 100 dots an inch
            points.append((x, y))
            if len(points) > 1:
                draw.line(points, fill=colour, width=4, joint="curve")
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)
        return np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS))

    return until


def comparison(step: FitStep) -> bytes:
    """Original, network and error side by side, with the figures below: PNG."""
    measure, original = step.measure(), step.picture.cpu()
    error, scale = error_picture(measure, original)
    captions = [
        step.title,
        f"network · {measure.psnr:.2f} dB · SSIM {measure.ssim:.4f}",
        f"error: black is none, yellow {scale:g} or more",
    ]
    return encoded(captioned([*map(rendering.to_uint8, (original, measure.picture)), error], captions))


def checkpoint(step: FitStep) -> bytes:
    """The network as a file that `fields.build(checkpoint=…)` takes to go on from."""
    with spare_file("network.safetensors") as path:
        return networks.save(path, step.network, steps=step.step, seconds=step.seconds).read_bytes()


def large_picture(network: nn.Module, aspect: float, longer: int) -> Iterator[animation.Written]:
    """The whole field at `longer` pixels on its longer side, as PNG. aspect: width ÷ height."""
    field = networks.as_field(network)
    for rows, pixels in rendering.render_steps(field, Window(), *fitted_size(aspect, 1.0, longer)):
        yield animation.Written(4 * rows, 5 * len(pixels))  # the last fifth is for the encoding
    yield animation.Written(1, 1, encoded(pixels))


def page_file(step: FitStep) -> bytes:
    """The network as one HTML page, to roam without Python and without a network connection. Raises UserError: the
    network has no shader, or is too large for one."""
    still = encoded(rendering.to_uint8(step.render()), "WEBP")
    return standalone(shader_of(step.network), step.title, _WHOLE, step.aspect, still).encode()


def shadertoy_file(step: FitStep) -> bytes:
    """The network as a text for ShaderToy. Raises UserError: the network has no shader, or is too large for a text."""
    return shadertoy(shader_of(step.network), step.title, _WHOLE, step.aspect).encode()
