"""The painting fitter in a real browser: play, turn, pause, look closer, take home, and a cell edited."""

import re

import numpy as np
import pytest
from waiting import until
from webgl import AS_IF_GRAPHICS, pixels

pytestmark = pytest.mark.browser
APP = "painting_fitter.py"


def counter(page):
    return int(page.locator(".counter").first.inner_text().replace(",", ""))


def status(page):
    return page.locator(".state").first


def canvas(page):
    """The live canvas, once it is more than a poster."""
    page.locator(".live[data-state=live]").first.wait_for()
    return page.locator(".live").first


def frames(page):
    return sum(int(node.get_attribute("data-frames") or 0) for node in canvas(page).locator(".panels canvas").all())


def test_it_opens_on_a_finished_result_that_fits_the_screen(page):
    page.locator(".live[data-state=poster] .panels canvas[data-frames]").first.wait_for()
    place = page.locator(".live").first.bounding_box()
    live = canvas(page)
    assert counter(page) > 1000
    # without the painting, what the shipped network draws stands in for it, and that it draws again
    assert re.search(r"\d\d\.\d dB|identical", live.locator(".panels").inner_text())
    flow = live.locator(".flow").bounding_box()
    assert flow["y"] + flow["height"] <= 800
    assert live.bounding_box()["y"] == place["y"]  # nothing jumps when the poster goes


@pytest.mark.parametrize("page", ["?size=128&steps=20000"], indirect=True)
def test_play_slide_pause_step_slow_and_start_again(page):
    live = canvas(page)
    play = live.locator("button.play")
    status(page).filter(has_text="Running").wait_for()  # no finished network of this size ships, so the run begins
    until(page, lambda: frames(page) > 10)
    running = counter(page)
    page.locator("marimo-slider", has_text="Learning rate").get_by_role("slider").press("ArrowLeft")
    until(page, lambda: counter(page) > running + 100)  # the slider did not stop the run

    play.click()
    status(page).filter(has_text="Paused").wait_for()
    held = counter(page)
    page.wait_for_timeout(500)
    assert counter(page) == held

    live.get_by_label("Single step").click()
    live.locator(".counter", has_text=f"{held + 1:,}").wait_for()

    live.get_by_label("Slow motion").click()
    play.click()
    until(page, lambda: counter(page) > held + 2)
    page.wait_for_timeout(1000)
    assert counter(page) < held + 50  # at full speed some hundred steps

    live.get_by_label("Start again").click()
    until(page, lambda: 0 < counter(page) < held)


@pytest.mark.parametrize("page", ["?learning_rate=1e6&utm_source=x"], indirect=True)
def test_a_wrong_address_says_so_and_the_page_works(page):
    page.get_by_text("Learning rate must be a number from 1e-06 to 1").first.wait_for()
    assert page.get_by_text("utm_source").count() == 0  # words of others are left alone
    canvas(page).locator("button.play").click()
    status(page).filter(has_text="Running").wait_for()


@pytest.mark.parametrize("page", ["?size=64&steps=200&volume_seconds=1"], indirect=True)
def test_a_run_can_be_replayed_looked_into_and_taken_home(page):
    live = canvas(page)
    status(page).filter(has_text="Finished").wait_for()
    replay = live.get_by_label("Go back in time")
    replay.focus()
    replay.press("Home")
    assert counter(page) < 200

    view = page.locator(".viewer[data-state=live] canvas").first
    view.hover()
    page.mouse.wheel(0, -500)
    page.locator(".viewer .zoomed", has_text=re.compile(r"zoom (?!1×)")).first.wait_for()

    with page.expect_download() as download:
        page.get_by_title("mona_lisa.gif").click()
    assert download.value.suggested_filename == "mona_lisa.gif"

    seen = page.locator(".volume .told")
    seen.scroll_into_view_if_needed()
    seen.filter(has_text="The volume to learn").wait_for()
    page.get_by_role("button", name="Fit", exact=True).click()
    page.get_by_text("over the whole volume").wait_for()
    seen.scroll_into_view_if_needed()
    seen.filter(has_text="The network after").wait_for()
    page.get_by_label("Cutting plane").select_option("z")
    page.get_by_label("Cut at").fill("0.3")  # the network draws all three slices when the hand rests
    for caption in ("x = 0.00 · exact", "y = 0.00 · exact", "z = 0.30 · exact"):
        page.get_by_text(caption).wait_for()
    with page.expect_download() as download:
        page.get_by_title("volume.npy").click()
    assert np.load(download.value.path()).shape == (64, 64, 64, 4)
    assert page.get_by_text("over the whole volume").count() == 1  # the run stands, and what it found


