"""A report opened from the disk, without a server and without a network: its widgets are alive."""

import subprocess
import sys

import pytest
from visits import NOTEBOOK
from waiting import until

pytestmark = pytest.mark.browser


def test_a_report_replays_zooms_and_tells_values(browser, tmp_path):
    (tmp_path / "tiny.py").write_text(NOTEBOOK)
    words = ["tiny.py", "--steps", "30", "--report", "r.html", "--out", "out"]
    subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, capture_output=True)
    page = browser.new_context(offline=True).new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    page.goto((tmp_path / "r.html").as_uri())

    counter, slider = page.locator(".counter"), page.get_by_label("Go back in time")
    assert counter.inner_text() == "30"
    canvas = page.get_by_label("now", exact=True)
    read = "node => node.getContext('2d').getImageData(0, 0, 1, 1).data[0]"
    page.wait_for_function("() => document.querySelector('.panels canvas').dataset.frames > 0")
    assert canvas.evaluate(read) == 30
    slider.press("Home")
    assert counter.inner_text() == "1"
    until(page, lambda: abs(canvas.evaluate(read) - 1) <= 3)
    slider.press("End")
    until(page, lambda: canvas.evaluate(read) == 30)

    view = page.get_by_label("the last one")
    view.scroll_into_view_if_needed()
    view.hover()
    page.mouse.wheel(0, -600)
    page.wait_for_function("() => parseFloat(document.querySelector('.zoomed').textContent.slice(5)) > 1.1")
    page.get_by_label("Reset the view").click()
    page.get_by_text("zoom 1×").wait_for()

    page.locator(".charts canvas").hover()
    page.locator(".charts .value.hovered", has_text="at").wait_for()
    assert not complaints
    page.context.close()
