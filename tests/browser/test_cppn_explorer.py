"""The random-field explorer in a real browser: breed, roam, turn, keep, take home and load again."""

import os
from pathlib import Path

import pytest
from atelier import cppn
from waiting import until
from webgl import AS_IF_GRAPHICS

pytestmark = pytest.mark.browser
APP = "cppn_explorer.py"


@pytest.fixture(scope="module", autouse=True)
def _own_data(tmp_path_factory):
    """A data folder of the test's own, in which no visitor may leave a trace."""
    before = os.environ.get("ATELIER_DATA")
    os.environ["ATELIER_DATA"] = str(tmp_path_factory.mktemp("data"))
    yield
    if before is None:
        del os.environ["ATELIER_DATA"]
    else:
        os.environ["ATELIER_DATA"] = before


def wait_for(page, true):
    """The recipe in the address, as soon as it is so."""
    for _ in range(300):
        token = page.evaluate("new URLSearchParams(location.search).get('field')")
        if token and true(cppn.from_token(token)):
            return cppn.from_token(token)
        page.wait_for_timeout(100)
    raise AssertionError("the address did not follow")


def wait_for_siblings(page):
    page.wait_for_function(
        """() => {
          const look = (root) => [...root.querySelectorAll('*')].flatMap((node) =>
            [...(node.matches('.gallery') ? [node] : []), ...(node.shadowRoot ? look(node.shadowRoot) : [])]);
          return look(document)[0]?.querySelectorAll(':scope figure:not(.waiting) canvas[data-frames]').length === 16;
        }"""
    )


def live(page):
    page.locator(".viewer[data-state=live]").first.wait_for()


def saved(page, button, path):
    with page.expect_download() as download:
        button.click()
    download.value.save_as(path)
    return path


def test_breeding_turning_and_the_way_back(page):
    page.locator(".viewer[data-state=poster]").first.wait_for()
    live(page)
    first = wait_for(page, lambda found: True)
    assert first == cppn.starter("Night lightning")
    wait_for_siblings(page)

    page.locator(".gallery").first.locator(".open").nth(2).click()
    second = wait_for(page, lambda found: found.spec != first.spec)
    wait_for_siblings(page)

    view = page.locator(".viewer canvas").first
    view.hover()
    page.mouse.wheel(0, -500)
    roamed = wait_for(page, lambda found: found.window.zoom > 1.1)
    assert roamed.spec == second.spec
    page.get_by_role("button", name="Surprise me").click()
    wait_for(page, lambda found: found.spec != second.spec)
    page.get_by_role("button", name="Undo").click()
    assert wait_for(page, lambda found: found.spec == second.spec).window == roamed.window
    page.get_by_text("zoom 1.2×").first.wait_for()  # the undone window has been drawn
    page.get_by_label("Reset the view").first.click()
    wait_for(page, lambda found: found.window.zoom == 1)

    wait_for_siblings(page)
    for number in (0, 5):
        page.locator(".gallery").first.locator(".tick").nth(number).click()
    page.get_by_role("button", name="Cross 2").click()
    page.get_by_role("button", name="Cross 2").wait_for(state="hidden")  # the ticks are gone, other siblings come
    wait_for_siblings(page)
    page.locator(".gallery").first.locator(".open").nth(1).click()
    crossed = wait_for(page, lambda found: found.spec != second.spec)

    wait_for_siblings(page)  # the knobs of the new picture are there, too
    dial = page.get_by_role("slider", name="Contrast")
    dial.scroll_into_view_if_needed()
    dial.focus()
    page.keyboard.press("ArrowRight")
    turned = wait_for(page, lambda found: found.spec != crossed.spec)
    assert turned.spec == crossed.spec.replace(contrast=turned.spec.contrast)

    graph, tree = page.locator(".diagram").nth(0), page.locator(".diagram").nth(1)
    node = cppn.plan(turned.spec)[1].name
    graph.locator(f"[data-node='{node}']").first.click()
    curve = "triangle" if cppn.activation_of(turned.spec, node)[1] != "triangle" else "sin"
    page.get_by_label(f"Curve of {node}").select_option(label=cppn.ACTIVATIONS[curve].title)
    bent = wait_for(page, lambda found: found.spec.activations != turned.spec.activations)
    assert cppn.activation_of(bent.spec, node)[1] == curve

    tree.locator("[data-node='0']").first.click()
    wait_for(page, lambda found: found.spec == first.spec)


def test_a_loop_is_drawn_by_the_page_where_it_has_a_graphics_processor(browser, served):
    visit = browser.new_page(viewport={"width": 500, "height": 700})
    visit.add_init_script(AS_IF_GRAPHICS.replace("() => 1", "() => 0.25"))
    visit.set_default_timeout(60_000)
    visit.goto(f"{served}?topology=mlp&width=6&depth=2&seed=3&frames=48", wait_until="domcontentloaded")
    loop = visit.locator(".loop")
    loop.scroll_into_view_if_needed()
    loop.locator("canvas[data-frames]").wait_for()
    visit.get_by_role("button", name="Play the loop").click()
    until(visit, lambda: int(loop.get_attribute("data-drawn") or 0) > 3)
    visit.close()


@pytest.mark.parametrize("page", ["?frames=12"], indirect=True)
def test_taking_home_and_coming_back(page, served, tmp_path):
    live(page)
    wait_for_siblings(page)
    loop = page.locator(".loop canvas")
    loop.scroll_into_view_if_needed()
    page.locator(".loop canvas[data-frames]").wait_for()  # it is drawn once somebody sees it
    before = int(loop.get_attribute("data-frames"))
    page.get_by_role("button", name="Play the loop").click()
    until(page, lambda: int(loop.get_attribute("data-frames")) > before + 2)  # Python draws, where a processor would
    page.locator(".loop").get_by_role("button", name="Pause").click()

    page.get_by_placeholder("Name").fill("mine")
    page.get_by_role("button", name="Keep it").click()
    page.get_by_text("Kept as mine").first.wait_for()
    recipe = saved(page, page.get_by_title("recipe.json"), tmp_path / "recipe.json")
    first = wait_for(page, lambda found: True)
    assert cppn.read(recipe) == first
    picture = saved(page, page.get_by_title("night-lightning.png"), tmp_path / "a.png")

    page.get_by_role("button", name="Surprise me").click()
    wait_for(page, lambda found: found.spec != first.spec)
    upload = page.locator("marimo-file input")
    upload.set_input_files(picture)
    wait_for(page, lambda found: found.spec == first.spec)
    odd = tmp_path / "odd.png"
    odd.write_bytes(b"no picture")
    upload.set_input_files(odd)
    page.get_by_text("The recipe in odd.png cannot be read").first.wait_for()

    page.goto(page.url, wait_until="domcontentloaded")  # another session of the same browser
    live(page)
    assert wait_for(page, lambda found: True).spec == first.spec
    page.get_by_label("mine", exact=True).first.wait_for()
    page.locator(".gallery").nth(1).get_by_role("checkbox").first.click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Nothing kept yet").wait_for()
    assert not list(Path(os.environ["ATELIER_DATA"]).iterdir())
    page.goto(f"{served}?field=f1.cutoff", wait_until="domcontentloaded")
    page.get_by_text("The default is used instead").first.wait_for()


def test_a_field_of_ones_own_in_the_editor(editor, rewrite):
    live(editor)
    rewrite(editor, "begin = cppn.begin(", 'begin = cppn.FieldSpec(seed=3, topology="watts_strogatz")')
    editor.get_by_label(cppn.FieldSpec(seed=3, topology="watts_strogatz").name()).first.wait_for()
