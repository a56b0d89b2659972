import itertools
import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from atelier.cppn.breeding import Family, Member
from atelier.cppn.catalogue import TOPOLOGIES
from atelier.cppn.drawings import family_tree, graph_svg
from atelier.cppn.genetics import (
    crossover,
    descriptor,
    is_blank,
    mutate,
    novelty,
    siblings,
)
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import WHOLE, as_field, picture
from atelier.cppn.shading import shader_of
from atelier.cppn.spec import FieldSpec
from atelier.cppn.styles import recolour, surprise
from atelier.cppn.topologies import groups, plan
from atelier.cppn.walks import (
    animate,
    endless_zoom,
    frame_at,
    latent_walk,
    seen_on,
    walk_for,
    weight_walk,
    window_walk,
)
from atelier.errors import UserError
from atelier.fields.plane import Window, mesh


def render(spec, window, size):
    """(H, W, 3) float32 sRGB in [0, 1]."""
    width, height = size
    return as_field(spec)(mesh(*window.axes(height, width))).reshape(height, width, 3).numpy()


START = Recipe(FieldSpec(width=8, latent=(1.0, 0.0, 0.5)))
KEYS = [(1.0, 0.0, 0.5), (0.0, 1.0, 0.0), (-1.0, 0.5, 1.0)]
WALKS = [latent_walk(START, KEYS, path) for path in ("lerp", "slerp", "spline", "eight")]
WALKS += [
    weight_walk(START, Recipe(START.spec.replace(strands=mutate(START.spec, 1).strands))),
    window_walk(START, Window(0.5, 0.2, 40.0, "shorter")),
]


@pytest.mark.parametrize("walk", WALKS)
def test_loops_close_and_do_not_jump(walk):
    assert walk(1.0) == walk(0.0)
    frames = [render(walk(t).spec, walk(t).window, (16, 16)) for t in np.linspace(0, 1, 81)]
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(frames)]
    assert max(steps) < 0.2
    assert sum(steps) > 0


@pytest.mark.parametrize("path", ["lerp", "slerp", "spline", "eight"])
def test_latent_walks_start_at_their_first_key(path):
    assert latent_walk(START, KEYS, path)(0.0).spec.latent == pytest.approx(KEYS[0])


def test_an_endless_zoom_closes():
    recipe = Recipe(FieldSpec(width=8, inputs=("spiral",)))
    walk = endless_zoom(recipe)
    ends = [render(recipe.spec, WHOLE.replace(zoom=zoom), (24, 24)) for zoom in (1.0, 2.0)]
    assert np.abs(ends[0] - ends[1]).mean() < 1e-3
    assert walk(0.5).window.zoom == pytest.approx(2**0.5)
    with pytest.raises(UserError):
        endless_zoom(START)


def test_any_frame_can_be_sought():
    played = list(animate(WALKS[2], 5, (12, 10)))
    assert [frame.index for frame in played] == list(range(5))
    assert np.array_equal(played[3].pixels, frame_at(WALKS[2], 3, 5, (12, 10)).pixels)
    assert np.array_equal(frame_at(WALKS[2], 5, 5, (12, 10)).pixels, played[0].pixels)


def test_what_is_seen_on_a_walk_is_its_frames():
    drawing, window = seen_on(WALKS[2])(0.6)
    assert np.array_equal(drawing(window, 10, 12), frame_at(WALKS[2], 3, 5, (12, 10)).pixels)
    assert drawing.shader().code == shader_of(START.spec).code


