"""Looking inside a coordinate network: the values of its units as small pictures."""

import numpy as np
import torch
from torch import Tensor, nn

from atelier.drawing import contact_sheet
from atelier.fields.networks import as_field
from atelier.fields.plane import Window, fitted_size

_GROUND = 128


@torch.inference_mode()
def station_maps(network: nn.Module, aspect: float, longer: int) -> dict[str, Tensor]:
    """Values of every unit of every station, on a small grid.

    Returns:
        name of the station -> (F, H, W) float32, H and W at most `longer`, in the picture's shape.
    """
    field = as_field(network).eval()
    height, width = (max(2, side) for side in fitted_size(aspect, 1.0, longer))
    ys, xs = (axis.float().to(field.device) for axis in Window().axes(height, width))
    return {name: values.float().cpu().T.reshape(-1, height, width) for name, values in field.stages(ys, xs)}


def unit_sheet(maps: Tensor, columns: int, rows: int, gap: int = 1) -> np.ndarray:
    """The units of a station with the largest variance as one gray picture, in their own order, each stretched to its
    own range: maps (F, H, W) -> (rows·(H + gap) - gap, columns·(W + gap) - gap) uint8."""
    count = min(len(maps), rows * columns)
    lively = maps.flatten(1).var(1).nan_to_num().topk(count).indices.sort().values
    blank = np.full(maps.shape[1:], _GROUND, np.uint8)
    tiles = [stretched(maps[unit]) for unit in lively.tolist()] + [blank] * (rows * columns - count)
    return contact_sheet(tiles, columns, gap, _GROUND)


def stretched(values: Tensor) -> np.ndarray:
    """(H, W) of any range -> uint8 from black to white."""
    values = values.nan_to_num()
    low, high = values.min(), values.max()
    return ((values - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8).numpy()
