import itertools

import pytest
import torch
from atelier.errors import UserError
from atelier.fields.fitting import OPTIMISERS, SAMPLINGS, FitError, FitOptions, Knobs, fit, held_in
from atelier.fields.metrics import psnr
from atelier.fields.networks import NETWORKS, NetworkSpec, build
from atelier.fields.race import race
from atelier.fields.recording import Recording

SPEC = NetworkSpec("hashgrid", {"finest": 24, "width": 16, "depth": 1, "levels": 3}, aspect=0.75)


@pytest.fixture(scope="module")
def picture():
    """Smooth colours with an edge: 32 × 24."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 24), indexing="ij")
    return torch.stack([x, y, (x + y > 1).float()], dim=-1)


def last(network, picture, **options):
    *_, step = fit(network, picture, FitOptions(**{"steps": 150, "batch": 128, **options}))
    return step


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("loss", ["l2", "l1"])
def test_every_sampling_learns(picture, sampling, loss):
    assert last(build(SPEC), picture, sampling=sampling, loss=loss).measure().psnr > 25


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_every_optimiser_learns(picture, optimiser):
    spec = NetworkSpec("siren", {"width": 32, "depth": 2}, aspect=0.75)
    assert last(build(spec), picture, optimiser=optimiser, learning_rate=2e-3).measure().psnr > 18


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns(picture, name):
    small = {"finest": 24} if name == "hashgrid" else {"width": 32, "depth": 2}
    network = build(NetworkSpec(name, small, aspect=0.75))
    begin = next(fit(network, picture, FitOptions(batch=256, learning_rate=1e-6))).measure().psnr
    end = last(network, picture, learning_rate=NETWORKS[name].learning_rate, steps=60).measure().psnr
    assert end > begin + 3


def test_ssim_as_a_loss_raises_ssim(picture):
    network = build(SPEC)
    steps = list(fit(network, picture, FitOptions(steps=60, loss="ssim")))
    assert steps[-1].loss < steps[0].loss
    assert steps[-1].measure().ssim > 0.8


def test_the_same_seed_is_the_same_run_bit_for_bit(picture):
    runs = [list(fit(build(SPEC), picture, FitOptions(steps=20, batch=128, seed=s))) for s in (1, 1, 2)]
    losses = [[step.loss for step in run] for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(runs[0][-1].render(), runs[1][-1].render())


def test_a_lattice_round_visits_every_pixel_once(picture):
    network = build(SPEC)
    seen = torch.zeros(32, 24)
    ramp = torch.arange(32 * 24).view(32, 24, 1).float()
    asked = []
    network.on_grid = lambda prepared: asked.append(prepared) or torch.zeros(len(prepared), 1, requires_grad=True)
    network.prepare = lambda ys, xs: torch.cartesian_prod(ys, xs)
    list(itertools.islice(fit(network, ramp, FitOptions(steps=4, batch=192)), 4))
    for points in asked:
        rows = ((points[:, 0] + 1) * 16 - 0.5).round().long()
        columns = ((points[:, 1] / 0.75 + 1) * 12 - 0.5).round().long()
        seen[rows, columns] += 1
    assert seen.eq(1).all()


def test_measured_numbers_are_those_of_the_picture(picture):
    step = last(build(SPEC), picture, held_out=True)
    measure = step.measure()
    assert measure.psnr == pytest.approx(psnr(step.render(), picture), abs=1e-3)
    seen = held_in(picture, 0)
    assert seen.sum() == 32 * 24 // 2
    assert measure.held_out_psnr == pytest.approx(psnr(step.render()[~seen], picture[~seen]), abs=1e-3)
    assert psnr(step.render()[seen], picture[seen]) > measure.held_out_psnr


def test_held_out_pixels_teach_nothing(picture):
    seen = held_in(picture, 0)
    changed = torch.where(seen[..., None], picture, torch.rand(picture.shape))
    for sampling in SAMPLINGS:
        options = FitOptions(steps=10, batch=128, held_out=True, sampling=sampling)
        first, second = ([s.loss for s in fit(build(SPEC), p, options)] for p in (picture, changed))
        assert first == second


def test_a_rate_that_explodes_is_named(picture):
    with pytest.raises(FitError, match="learning rate of 1e\\+12 is too much"):
        list(fit(build(NetworkSpec("relu")), picture, FitOptions(steps=50, learning_rate=1e12)))


def test_the_rate_can_be_turned_while_it_runs(picture):
    knobs = Knobs(1e-2)
    run = fit(build(SPEC), picture, FitOptions(steps=10, decay=False, batch=128), knobs)
    assert next(run).learning_rate == 1e-2
    knobs.learning_rate = 5e-3
    assert next(run).learning_rate == 5e-3


def test_the_rate_decays_along_a_cosine(picture):
    rates = [s.learning_rate for s in fit(build(SPEC), picture, FitOptions(steps=20, batch=128, learning_rate=1.0))]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1
    assert rates[10] == pytest.approx(0.505)


def test_time_ends_a_run(picture):
    ticks = itertools.count()
    run = list(fit(build(SPEC), picture, FitOptions(steps=None, seconds=5, batch=128), clock=lambda: next(ticks)))
    assert (len(run), run[-1].seconds, run[-1].progress) == (5, 5, 1)


def test_what_cannot_be_combined_is_refused():
    with pytest.raises(UserError, match="whole neighbourhoods"):
        FitOptions(loss="ssim", held_out=True)
    with pytest.raises(UserError, match="needs an end"):
        FitOptions(steps=None)


def test_a_recording_keeps_the_ends_and_spreads_between():
    network, recording = build(SPEC), Recording(most=8)
    figures = {"seconds": 0.0, "loss": 0.0, "psnr": 0.0, "ssim": 0.0}
    for step in range(1, 101):
        recording.offer(network, step=step, **figures)
    recording.finish(network, step=101, **figures)
    steps = [moment.step for moment in recording.moments]
    assert steps[0] == 1
    assert steps[-1] == 101
    assert len(steps) <= 9
    assert max(b - a for a, b in itertools.pairwise(steps)) <= 32


def test_a_race_gives_everyone_the_same_time(picture):
    entries = {
        "fine": (SPEC, FitOptions(batch=128)),
        "wrong": (NetworkSpec("relu", {"width": 8, "depth": 1}), FitOptions(learning_rate=1e30)),
    }
    laps = list(race(entries, picture, 0.3))
    ends = [lap.seconds for lap in laps if lap.runner == "fine"]
    assert ends == sorted(ends)
    assert 0.3 <= ends[-1] < 0.6
    assert any(lap.error for lap in laps if lap.runner == "wrong")
