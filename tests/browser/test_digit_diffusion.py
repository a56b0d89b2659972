"""Digit diffusion in a real browser: draw, go back, train, stop, take the checkpoint home and go on from it, steer,
judge."""

import re

import pytest
from atelier import checkpoints
from atelier.diffusion.denoiser import KIND, YOUNG_GUIDANCE
from PIL import Image

pytestmark = pytest.mark.browser
APP = "digit_diffusion.py"


class Run:
    """One live canvas of the page: the drawing on top, or that of the open tab below."""

    def __init__(self, page, number):
        self.root = page.locator(".live").nth(number)
        self.play = self.root.locator("button.play")

    @property
    def step(self):
        return int(self.root.locator(".counter").inner_text().replace(",", ""))

    def becomes(self, words):
        self.root.locator(".state", has_text=words).wait_for()

    def frames(self, label):
        return int(self.root.get_by_label(label).get_attribute("data-frames") or 0)


def press(page, slider, key):
    page.locator("marimo-slider", has_text=slider).first.get_by_role("slider").press(key)


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()
    return Run(page, 1)


@pytest.mark.parametrize("page", ["?samples=10&sampling_steps=6"], indirect=True)
def test_digits_are_drawn_scrubbed_saved_and_the_address_follows(page, tmp_path):
    drawing = Run(page, 0)
    drawing.becomes("Finished")
    assert drawing.step == 6
    press(page, "Go back to step", "ArrowLeft")
    drawing.root.locator(".counter", has_text="5").wait_for()

    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").first.click()
    path = tmp_path / "digits.png"
    download.value.save_as(path)
    assert Image.open(path).size[0] % 28 == 0
    with page.expect_download() as download:
        page.get_by_role("button", name="GIF").first.click()
    download.value.save_as(path)
    assert Image.open(path).n_frames == 7

    press(page, "Guidance g", "ArrowRight")
    page.wait_for_url("**guidance=3**")
    drawing.becomes("Finished")


@pytest.mark.parametrize("page", ["?guidance=nan"], indirect=True)
def test_a_wrong_address_says_so_and_digits_are_drawn(page):
    page.get_by_text("Guidance must be a number from 0 to 100").first.wait_for()
    Run(page, 0).becomes("Finished")


@pytest.mark.parametrize("page", ["?samples=10&sampling_steps=2&batch=16&train_minutes=5"], indirect=True)
def test_a_network_is_trained_stopped_taken_home_gone_on_from_steered_and_judged(page, tmp_path):
    Run(page, 0).becomes("Finished")
    training = open_tab(page, "Train")
    training.becomes("Measured")
    training.play.click()
    page.wait_for_timeout(3000)
    training.play.click()
    training.becomes("Paused")
    held = training.step
    assert held > 0
    assert training.frames(re.compile("Samples while it learns")) > 0
    training.root.get_by_label("Single step").click()
    training.root.locator(".counter", has_text=f"{held + 1:,}").wait_for()
    training.becomes("Paused")

    with page.expect_download() as download:
        page.get_by_role("button", name="Save the checkpoint").click()
    saved = tmp_path / "digits.safetensors"
    download.value.save_as(saved)
    assert checkpoints.load(saved, KIND).extra["run"]["step"] == held + 1

    odd = tmp_path / "odd.safetensors"
    odd.write_bytes(b"\x80\x04no checkpoint")
    upload = page.locator("marimo-file input")
    upload.set_input_files(odd)
    page.get_by_text("odd.safetensors is not a whole safetensors file").wait_for()
    assert training.step == held + 1
    upload.set_input_files(saved)
    page.get_by_text(f"Loaded at step {held + 1:,}").wait_for()
    training.play.click()
    training.becomes("left")
    training.play.click()
    training.becomes("Paused")
    assert training.step > held + 1

    page.locator("marimo-dropdown", has_text="Model").locator("select").first.select_option(label="Trained here")
    suited = f"{YOUNG_GUIDANCE.scale:g}"
    page.locator("marimo-slider", has_text="Guidance g").get_by_text(suited, exact=True).wait_for()
    Run(page, 0).becomes("Finished")
    steering = open_tab(page, "Steer")
    steering.becomes("Finished")
    judging = open_tab(page, "How good")
    press(page, "Digits to judge", "Home")
    judging.play.click()
    judging.becomes("Finished")
    page.get_by_text("The nearest pairs").wait_for()
    page.get_by_text("classifier-FID").first.wait_for()
