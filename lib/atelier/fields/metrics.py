"""How alike two pictures are. Pictures are (H, W, C) float32 in [0, 1], volumes (D, H, W, C)."""

import bisect
import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from atelier.drawing import as_image

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 1; infinite for equal pictures."""
    return psnr_of((a.double() - b.double()).square().mean().item())


def psnr_of(mse: float) -> float:
    """PSNR in dB of a mean squared error, for a peak of 1."""
    return math.inf if mse == 0 else -10 * math.log10(mse)


def decibels(value: float) -> str:
    """A PSNR as people read it; equal pictures are "identical"."""
    return "identical" if math.isinf(value) else f"{value:.1f} dB"


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity, at most 1; differentiable (Wang et al. 2004, Gaussian window 11, σ = 1.5).

    The mean runs over the pixels whose window lies inside the picture, and over channels; of volumes also over their
    slices (H, W, C). Pictures smaller than the window get the largest odd window that fits.
    """
    if a.ndim == 4:
        return torch.stack([ssim(*slices) for slices in zip(a, b, strict=True)]).mean()
    size = min(_WINDOW, *((side - 1) // 2 * 2 + 1 for side in a.shape[:2]))
    line = torch.exp(-(torch.arange(size, device=a.device) - size // 2).square() / (2 * _SIGMA**2))
    line = line / line.sum()
    x, y = a.movedim(-1, 0), b.movedim(-1, 0)  # (C, H, W)
    maps = torch.cat([x, y, x * x, y * y, x * y])[None]  # (1, 5C, H, W)
    down = line.view(1, 1, -1, 1).expand(maps.shape[1], 1, size, 1)
    means = F.conv2d(F.conv2d(maps, down, groups=len(down)), down.transpose(2, 3), groups=len(down))
    mu_x, mu_y, xx, yy, xy = means[0].chunk(5)
    var_x, var_y, cov = xx - mu_x**2, yy - mu_y**2, xy - mu_x * mu_y
    luminance = (2 * mu_x * mu_y + _K1**2) / (mu_x**2 + mu_y**2 + _K1**2)
    structure = (2 * cov + _K2**2) / (var_x + var_y + _K2**2)
    return (luminance * structure).mean()


def radial_spectrum(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean power of a picture by spatial frequency.

    The picture is taken as gray, its mean removed and its borders faded (Hann window).

    Returns:
        frequencies in cycles per longer side of the picture, (B,), up to its Nyquist limit; and mean power, (B,).
    """
    gray = picture.double().mean(-1)
    height, width = gray.shape
    fade = torch.hann_window(height, dtype=torch.float64)[:, None] * torch.hann_window(width, dtype=torch.float64)
    power = torch.fft.fft2((gray - gray.mean()) * fade).abs().square() / fade.square().sum()
    longer = max(height, width)
    fy = torch.fft.fftfreq(height, dtype=torch.float64)[:, None] * longer
    fx = torch.fft.fftfreq(width, dtype=torch.float64) * longer
    ring = (fy.square() + fx.square()).sqrt().round().long().flatten()
    inside = ring <= longer // 2
    total = torch.bincount(ring[inside], power.flatten()[inside], minlength=longer // 2 + 1)
    count = torch.bincount(ring[inside], minlength=longer // 2 + 1)
    return torch.arange(1, longer // 2 + 1), (total / count)[1:].float()


def jpeg_of_size(picture: Tensor, size: int) -> tuple[int, float]:
    """The best JPEG of `picture` (H, W, C) of at most `size` bytes, or the smallest there is: bytes, PSNR in dB."""
    image = as_image((picture * 255).round().to(torch.uint8).numpy())

    def jpeg(quality: int) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
        return buffer.getvalue()

    data = jpeg(1 + bisect.bisect_right(range(2, 101), size, key=lambda quality: len(jpeg(quality))))
    back = torch.from_numpy(np.array(Image.open(io.BytesIO(data)), dtype=np.float32) / 255)
    return len(data), psnr(back.view(picture.shape), picture)
