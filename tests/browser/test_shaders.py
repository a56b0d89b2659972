"""What a shader draws in Chromium (WebGL by the processor) is what PyTorch draws."""

import marimo as mo
import numpy as np
import pytest
from atelier.cppn import FieldSpec, catalogue, picture
from atelier.cppn.recipe import WHOLE, Recipe
from atelier.cppn.shading import page_file, shader_of, shadertoy_file
from atelier.errors import UserError
from atelier.fields import Drawing
from atelier.page.report import page as report
from atelier.page.viewer import Viewer
from atelier.shaders.code import baked
from waiting import until
from webgl import drawn, pixels

SIDE = 64
pytestmark = pytest.mark.browser


def view(spec):
    """A field as a viewer takes it."""
    draw = Drawing(lambda window, height, width: picture(spec, window, (width, height)), lambda: shader_of(spec))
    return {"field": draw}


def compared(canvas, spec, window=WHOLE, size=(SIDE, SIDE), flat=True):
    """Mean and greatest difference, of 255, from the picture by PyTorch."""
    found, _ = drawn(canvas, shader_of(spec), window, size, flat)
    wanted = picture(spec, window, size)
    difference = np.abs(found.astype(int) - wanted.astype(int))
    return difference.mean(), np.quantile(difference.max(-1), 0.999), difference.max()


def alike(canvas, spec, **options):
    mean, most, worst = compared(canvas, spec, **options)
    assert mean < 1, (spec, mean)
    assert most <= 4, (spec, most, worst)


