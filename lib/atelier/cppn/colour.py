"""From the outputs of a network to colours: colour spaces, palettes, one fixed tone mapping per field.

OKLab: Ottosson, "A perceptual color space for image processing", 2020. sRGB transfer: IEC 61966-2-1.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from atelier.cppn import draws
from atelier.cppn.spec import FieldSpec

_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929],
     [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468],
     [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip
_LMS_INVERSE, _LAB_INVERSE = np.linalg.inv(_LMS), np.linalg.inv(_LAB)
LUMA = (0.2126, 0.7152, 0.0722)
_TABLE = 1024  # entries of a palette's table; between them colours are mixed, so no step shows


def linear(encoded):
    """sRGB values in [0, 1] to linear light; arrays or tensors of any shape."""
    where = torch.where if isinstance(encoded, Tensor) else np.where
    return where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encoded(light):
    """Linear light in [0, 1] to sRGB values; arrays or tensors of any shape."""
    where = torch.where if isinstance(light, Tensor) else np.where
    return where(light <= 0.0031308, light * 12.92, light.clip(min=0.0031308) ** (1 / 2.4) * 1.055 - 0.055)


def oklab_from_srgb(rgb: np.ndarray) -> np.ndarray:
    """(..., 3) sRGB in [0, 1] to (..., 3) OKLab, L in [0, 1]."""
    return np.cbrt(linear(rgb) @ _LMS.T) @ _LAB.T


def srgb_from_oklab(lab: np.ndarray) -> np.ndarray:
    """(..., 3) OKLab to (..., 3) sRGB, clipped to [0, 1]."""
    return encoded(np.clip((lab @ _LAB_INVERSE.T) ** 3 @ _LMS_INVERSE.T, 0, 1))


def palette_lab(colours: Sequence[str]) -> np.ndarray:
    """Colours "#rrggbb" in OKLab, (n, 3)."""
    return oklab_from_srgb(np.array([[*bytes.fromhex(colour[1:])] for colour in colours]) / 255)


def table(colours: Sequence[str]) -> np.ndarray:
    """Colours mixed in OKLab from the first to the last, (_TABLE, 3) float32 sRGB."""
    lab = palette_lab(colours)
    at = np.linspace(0, len(lab) - 1, _TABLE)
    mixed = np.stack([np.interp(at, np.arange(len(lab)), lab[:, i]) for i in range(3)], axis=1)
    return srgb_from_oklab(mixed).astype(np.float32)


def palette_from_picture(picture: np.ndarray) -> tuple[str, ...]:
    """Six leading colours of a picture (H, W, 3) in [0, 1], "#rrggbb", dark to light: k-means in OKLab from the
    documented generator."""
    rgb = picture.reshape(-1, 3)
    at = (draws.uniform(0, "pixels", (4000,)) * len(rgb)).astype(np.int64)
    centres = _kmeans(oklab_from_srgb(rgb[at]))
    rgb = (srgb_from_oklab(centres[np.argsort(centres[:, 0])]) * 255).round().astype(np.uint8)
    return tuple(f"#{bytes(colour).hex()}" for colour in rgb)


def _kmeans(points: np.ndarray) -> np.ndarray:
    """(6, 3): twenty of Lloyd's rounds from farthest-point seeds, so that accents of a painting get a centre of their
    own."""
    centres = [points.mean(0)]
    while len(centres) < 6:
        nearest = np.min([((points - c) ** 2).sum(1) for c in centres], axis=0)
        centres.append(points[nearest.argmax()])
    centres = np.stack(centres)  # (6, 3)
    for _ in range(20):
        label = ((points[:, None] - centres) ** 2).sum(2).argmin(1)
        centres = np.stack([points[label == i].mean(0) if (label == i).any() else c for i, c in enumerate(centres)])
    return centres


class Colouring:
    """The tone mapping and colours of one field: z (C, n) -> (3, n) float32 sRGB in [0, 1].

    mean, spread: (C, 1), of the outputs over [-1, 1]^2; outputs are centred on them. A colour space is a method
    of its name.
    """

    def __init__(self, spec: FieldSpec, mean: Tensor, spread: Tensor):
        self.spec = spec
        self.shift, self.factor = mean, 1.0 / spread  # (C, 1)
        self._turn = draws.number(spec.seed, "hue")
        if spec.colour == "palette":
            self._table = torch.from_numpy(table(spec.palette_colours())).T.contiguous()  # (3, _TABLE)
            luma = self._table.T @ torch.tensor(LUMA)
            self.ends = [self._table[:, [at]] for at in (luma.argmax(), luma.argmin())]  # lightest, darkest (3, 1)
            self._steps = torch.diff(self._table, append=self._table[:, -1:])

    def __call__(self, z: Tensor) -> Tensor:
        z = z.sub_(self.shift).mul_(self.factor)
        rgb = getattr(self, self.spec.colour)(z)
        if self.spec.saturation != 1 and self.spec.colour != "gray":
            luma = sum(weight * channel for weight, channel in zip(LUMA, rgb, strict=True))
            rgb = torch.lerp(luma.expand_as(rgb), rgb, self.spec.saturation)
        return rgb.clamp_(0, 1)

    def tone(self, z: Tensor) -> Tensor:
        """The fixed tone mapping: nearly the normal distribution function, which spreads normal outputs
        evenly over [0, 1] (Bowling et al., "A logistic approximation to the cumulative normal", 2009)."""
        return z.mul(1.702 * self.spec.contrast).add_(self.spec.brightness * 1.702).sigmoid_()

    def _folded(self, z: Tensor) -> Tensor:
        """The tone, folded `cycles` times into [0, 1] by a triangle wave."""
        t = self.tone(z).mul_(self.spec.cycles)
        return (t - 2 * torch.round(t / 2)).abs_() if self.spec.cycles > 1 else t

    def gray(self, z: Tensor) -> Tensor:
        return self.tone(z[0]).expand(3, -1).clone()

    def rgb(self, z: Tensor) -> Tensor:
        return self.tone(z)

    def hsv(self, z: Tensor) -> Tensor:
        """Hue around a drawn one, over two thirds of the circle; saturation and value never at their ends."""
        hue = z[0].mul(0.16).add_(self._turn)
        saturation = self.tone(z[1]).mul_(0.55).add_(0.35)
        value = self.tone(z[2]).mul_(0.82).add_(0.14)
        turns = [torch.remainder(hue * 6 + n, 6) for n in (5.0, 3.0, 1.0)]
        return torch.stack([value - value * saturation * torch.minimum(k, 4 - k).clamp_(0, 1) for k in turns])

    def oklab(self, z: Tensor) -> Tensor:
        """Lightness from the first channel; hue and chroma from the others, around a drawn hue."""
        light = self._folded(z[0]).mul_(0.84).add_(0.12)
        room = light.mul(1 - light).mul_(4)  # black and white have no chroma
        turn = 2 * math.pi * self._turn
        a = torch.tanh(z[1] * 0.8).mul_(0.12).add_(0.07 * math.cos(turn)).mul_(room)
        b = torch.tanh(z[2] * 0.8).mul_(0.12).add_(0.07 * math.sin(turn)).mul_(room)
        lab = torch.stack([light, a, b])  # (3, n)
        lms = (torch.from_numpy(_LAB_INVERSE).float() @ lab).pow_(3)
        return encoded((torch.from_numpy(_LMS_INVERSE).float() @ lms).clamp_(0, 1))

    def palette(self, z: Tensor) -> Tensor:
        """The palette by the first channel, back and forth if `cycles` is above 1; light and shade by the second,
        towards the palette's own lightest and darkest colours, which keeps colours clear."""
        t = self._folded(z[0]).mul_(_TABLE - 1)
        index = t.long()
        colours, steps = self._table.index_select(1, index), self._steps.index_select(1, index)  # (3, n)
        rgb = torch.addcmul(colours, steps, t.sub_(index))
        if self.spec.relief:
            shade = z[1].tanh_().mul_(self.spec.relief)
            rgb = torch.lerp(rgb, torch.where(shade > 0, *self.ends), shade.abs_())
        return rgb
