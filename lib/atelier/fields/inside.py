"""Looking inside a coordinate network: the values of its units as small pictures."""

import numpy as np
import torch
from torch import Tensor

from atelier.fields.networks import CoordinateNetwork
from atelier.fields.window import Window


@torch.inference_mode()
def stage_maps(network: CoordinateNetwork, aspect: float, longer: int) -> dict[str, Tensor]:
    """Values of every unit of every stage, on a small grid.

    Returns:
        name of the stage -> (F, H, W) float32, H and W at most `longer`, in the picture's shape.
    """
    network.eval()
    height, width = (longer, max(2, round(longer * aspect))) if aspect < 1 else (max(2, round(longer / aspect)), longer)
    ys, xs = (axis.float() for axis in Window(aspect=aspect).axes(height, width))
    return {
        name: values.float().cpu().T.reshape(-1, height, width)
        for name, values in network.stages(ys.to(network.device), xs.to(network.device))
    }


def unit_sheet(maps: Tensor, columns: int, rows: int, gap: int = 1) -> np.ndarray:
    """The liveliest units of a stage as one gray picture, each stretched to its own range, in their own order.

    maps: (F, H, W) -> (rows·(H + gap) - gap, columns·(W + gap) - gap) uint8.
    """
    count, height, width = maps.shape
    lively = maps.flatten(1).var(1).topk(min(count, rows * columns)).indices.sort().values
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), 128, np.uint8)
    for place, unit in enumerate(lively.tolist()):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        sheet[top : top + height, left : left + width] = stretched(maps[unit])
    return sheet


def stretched(values: Tensor) -> np.ndarray:
    """(H, W) of any range -> uint8 from black to white."""
    low, high = values.min(), values.max()
    return ((values - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8).numpy()
