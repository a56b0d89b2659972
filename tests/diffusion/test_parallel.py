"""Two processes under torchrun make the run of one."""

import json
import os
import subprocess
import sys

import pytest
import torch
from atelier import checkpoints
from atelier.diffusion.denoiser import KIND
from atelier.errors import UserError
from atelier.parallel import Team, team

SCRIPT = """
import sys
from pathlib import Path
import atelier, torch
from atelier.diffusion.denoiser import build_denoiser
from atelier.diffusion.training import Recipe, train
from atelier.parallel import team

images = torch.randint(0, 256, (40, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
tiny = {"widths": [16, 32], "blocks": 1, "embedding": 16, "heads": 2}
recipe = Recipe(steps=5, batch_size=7, warmup=2, precision="float32", ema_decay=0.5)
run = train(build_denoiser(options=tiny), images, torch.arange(40) % 10, recipe, checkpoint=Path(sys.argv[1]))
losses = [step.loss for step in run]
if team().leads:
    print(team().size, *losses)
"""


COMMAND = """
import importlib.util, sys
import atelier
from atelier.data.digits import font_digits
from atelier.diffusion import build_denoiser, learning, recipe_of
from atelier.paths import ROOT

tiny = {"widths": [16, 32], "blocks": 1, "embedding": 16, "heads": 2}
learning.load_digits = lambda *_, **__: font_digits(40)


def lesson(asked, schedule, seed):
    return build_denoiser(options=tiny, seed=seed), asked["dataset"], recipe_of(asked, seed)


words = ["--epochs", 1, "--batch", 10, "--samples", 2, "--sampling-steps", 1, "--out", sys.argv[1]]
sys.argv = ["digit_diffusion.py", *map(str, words)]
spec = importlib.util.spec_from_file_location("digit_diffusion", ROOT / "apps" / "digit_diffusion.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.app.run(defs={"lesson": lesson})
"""


def under_torchrun(folder, text, processes, argument):
    """What a script prints that so many processes run."""
    script = folder / "script.py"
    script.write_text(text)
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *start, str(script), str(argument)]
    on_cpu = os.environ | {"CUDA_VISIBLE_DEVICES": ""}  # two processes do not share one GPU
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=on_cpu)
    assert done.returncode == 0, done.stderr
    return done.stdout


def trained(printed, path, processes):
    """Losses and tensors of a run by so many processes."""
    size, *losses = printed.split()
    assert int(size) == processes
    return [float(loss) for loss in losses], checkpoints.load(path, KIND).tensors


def test_the_leader_of_a_team_alone_speaks_and_writes(tmp_path):
    found = json.loads(under_torchrun(tmp_path, COMMAND, 2, tmp_path / "out"))
    assert found["training"]["steps"] == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "checkpoint.safetensors",
        "samples.npz",
        "samples.png",
    ]


def test_a_team_makes_the_run_of_one_process(tmp_path, monkeypatch, capsys):
    first, second = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    monkeypatch.setattr(sys, "argv", ["script.py", str(first)])
    exec(SCRIPT, {})
    alone, one = trained(capsys.readouterr().out, first, 1)
    together, two = trained(under_torchrun(tmp_path, SCRIPT, 2, second), second, 2)
    assert together == pytest.approx(alone, rel=1e-5)
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-5)


def test_without_torchrun_there_is_a_team_of_one():
    assert team() == Team(0, 1)
    values = torch.arange(3.0)
    assert torch.equal(team().gathered(values, 3), values)
    assert torch.equal(torch.cat([values[Team(rank, 2).share] for rank in (0, 1)]), torch.tensor([0.0, 2.0, 1.0]))


def test_a_process_without_a_gpu_of_its_own_is_told(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.distributed, "is_torchelastic_launched", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="--nproc-per-node 1"):
        team.__wrapped__()
