"""The restoration lab in a real browser: choose, break, repair, go back, save."""

import numpy as np
import pytest

pytestmark = pytest.mark.browser
APP = "restoration_lab.py"


def becomes(page, words):
    hero(page).locator(".state", has_text=words).wait_for(timeout=120_000)


def hero(page):
    return page.locator(".atelier.live").first


@pytest.mark.parametrize("page", ["?method=diffpir&samples=4&steps=6"], indirect=True)
def test_a_digit_is_broken_and_repaired_in_another_way(page, tmp_path):
    becomes(page, "Finished")
    assert hero(page).locator(".counter").inner_text() == "6"
    page.get_by_text("read as", exact=False).first.wait_for()

    page.locator("select", has_text="Cover half").select_option("Blur")
    page.wait_for_url("**task=blur**")
    page.get_by_text("measured: blur").wait_for(timeout=60_000)
    becomes(page, "Finished")

    hero(page).locator(".replay input").press("ArrowLeft")
    hero(page).locator(".counter", has_text="5").wait_for()
    with page.expect_download() as download:
        page.locator(".atelier.download button", has_text="NPZ").first.click()
    download.value.save_as(tmp_path / "restored.npz")
    assert np.load(tmp_path / "restored.npz")["samples"].shape == (4, 28, 28)

    page.get_by_text("Upper moon", exact=False).and_(page.locator(".paragraph")).wait_for()
    page.get_by_label("Distribution").select_option("Three islands")
    page.get_by_text("Large island", exact=False).and_(page.locator(".paragraph")).wait_for()
    page.get_by_label("Sampled by").select_option("DDIM: no measurement")
    page.get_by_text("to the true distribution").wait_for()
    assert not page.get_by_text("Measured value y").count()
    page.get_by_label("Distribution").select_option("The digit above")
    plane = page.locator(".atelier.live").nth(1)
    plane.get_by_text("blue: the digit").wait_for()
    plane.locator(".state", has_text="Finished").wait_for()
    page.wait_for_timeout(1500)  # it stays finished when the cells that follow the run have run again
    assert plane.locator(".state").inner_text() == "Finished"

    page.get_by_label("Repair it by").select_option("Replacement (RePaint)")
    becomes(page, "Ended in an error")
    page.get_by_text("does not fit this measurement").wait_for()


@pytest.mark.parametrize("page", ["?task=painted&method=diffpir&samples=2&steps=4"], indirect=True)
def test_a_digit_is_drawn_covered_repaired_and_read(page):
    pad = page.locator(".atelier.pad canvas")
    pad.wait_for(timeout=60_000)
    page.get_by_text("Nothing is covered; paint over a part of the digit.").wait_for()  # and no word of an error
    assert not page.get_by_text("Ended in an error").count()

    def stroke(*points):
        pad.scroll_into_view_if_needed()
        place = pad.bounding_box()
        at = [(place["x"] + 7 * x, place["y"] + 7 * y) for x, y in points]
        page.mouse.move(*at[0])
        page.mouse.down()
        for point in at[1:]:
            page.mouse.move(*point, steps=5)
        page.mouse.up()

    cover = page.get_by_role("button", name="Cover", exact=True)
    assert cover.get_attribute("aria-pressed") == "true"  # since a mask is to be painted
    page.get_by_role("button", name="Draw", exact=True).click()
    stroke((14, 5), (13, 23))
    cover.click()
    page.wait_for_timeout(1500)  # the sections above settle
    stroke((9, 7), (20, 7))
    becomes(page, "Finished")
    assert page.get_by_text("x, the digit", exact=True).count() == 1  # a drawing has no known label

    page.get_by_role("button", name="Read", exact=True).click()
    page.get_by_text("helps the network most").wait_for(timeout=90_000)
