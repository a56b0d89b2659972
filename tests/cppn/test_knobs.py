import subprocess
import sys

import numpy as np
import pytest
from atelier.cppn.catalogue import COLOURS, INITIALISATIONS, SYMMETRIES, TOPOLOGIES
from atelier.cppn.genetics import is_blank
from atelier.cppn.knobs import knobs_of, turned
from atelier.cppn.rendering import glances
from atelier.cppn.spec import FieldSpec
from atelier.cppn.styles import surprise
from atelier.data import PAINTINGS
from atelier.errors import UserError
from atelier.settings import Choice, Number, Switch


def flat(spec):
    return {name: control for group in knobs_of(spec).values() for name, control in group.items()}


def names(**changes):
    return set(flat(FieldSpec(**changes)))


def test_only_knobs_that_do_something_are_there():
    web = {"nodes", "neighbours", "rewiring", "operations"}
    assert not names() & {*web, "order", "omega", "frequency", "fourier_sigma", "latent_scale", "low", "high"}
    assert web <= names(topology="watts_strogatz")
    assert "depth" not in names(topology="watts_strogatz")
    assert "order" in names(symmetry="tiling")
    assert {"low", "high"} <= names(initialisation="uniform")
    assert "std" not in names(initialisation="uniform")
    assert "omega" in names(topology="siren")
    assert "frequency" in names(inputs=("x", "periodic_y"))
    assert "scale" not in names(inputs=("spiral",))
    assert {"fourier_sigma", "latent_scale", "z2"} <= names(fourier=2, latent=(0.5, 1.0))
    assert not names(colour="gray") & {"palette", "own_colours", "cycles", "relief", "saturation"}


@pytest.mark.parametrize("seed", range(12))
def test_every_property_without_a_knob_does_nothing(seed):
    spec = surprise(seed)
    other = {"nodes": 7, "neighbours": 2, "rewiring": 0.1, "order": 3, "omega": 9.0, "frequency": 3.0, "low": -1.0,
             "high": 1.0, "fourier_sigma": 1.0, "latent_scale": 2.0, "relief": 0.9, "cycles": 4.0, "depth": 2,
             "scale": 3.0, "std": 1.0, "mean": 0.2, "saturation": 0.5, "palette": ("ink",)}  # fmt: skip
    unused = {name: value for name, value in other.items() if name not in spec.used()}
    assert unused
    before, after = glances([spec, spec.replace(**unused)])
    assert np.array_equal(before, after)


@pytest.mark.parametrize("spec", [FieldSpec(), surprise(3), FieldSpec(latent=(7.5,), palette=("#102030", "#ffeedd"))])
def test_knobs_stand_where_the_field_has_them(spec):
    values = {name: control.check(name, control.default) for name, control in flat(spec).items()}
    assert turned(spec, values) == spec


def test_turned_knobs():
    spec = FieldSpec(palette=("ember",), latent=(1.0, 2.0))
    assert turned(spec, {"palette": "moss"}).palette == ("moss",)
    assert turned(spec, {"own_colours": "#102030, #FFEEDD"}).palette == ("#102030", "#ffeedd")
    assert turned(spec, {"sees_theta": True, "sees_r": False}).inputs == ("x", "y", "theta")
    assert turned(spec, {"latent_size": 3}).latent == (1.0, 2.0, 0.0)
    assert turned(spec, {"latent_size": 1, "z1": -1.0}).latent == (-1.0,)
    assert turned(spec, {"nodes": 5}) == spec  # no such knob here
    with pytest.raises(UserError, match="switch an input on"):
        turned(spec, {"sees_x": False, "sees_y": False, "sees_r": False})


@pytest.mark.real_data
def test_a_palette_from_a_painting():
    found = turned(FieldSpec(), {"palette": f"painting:{next(iter(PAINTINGS))}"}).palette
    assert len(found) == 6
    assert turned(FieldSpec(palette=found), {}) == FieldSpec(palette=found)


def test_within_the_knobs_blank_pictures_are_rare():
    specs = list(turns(60))
    assert sum(is_blank(pixels) for pixels in glances(specs)) <= 14


def turns(count):
    """Fields with every knob at random."""
    rng = np.random.default_rng(5)
    for seed in range(count):
        choices = {"topology": TOPOLOGIES, "symmetry": SYMMETRIES, "colour": COLOURS, "initialisation": INITIALISATIONS}
        spec = FieldSpec(seed=seed, **{name: str(rng.choice(list(known))) for name, known in choices.items()})
        values = {}
        for name, control in flat(spec).items():
            match control.domain:
                case Number(low=low, high=high, whole=True) if high <= 64:
                    values[name] = int(rng.integers(low, high + 1))
                case Number(low=low, high=high, whole=False):
                    values[name] = float(rng.uniform(low, high))
                case Switch():
                    values[name] = bool(rng.random() < 0.5) or name == "sees_x"
                case Choice(options=options) if name in ("norm", "palette"):
                    values[name] = str(rng.choice([word for word in options if ":" not in word]))
        if "neighbours" in values:
            values["neighbours"] = 2 * (values["neighbours"] // 2)
        yield turned(spec, values)


def test_what_controls_need_comes_without_torch():
    code = (
        "import sys; from atelier import cppn; cppn.begin_options(); cppn.knobs_of(cppn.FieldSpec()); cppn.WALKS; "
        "cppn.Breeder(cppn.begin()).surprise(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