@pytest.mark.parametrize("graphics", [True, False])
def test_the_viewer_follows_a_run(browser, served, graphics):
    visit = browser.new_page()
    visit.set_default_timeout(60_000)
    if graphics:
        visit.add_init_script(AS_IF_GRAPHICS.replace("() => 1", "() => 0.75"))
    visit.goto(served + "?size=64&steps=1000000&network=relu&width=8&depth=1", wait_until="domcontentloaded")
    status(visit).filter(has_text="Running").wait_for()
    view = visit.locator(".viewer[data-state=live] canvas.field").first
    view.scroll_into_view_if_needed()
    view.hover()
    visit.mouse.wheel(0, -500)
    drawn = "shader" if graphics else "python"
    visit.locator(f".viewer[data-drawn={drawn}] .zoomed", has_text=re.compile(r"zoom (?!1×)")).first.wait_for()
    visit.wait_for_timeout(1500)
    before, step = pixels(view), counter(visit)
    until(visit, lambda: not np.array_equal(pixels(view), before))
    assert counter(visit) > step
    visit.close()


def test_no_run_is_left_when_the_tab_closes(browser, served):
    def play(address):
        visit = browser.new_page()
        visit.set_default_timeout(60_000)
        visit.goto(address, wait_until="domcontentloaded")
        canvas(visit).locator("button.play").click()
        status(visit).filter(has_text="Running").wait_for()
        return visit

    play(served + "?steps=1000000").close()
    play(served).close()  # with one processor free for all, a run that was left would keep this one in the queue


def test_a_network_of_ones_own_in_the_editor(editor, rewrite):
    canvas(editor)
    setup = editor.locator(".cm-content", has_text="import marimo as mo").first
    setup.click()
    editor.keyboard.press("Control+End")
    editor.keyboard.insert_text("\nimport torch")
    editor.keyboard.press("Control+Enter")
    rewrite(
        editor,
        "network = loaded or fields.build(",
        "network = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.Tanh(), torch.nn.Linear(32, 3))",
    )
    status(editor).filter(has_text="Running").wait_for()  # nothing is known of this network yet, so it learns at once
    editor.locator(".counter", has_text=re.compile(r"[1-9]")).first.wait_for()
    viewer = editor.locator(".atelier.viewer")  # whose cell did not run again
    assert viewer.evaluate("node => getComputedStyle(node).getPropertyValue('--line')"), "it has kept its style"
    rewrite(editor, "network = torch.nn.Sequential(", "network = torch.nn.Linear(2, 1)")
    editor.get_by_text("The network must map (N, 2) to (N, 3)").first.wait_for()


@pytest.mark.parametrize("page", ["?size=64&repair_seconds=1&race_seconds=1"], indirect=True)
def test_a_repair_and_a_race_keep_what_they_made(page):
    for verb in ("Repair", "Race"):
        page.get_by_role("button", name=verb, exact=True).click()
        run = page.locator(".atelier.live", has=page.get_by_role("button", name=verb, exact=True))
        run.locator(".state", has_text="Finished").wait_for()
        page.wait_for_timeout(1500)  # the cells that follow have run
        assert run.locator(".state").inner_text().startswith("Finished")
        assert run.locator(".counter").inner_text() != "0"
    page.get_by_text("processor seconds", exact=True).wait_for()  # the standings
