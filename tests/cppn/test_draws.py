import hashlib

import numpy as np
import pytest
from atelier.cppn import draws
from atelier.cppn.catalogue import TOPOLOGIES
from atelier.cppn.field import draw
from atelier.cppn.spec import FieldSpec


def test_words_are_splitmix64():
    # the first outputs of the reference implementation of SplitMix64 for the state 1234567
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [int(word) for word in draws.words(1234567, 3)] == expected


def test_single_numbers_are_made_of_the_first_word():
    for seed, label in ((0, "share"), (7, "wiring"), (2**62, "a")):
        word = int(draws.words(draws.stream(seed, label), 1)[0])
        assert draws.number(seed, label, -1, 3) == -1 + 4 * (word >> 11) * 2.0**-53
        assert draws.integer(seed, label, 5, 12) == 5 + (word * 7 >> 64)


def test_normals_are_standard_and_bounded():
    z = draws.normal(1, "moments", (200_000,))
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert np.abs(z).max() < 6


def test_streams_differ_by_seed_and_by_label():
    assert len({draws.stream(seed, label) for seed in range(50) for label in ("", "a", "b", "ab")}) == 200


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_weights_have_the_stored_values(topology):
    weights = draw(FieldSpec(seed=3, topology=topology, latent=(0.5, -1.0)))
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].astype("<f4").tobytes())
    assert digest.hexdigest()[:16] == STORED[topology]


STORED = {
    "mlp": "f062b08b86e54377",
    "residual": "f062b08b86e54377",
    "dense": "107c436825859834",
    "conv": "519ab4c31233f694",
    "watts_strogatz": "738edb12116b07b9",
    "siren": "519ab4c31233f694",
}
"""Digests of all weights, float32 little-endian, by name in alphabetical order."""
