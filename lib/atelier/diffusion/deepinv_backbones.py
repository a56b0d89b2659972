"""DeepInv's networks as backbones of ours."""

from typing import ClassVar

import torch
from deepinv.models import ADMUNet, DiffUNet
from torch import Tensor, nn
from torch.nn import functional as F

from atelier.diffusion.schedules import Linear
from atelier.errors import UserError


class DiffUNetBackbone(nn.Module):
    """DeepInv's DiffUNet (Choi et al. 2021), 93.6 million parameters, unconditional.

    The 28x28 input is padded to 32x32 with the background at this noise level (alpha times -1, without noise), and the
    output is cropped back; DeepInv alone would pad circularly. The network takes time as a step of the linear T = 1000
    schedule, so it gets the (fractional) step at which that schedule has the same noise level.
    """

    conditional = False
    options: ClassVar[dict] = {}

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.network = DiffUNet(in_channels=1, out_channels=1, pretrained=None)
        for module in self.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # its random state would escape our seeds
        self.steps = Linear(1000)

    def forward(self, x: Tensor, noise_fraction: Tensor, label: Tensor) -> Tensor:
        alpha = (1 - noise_fraction) / ((1 - noise_fraction) ** 2 + noise_fraction**2).sqrt()
        background = -alpha[:, None, None, None]
        padded = F.pad(x - background, (2, 2, 2, 2)) + background  # (N, 1, 32, 32)
        # DeepInv's step 0 has already one step of noise, 999 is the noisiest.
        t = (self.steps.time_of(noise_fraction) - 1).clamp(min=0).to(x.device, torch.float32)  # (N,)
        return self.network(padded, t, type_t="timestep")[..., 2:-2, 2:-2]


class ADMUNetBackbone(nn.Module):
    """DeepInv's ADMUNet (Dhariwal & Nichol 2021, as in EDM) at 28x28, small and class-conditional.

    Only its network is used, since `Denoiser` does the preconditioning. It takes c_noise = log(sigma / alpha) / 4 as in
    EDM, cut off at both ends where that is infinite, and labels as weights; no label is all zeros.

    Args:
        width: channels at 28x28, a multiple of 32; twice as many at 14x14 and at 7x7.
        blocks: residual blocks per level.
    """

    conditional = True

    def __init__(self, width: int = 32, blocks: int = 1, classes: int = 10) -> None:
        super().__init__()
        if width < 32 or width % 32 or blocks < 1:
            raise UserError("ADMUNet's width must be a multiple of 32, with at least one block.")
        self.classes, self.options = classes, {"width": width, "blocks": blocks}
        self.network = ADMUNet(
            img_resolution=28,
            in_channels=1,
            out_channels=1,
            label_dim=classes,
            model_channels=width,
            channel_mult=(1, 2, 2),
            num_blocks=blocks,
            attn_resolutions=(7,),
            dropout=0.0,
            pretrained=None,
        )

    def forward(self, x: Tensor, noise_fraction: Tensor, label: Tensor) -> Tensor:
        c_noise = torch.logit(noise_fraction, eps=1e-5) / 4  # (N,)
        return self.network.forward_unet(x, c_noise, class_labels=label[:, : self.classes])
