"""Digit diffusion in a real browser: draw, go back, train, go on from a checkpoint, mix, steer, judge, edit."""

import re

import numpy as np
import pytest
from atelier import checkpoints
from atelier.diffusion.denoiser import KIND, YOUNG_GUIDANCE
from PIL import Image
from waiting import until

pytestmark = pytest.mark.browser
APP = "digit_diffusion.py"
DRAW, TRAIN, MEASURE, STEER, JUDGE = range(5)


class Run:
    """One live canvas of the page, in reading order."""

    def __init__(self, page, number):
        self.root = page.locator(".live").nth(number)
        self.play = self.root.locator("button.play")

    @property
    def step(self):
        return int(self.root.locator(".counter").inner_text().replace(",", ""))

    def becomes(self, words):
        self.root.locator(".state", has_text=words).wait_for()


def press(page, slider, key):
    page.locator("marimo-slider", has_text=slider).first.get_by_role("slider").press(key)


def save(page, label, path):
    with page.expect_download() as download:
        page.locator(".atelier.download button", has_text=label).first.click()
    download.value.save_as(path)
    return path


@pytest.mark.parametrize("page", ["?sampler=dpmpp&samples=10&sampling_steps=6"], indirect=True)
def test_digits_are_drawn_replayed_saved_and_the_address_follows(page, tmp_path):
    drawing = Run(page, DRAW)
    drawing.becomes("Finished")
    assert drawing.step == 6
    drawing.root.locator(".replay input").press("ArrowLeft")
    drawing.root.locator(".counter", has_text="5").wait_for()

    assert Image.open(save(page, "PNG", tmp_path / "digits.png")).size[0] % 28 == 0
    assert np.load(save(page, "NPZ", tmp_path / "digits.npz"))["images"].shape == (10, 28, 28)
    assert Image.open(save(page, "GIF", tmp_path / "digits.gif")).n_frames == 6

    press(page, "Guidance g", "ArrowRight")
    page.wait_for_url("**guidance=3**")
    drawing.becomes("Finished")


@pytest.mark.parametrize("page", ["?guidance=nan&utm_source=x&samples=10"], indirect=True)
def test_a_wrong_address_says_so_and_digits_are_drawn(page):
    page.get_by_text("Guidance must be a number from 0 to 5").first.wait_for()
    Run(page, DRAW).becomes("Finished")
    assert page.get_by_text("utm_source").count() == 0


@pytest.mark.parametrize("page", ["?sampler=dpmpp&samples=10&sampling_steps=2&batch=16&train_minutes=5"], indirect=True)
def test_a_network_is_trained_stopped_taken_home_gone_on_from_steered_and_judged(page, tmp_path):
    Run(page, DRAW).becomes("Finished")
    measuring = Run(page, MEASURE)
    measuring.play.click()
    measuring.becomes("an epoch")
    training = Run(page, TRAIN)
    training.play.click()
    training.becomes("left")
    press(page, "How many", "ArrowRight")  # a change above leaves the training alone
    until(page, lambda: training.step > 0)
    training.play.click()
    training.becomes("Paused")
    held = training.step
    training.root.get_by_label("Single step").click()
    training.root.locator(".counter", has_text=f"{held + 1:,}").wait_for()
    training.becomes("Paused")
    saved = save(page, "SAFETENSORS", tmp_path / "digits.safetensors")
    assert checkpoints.load(saved, KIND).extra["run"]["step"] == held + 1

    page.locator("marimo-dropdown", has_text="Network that draws").locator("select").select_option(
        label="The one trained below"
    )
    page.locator("marimo-slider", has_text="Guidance g").get_by_text(f"{YOUNG_GUIDANCE.scale:g}", exact=True).wait_for()
    Run(page, DRAW).becomes("Finished")

    odd = tmp_path / "odd.safetensors"
    odd.write_bytes(b"\x80\x04no checkpoint")
    upload = page.locator("marimo-file input")
    upload.set_input_files(odd)
    page.get_by_text("is not a whole safetensors file").wait_for()
    assert training.step == held + 1
    upload.set_input_files(saved)
    page.get_by_text("Train goes on from it").wait_for()
    training.root.get_by_label("Start again").click()
    until(page, lambda: training.step > held + 1)  # it goes on from the file
    training.play.click()
    training.becomes("Paused")

    steering, judging = Run(page, STEER), Run(page, JUDGE)
    steering.play.click()
    steering.becomes("Finished")
    assert Image.open(save(page, "PNG", tmp_path / "a.png")).size
    press(page, "Digits to judge", "Home")
    judging.play.click()
    judging.becomes("Finished")
    page.get_by_text("The nearest pairs").wait_for()
    page.get_by_text("Measured now: n = 100").wait_for()


def test_digits_sink_into_noise_without_the_kernel(page):
    mixer = page.locator(".atelier.mixer")
    mixer.locator(".told", has_text="40 % noise").wait_for()
    before = mixer.locator("canvas.large").evaluate("canvas => canvas.toDataURL()")
    mixer.get_by_label("Time t").press("Home")
    mixer.locator(".told", has_text="0 % noise").wait_for()
    clean = mixer.locator("canvas.large").evaluate("canvas => canvas.toDataURL()")
    assert clean != before
    mixer.get_by_label("Picture 7").first.click()
    assert mixer.locator("canvas.large").evaluate("canvas => canvas.toDataURL()") != clean
    assert mixer.locator(".charts canvas").count() == 3


def test_an_edited_sampler_changes_the_picture(editor, rewrite):
    drawing = Run(editor, DRAW)
    drawing.becomes("Finished")
    canvas = drawing.root.locator(".panels canvas").first
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    body = "x0_hat = predict(x, t.t)\n    return s.alpha * x0_hat + s.sigma * noise(), x0_hat"
    rewrite(editor, "sampler = draw_ask.value", f"def sampler(predict, x, t, s, noise):\n    {body}")
    until(editor, lambda: canvas.evaluate("canvas => canvas.toDataURL()") != before)
    drawing.becomes("Finished")
    assert not editor.get_by_text("Traceback").count()


@pytest.mark.parametrize("page", ["?samples=10"], indirect=True)
def test_four_steps_are_there_at_once_and_ten_digits_follow_the_hand(page):
    drawing = Run(page, DRAW)
    drawing.becomes("Finished")
    assert drawing.step == 4
    instrument = page.locator(".instrument")
    pad = instrument.locator(".pad")
    pad.scroll_into_view_if_needed()
    told = instrument.locator(".told")
    told.filter(has_text="4 network calls").wait_for()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    told.filter(has_text=re.compile(r"9\d% 6")).wait_for()
    frames = int(instrument.locator("canvas").get_attribute("data-frames"))
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 2)
    told.filter(has_text=re.compile(r"(49|50)% 3, (49|50)% 8")).wait_for()
    instrument.get_by_label("Walk").press("ArrowRight")
    until(page, lambda: int(instrument.locator("canvas").get_attribute("data-frames")) >= frames + 2)

    page.get_by_label("Sampler").first.select_option(label="DPM-Solver++ (2M)")
    drawing.root.locator(".total", has_text="of 30 steps").wait_for()