@pytest.mark.parametrize(
    "begin",
    [
        lambda: latent_walk(START, [(1.0, 2.0)] * 3),
        lambda: latent_walk(START, KEYS[:1]),
        lambda: latent_walk(START, KEYS, "teleport"),
        lambda: weight_walk(START, Recipe(FieldSpec(width=9))),
        lambda: next(animate(WALKS[0], 0, (8, 8))),
        lambda: walk_for("hop", START),
    ],
)
def test_walks_that_cannot_be_walked(begin):
    with pytest.raises(UserError):
        begin()


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_mutation_stays_inside_the_bounds(topology):
    spec = FieldSpec(topology=topology, latent=(7.9, -7.9), depth=16, nodes=2, order=24, scale=49.0)
    for seed in range(40):
        spec = mutate(spec, seed, 1.0)
        assert FieldSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_mutation_is_repeatable_and_grows_with_strength():
    parent = surprise(3)
    assert mutate(parent, 5) == mutate(parent, 5)
    assert mutate(parent, 5, 0.0) == parent
    base = render(parent, WHOLE, (24, 24))
    far = [
        np.mean([np.abs(render(parent.replace(strands=mutate(parent, s, k).strands), WHOLE, (24, 24)) - base).mean()
                 for s in range(6)])
        for k in (0.02, 0.8)
    ]  # fmt: skip
    assert far[0] < far[1]


def test_crossover_stays_inside_the_bounds_and_takes_from_both():
    a, b = surprise(1, "rosette"), surprise(2, "small world")
    children = [crossover(a, b, seed) for seed in range(30)]
    assert {child.topology for child in children} <= {a.topology, b.topology}
    assert {child.palette for child in children} == {a.palette, b.palette}
    assert all(FieldSpec.from_json(child.to_json()) == child for child in children)


def test_recolouring_changes_colours_only():
    spec = surprise(4)
    for seed in range(10):
        other = recolour(spec, seed)
        same = ("palette", "colour", "cycles", "relief", "contrast")
        assert (other.colour, other.palette) != (spec.colour, spec.palette) or spec.colour != "palette"
        assert other.replace(**{name: getattr(spec, name) for name in same}) == spec


def test_blanks_and_noise_are_told_from_pictures():
    assert is_blank(np.full((32, 32, 3), 90, np.uint8))
    assert is_blank(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    assert sum(is_blank(picture(surprise(seed), WHOLE, (32, 32))) for seed in range(20)) <= 2


def test_novelty_is_the_distance_to_the_nearest():
    black, white = (descriptor(np.full((16, 16, 3), v, np.uint8)) for v in (0, 255))
    assert novelty(black, [black]) == 0
    assert novelty(black, [white]) == pytest.approx(1, abs=1e-3)
    assert novelty(black, []) == float("inf")


def test_siblings_are_repeatable():
    parents = [surprise(1), surprise(2)]
    assert list(siblings(parents, 3, 5)) == list(siblings(parents, 3, 5))
    assert len(set(siblings(parents[:1], 4, 5))) == 4


def test_a_family_remembers_everybody():
    family = Family()
    for seed, parents in enumerate([(), (), (0, 1), (2,)]):
        family = family.born(Member(surprise(seed), parents=parents))
    assert family.ancestors(3) == [2, 0, 1]
    assert family.current == 3
    tree = ElementTree.fromstring(family_tree(family))
    assert [g.get("data-node") for g in tree.iter("{http://www.w3.org/2000/svg}g")] == ["0", "1", "2", "3"]
    with pytest.raises(UserError):
        family.born(Member(surprise(1), parents=(9,)))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_graph_pictures_are_well_formed_and_whole(topology):
    spec = FieldSpec(topology=topology, latent=(1.0,))
    root = ElementTree.fromstring(graph_svg(spec, "layer 1"))
    dots = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    places = {(float(dot.get("cx")), float(dot.get("cy"))) for dot in dots}
    assert len(places) == len(dots)
    _, _, width, height = map(float, root.get("viewBox").split())
    assert all(0 < x < width and 0 < y < height for x, y in places)
    named = [group.get("data-node") for group in root.iter("{http://www.w3.org/2000/svg}g")]
    assert named == [*groups(spec), "latent", *(node.name for node in plan(spec))]
