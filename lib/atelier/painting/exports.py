"""What a person takes home from a run: an animation, a comparison, a checkpoint, a large picture."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from atelier import figures
from atelier.data.pictures import fitted_size
from atelier.fields import networks, rendering
from atelier.fields.fitting import Measure
from atelier.fields.metrics import psnr
from atelier.fields.networks import CoordinateNetwork, NetworkSpec
from atelier.fields.recording import Moment
from atelier.fields.window import Window
from atelier.page.downloads import ExportStep

GIF_FRAMES = 51
GIF_SIDE = 320
GIF_MILLISECONDS = 100
_CAPTION = 26
_GAP = 10
_LEAST_CURVES = 200
_PAPER, _INK = (255, 255, 255), (40, 44, 50)


def training_gif(original: Tensor, spec: NetworkSpec, moments: Sequence[Moment]) -> Iterator[ExportStep]:
    """The run as a GIF: original, picture then, curves so far, on scales that stay. original (H, W, C) in [0, 1]."""
    chosen = spread(moments, GIF_FRAMES)
    network = networks.build(spec)
    height, width = fitted_size(original.shape[1], original.shape[0], min(GIF_SIDE, max(original.shape[:2])))
    first = as_image(original, height, width)
    curves = CurvePanel(
        [m.step for m in moments], [m.psnr for m in moments], [m.ssim for m in moments], max(height, _LEAST_CURVES)
    )
    frames = []
    for number, moment in enumerate(chosen, 1):
        network.load_state_dict(moment.weights)
        network.eval()
        now = rendering.render(network, Window(aspect=spec.aspect), height, width)
        caption = f"step {moment.step:,} · {moment.psnr:.1f} dB"
        strip = captioned([first, as_image(now, height, width), curves.until(moment.step)], ["original", caption, ""])
        frames.append(strip.quantize(255, dither=Image.Dither.FLOYDSTEINBERG))
        yield ExportStep(number, len(chosen) + 1)
    buffer = io.BytesIO()
    durations = [GIF_MILLISECONDS] * (len(frames) - 1) + [2000]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False)
    yield ExportStep(len(chosen) + 1, len(chosen) + 1, buffer.getvalue())


def comparison_png(original: Tensor, measure: Measure, title: str) -> bytes:
    """Original, picture and error map side by side, with the figures below: PNG."""
    height, width = original.shape[:2]
    now = measure.picture
    error = Image.fromarray(figures.error_map(now.numpy(), original.numpy()))
    captions = [title, f"network · {measure.psnr:.2f} dB · SSIM {measure.ssim:.4f}", "error: black none, yellow 0.2"]
    strip = captioned([as_image(original, height, width), as_image(now, height, width), error], captions)
    buffer = io.BytesIO()
    strip.save(buffer, "PNG")
    return buffer.getvalue()


def large_picture(network: CoordinateNetwork, aspect: float, longer: int) -> Iterator[ExportStep]:
    """The whole field at `longer` pixels on its longer side, as PNG."""
    height, width = fitted_size(aspect, 1.0, longer)
    pixels = None
    for step in rendering.render_steps(network, Window(aspect=aspect), height, width):
        pixels = step.pixels
        yield ExportStep(step.rows, height + height // 4)
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG", compress_level=3)
    yield ExportStep(1, 1, buffer.getvalue())


def checkpoint_bytes(network: CoordinateNetwork, spec: NetworkSpec, folder: Path, **extra) -> bytes:
    """A checkpoint as bytes, for a download."""
    return networks.save(folder / "checkpoint.safetensors", network, spec, **extra).read_bytes()


@dataclass(frozen=True)
class JpegRival:
    """A JPEG of a picture: its quality setting, its size in bytes, its PSNR in dB."""

    quality: int
    size: int
    psnr: float


def jpeg_of_size(picture: Tensor, size: int) -> JpegRival:
    """The best JPEG of `picture` (H, W, C) of at most `size` bytes, or the smallest there is."""
    pixels = rendering.to_uint8(picture)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    low, high = 1, 101
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(_jpeg(image, middle)) <= size else (low, middle)
    data = _jpeg(image, low)
    back = torch.from_numpy(np.array(Image.open(io.BytesIO(data)), dtype=np.float32) / 255)
    return JpegRival(low, len(data), psnr(back.view(picture.shape), picture))


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def spread(moments: Sequence[Moment], most: int) -> list[Moment]:
    """At most `most` moments: denser at the beginning, where a picture changes fastest, and always the ends."""
    if len(moments) <= most:
        return list(moments)
    places = np.unique(np.round(np.linspace(0, 1, most) ** 1.5 * (len(moments) - 1)).astype(int))
    return [moments[place] for place in places]


class CurvePanel:
    """PSNR and SSIM over steps as a picture that grows; the axes are drawn once, for the whole run."""

    def __init__(self, steps: Sequence[int], psnrs: Sequence[float], ssims: Sequence[float], height: int) -> None:
        made, (left,) = figures.figure(height / 100 * 1.25, height / 100)
        right = left.twinx()
        right.spines[["top", "left", "bottom"]].set_visible(False)
        for ax, values, name, colour in (
            (left, psnrs, "PSNR, dB", figures.COLOURS[0]),
            (right, ssims, "SSIM", figures.COLOURS[1]),
        ):
            ax.set_xlim(0, max(steps))
            ax.set_ylim(min(values), max(max(values), min(values) + 1e-3))
            ax.set_ylabel(name, color=colour)
            ax.tick_params(labelsize=8)
        left.set_xlabel("step")
        buffer = io.BytesIO(figures.png(made, dpi=200, background="white"))
        self._base = Image.open(buffer).convert("RGB")
        scale = 2.0
        self._lines = [
            (colour, [_pixel(ax, x, y, scale, self._base.height) for x, y in zip(steps, values, strict=True)])
            for ax, values, colour in ((left, psnrs, figures.COLOURS[0]), (right, ssims, figures.COLOURS[1]))
        ]
        self._steps = list(steps)

    def until(self, step: int) -> Image.Image:
        """The panel with the curves up to a step."""
        image = self._base.copy()
        draw = ImageDraw.Draw(image)
        count = sum(s <= step for s in self._steps)
        for colour, points in self._lines:
            if count > 1:
                draw.line(points[:count], fill=colour, width=4, joint="curve")
            x, y = points[count - 1]
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)
        return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def _pixel(ax, x: float, y: float, scale: float, height: int) -> tuple[float, float]:
    """Pixel of a data point in a figure saved at `scale` times its own resolution of 100 dots an inch."""
    across, up = ax.transData.transform((x, y))
    return across * scale, height - up * scale


def captioned(images: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Pictures side by side on white, each with a line of text below."""
    font = ImageFont.load_default(13)
    columns = [max(image.width, round(font.getlength(text))) for image, text in zip(images, captions, strict=True)]
    width = sum(columns) + _GAP * (len(images) + 1)
    height = max(image.height for image in images) + _GAP + _CAPTION
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    left = _GAP
    for image, caption, column in zip(images, captions, columns, strict=True):
        sheet.paste(image, (left, _GAP))
        draw.text((left, image.height + _GAP + 5), caption, fill=_INK, font=font)
        left += column + _GAP
    return sheet


def as_image(picture: Tensor, height: int, width: int) -> Image.Image:
    """(H, W, C) in [0, 1] as a picture of this size."""
    pixels = rendering.to_uint8(picture)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
    return image.resize((width, height), Image.Resampling.LANCZOS) if image.size != (width, height) else image
