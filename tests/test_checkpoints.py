import json
import pickle

import pytest
import torch
from atelier.checkpoints import Checkpoint, load, load_into, rebuild, save
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


GOOD = {"format": 1, "kind": "thing", "spec": {}}


@pytest.mark.parametrize(
    "header",
    [
        "{",
        "[]",
        '{"format": 1}',
        *(
            json.dumps(GOOD | wrong)
            for wrong in (
                {"kind": 3},
                {"kind": "x" * 41},
                {"format": "1"},
                {"format": True},
                {"format": 1e400},
                {"spec": []},
                {"extra": []},
                {"extra": None},
            )
        ),
        json.dumps(GOOD)[:-1] + ', "extra": {"x": ' + "[" * 100_000 + "]" * 100_000 + "}}",
        json.dumps(GOOD)[:-1] + ', "extra": {"x": ' + "[" * 30 + "]" * 30 + "}}",
        json.dumps(GOOD)[:-1] + ', "extra": {"x": ' + "9" * 5000 + "}}",
    ],
)
def test_an_unreadable_description_is_refused(tmp_path, header):
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.ones(1)}, path, metadata={"atelier": header})
    with pytest.raises(UserError, match="cannot be read"):
        load(path, "thing")


@pytest.mark.parametrize("dtype", [torch.complex64, torch.bool, torch.int8, torch.float8_e4m3fn])
def test_odd_kinds_of_numbers_are_refused(tmp_path, dtype):
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.ones(3).to(dtype)}, path, metadata={"atelier": json.dumps(GOOD)})
    with pytest.raises(UserError, match="unknown type"):
        load(path, "thing")


def test_kind_version_and_absence(path, tmp_path):
    with pytest.raises(UserError, match="holds a thing, and a denoiser is needed"):
        load(path, "denoiser")
    for absent in (tmp_path / "none", path / "below", "x" * 300, "~nosuchuser/x", tmp_path):
        with pytest.raises(UserError):
            load(absent, "thing")
    save_file({"w": torch.ones(1)}, path, metadata={"atelier": json.dumps(GOOD | {"format": 99})})
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
        {"weight": torch.full((2, 2), 1e300, dtype=torch.float64), "bias": torch.ones(2)},
        {"weight": torch.ones(2, 2, dtype=torch.int64), "bias": torch.ones(2)},
    ],
)
def test_weights_that_do_not_fit_leave_the_module_alone(tensors):
    module = torch.nn.Linear(2, 2)
    before = module.weight.clone()
    with pytest.raises(UserError):
        load_into(module, tensors)
    assert torch.equal(module.weight, before)


def drawn(width: int) -> torch.nn.Module:
    """A layer made as the rooms make theirs: without torch's own draws, from a generator."""
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(width, width, device="meta")
    layer.weight = torch.nn.Parameter(torch.empty(width, width).uniform_(-1, 1, generator=generator))
    layer.bias = torch.nn.Parameter(torch.rand(width, generator=generator))
    return layer


def test_a_module_is_rebuilt_with_its_weights():
    weights = {"weight": torch.full((3, 3), 2.0).half(), "bias": torch.zeros(3)}
    module = rebuild(lambda: drawn(3), weights)
    assert module.weight.dtype == torch.float32
    assert torch.equal(module.weight, torch.full((3, 3), 2.0))


@pytest.mark.parametrize(("width", "sentence"), [(40_000, "1,600,040,000 numbers"), (5000, "does not fit")])
def test_a_short_file_cannot_take_much_memory(width, sentence):
    built = []

    def build():
        module = drawn(width)
        built.append(module.weight.device.type)
        return module

    with pytest.raises(UserError, match=sentence):
        rebuild(build, {"weight": torch.ones(3, 3), "bias": torch.ones(3)})
    assert built == ["meta"]


def test_a_description_that_builds_nothing_is_one_sentence():
    with pytest.raises(UserError, match="cannot be built"):
        rebuild(lambda: torch.nn.Linear("x", 10**30), {})
