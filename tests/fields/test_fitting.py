import itertools
import math
import re
from types import SimpleNamespace

import pytest
import torch
from atelier.errors import UserError
from atelier.fields import racing
from atelier.fields.catalogue import NETWORKS, OPTIMISERS, SAMPLINGS
from atelier.fields.fitting import FitError, fit, held_in
from atelier.fields.history import History
from atelier.fields.metrics import psnr
from atelier.fields.networks import build, load, parameter_count, save
from atelier.fields.racing import race
from atelier.settings import Knob
from torch import nn


def hashgrid():
    return build("hashgrid", finest=24, width=16, depth=1, levels=3, aspect=0.75)


@pytest.fixture(scope="module")
def picture():
    """Smooth colours with an edge: 32 × 24."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 24), indexing="ij")
    return torch.stack([x, y, (x + y > 1).float()], dim=-1)


def last(network, picture, **options):
    *_, step = fit(network, picture, **{"steps": 150, "batch": 128, **options})
    return step


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("loss", ["l2", "l1"])
def test_every_sampling_learns(picture, sampling, loss):
    assert last(hashgrid(), picture, sampling=sampling, loss=loss).psnr > 25


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_every_optimiser_learns(picture, optimiser):
    network = build("siren", width=32, depth=2, aspect=0.75)
    assert last(network, picture, optimiser=optimiser, learning_rate=2e-3).psnr > 18


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns(picture, name):
    small = {"finest": 24} if name == "hashgrid" else {"width": 32, "depth": 2}
    network = build(name, **small, aspect=0.75)
    begin = next(fit(network, picture, batch=256, learning_rate=1e-6)).psnr
    assert last(network, picture, steps=60).psnr > begin + 3


def test_a_network_learns_at_its_own_rate(picture):
    for name, kind in NETWORKS.items():
        small = {"finest": 24} if name == "hashgrid" else {"width": 32, "depth": 2}
        assert next(fit(build(name, **small), picture)).learning_rate == kind.learning_rate


def test_ssim_as_a_loss_raises_ssim(picture):
    steps = list(fit(hashgrid(), picture, steps=60, loss="ssim"))
    assert steps[-1].loss < steps[0].loss
    assert steps[-1].measure().ssim > 0.8


def test_the_same_seed_is_the_same_run_bit_for_bit(picture):
    runs = [list(fit(hashgrid(), picture, steps=20, batch=128, seed=s)) for s in (1, 1, 2)]
    losses = [[step.loss for step in run] for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(runs[0][-1].render(), runs[1][-1].render())


def test_the_given_network_stays_as_it_was_and_a_step_keeps_its_own(picture):
    network = hashgrid()
    before = [p.clone() for p in network.parameters()]
    run = fit(network, picture, steps=5, batch=128)
    kept = next(run).network
    then = [p.clone() for p in kept.parameters()]
    *_, end = run
    assert all(map(torch.equal, network.parameters(), before))
    assert all(map(torch.equal, kept.parameters(), then))
    assert not all(map(torch.equal, end.network.parameters(), then))
    assert not all(map(torch.equal, then, before))


class Listening(nn.Module):
    """A constant that notes where it is asked while it learns."""

    def __init__(self, asked):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1))
        self.note = lambda coords: asked.append(coords) if torch.is_grad_enabled() else None

    def forward(self, coords):
        self.note(coords)
        return self.value.expand(len(coords), 1)


def test_a_lattice_round_visits_every_pixel_once():
    seen, asked = torch.zeros(32, 24), []
    ramp = torch.arange(32 * 24).view(32, 24, 1).float()
    list(fit(Listening(asked), ramp, steps=4, batch=192))
    assert len(asked) == 4
    for points in asked:
        points = points.cpu()
        rows = ((points[:, 1] + 1) * 16 - 0.5).round().long()
        columns = ((points[:, 0] / 0.75 + 1) * 12 - 0.5).round().long()
        seen[rows, columns] += 1
    assert seen.eq(1).all()


def test_any_module_of_the_right_shape_is_fitted_and_others_are_refused(picture):
    def module(n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, 32), nn.Tanh(), nn.Linear(32, n_out))

    run = list(fit(module(2, 3), picture, steps=60, batch=256, learning_rate=1e-2))
    assert isinstance(run[-1].network, nn.Sequential)
    assert run[-1].loss < run[0].loss / 3
    for wrong, sentence in (
        (module(2, 1), r"must map \(N, 2\) to \(N, 3\); yours gave \(N, 1\)"),
        (module(3, 3), "yours raised RuntimeError"),
        (nn.Tanh(), "with parameters to train"),
    ):
        with pytest.raises(UserError, match=sentence):
            next(fit(wrong, picture))


def test_measured_numbers_are_those_of_the_picture(picture):
    step = last(hashgrid(), picture, held_out=True)
    measure = step.measure()
    assert measure.psnr == pytest.approx(psnr(step.render(), picture), abs=1e-3)
    seen = held_in(picture, 0)
    assert seen.sum() == 32 * 24 // 2
    assert measure.held_out_psnr == pytest.approx(psnr(step.render()[~seen], picture[~seen]), abs=1e-3)
    assert psnr(step.render()[seen], picture[seen]) > measure.held_out_psnr
    assert step.history.curves["psnr"] == [measure.psnr]


def test_held_out_pixels_teach_nothing(picture):
    seen = held_in(picture, 0)
    changed = torch.where(seen[..., None], picture, torch.rand(picture.shape))
    for sampling in SAMPLINGS:
        options = {"steps": 10, "batch": 128, "held_out": True, "sampling": sampling}
        first, second = ([s.loss for s in fit(hashgrid(), p, **options)] for p in (picture, changed))
        assert first == second


def test_a_rate_that_explodes_is_named(picture):
    with pytest.raises(FitError, match="learning rate of 1e\\+12 is too much"):
        list(fit(build("relu"), picture, steps=50, learning_rate=1e12))


def test_the_rate_can_be_turned_while_it_runs(picture):
    rate = Knob(1e-2)
    run = fit(hashgrid(), picture, steps=10, decay=False, batch=128, learning_rate=rate)
    assert next(run).learning_rate == 1e-2
    rate.value = 5e-3
    assert next(run).learning_rate == 5e-3


def test_the_rate_decays_along_a_cosine(picture):
    rates = [s.learning_rate for s in fit(hashgrid(), picture, steps=20, batch=128, learning_rate=1.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1
    assert rates[10] == pytest.approx(0.505)


def test_a_network_that_has_learned_already_starts_gently(picture, tmp_path):
    network = load(save(tmp_path / "n.safetensors", hashgrid(), steps=100))
    rates = [s.learning_rate for s in fit(network, picture, steps=3, batch=128, decay=False, learning_rate=1.0)]
    assert rates == pytest.approx([1 / 201, 2 / 201, 3 / 201])


def test_time_ends_a_run(picture):
    ticks = itertools.count()
    run = list(fit(hashgrid(), picture, seconds=5, batch=128, clock=lambda: next(ticks)))
    assert (len(run), run[-1].seconds, run[-1].progress) == (5, 5, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"loss": "ssim", "held_out": True}, "whole neighbourhoods"),
        ({"loss": "ssim", "sampling": "error"}, "whole neighbourhoods"),
        ({"steps": None}, "Steps must be a whole number"),
        ({"seconds": 0}, "Seconds must be a number"),
        ({"batch": 0.5}, "Batch must be a whole number"),
        ({"loss": "l3"}, "Loss must be one of"),
        ({"optimiser": "adan"}, "Did you mean adam?"),
        ({"sampling": "latice"}, "Did you mean lattice?"),
    ],
)
def test_what_cannot_be_is_refused(picture, options, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        next(fit(hashgrid(), picture, **options))


def test_moments_are_spread_by_the_number_of_steps():
    # at a constant loss the next moment is the first step that is a quarter later
    history, network = History(), hashgrid()
    expected = [1]
    for step in range(1, 102):
        history.offer(network, step, seconds=0.0, loss=0.1, last=step == 101)
        if step >= 1.25 * expected[-1] and step > 1:
            expected.append(step)
    assert [moment.step for moment in history.moments] == [*expected, 101]


def test_moments_are_spread_by_quality():
    # 0.1 dB a step, late in a run where the number of steps hardly grows: at least half a decibel apart.
    # The loss is smoothed over ten steps, so it trails the 30 dB by one.
    history, network = History(), hashgrid()
    for step in range(10_000, 10_301):
        history.offer(network, step, seconds=0.0, loss=10 ** (-(step - 10_000) / 100))
    levels = [moment.level for moment in history.moments]
    gaps = [b - a for a, b in itertools.pairwise(levels)]
    assert all(0.5 <= gap < 0.61 for gap in gaps)
    assert sum(gaps) > 28


@pytest.mark.parametrize("most", [2, 8])
def test_a_history_keeps_the_ends_within_its_memory(most):
    network = hashgrid()
    memory = most * 2 * parameter_count(network)  # float16
    history = History(memory)
    for step in range(1, 1001):
        history.offer(network, step, seconds=0.0, loss=1 / step, last=step == 1000)
        assert sum(moment.bytes for moment in history.moments) <= memory
    steps = [moment.step for moment in history.moments]
    assert (steps[0], steps[-1], len(steps)) == (1, 1000, most)
    # evenly spread over log(step): no gap of more than three even ones
    even = math.log(1000) / (most - 1)
    assert max(math.log(b / a) for a, b in itertools.pairwise(steps)) <= 3 * even


def test_a_history_without_memory_keeps_no_weights(picture):
    step = last(hashgrid(), picture, steps=5, memory=0)
    assert step.history.moments == []


def test_a_moment_restores_the_network_of_its_step(picture):
    step = last(hashgrid(), picture, steps=30)
    moment = step.history.moments[-1]
    assert moment.step == 30
    restored = moment.restore(hashgrid())
    for own, kept in zip(restored.parameters(), step.network.parameters(), strict=True):
        torch.testing.assert_close(own, kept, atol=1e-6, rtol=2**-11)  # half a unit in float16's last place


class Clock:
    """Processor time that only passes where a network is asked."""

    def __init__(self):
        self.now = 0.0

    def runner(self, cost, fails_at=math.inf):
        """A linear map that takes `cost` seconds a call while it learns, and breaks at one of these calls."""
        calls = itertools.count(1)

        def asked(module, inputs, colours):
            if not module.training or not torch.is_grad_enabled():
                self.now += 1000.0  # what is drawn and measured does not count
                return colours
            self.now += cost
            return colours * math.nan if next(calls) >= fails_at else colours

        module = nn.Linear(2, 3)
        module.register_forward_hook(asked)
        return module

    def install(self, monkeypatch):
        monkeypatch.setattr(racing, "time", SimpleNamespace(thread_time=lambda: self.now))


def test_a_race_gives_everyone_the_same_time(picture, monkeypatch):
    clock = Clock()
    clock.install(monkeypatch)
    used = []
    for lap in race({"slow": clock.runner(3.0), "quick": clock.runner(1.0)}, picture, seconds=12):
        used.append({name: runner.seconds for name, runner in lap.runners.items()})
        assert min(used[-1].values()) / 12 <= lap.progress <= min(1, sum(used[-1].values()) / 24 + 0.2)
    assert used[-1] == {"slow": 12, "quick": 12}
    assert {name: runner.step for name, runner in lap.runners.items()} == {"slow": 4, "quick": 12}
    assert lap.runners["quick"].curve[0] == [1, 2, 3, 4, 5, 6, 8, 10, 12]  # denser at first, where a curve is steep
    # within a step, and the fifth of its time since a runner was measured
    assert max(abs(now["slow"] - now["quick"]) for now in used) <= 3 + 12 / 5


@pytest.mark.parametrize("fails_at", [1, 4])
def test_a_runner_that_fails_drops_out_with_its_last_figures(picture, monkeypatch, fails_at):
    clock = Clock()
    clock.install(monkeypatch)
    networks = {"fine": clock.runner(1.0), "wrong": clock.runner(1.0, fails_at)}
    # a measurement every 5 seconds at least, so that the step before the failure has not been measured
    *_, lap = race(networks, picture, seconds=120)
    wrong = lap.runners["wrong"]
    assert "no longer a number" in wrong.error
    assert math.isfinite(wrong.psnr)
    assert all(map(math.isfinite, wrong.curve[1]))
    assert (lap.runners["fine"].seconds, lap.runners["fine"].error) == (120, "")


@pytest.mark.parametrize("count", [0, 5])
def test_a_race_takes_one_to_four(picture, count):
    with pytest.raises(UserError, match="one to 4 networks"):
        next(race({str(k): nn.Linear(2, 3) for k in range(count)}, picture))
