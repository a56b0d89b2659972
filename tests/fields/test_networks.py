import json
import re

import pytest
import torch
from atelier.errors import UserError
from atelier.fields.networks import (
    NETWORKS,
    NetworkSpec,
    build,
    finest_for,
    load,
    parameter_count,
    save,
)
from atelier.fields.window import Window, mesh

SMALL = {
    "hashgrid": {"finest": 16},
    **{name: {"width": 16, "depth": 2} for name in NETWORKS if name != "hashgrid"},
}


def grid(height=6, width=5):
    return tuple(axis.float() for axis in Window().axes(height, width))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_a_function_of_place(name):
    spec = NetworkSpec(name, SMALL[name], channels=3)
    network = build(spec).eval()
    ys, xs = grid()
    colours = network.on_grid(network.prepare(ys, xs))
    assert colours.shape == (30, 3)
    one_by_one = torch.cat([network(point[None]) for point in mesh(ys, xs)])
    torch.testing.assert_close(colours, one_by_one, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_seed_builds_the_same_weights(name):
    first, again, other = (build(NetworkSpec(name, SMALL[name], seed=s)).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", NETWORKS)
def test_stages_end_in_the_colours(name):
    network = build(NetworkSpec(name, SMALL[name])).eval()
    ys, xs = grid()
    stages = dict(network.stages(ys, xs))
    assert next(iter(stages)) == "coordinates"
    assert torch.equal(stages["colour"], network.on_grid(network.prepare(ys, xs)))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_alone_rebuilds_the_network(name, tmp_path):
    spec = NetworkSpec(name, SMALL[name], channels=1, aspect=0.8, final="sigmoid", seed=9)
    network = build(spec)
    loaded, found, extra = load(save(tmp_path / "n.safetensors", network, spec, steps=7))
    assert (found, extra) == (spec, {"steps": 7})
    ys, xs = grid()
    assert torch.equal(loaded.on_grid(loaded.prepare(ys, xs)), network.on_grid(network.prepare(ys, xs)))


def test_the_reference_perceptron_has_its_parameters():
    assert parameter_count(build(NetworkSpec("relu", channels=1))) == 50_049


def test_sine_layers_start_as_siren_prescribes():
    # Sitzmann et al. 2020, §3.2: before each sine the values are near N(0, 1), so its outputs keep their variance
    network = build(NetworkSpec("siren", {"width": 256, "depth": 4}))
    ys, xs = grid(64, 64)
    deep = dict(network.stages(ys, xs))["layer 4"]
    assert 0.3 < deep.var().item() < 0.7


def test_a_budget_is_kept():
    for budget in (0.3, 0.9):
        finest = finest_for(budget, 200 * 150 * 3, 0.75, width=64, depth=2, levels=5, channels=3)
        network = build(NetworkSpec("hashgrid", {"finest": finest}, aspect=0.75))
        assert budget * 0.97 < parameter_count(network) / (200 * 150 * 3) <= budget


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sirene",), "Did you mean siren?"),
        (("relu", {"frequency": 3.0}), "has no option frequency"),
        (("relu", {"width": 0}), "Width must be a whole number from 4 to 1,024"),
        (("relu", {}, 9), "Channels must be"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        NetworkSpec(*arguments)


def test_a_spec_is_plain_json():
    spec = NetworkSpec("wire")
    assert NetworkSpec(**json.loads(json.dumps(vars(spec)))) == spec


def test_batch_norm_draws_each_point_alone():
    network = build(NetworkSpec("conv", {"width": 16, "depth": 2, "norm": "batch"}))
    before = network.layers[0].norm.running_var.clone()
    network.train()(torch.rand(64, 2))
    assert not torch.equal(network.layers[0].norm.running_var, before)
    coords = torch.rand(8, 2)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(coords[:1]), network(coords)[:1])
