import numpy as np
import pytest
import torch
from atelier.cppn import functions
from atelier.cppn.catalogue import ACTIVATIONS, COLOURS, PALETTES, SYMMETRIES, TOPOLOGIES
from atelier.cppn.colour import oklab_from_srgb, palette_from_picture, srgb_from_oklab
from atelier.cppn.domains import Sides
from atelier.cppn.field import Field
from atelier.cppn.rendering import (
    WHOLE,
    as_field,
    estimate,
    feature_pictures,
    glances,
    picture,
    pictures,
    render_tiles,
)
from atelier.cppn.spec import FieldSpec
from atelier.cppn.styles import STYLES, surprise
from atelier.errors import UserError
from atelier.fields.plane import Window, mesh
from atelier.settings import Control

SPECS = [FieldSpec(topology=name, width=16, latent=(0.5, -1.0), activations=("random",)) for name in TOPOLOGIES]
SPECS += [FieldSpec(colour=name, symmetry="kaleidoscope", width=12) for name in COLOURS]
SPECS += [FieldSpec(symmetry=name, fourier=5, norm="layer", width=12) for name in SYMMETRIES]


def render(spec, window, size):
    """(H, W, 3) float32 sRGB in [0, 1]."""
    width, height = size
    return as_field(spec)(mesh(*window.axes(height, width))).reshape(height, width, 3).numpy()


def assembled(spec, window, size, tile, supersample=1):
    out = np.zeros((size[1], size[0], 3), np.uint8)
    for part in render_tiles(spec, window, size, tile=tile, supersample=supersample):
        h, w = part.pixels.shape[:2]
        out[part.y : part.y + h, part.x : part.x + w] = part.pixels
    return out


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.topology}-{spec.colour}-{spec.symmetry}")
def test_same_picture_bit_for_bit_across_tile_sizes(spec):
    window = Window(0.3, -0.2, 1.7, "shorter")
    whole = assembled(spec, window, (97, 71), (97, 71))
    assert np.array_equal(whole, assembled(spec, window, (97, 71), (13, 13)))
    assert np.array_equal(whole, assembled(spec, window, (97, 71), (97, 5)))


def test_supersampled_picture_is_the_same_across_tile_sizes():
    spec = FieldSpec(cycles=5)
    assert np.array_equal(assembled(spec, WHOLE, (50, 40), (64, 64), 3), assembled(spec, WHOLE, (50, 40), (7, 7), 3))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.topology}-{spec.colour}-{spec.symmetry}")
def test_zoom_by_two_is_the_centre_of_the_double_size(spec):
    window = Window(0.125, -0.5, 1.3, "shorter")
    twice = render(spec, window, (128, 96))
    closer = render(spec, window.replace(zoom=2.6), (64, 48))
    assert np.array_equal(closer, twice[24:72, 32:96])


def test_the_number_of_cores_does_not_matter():
    spec, before = FieldSpec(), torch.get_num_threads()
    expected = picture(spec, WHOLE, (80, 60))
    try:
        torch.set_num_threads(1)
        assert np.array_equal(picture(spec, WHOLE, (80, 60)), expected)
    finally:
        torch.set_num_threads(before)


def test_rendering_leaves_the_threads_of_torch_as_they_were():
    before = torch.get_num_threads()
    picture(FieldSpec(), WHOLE, (8, 8))
    assert torch.get_num_threads() == before


def test_a_field_called_on_coordinates_agrees_with_its_picture():
    spec = FieldSpec()
    x = (2 * torch.arange(20, dtype=torch.float64) + 1) / 20 - 1
    coords = torch.stack(torch.meshgrid(x, x, indexing="xy"), -1)
    assert np.allclose(Field(spec)(coords).numpy() * 255, picture(spec, WHOLE, (20, 20)), atol=0.5001)


@pytest.mark.parametrize("seed", range(4))
def test_every_node_of_a_graph_influences_the_output(seed):
    field = Field(FieldSpec(seed=seed, topology="watts_strogatz", width=8, operations=("linear",)))
    before = render(field, WHOLE, (24, 24))
    for node in field.nodes[:-1]:
        bias = field.weights[f"{node.name}/bias"]
        kept = bias.clone()
        bias.add_(0.5)
        field.prepare()
        assert not np.array_equal(render(field, WHOLE, (24, 24)), before), node.name
        bias.copy_(kept)
        field.prepare()
    assert np.array_equal(render(field, WHOLE, (24, 24)), before)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_gives_a_finite_picture(name):
    z = render(FieldSpec(activations=(name,), width=8), WHOLE.replace(zoom=1e-3), (16, 16))
    assert np.isfinite(z).all()
    assert z.min() >= 0
    assert z.max() <= 1


def test_fast_tanh_is_tanh():
    x = torch.linspace(-9, 9, 4096)
    assert torch.allclose(functions.ACTIVATIONS["tanh"](x.clone()), x.tanh(), atol=3e-7)


