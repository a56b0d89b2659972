"""Seeds: every random number comes from an explicit generator, made from whole numbers."""


def mixed_seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers; neighbouring numbers give unrelated seeds (splitmix64)."""
    mask = (1 << 64) - 1
    state = 0
    for number in numbers:
        state = (state + (number & mask) + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state >> 1
