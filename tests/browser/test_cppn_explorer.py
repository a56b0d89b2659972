"""The random-field explorer in a real browser: breed, roam, turn, keep, take home and load again."""

import os
from pathlib import Path

import pytest
from atelier.cppn import recipe
from atelier.cppn.starters import starter

pytestmark = pytest.mark.browser
APP = "cppn_explorer.py"

THUMBS = ".gallery figure:not(.waiting) canvas[data-drawn]"


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


def shown(page):
    """The recipe in the address."""
    return recipe.from_token(page.evaluate("new URLSearchParams(location.search).get('field')"))


def wait_for_recipe(page, true):
    for _ in range(100):
        if "field=" in page.url and true(shown(page)):
            return shown(page)
        page.wait_for_timeout(100)
    raise AssertionError("the address did not follow")


def wait_for_siblings(page):
    page.wait_for_function(f"() => {DEEP}('{THUMBS}').length === 16")


DEEP = """((selector) => {
  const found = [];
  const look = (root) => {
    found.push(...root.querySelectorAll(selector));
    root.querySelectorAll('*').forEach((node) => node.shadowRoot && look(node.shadowRoot));
  };
  look(document);
  return found;
})"""


def test_a_visit(page, served, tmp_path):
    wait_for_siblings(page)
    first = wait_for_recipe(page, lambda found: True)
    assert first == starter("Night lightning")

    page.locator(".gallery .open").nth(2).click()
    second = wait_for_recipe(page, lambda found: found != first)
    wait_for_siblings(page)

    page.locator(".viewer canvas").hover()
    page.mouse.wheel(0, -500)
    roamed = wait_for_recipe(page, lambda found: found.window.zoom > 2)
    assert roamed.spec == second.spec
    page.get_by_role("button", name="Reset the view").click()
    wait_for_recipe(page, lambda found: found.window.zoom == 1)

    for number in (0, 5):
        page.locator(".gallery .tick").nth(number).click()
    page.get_by_role("button", name="Cross 2").click()
    wait_for_siblings(page)
    page.locator(".gallery .open").first.click()
    wait_for_recipe(page, lambda found: found.spec != second.spec)
    page.get_by_role("button", name="Undo").click()
    wait_for_recipe(page, lambda found: found.spec == second.spec)

    page.locator("marimo-slider [role=slider]").nth(1).focus()
    page.keyboard.press("ArrowRight")
    turned = wait_for_recipe(page, lambda found: found.spec != second.spec)
    assert turned.spec.width == second.spec.width + 1

    page.get_by_role("tab", name="Look inside").click()
    page.locator(".diagram [data-node='node 3'] polyline").click()
    page.get_by_label("Activation of node 3").select_option("triangle")
    wait_for_recipe(page, lambda found: found.spec.activations[2:3] == ("triangle",))

    page.get_by_role("tab", name="Animate").click()
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"() => {DEEP}('.live .counter').some((node) => Number(node.textContent) > 5)")

    page.get_by_role("tab", name="Favourites & recipes").click()
    page.get_by_role("button", name="Keep", exact=True).first.click()
    page.get_by_text("Kept as").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="recipe.json").click()
    saved = tmp_path / "recipe.json"
    download.value.save_as(saved)
    assert recipe.read(saved) == shown(page)

    page.get_by_role("button", name="Surprise me").click()
    wait_for_recipe(page, lambda found: found != recipe.read(saved))
    page.locator("marimo-file input").set_input_files(saved)
    wait_for_recipe(page, lambda found: found == recipe.read(saved))
    odd = tmp_path / "odd.png"
    odd.write_bytes(b"no picture")
    page.locator("marimo-file input").set_input_files(odd)
    page.get_by_text("The recipe in odd.png cannot be read").wait_for()

    again = page.url
    page.goto(again, wait_until="domcontentloaded")
    wait_for_siblings(page)
    assert shown(page) == recipe.read(saved)
    page.get_by_role("tab", name="Favourites & recipes").click()  # another session of the same browser
    page.get_by_label("Remove").select_option(index=1)
    page.get_by_text("Removed").wait_for()
    page.get_by_text("Nothing kept yet").wait_for()
    assert not list(Path(os.environ["ATELIER_DATA"]).iterdir())
    page.goto(f"{served}?field=f1.cutoff", wait_until="domcontentloaded")
    page.get_by_text("The default is used instead").wait_for()
