"""The painting fitter, clicked in a real browser."""

import re

import pytest

pytestmark = pytest.mark.browser
APP = "painting_fitter.py"


def counter(page):
    return int(page.locator(".counter").first.inner_text().replace(",", ""))


def frames(page):
    return int(page.get_by_label("network", exact=True).first.get_attribute("data-frames") or 0)


def status(page):
    return page.locator(".state").first


def test_it_opens_on_a_finished_result_that_fits_the_screen(page):
    page.locator("button.play").first.wait_for()
    page.wait_for_function("document.body.innerText !== ''")
    page.locator(".counter", has_text="10,000").first.wait_for()
    assert re.search(r"finished network · (\d\d\.\d dB|identical)", page.locator(".panels").first.inner_text())
    flow = page.locator(".flow").first.bounding_box()
    assert flow["y"] + flow["height"] <= 800


@pytest.mark.parametrize("page", ["?size=128&steps=20000"], indirect=True)
def test_play_slide_pause_step_slow_and_start_again(page):
    play = page.locator("button.play").first
    play.click()
    page.wait_for_function(
        "() => { const seen = []; const walk = (n) => n.querySelectorAll('*').forEach((e) => {"
        " if (e.dataset.frames) seen.push(Number(e.dataset.frames)); if (e.shadowRoot) walk(e.shadowRoot); });"
        " walk(document); return Math.max(...seen) > 20; }"
    )
    running = counter(page)
    rate = page.locator("marimo-slider", has_text="Learning rate").get_by_role("slider")
    rate.press("ArrowLeft")
    page.wait_for_timeout(500)
    assert counter(page) > running  # the slider did not stop the run

    play.click()
    status(page).filter(has_text="Paused").wait_for()
    held = counter(page)
    page.wait_for_timeout(500)
    assert counter(page) == held

    page.get_by_label("Single step").first.click()
    page.locator(".counter", has_text=f"{held + 1:,}").first.wait_for()

    page.get_by_label("Slow motion").first.click()
    play.click()
    page.wait_for_timeout(1500)
    assert held + 1 < counter(page) < held + 12

    page.get_by_label("Start again").first.click()
    page.wait_for_timeout(700)
    assert 0 < counter(page) < held


@pytest.mark.parametrize("page", ["?learning_rate=1e6"], indirect=True)
def test_a_wrong_address_says_so_and_the_page_works(page):
    page.get_by_text("Learning rate must be a number from 1e-06 to 1").first.wait_for()
    page.locator("button.play").first.click()
    status(page).filter(has_text="Running").wait_for()


@pytest.mark.parametrize("page", ["?size=64&steps=200"], indirect=True)
def test_what_a_run_leaves_can_be_replayed_and_taken_home(page):
    page.locator("button.play").first.click()
    status(page).filter(has_text="Finished").wait_for()
    page.get_by_role("tab", name="Replay").click()
    page.get_by_text("Moment of the training").first.wait_for()
    page.get_by_role("tab", name="Take home").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="GIF").click()
    assert download.value.suggested_filename == "training.gif"


def test_no_thread_is_left_when_the_tab_closes(browser, served):
    page = browser.new_page()
    page.goto(served + "?steps=1000000&seconds=3000", wait_until="domcontentloaded")
    page.locator("button.play").first.click(timeout=60_000)
    status(page).filter(has_text="Running").wait_for(timeout=60_000)
    page.close()
    # Another visitor finds the processor free: a single job limit would otherwise leave them in the queue.
    other = browser.new_page()
    other.goto(served, wait_until="domcontentloaded")
    other.locator("button.play").first.click(timeout=60_000)
    status(other).filter(has_text="Running").wait_for(timeout=60_000)
    other.close()
