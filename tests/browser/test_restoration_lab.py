"""The restoration lab in a real browser: choose, break, repair, go back, save."""

import numpy as np
import pytest

pytestmark = pytest.mark.browser
APP = "restoration_lab.py"


def becomes(page, words):
    page.locator(".live .state", has_text=words).wait_for(timeout=120_000)


@pytest.mark.parametrize("page", ["?method=diffpir&samples=4&steps=6"], indirect=True)
def test_a_digit_is_broken_and_repaired_in_another_way(page, tmp_path):
    becomes(page, "Finished")
    assert page.locator(".live .counter").inner_text() == "6"
    page.get_by_text("read as", exact=False).first.wait_for()

    page.locator("select", has_text="Cover half").select_option("Blur")
    page.wait_for_url("**task=blur**")
    page.get_by_text("measured: blur").wait_for(timeout=60_000)
    becomes(page, "Finished")

    page.locator(".live .replay input").press("ArrowLeft")
    page.locator(".live .counter", has_text="5").wait_for()
    with page.expect_download() as download:
        page.locator(".atelier.download button", has_text="NPZ").first.click()
    download.value.save_as(tmp_path / "restored.npz")
    assert np.load(tmp_path / "restored.npz")["samples"].shape == (4, 28, 28)

    page.locator("select", has_text="ΠGDM").select_option("Replacement (RePaint)")
    becomes(page, "Ended in an error")
    page.get_by_text("does not fit this measurement").wait_for()
