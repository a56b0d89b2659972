"""Seeds: every random number comes from an explicit generator, made from whole numbers."""

from typing import TypeVar

import numpy as np

Words = TypeVar("Words", int, np.ndarray)

GAMMA = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def mixed_seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers; neighbouring numbers give unrelated seeds."""
    state = 0
    for number in numbers:
        state = mix((state + (number & MASK) + GAMMA) & MASK)
    return state >> 1


def mix(z: Words) -> Words:
    """The finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014), of a 64-bit number or an array of uint64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)
