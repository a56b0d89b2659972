"""Averages of weights, against the closed forms of their profiles."""

import pytest
import torch
from averages import PowerAverages, exponent
from torch import nn


class Weight(nn.Module):
    """A network with one weight, which a test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


def trained(path, steps=2000, snapshots=16):
    """The averages after the weight went along `path`, a function of the share of training that is done."""
    network = Weight()
    averages = PowerAverages(network)
    for step in range(1, steps + 1):
        network.weight.data.fill_(path(step / steps))
        averages.add()
        if step % (steps // snapshots) == 0:
            averages.keep()
    return averages


@pytest.mark.parametrize(("width", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_exponents_are_those_of_the_paper(width, gamma):
    assert exponent(width) == pytest.approx(gamma, abs=0.01)


def test_running_averages_have_the_mean_of_their_profile():
    averages = trained(lambda share: share)
    for gamma, (weight,) in averages.running.items():
        assert float(weight) == pytest.approx((gamma + 1) / (gamma + 2), abs=1e-3)  # mean of tau under tau^gamma


@pytest.mark.parametrize("width", [0.03, 0.05, 0.08, 0.10, 0.15])
def test_any_width_can_be_had_afterwards(width):
    gamma = exponent(width)
    straight, bent = trained(lambda share: share), trained(lambda share: share**2)
    assert float(straight.of_width(width).weight) == pytest.approx((gamma + 1) / (gamma + 2), abs=3e-3)
    assert float(bent.of_width(width).weight) == pytest.approx((gamma + 1) / (gamma + 3), abs=3e-3)


def test_the_network_itself_is_left_alone():
    averages = trained(lambda share: share)
    averages.of_width(0.1)
    assert averages.network.weight.item() == 1.0
