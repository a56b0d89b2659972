"""The weights that ship: whole, small, and as good as their figures say."""

import subprocess
import sys

import pytest
import torch
from atelier import checkpoints
from atelier.diffusion.denoiser import DEFAULT_GUIDANCE, EARLY, KIND, SHIPPED, few_path, load_denoiser
from atelier.diffusion.distilling import KNOTS
from atelier.diffusion.evaluation import load_judges
from atelier.diffusion.judges import judge_logits, read_sums, sha256
from atelier.diffusion.sampling import sample
from atelier.paths import WEIGHTS


def test_files_match_their_hashes_and_stay_small():
    sums = read_sums(WEIGHTS)
    files = [SHIPPED, EARLY, *map(few_path, KNOTS), *WEIGHTS.glob("judge-*-mnist.safetensors")]
    assert len(files) == 8
    assert all(sums[path.name] == sha256(path) for path in files)
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 24e6


def test_the_shipped_denoiser_draws_the_digits_it_is_asked_for():
    denoiser, extra = load_denoiser(SHIPPED)
    assert (denoiser.schedule.name, denoiser.target) == ("flow", "flow")
    assert extra["dataset"] == "MNIST"
    labels = torch.arange(60) % 10
    *_, last = sample(denoiser, labels, steps=10, guidance=DEFAULT_GUIDANCE, seed=5)
    judged = judge_logits(load_judges().labels, last.images).argmax(1)
    assert float((judged == labels).float().mean()) >= 0.95


@pytest.mark.parametrize(("steps", "right"), [(4, 0.95), (2, 0.9), (1, 0.85)])
def test_the_distilled_networks_draw_the_digits_they_are_asked_for(steps, right):
    denoiser, _ = load_denoiser(few_path(steps))
    labels = torch.arange(60) % 10
    *_, last = sample(denoiser, labels, guidance=DEFAULT_GUIDANCE, seed=5)
    assert last.network_calls == steps
    judged = judge_logits(load_judges().labels, last.images).argmax(1)
    assert float((judged == labels).float().mean()) >= right


def test_the_early_snapshot_is_of_the_same_network():
    assert load_denoiser(EARLY)[0].spec == load_denoiser(SHIPPED)[0].spec


@pytest.mark.parametrize(
    ("path", "most_times_the_floor"), [(SHIPPED, 1.5), (few_path(4), 2.5), (few_path(2), 4.0), (few_path(1), 12.0)]
)
def test_the_stored_figures_are_those_of_three_seeds(path, most_times_the_floor):
    stored = checkpoints.load(path, KIND).extra["figures"]
    assert (stored["n"], stored["seeds"]) == (10_000, 3)
    assert stored["label_accuracy"] >= 0.985
    assert 0.9 < stored["nearest_distance_ratio"] < 1.1
    assert stored["classifier_fid_ratio"] <= most_times_the_floor
    assert stored["classifier_fid_ratio_interval"] > 0


def test_importing_diffusion_brings_in_no_heavy_library():
    code = (
        "import sys, atelier.diffusion.sampling, atelier.diffusion.training, atelier.diffusion.evaluation, "
        "atelier.diffusion.steering, atelier.data.digits\n"
        "heavy = {'torchvision', 'deepinv', 'skimage', 'matplotlib', 'marimo', 'torchmetrics'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
