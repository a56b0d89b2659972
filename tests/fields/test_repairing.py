"""Repair: what is known stays, what is unknown is filled in, and the figures are of the unknown pixels."""

import math

import numpy as np
import pytest
import torch
from atelier import fields
from atelier.data import Picture
from atelier.errors import UserError
from atelier.fields.metrics import psnr_of
from atelier.fields.repairing import _divergence, _gradient
from torch import Generator


def variation(pixels):
    """(H, W, C) -> its total variation."""
    return float(_gradient(pixels.permute(2, 0, 1)).square().sum((0, 1)).sqrt().sum())


@pytest.mark.parametrize(("which", "share"), [("half", 0.5), ("tenth", 0.1), ("grid", 1 / 16), ("hole", 0.93)])
def test_masks_keep_the_share_that_they_name(which, share):
    known = fields.known_pixels(torch.zeros(96, 64, 3), which, seed=3)
    assert known.shape == (96, 64)
    assert float(known.float().mean()) == pytest.approx(share, abs=0.02)
    assert torch.equal(known, fields.known_pixels(torch.zeros(96, 64, 3), which, seed=3))


def test_a_painted_mask_is_stretched_over_the_picture():
    picture = torch.rand(96, 64, 3)
    painted = np.zeros((48, 32), np.uint8)
    painted[10:20, 5:15] = 255
    known = fields.known_pixels(picture, "painted", painted=painted)
    assert (~known).nonzero().amin(0).tolist() == [20, 10]
    assert (~known).nonzero().amax(0).tolist() == [39, 29]
    assert not known[20:40, 10:30].any()
    with pytest.raises(UserError, match="paint over a part"):
        fields.known_pixels(picture, "painted")
    small = fields.small_picture(picture, 24)
    assert small.shape == (24, 16, 3)
    assert small[0, 0] == pytest.approx(255 * picture[:4, :4].mean((0, 1)), abs=1)
    assert fields.small_picture(picture[..., :1]).shape == (96, 64, 3)


def test_the_divergence_is_the_negative_adjoint_of_the_gradient():
    generator = Generator().manual_seed(0)
    x, p = torch.randn(3, 7, 5, generator=generator), torch.randn(2, 3, 7, 5, generator=generator)
    assert float((_gradient(x) * p).sum()) == pytest.approx(-float((x * _divergence(p)).sum()), rel=1e-4)


def test_total_variation_keeps_known_pixels_and_varies_no_more_than_the_truth():
    generator = Generator().manual_seed(1)
    picture = torch.rand(24, 20, 3, generator=generator)
    known = fields.known_pixels(picture, "half")
    found = fields.total_variation(picture, known, steps=600)
    assert torch.equal(found[known], picture[known])
    assert variation(found) < variation(picture)
    worse = found.clone()
    worse[~known] += 0.01 * torch.randn(found[~known].shape, generator=generator)
    assert variation(found) < variation(worse)  # a minimum


def test_total_variation_finds_flat_regions_and_straight_edges():
    picture = torch.zeros(32, 32, 1)
    picture[:, 16:] = 1.0
    found = fields.total_variation(picture, fields.known_pixels(picture, "half"), steps=600)
    wrong = (found - picture).abs() > 0.02
    assert not wrong[:, :14].any()
    assert not wrong[:, 18:].any()


def test_the_network_learns_known_pixels_only_and_is_judged_by_the_others():
    waves = torch.stack([torch.sin(torch.linspace(0, 3, 1024)) / 2 + 0.5] * 3, -1).view(32, 32, 3)
    known = fields.known_pixels(waves, "grid")
    network = fields.build("siren", width=32, depth=1, frequency=5.0, aspect=1.0, seed=0)
    damaged = torch.where(known[..., None], waves, torch.rand(waves.shape, generator=Generator().manual_seed(5)))
    runs = [list(fields.repair(network, shown, known, steps=12, seed=0))[-1] for shown in (waves, damaged)]
    for a, b in zip(runs[0].at.network.parameters(), runs[1].at.network.parameters(), strict=True):
        assert torch.equal(a, b)  # what stands at unknown pixels does not matter
    last = runs[0]
    error = (last.at.render() - waves).square().mean(-1)[~known].mean().item()
    assert last.psnr == pytest.approx(psnr_of(error))
    frame = fields.repair_panels(last)
    assert list(frame.pictures) == ["known", "network", "smooth", "original"]
    assert f"{last.psnr:.1f} dB" in frame.captions["network"]


def test_a_mask_of_every_fourth_pixel_fits_in_any_sampling():
    ramp = torch.linspace(0, 1, 48 * 48).view(48, 48, 1).expand(-1, -1, 3)
    network = fields.build("relu", width=16, depth=1, aspect=1.0, seed=0)
    for sampling in ("lattice", "uniform", "error"):  # a lattice of stride 4 meets known pixels once in 16 steps
        run = fields.repair(network, ramp, fields.known_pixels(ramp, "grid"), steps=6, batch=144, sampling=sampling)
        assert all(math.isfinite(step.at.loss) for step in run)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (torch.ones(16, 16, dtype=torch.bool), "some unknown"),
        (torch.zeros(16, 16, dtype=torch.bool), "must be known"),
        (torch.ones(16, 15, dtype=torch.bool), "Boolean tensor of"),
        (torch.ones(16, 16), "Boolean tensor of"),
    ],
)
def test_other_masks_are_refused(mask, sentence):
    network = fields.build("relu", width=8, depth=1, aspect=1.0, seed=0)
    with pytest.raises(UserError, match=sentence):
        next(fields.repair(network, torch.rand(16, 16, 3), mask, steps=2))


def test_a_network_that_has_learned_is_refused():
    network = fields.build("relu", width=8, depth=1, aspect=1.0, seed=0)
    network.past = "learned"
    picture = torch.rand(16, 16, 3)
    with pytest.raises(UserError, match="may have seen"):
        next(fields.repair(network, picture, fields.known_pixels(picture), steps=1))


def test_wrong_names_and_contradictions_are_refused():
    picture = Picture("x", torch.rand(16, 16, 3))
    with pytest.raises(UserError, match="Known pixels"):
        fields.known_pixels(picture, "third")
    with pytest.raises(UserError, match="8 pixels"):
        fields.known_pixels(torch.rand(4, 4, 3), "half")
    network = fields.build("relu", width=8, depth=1, aspect=1.0, seed=0)
    known = fields.known_pixels(picture, "half")
    with pytest.raises(UserError, match="not both"):
        next(fields.fit(network, picture, known=known, held_out=True))
    with pytest.raises(UserError, match="SSIM"):
        next(fields.fit(network, picture, known=known, loss="ssim"))
