"""Sheets of digits."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from atelier.data.digits import SIZE
from atelier.drawing import contact_sheet

_GROUND, _INK = 24, 200
_MARGIN, _HEAD = 8, 26


def columns_for(n: int) -> int:
    """How many digits stand side by side: ten, so that each column may be a digit, more only where many are drawn."""
    return min(n, 10) if n <= 100 else 10 * round((n * 1.6) ** 0.5 / 10)


def sheet(images: Tensor, columns: int | None = None, scale: int = 2) -> np.ndarray:
    """(N, 28, 28) uint8 as one picture (H, W) uint8, row by row; places left over are dark."""
    joined = contact_sheet(list(images.cpu().numpy()), columns or columns_for(len(images)), ground=_GROUND)
    return joined.repeat(scale, 0).repeat(scale, 1)


def headed_sheet(
    rows: Sequence[Tensor], row_words: Sequence[str], column_words: Sequence[str] = (), *, columns: int, scale: int = 2
) -> np.ndarray:
    """Rows of digits (each (K, 28, 28) uint8, K up to `columns`) with words before them and over the columns; (H, W)
    uint8."""
    side = SIZE * scale
    font = ImageFont.load_default(16)
    left = 2 * _MARGIN + max((round(font.getlength(word)) for word in row_words), default=0)
    top = _HEAD if column_words else _MARGIN
    page = Image.new("L", (left + columns * side + _MARGIN, top + len(row_words) * side + _MARGIN), _GROUND)
    draw = ImageDraw.Draw(page)
    for k, word in enumerate(column_words):
        draw.text((left + (k + 0.5) * side, _HEAD / 2), word, fill=_INK, font=font, anchor="mm")
    for k, word in enumerate(row_words):
        middle = top + (k + 0.5) * side
        draw.text((left - _MARGIN, middle), word, fill=_INK, font=font, anchor="rm")
        if k < len(rows) and len(rows[k]):
            page.paste(Image.fromarray(sheet(rows[k], len(rows[k]), scale)), (left, top + k * side))
    return np.asarray(page)
