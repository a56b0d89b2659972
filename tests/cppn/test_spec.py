import json

import pytest
from atelier.cppn.catalogue import TOPOLOGIES
from atelier.cppn.spec import PROPERTIES, FieldSpec, blend, strand_length
from atelier.cppn.topologies import activation_names, plan, with_activation
from atelier.errors import UserError


def test_json_round_trip():
    spec = FieldSpec(latent=(0.25, -1.5), strands=((3, 0.6), (9, 0.8)), palette=("#102030", "#ffeedd"))
    assert FieldSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"width": 10**6},
        {"std": float("nan")},
        {"latent": (float("nan"),)},
        {"activations": ("tanhh",)},
        {"topology": "transformer"},
        {"neighbours": 3},
        {"low": 2.0, "high": 1.0},
        {"inputs": ()},
        {"inputs": ("x", "x")},
        {"strands": ((1, 2, 3),)},
        {"palette": ("nowhere",)},
    ],
)
def test_a_value_out_of_bounds_is_refused_in_one_sentence(changes):
    with pytest.raises(UserError) as error:
        FieldSpec(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [None, [], {"format": 99}, {"format": "x"}, {"colour_of_money": 1}])
def test_what_is_no_field_of_this_version_is_refused(data):
    with pytest.raises(UserError):
        FieldSpec.from_json(data)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_node_has_its_sources_before_it_and_is_read(topology):
    for seed in range(5):
        nodes = plan(FieldSpec(seed=seed, topology=topology, nodes=14))
        seen = {"input"}
        for node in nodes:
            assert node.sources
            assert set(node.sources) <= seen
            seen.add(node.name)
        read = {source for node in nodes for source in node.sources}
        assert seen - read == {"output"}


def test_changing_one_activation_leaves_the_others():
    spec = FieldSpec(topology="watts_strogatz", activations=("random",))
    before = activation_names(spec, spec.nodes)
    after = activation_names(with_activation(spec, "node 3", "softsign"), spec.nodes)
    assert after == [*before[:2], "softsign", *before[3:]]


def test_a_blend_keeps_the_spread_of_the_weights_and_its_ends():
    a, b = FieldSpec(seed=1), FieldSpec(seed=2)
    assert blend(a, b, 0) == a.weight_strands()
    assert blend(a, b, 1) == b.weight_strands()
    assert strand_length(blend(a, b, 0.3)) == pytest.approx(1, abs=1e-5)


def test_every_field_has_a_line_about_it():
    assert all(found.about for found in PROPERTIES.values())
