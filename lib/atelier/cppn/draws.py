"""The documented generator of every random number in a field: integer arithmetic only, so every machine and
every version draws the same weights.

A *stream* is a 64-bit key made from a seed and a label (FNV-1a over the label's UTF-8 bytes, started at the
mixed seed). Word i of a stream is `mix(key + (i + 1) * GAMMA)`, SplitMix64 read as a counter-based generator
(Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Uniforms are the top 53
bits. Normals are Irwin-Hall sums of twelve 32-bit uniforms: exact in integers, where a logarithm or a cosine
would differ in the last bit from one C library to the next; mean 0, variance 1 - 2^-64, range (-6, 6).
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import TypeVar

import numpy as np

from atelier.seeds import GAMMA, MASK, mix

T = TypeVar("T")
Draw = Callable[[int, str, tuple[int, ...]], np.ndarray]

_CACHED = 4096  # larger matrices are drawn again: the cache stays below about 64 MB


def stream(seed: int, label: str) -> int:
    """The 64-bit key of the stream `label` under `seed`."""
    key = mix((seed + GAMMA) & MASK)
    for byte in label.encode():
        key = ((key ^ byte) * 0x100000001B3) & MASK
    return mix(key)


def words(key: int, count: int) -> np.ndarray:
    """The first `count` words of a stream, (count,) uint64."""
    return mix(np.arange(1, count + 1, dtype=np.uint64) * GAMMA + key)


def _cached(draw: Draw) -> Draw:
    remembered = lru_cache(maxsize=2048)(draw)

    @wraps(draw)
    def drawn(seed: int, label: str, shape: tuple[int, ...]) -> np.ndarray:
        found = (remembered if math.prod(shape) <= _CACHED else draw)(seed, label, shape)
        found.setflags(write=False)  # shared between callers
        return found

    return drawn


@_cached
def uniform(seed: int, label: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in [0, 1), float64, multiples of 2^-53, read-only."""
    return ((words(stream(seed, label), math.prod(shape)) >> 11) * 2.0**-53).reshape(shape)


@_cached
def normal(seed: int, label: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers (Irwin-Hall of order twelve), float64, read-only."""
    drawn = words(stream(seed, label), 6 * math.prod(shape)).reshape(-1, 6)
    low, high = drawn & 0xFFFFFFFF, drawn >> 32
    total = (low.sum(1) + high.sum(1)).astype(np.int64)  # sums of twelve, below 2^36
    return ((total + 6 - 6 * 2**32) * 2.0**-32).reshape(shape)


def integer(seed: int, label: str, low: int, high: int) -> int:
    """A whole number in [low, high), by the high half of a 64 by 64-bit product (Lemire 2019)."""
    return low + ((_word(seed, label) * (high - low)) >> 64)


def choice(seed: int, label: str, options: Sequence[T]) -> T:
    """One of `options`."""
    return options[integer(seed, label, 0, len(options))]


def number(seed: int, label: str, low: float = 0.0, high: float = 1.0) -> float:
    """A number in [low, high)."""
    return low + (high - low) * (_word(seed, label) >> 11) * 2.0**-53


def _word(seed: int, label: str) -> int:
    """The first word of a stream: `words` without an array."""
    return mix((stream(seed, label) + GAMMA) & MASK)
