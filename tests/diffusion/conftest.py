"""A tiny network for the tests of diffusion."""

import pytest
import torch
from atelier.diffusion.denoiser import Denoiser, build_denoiser
from oracles import TINY


@pytest.fixture
def tiny() -> Denoiser:
    """A small U-Net on the flow, with an output that is not all zeros."""
    denoiser = build_denoiser("unet", "flow", "flow", options=TINY, seed=3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return denoiser.eval()


@pytest.fixture
def tiny_on():
    """Builds a tiny U-Net with the target v on the given schedule."""

    def build(schedule: str, T: int) -> Denoiser:
        denoiser = build_denoiser("unet", schedule, "v", T=T, options=TINY, seed=3)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in denoiser.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
        return denoiser.eval()

    return build