def test_symmetries_are_symmetries():
    size = (64, 64)
    kaleidoscope = render(FieldSpec(symmetry="kaleidoscope", order=4), WHOLE, size)
    assert np.allclose(kaleidoscope, np.rot90(kaleidoscope), atol=2e-3)
    rotation = render(FieldSpec(symmetry="rotation", order=4), WHOLE, size)
    assert np.allclose(rotation, np.rot90(rotation), atol=2e-3)
    mirror = render(FieldSpec(symmetry="mirror_x"), WHOLE, size)
    assert np.array_equal(mirror, mirror[:, ::-1])
    tiling = render(FieldSpec(symmetry="tiling", order=2), WHOLE, size)
    assert np.allclose(tiling, tiling[:, ::-1], atol=2e-3)


def test_a_spiral_looks_the_same_at_every_power_of_two():
    spec = FieldSpec(inputs=("spiral", "theta"))
    near, far = (render(spec, WHOLE.replace(zoom=zoom), (32, 32)) for zoom in (1.0, 2.0**30))
    assert np.abs(near - far).mean() < 1e-3


def test_features_are_all_there():
    spec = FieldSpec(topology="watts_strogatz", nodes=6, width=5)
    found = feature_pictures(spec, WHOLE, (20, 10))
    assert list(found) == [f"node {i}" for i in range(1, 7)] + ["output"]
    assert found["node 1"].shape == (5, 10, 20)


def test_oklab_round_trip():
    rgb = np.random.default_rng(0).random((100, 3))
    assert np.allclose(srgb_from_oklab(oklab_from_srgb(rgb)), rgb, atol=1e-5)


def test_a_palette_comes_from_the_colours_of_a_picture():
    colours = np.array([(0, 0, 0), (200, 30, 30), (20, 20, 120), (90, 160, 40), (230, 200, 80), (255, 255, 255)])
    found = palette_from_picture((colours / 255).repeat(10, 0).reshape(6, 10, 3))
    assert set(found) == {"#000000", "#c81e1e", "#141478", "#5aa028", "#e6c850", "#ffffff"}
    assert (found[0], found[-1]) == ("#000000", "#ffffff")
    picture(FieldSpec(palette=found), WHOLE, (8, 8))


def test_an_unknown_palette_is_refused():
    with pytest.raises(UserError, match="palettes are"):
        picture(FieldSpec(palette=("nowhere",)), WHOLE, (8, 8))
    assert all(len(colours) >= 2 for colours in PALETTES.values())


@pytest.mark.parametrize("size", [(0, 5), (10**6, 10**6), (16385, 1), (1.5, 2)])
def test_sizes_out_of_bounds(size):
    with pytest.raises(UserError):
        picture(FieldSpec(), WHOLE, size)


def test_a_glance_is_a_small_picture():
    spec = FieldSpec(symmetry="rotation", colour="oklab")
    assert np.array_equal(next(glances([spec])), picture(spec, WHOLE, (64, 64))[::2, ::2])


def test_one_pixel():
    assert picture(FieldSpec(), WHOLE, (1, 1)).shape == (1, 1, 3)


@pytest.mark.parametrize("changes", [{"zoom": 0}, {"zoom": 1e300}, {"x": 1e300}, {"zoom": float("nan")}])
def test_windows_out_of_bounds(changes):
    with pytest.raises(UserError):
        Window(**changes)


@pytest.mark.parametrize("text", ["", "x", "12x", "1x2x3", "a", "0x9", "1000000x1000000"])
def test_bad_sizes_in_words(text):
    size = Control(Sides())
    with pytest.raises(UserError):
        size.read("size", text)


def test_estimate_grows_with_the_picture():
    small, large = estimate(FieldSpec(), (512, 512)), estimate(FieldSpec(), (4096, 4096))
    assert large.seconds > small.seconds
    assert large.bytes < 2**30


def test_surprises_are_repeatable_and_styles_are_valid():
    specs = [surprise(3, style) for style in STYLES]
    assert specs == [surprise(3, style) for style in STYLES]
    assert len(list(pictures(specs, (16, 16)))) == len(STYLES)


def test_features_and_output_agree_with_a_plain_evaluation():
    field = Field(FieldSpec(width=6, depth=3, activations=("tanh", "bump", "tanh")))
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    coords = torch.stack(torch.meshgrid(x, x, indexing="xy"), -1)
    h = torch.cat([coords, coords.norm(dim=-1, keepdim=True)], -1).float() * field.spec.scale
    w, found = field.weights, field.features(coords)
    first = torch.cat([w[f"layer 1/{name}"] for name in ("x", "y", "r")], 1)
    h = torch.tanh(h @ first.T + w["layer 1/bias"].T)
    assert torch.allclose(found["layer 1"], h, atol=1e-5)
    h = 2 * torch.exp(-((h @ w["layer 2/layer 1"].T + w["layer 2/bias"].T) ** 2)) - 1
    assert torch.allclose(found["layer 2"], h, atol=1e-5)
    h = torch.tanh(h @ w["layer 3/layer 2"].T + w["layer 3/bias"].T)
    h = h @ w["output/layer 3"].T + w["output/bias"].T
    assert torch.allclose(found["output"], h, atol=1e-4)