SMALL = {"depth": 2, "width": 12}
FIELDS = {
    "default": FieldSpec(),
    **{name: FieldSpec(seed=3, topology=name, width=12) for name in catalogue.TOPOLOGIES},
    **{
        f"{name} exposed": FieldSpec(seed=5, topology="residual", activations=(name,), **SMALL)
        for name in ("tanh", "bump")
    },
    **{name: FieldSpec(seed=5, activations=(name,), **SMALL) for name in catalogue.ACTIVATIONS},
    **{
        f"sees {name}": FieldSpec(seed=6, inputs=("x", name) if entry.solid else (name,), **SMALL)
        for name, entry in catalogue.INPUTS.items()
    },
    **{
        f"{name} {n}": FieldSpec(seed=7, symmetry=name, order=n, **SMALL)
        for name in catalogue.SYMMETRIES
        for n in (1, 5)
    },
    **{
        f"{name} {s}": FieldSpec(seed=8, colour=name, saturation=s, **SMALL)
        for name in catalogue.COLOURS
        for s in (1, 0.4)
    },
    "own palette": FieldSpec(seed=8, palette=("dusk", "#ff0000"), cycles=0.7, **SMALL),
    "one colour": FieldSpec(seed=8, palette=("#ff8800",), relief=0.0, **SMALL),
    "normed": FieldSpec(seed=4, topology="watts_strogatz", norm="layer", width=10),
    "latent": FieldSpec(seed=8, fourier=5, latent=(1.0, -2.0), width=7, depth=2),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_looks_the_same(canvas, name):
    alike(canvas, FIELDS[name])


@pytest.mark.parametrize("name", ["default", *catalogue.TOPOLOGIES, "normed", "latent"])
def test_the_numbers_may_lie_in_a_texture(canvas, name):
    alike(canvas, FIELDS[name], flat=False)


@pytest.mark.parametrize("zoom", [0.05, 7.0, 150.0, 1000.0])
def test_it_looks_the_same_at_every_zoom(canvas, zoom):
    for symmetry in ("none", "rotation", "kaleidoscope"):
        spec = FieldSpec(seed=7, symmetry=symmetry, **SMALL)
        alike(canvas, spec, window=WHOLE.replace(x=0.21, y=-0.13, zoom=zoom), size=(SIDE, 40))


def test_fields_of_one_kind_share_their_code():
    one, other = (shader_of(FieldSpec(seed=seed, scale=seed, colour="oklab")) for seed in (1, 2))
    assert one.code == other.code
    assert not np.array_equal(one.numbers, other.numbers)


def test_a_large_field_is_left_to_the_kernel(canvas):
    shader = shader_of(FieldSpec(topology="watts_strogatz", width=64))
    assert not shader.flat
    with pytest.raises(AssertionError, match="too large"):
        drawn(canvas, shader, WHOLE, (8, 8))
    with pytest.raises(UserError, match="width or depth"):
        baked(shader)


def test_the_page_to_take_home_roams_by_itself(browser, tmp_path):
    target = tmp_path / "field.html"
    target.write_bytes(page_file(Recipe(FieldSpec(seed=7, **SMALL))))
    assert target.stat().st_size < 200_000
    opened = browser.new_page(viewport={"width": 320, "height": 240}, offline=True)
    opened.goto(target.as_uri())
    opened.wait_for_function("document.body.dataset.drawn > 0")
    before = opened.screenshot()
    opened.mouse.move(100, 100)
    opened.mouse.wheel(0, -500)
    opened.wait_for_function("document.querySelector('p').textContent.startsWith('zoom')")
    until(opened, lambda: opened.screenshot() != before)
    opened.close()


def test_shadertoy_gets_a_text_that_compiles(canvas):
    text = shadertoy_file(Recipe(FieldSpec(seed=7, **SMALL))).decode()
    assert "W(" not in text
    program = f"#version 300 es\nprecision highp float;\nuniform vec3 iResolution;\nout vec4 c;\n{text}\n"
    program += "void main() { mainImage(c, gl_FragCoord.xy); }"
    problem = canvas.evaluate(
        """(text) => {
            const gl = document.createElement("canvas").getContext("webgl2");
            const shader = gl.createShader(gl.FRAGMENT_SHADER);
            gl.shaderSource(shader, text);
            gl.compileShader(shader);
            return gl.getShaderInfoLog(shader);
        }""",
        program,
    )
    assert not problem


def test_a_report_draws_at_any_zoom_by_itself(browser, tmp_path):
    viewer = Viewer(longer=96, spans="shorter", least=1e-3, most=1e12)
    spec = FieldSpec(seed=7, **SMALL)
    viewer.show(view(spec), window={})
    (tmp_path / "r.html").write_text(report("A field", [mo.ui.anywidget(viewer)]))
    opened = browser.new_page(viewport={"width": 600, "height": 700}, offline=True)
    opened.goto((tmp_path / "r.html").as_uri())
    canvas = opened.get_by_label("field", exact=True)
    canvas.focus()
    for key in ("+", "+", "+", "ArrowRight"):
        canvas.press(key)
    opened.locator(".viewer[data-drawn=shader]").wait_for()

    def as_wanted():
        found = pixels(canvas).astype(int)
        wanted = picture(spec, WHOLE.replace(x=0.2 / 1.25**3, zoom=1.25**3), found.shape[1::-1])
        return np.abs(found - wanted).max() <= 4

    until(opened, as_wanted)  # the hand is lifted, and the picture has all its pixels
    near = pixels(canvas)
    for _ in range(40):
        canvas.press("+")
    opened.locator(".viewer[data-drawn=python]").wait_for()  # too deep for a shader: its last picture, stretched
    assert not np.array_equal(pixels(canvas), near)
    opened.close()


def test_without_webgl_a_still_picture_stays_and_says_why(browser, tmp_path):
    spec = FieldSpec(seed=7, **SMALL)
    viewer = Viewer(longer=96, spans="shorter")
    viewer.show(view(spec), window={})
    (tmp_path / "r.html").write_text(report("A field", [mo.ui.anywidget(viewer)]))
    opened = browser.new_page()
    opened.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext = "
        "function (kind, ...more) { return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"
    )
    opened.goto((tmp_path / "r.html").as_uri())
    opened.get_by_label("field", exact=True).press("+")
    opened.get_by_text("a still picture").wait_for()
    assert opened.locator(".zoomed").get_attribute("title") == "This browser gives no WebGL2."
    opened.close()
