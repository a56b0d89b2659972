"""Our conditional U-Net, small enough to train on a laptop.

It works on 14x14 cells of 2x2 pixels (space to depth), which costs a quarter of a 28x28 network, has two levels
(14x14 and 7x7), residual blocks modulated by time and label, attention at 7x7, and an output convolution that starts
at zero. It has no dropout, so training needs no random state beyond its seed.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atelier.errors import UserError


class UNet(nn.Module):
    """(x, noise_fraction, label) -> (N, 1, 28, 28), in the units of the target it is trained for.

    x: (N, 1, 28, 28) in variance-preserving scale. noise_fraction: (N,) in [0, 1]. label: (N, classes + 1)
    weights of the label embeddings; the last column stands for "no label".

    Args:
        widths: channels of the 14x14 and 7x7 levels. blocks: residual blocks per level.
        embedding: width of the conditioning vector. heads: of attention, at 7x7.
    """

    conditional = True

    def __init__(
        self, widths: Sequence[int] = (32, 96), blocks: int = 2, embedding: int = 192, heads: int = 4, classes: int = 10
    ) -> None:
        super().__init__()
        fine, coarse = widths
        if any(width % 16 for width in widths) or blocks < 1 or coarse % heads:
            raise UserError("U-Net widths must be multiples of 16 (and of the heads), with one block or more.")
        sizes = {"blocks": blocks, "embedding": embedding, "heads": heads, "classes": classes}
        self.options = {"widths": [fine, coarse], **sizes}
        self.time = nn.Sequential(nn.Linear(128, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.label = nn.Linear(classes + 1, embedding, bias=False)
        self.enter = nn.Conv2d(4, fine, 3, padding=1)
        self.fine_in = nn.ModuleList(Block(fine, embedding) for _ in range(blocks))
        self.down = nn.Conv2d(fine, coarse, 2, stride=2)
        self.coarse_in = nn.ModuleList(Block(coarse, embedding) for _ in range(blocks))
        self.attention = Attention(coarse, heads)
        self.coarse_out = nn.ModuleList(Block(coarse, embedding) for _ in range(blocks))
        self.up = nn.ConvTranspose2d(coarse, fine, 2, stride=2)
        self.join = nn.Conv2d(2 * fine, fine, 1)
        self.fine_out = nn.ModuleList(Block(fine, embedding) for _ in range(blocks))
        self.norm = nn.GroupNorm(8, fine)
        self.leave = zero(nn.Conv2d(fine, 4, 3, padding=1))

    def forward(self, x: Tensor, noise_fraction: Tensor, label: Tensor) -> Tensor:
        condition = F.silu(self.time(fourier_features(noise_fraction).to(x.dtype)) + self.label(label.to(x.dtype)))
        h = self.enter(F.pixel_unshuffle(x, 2))  # (N, fine, 14, 14)
        for block in self.fine_in:
            h = block(h, condition)
        skip = h
        h = self.down(h)  # (N, coarse, 7, 7)
        for block in self.coarse_in:
            h = block(h, condition)
        h = self.attention(h)
        for block in self.coarse_out:
            h = block(h, condition)
        h = self.join(torch.cat([self.up(h), skip], 1))  # (N, fine, 14, 14)
        for block in self.fine_out:
            h = block(h, condition)
        return F.pixel_shuffle(self.leave(F.silu(self.norm(h))), 2)  # (N, 1, 28, 28)


class Block(nn.Module):
    """Residual block; the condition scales and shifts the second normalisation (Dhariwal & Nichol 2021,
    "adaptive group normalisation"). The second convolution starts at zero: the block starts as identity."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * channels)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, 1)  # (N, C, 1, 1) each
        h = self.norm2(h) * (1 + scale) + shift
        return x + self.conv2(F.silu(h))


class Attention(nn.Module):
    """Self-attention over the cells of a feature map, residual, its projection starting at zero."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = zero(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        cells = self.norm(x).flatten(2).transpose(1, 2)  # (N, H W, C)
        q, k, v = self.qkv(cells).view(n, height * width, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # Written out: for 49 cells it is several times as fast on a CPU as the fused kernel.
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)  # (N, heads, H W, H W)
        mixed = weights.to(v.dtype) @ v  # (N, heads, H W, C / heads)
        mixed = self.project(mixed.transpose(1, 2).reshape(n, height * width, c))
        return x + mixed.transpose(1, 2).reshape(n, c, height, width)


def zero(layer: nn.Module) -> nn.Module:
    """The layer with weights and bias at zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def fourier_features(noise_fraction: Tensor) -> Tensor:
    """(N,) in [0, 1] -> (N, 128) cosines and sines of 1000 times it (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(-math.log(10_000) * torch.arange(64, device=noise_fraction.device) / 64)
    angles = 1000 * noise_fraction.float()[:, None] * rates  # (N, 64)
    return torch.cat([angles.cos(), angles.sin()], 1)
