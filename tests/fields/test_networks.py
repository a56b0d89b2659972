import inspect
import json
import math
import re

import pytest
import torch
from atelier.errors import UserError
from atelier.fields.catalogue import NETWORKS, OPTIONS, options_of, rate_of
from atelier.fields.fitting import fit
from atelier.fields.networks import NetworkSpec, build, load, parameter_count, save
from atelier.fields.plane import Window, mesh

SMALL = {
    "hashgrid": {"finest": 16},
    **{name: {"width": 16, "depth": 2} for name in NETWORKS if name != "hashgrid"},
}


def grid(height=6, width=6):
    return tuple(axis.float() for axis in Window().axes(height, width))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_a_function_of_place(name):
    network = build(name, **SMALL[name]).eval()
    ys, xs = grid(6, 5)
    colours = network.on_grid(network.prepare(ys, xs))
    assert colours.shape == (30, 3)
    one_by_one = torch.cat([network(point[None]) for point in mesh(ys, xs)])
    torch.testing.assert_close(colours, one_by_one, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_seed_builds_the_same_weights(name):
    first, again, other = (build(name, **SMALL[name], seed=s).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", NETWORKS)
def test_stages_end_in_the_colours(name):
    network = build(name, **SMALL[name]).eval()
    ys, xs = grid()
    stages = dict(network.stages(ys, xs))
    assert next(iter(stages)) == "coordinates"
    assert torch.equal(stages["colour"], network.on_grid(network.prepare(ys, xs)))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_alone_rebuilds_the_network(name, tmp_path):
    network = build(name, **SMALL[name], channels=1, aspect=0.8, final="sigmoid", seed=9)
    path = save(tmp_path / "n.safetensors", network, steps=7)
    ys, xs = grid()
    for source in (path, path.read_bytes()):
        loaded = load(source)
        assert loaded.spec == network.spec == NetworkSpec(name, SMALL[name], 1, 0.8, "sigmoid", 9)
        assert loaded.past == {"steps": 7}
        assert torch.equal(loaded.on_grid(loaded.prepare(ys, xs)), network.on_grid(network.prepare(ys, xs)))


def test_the_reference_perceptron_has_its_parameters():
    assert parameter_count(build("relu", channels=1)) == 50_049


def test_sine_layers_start_as_siren_prescribes():
    # Sitzmann et al. 2020, §3.2: ω₀Wx is near N(0, 1) for sines x of variance 1/2, so each layer keeps the variance
    network = build("siren", width=256, depth=4)
    stages = dict(network.stages(*grid(64, 64)))
    before, deep = stages["layer 3"], stages["layer 4"]
    phase = 30 * before @ network.layers[3].linear.weight.T
    assert phase.square().mean().item() == pytest.approx(2 * before.square().mean().item(), rel=0.1)
    assert 0.3 < deep.var().item() < 0.7


@pytest.mark.parametrize("name", ["siren", "finer", "fourier_siren"])
def test_hidden_biases_of_sine_layers_are_those_of_the_authors(name):
    # PyTorch's default, U(±1/√n_in): 0.0625 for 256 units, and not the far smaller bound of the weights
    network = build(name, width=256, depth=3)
    for layer in network.layers[1:]:
        assert layer.linear.bias.abs().max() <= 1 / 16
        assert layer.linear.bias.std().item() == pytest.approx(1 / 16 / math.sqrt(3), rel=0.1)
    assert network.head.bias.abs().max() <= 1 / 16


def test_first_biases_of_finer_choose_its_frequencies():
    first = build("finer", width=256).layers[0].linear.bias
    assert first.abs().max() <= 1
    assert first.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.1)


def test_wire_is_a_complex_gabor_wavelet_in_every_layer():
    network = build("wire", width=16, depth=2, frequency=5.0, scale=3.0)
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for layer in network.layers:
        weight = torch.complex(layer.real.weight, layer.imaginary.weight)
        z = x.to(weight.dtype) @ weight.T + torch.complex(layer.real.bias, layer.imaginary.bias)
        x = layer(x)
        torch.testing.assert_close(x, torch.exp(5j * z - (3 * z.abs()) ** 2), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("height", "width", "budget"),
    [(200, 150, 0.3), (200, 150, 0.9), (1024, 768, 4.0)],  # the last needs a table larger than the default
)
def test_a_budget_is_kept(height, width, budget):
    network = build(picture=torch.zeros(height, width, 3), budget=budget)
    assert budget * 0.97 < parameter_count(network) / (height * width * 3) <= budget
    assert all(network.encoding.dense)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("sirene", {}, "Did you mean siren?"),
        ("relu", {"frequency": 3.0}, "has no option frequency"),
        ("relu", {"width": 0}, "Width must be a whole number from 4 to 1,024"),
        ("relu", {"channels": 9}, "Channels must be"),
        ("relu", {"final": "relu"}, "Final activation must be one of"),
        ("relu", {"seed": -1}, "Seed must be"),
        ("hashgrid", {"picture": torch.zeros(8, 8, 3), "levels": 10**9}, "Levels must be"),
        ("hashgrid", {"picture": torch.zeros(8, 8, 3), "budget": math.nan}, "must be a number from 0.05 to 4"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        build(name, **options)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"network": "siren"}, "holds the network relu, and siren is chosen"),
        ({"channels": 1}, "draws in colour and the picture is in gray"),
        ({"aspect": 2.0}, "a picture of another shape"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_when_it_is_chosen(asked, sentence, tmp_path):
    path = save(tmp_path / "n.safetensors", build("relu", width=16))
    with pytest.raises(UserError, match=sentence):
        build(**{"network": "relu", "checkpoint": path, **asked})


def test_a_checkpoint_that_fits_takes_the_place_of_the_options(tmp_path):
    network = build("relu", width=16, seed=5)
    loaded = build("relu", width=32, checkpoint=save(tmp_path / "n.safetensors", network))
    assert loaded.spec == network.spec
    assert torch.equal(loaded.head.weight, network.head.weight)


@pytest.mark.parametrize("name", NETWORKS)
def test_another_network_leaves_the_choices_of_the_training_alone(name):
    training = set(inspect.signature(fit).parameters)
    own, rate = options_of(name), rate_of(name)
    assert not training & own.keys()
    assert training & rate.keys() == {"learning_rate"} == rate.keys()
    assert own.keys() | rate.keys() <= OPTIONS.keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_options_that_are_offered_build_the_network(name):
    small = {option: value for option, value in SMALL[name].items() if option != "finest"}
    asked = {option: control.default for option, control in options_of(name).items()} | small
    network = build(name, **asked, picture=torch.zeros(16, 12, 3))
    assert network.spec.aspect == 0.75
    built = vars(network.spec) | network.spec.options
    assert all(built[option] == value for option, value in asked.items() if option in built and value is not None)


def test_a_spec_is_plain_json():
    spec = NetworkSpec("wire")
    assert NetworkSpec(**json.loads(json.dumps(vars(spec)))) == spec


def test_batch_norm_draws_each_point_alone():
    network = build("conv", width=16, depth=2, norm="batch")
    before = network.layers[0].norm.running_var.clone()
    network.train()(torch.rand(64, 2))
    assert not torch.equal(network.layers[0].norm.running_var, before)
    coords = torch.rand(8, 2)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(coords[:1]), network(coords)[:1])
