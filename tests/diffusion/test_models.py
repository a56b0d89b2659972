"""Models: what is read from files, which one draws, and the guidance that suits it."""

import copy
import json
import struct

import pytest
import torch
from atelier.diffusion.catalogue import GUIDANCE, guidance_of
from atelier.diffusion.denoiser import (
    DEFAULT_GUIDANCE,
    SHIPPED,
    YOUNG_GUIDANCE,
    YOUNG_IMAGES,
    Guidance,
    build_denoiser,
    save_denoiser,
)
from atelier.diffusion.models import Model, choose_model, guide, read_model, shipped_model
from atelier.errors import UserError
from oracles import TINY


@pytest.fixture(scope="module")
def model():
    return Model("tiny", build_denoiser(options=TINY).eval())


def test_the_shipped_model_draws_until_there_is_another():
    assert choose_model("shipped") is shipped_model()
    for wanted in ("trained", "file"):
        stand_in = choose_model(wanted)
        assert stand_in.denoiser is shipped_model().denoiser
        assert stand_in.note
        assert choose_model(wanted) is stand_in, "another object would draw anew"


def test_a_file_for_drawing_is_read_and_cannot_go_on(model, tmp_path):
    path = save_denoiser(tmp_path / "x.safetensors", model.denoiser, {})
    for source in (path, str(path), path.read_bytes()):
        found = read_model(source)
        assert not found.goes_on
        for a, b in zip(found.denoiser.parameters(), model.denoiser.parameters(), strict=True):
            assert torch.equal(a.cpu(), b.half().float().cpu())
    assert "drawing only" in read_model(path.read_bytes()).note


@pytest.mark.parametrize("data", [b"", b"\x80\x04pickle", b"\x00" * 100])
def test_a_file_that_is_no_checkpoint_is_refused(data):
    with pytest.raises(UserError, match="not a whole safetensors file"):
        read_model(data)


def crafted(**changes):
    """A checkpoint of no weights whose description is odd."""
    spec = {
        "backbone": "unet",
        "options": {},
        "schedule": "flow",
        "schedule_options": {"T": 1000},
        "target": "flow",
        "classes": 10,
        "data": {"range": [-1.0, 1.0], "size": 28},
    }
    header = {"format": 1, "kind": "denoiser", "spec": spec | changes, "extra": {}}
    text = json.dumps({"__metadata__": {"atelier": json.dumps(header)}}).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": ["unet"]},
        {"backbone": "nothing"},
        {"classes": -5},
        {"classes": 10**9},
        {"classes": "ten"},
        {"options": []},
        {"options": {"widths": [0, 0]}},
        {"options": {"widths": [10**6, 10**6]}},
        {"options": {"widths": [2048, 2048]}},
        {"options": {"widths": [16] * 40}},
        {"options": {"widths": "many"}},
        {"options": {"blocks": 10**9}},
        {"schedule_options": {"T": "x"}},
        {"schedule_options": {"T": 10**30}},
        {"target": None},
        {"data": {"range": [0, 1], "size": 28}},
    ],
)
def test_an_odd_description_is_refused_before_memory_is_taken(changes):
    with pytest.raises(UserError):
        read_model(crafted(**changes))


def test_guidance_that_is_left_open_follows_the_age_of_the_network(model):
    young, old, unknown = (Model("x", model.denoiser, images_seen=n) for n in (1, YOUNG_IMAGES, None))
    assert guide(young) == YOUNG_GUIDANCE
    assert guide(old) == guide(unknown) == DEFAULT_GUIDANCE
    assert shipped_model().guidance == DEFAULT_GUIDANCE
    unlabelled = Model("x", build_denoiser("diffunet"), images_seen=1)
    assert unlabelled.guidance == Guidance()
    assert guidance_of(unlabelled) == {}


@pytest.mark.parametrize(
    ("words", "age", "guidance"),
    [
        ({"guidance": 4}, 1, Guidance(4, YOUNG_GUIDANCE.interval)),
        ({"guidance_to": 0.7}, None, Guidance(DEFAULT_GUIDANCE.scale, (0.2, 0.7))),
        ({"guidance_to": 0.1}, None, Guidance(DEFAULT_GUIDANCE.scale, (0.0, 0.1))),
        ({"guidance_from": 0.9}, None, Guidance(DEFAULT_GUIDANCE.scale, (0.9, 1.0))),
        ({"guidance_from": 0, "guidance_to": 1}, 1, Guidance(YOUNG_GUIDANCE.scale)),
    ],
)
def test_guidance_that_is_chosen_stays_chosen(model, words, age, guidance):
    assert guide(Model("x", model.denoiser, images_seen=age), **words) == guidance


def test_an_interval_that_does_not_rise_is_refused(model):
    with pytest.raises(UserError, match="interval must rise"):
        guide(model, guidance_from=0.9, guidance_to=0.1)


def test_guidance_leads_away_from_an_early_snapshot_where_there_is_one(model):
    early = copy.deepcopy(model.denoiser)
    found = guide(Model("x", model.denoiser, early=early), guidance=2, guidance_by="early")
    assert (found.scale, found.weak) == (2, early)
    assert guide(Model("x", model.denoiser, early=early), guidance_by="label").weak is None
    with pytest.raises(UserError, match="no early snapshot"):
        guide(Model("x", model.denoiser), guidance_by="early")
    assert "guidance_by" not in guidance_of(Model("x", model.denoiser))


def test_a_distilled_network_takes_the_scale_only(model):
    few = copy.deepcopy(model.denoiser)
    few.knots = (1.0, 0.5)
    assert guidance_of(Model("x", few)).keys() == {"guidance"}
    assert guide(Model("x", few), guidance=3).scale == 3
    with pytest.raises(UserError, match="takes the scale of guidance only"):
        guide(Model("x", few), guidance_from=0.1)


def test_the_controls_of_guidance_stand_at_what_suits_the_model(model):
    controls = guidance_of(Model("x", model.denoiser, images_seen=1, early=model.denoiser))
    assert controls.keys() == GUIDANCE.keys()
    young = [YOUNG_GUIDANCE.scale, *YOUNG_GUIDANCE.interval, "label"]
    assert [control.default for control in controls.values()] == young
    assert all(control.default is None for control in GUIDANCE.values())


def test_the_data_set_of_a_checkpoint_is_known_by_its_title(model):
    assert Model("x", model.denoiser).dataset == "mnist"
    assert Model("x", model.denoiser, {"dataset": "Fashion-MNIST"}).dataset == "fashion"
    assert Model("x", model.denoiser, {"dataset": "Digits from fonts (a stand-in for MNIST)"}).dataset == "fonts"
    assert Model("x", model.denoiser, {"dataset": 7}).dataset == "mnist"


@pytest.mark.parametrize("figures", [None, [], {}, {"n": "many"}, {"classifier_fid": 1.0}])
def test_odd_figures_in_a_checkpoint_are_not_shown(model, figures):
    assert Model("x", model.denoiser, {"figures": figures}).figures == {}


def test_the_shipped_file_holds_its_figures():
    assert SHIPPED.is_file()
    assert shipped_model().figures["n"] == 10_000
