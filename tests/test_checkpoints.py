import json
import pickle

import pytest
import torch
from atelier.checkpoints import Checkpoint, load, load_into, save
from atelier.errors import UserError
from safetensors.torch import save_file


@pytest.fixture
def path(tmp_path):
    return save(tmp_path / "x.safetensors", Checkpoint("thing", {"a": 1}, {"w": torch.arange(6.0)}, {"steps": 3}))


def test_round_trip(path):
    found = load(path, "thing")
    assert (found.spec, found.extra) == ({"a": 1}, {"steps": 3})
    assert torch.equal(found.tensors["w"], torch.arange(6.0))


def test_truncated_at_every_length_is_refused(path):
    whole = path.read_bytes()
    for length in (0, 4, 20, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="not a whole safetensors file"):
            load(path, "thing")


def test_foreign_files_are_refused(tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"w": torch.ones(1)}, foreign)
    with pytest.raises(UserError, match="not saved by Atelier"):
        load(foreign, "thing")
    foreign.write_bytes(pickle.dumps({"w": 1}))
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load(foreign, "thing")


@pytest.mark.parametrize("header", ["{", "[]", '{"format": 1}', '{"format": 1, "kind": 3, "spec": {}}'])
def test_an_unreadable_description_is_refused(tmp_path, header):
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.ones(1)}, path, metadata={"atelier": header})
    with pytest.raises(UserError, match="cannot be read"):
        load(path, "thing")


def test_kind_version_and_absence(path, tmp_path):
    with pytest.raises(UserError, match="holds a thing, and a denoiser is needed"):
        load(path, "denoiser")
    with pytest.raises(UserError, match="There is no checkpoint"):
        load(tmp_path / "none", "thing")
    header = {"format": 99, "kind": "thing", "spec": {}}
    save_file({"w": torch.ones(1)}, path, metadata={"atelier": json.dumps(header)})
    with pytest.raises(UserError, match="newer Atelier"):
        load(path, "thing")


def test_a_failed_write_leaves_the_old_file(path):
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save(path, Checkpoint("thing", {"a": object()}, {"w": torch.ones(1)}))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight": torch.ones(2, 2)},
        {"weight": torch.ones(3, 2), "bias": torch.ones(2)},
        {"weight": torch.full((2, 2), torch.nan), "bias": torch.ones(2)},
    ],
)
def test_weights_that_do_not_fit_leave_the_module_alone(tensors):
    module = torch.nn.Linear(2, 2)
    before = module.weight.clone()
    with pytest.raises(UserError):
        load_into(module, tensors)
    assert torch.equal(module.weight, before)
