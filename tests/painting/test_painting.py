import io
import itertools
import re
import time

import numpy as np
import pytest
import torch
from atelier.data.pictures import Picture
from atelier.errors import UserError
from atelier.fields.metrics import psnr
from atelier.fields.networks import NETWORKS
from atelier.fields.window import Window
from atelier.painting import exports
from atelier.painting.command import report
from atelier.painting.race_studio import RaceStudio
from atelier.painting.run import Run, train
from atelier.painting.settings import PaintingSettings, fit_options, network_spec
from atelier.painting.studio import Studio, bicubic
from atelier.page.packing import unpack
from PIL import Image


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def picture():
    y, x = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 36), indexing="ij")
    return Picture("Mona Lisa", torch.stack([x, y, (6 * x).sin().square()], dim=-1))


@pytest.fixture(scope="module")
def run(picture):
    return train(Run.from_settings(PaintingSettings(steps=60), picture))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"network": "perceptron"}, "Network must be one of hashgrid"),
        ({"learning_rate": "0"}, "Learning rate must be a number from 1e-06 to 1"),
        ({"learning_rate": "1e6"}, "Learning rate must be a number from 1e-06 to 1"),
        ({"steps": "0"}, "Steps must be a whole number from 1 to 1,000,000"),
        ({"steps": "1000000000"}, "Steps must be a whole number from 1 to 1,000,000"),
        ({"size": "20000"}, "Size must be a whole number from 64 to 1,024"),
        ({"loss": "ssim", "held_out": "true"}, "whole neighbourhoods"),
    ],
)
def test_wrong_words_get_one_sentence(words, sentence):
    with pytest.raises(UserError) as refused:
        PaintingSettings.read(words)
    assert sentence in str(refused.value)


def test_an_address_may_not_read_files_of_the_server():
    with pytest.raises(UserError, match="Picture must be one of mona_lisa"):
        PaintingSettings(picture="/etc/passwd").known_picture()


def test_an_option_of_another_network_is_refused(picture):
    with pytest.raises(UserError, match="ReLU perceptron has no frequency; it has width, depth"):
        network_spec(PaintingSettings(network="relu", frequency=3.0), picture)


def test_the_end_of_a_run():
    assert fit_options(PaintingSettings()).steps == 3000
    assert fit_options(PaintingSettings(seconds=5.0)).steps is None


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_fewer_parameters_than_values_or_says_so(name):
    big = Picture("x", torch.zeros(384, 300, 3))
    made = Run.from_settings(PaintingSettings(network=name), big)
    assert made.parameters < made.values


def test_a_run_remembers(run):
    assert run.history["step"][-1] == run.step == 60
    assert len({len(v) for v in run.history.values()}) == 1
    then = run.network_at(run.recording.moments[0])
    assert any(not torch.equal(a, b) for a, b in zip(then.parameters(), run.network.parameters(), strict=True))
    now = run.network_at(run.recording.moments[-1])
    assert all(torch.equal(a, b) for a, b in zip(now.parameters(), run.network.parameters(), strict=True))


def test_the_gif_has_three_panels_and_ends_at_the_end(run, picture):
    *_, last = exports.training_gif(picture.pixels, run.spec, run.recording.moments)
    gif = Image.open(io.BytesIO(last.data))
    assert gif.n_frames == len(exports.spread(run.recording.moments, exports.GIF_FRAMES)) > 3
    assert gif.width > 2 * 36
    assert gif.info["duration"] == exports.GIF_MILLISECONDS
    gif.seek(gif.n_frames - 1)
    frame = np.array(gif.convert("RGB"))
    wanted = blocks(run.last.picture.numpy())
    # the captions decide where the second picture stands
    assert any(np.abs(blocks(frame[10:58, x : x + 36] / 255) - wanted).mean() < 0.03 for x in range(46, 150))


def blocks(picture):
    """Means of 6 × 6 pixels: they even out the dither of a palette."""
    return picture.reshape(8, 6, 6, 6, 3).mean((1, 3))


def test_the_comparison_holds_original_picture_and_error(run, picture):
    image = np.array(Image.open(io.BytesIO(exports.comparison_png(picture.pixels, run.last, "Ramp"))))
    assert np.abs(image[10:58, 10:46] / 255 - picture.pixels.numpy()).max() < 0.003
    shown = image[10:58] / 255  # the captions decide where the second picture stands
    assert any(np.abs(shown[:, x : x + 36] - run.last.picture.numpy()).max() < 0.003 for x in range(46, 150))


def test_a_large_picture_is_the_field_at_that_size(run):
    *_, last = exports.large_picture(run.network, run.spec.aspect, 200)
    assert Image.open(io.BytesIO(last.data)).size == (150, 200)


def test_the_rival_jpeg_keeps_to_its_size():
    noise = torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(0))
    small, large = (exports.jpeg_of_size(noise, size) for size in (2500, 9000))
    assert small.size <= 2500
    assert large.size <= 9000
    assert large.psnr > small.psnr + 3


def test_moments_are_spread_densely_at_first():
    chosen = exports.spread(list(range(200)), 51)
    assert (chosen[0], chosen[-1]) == (0, 199)
    assert len(chosen) <= 51
    assert chosen[5] < 199 * 5 / 50


def test_bicubic_of_the_whole_window_is_the_picture(picture):
    same = bicubic(picture.pixels, Window(aspect=0.75), 48, 36)
    torch.testing.assert_close(same, picture.pixels, atol=1e-5, rtol=0)
    assert bicubic(picture.pixels, Window(x=9, aspect=0.75), 8, 6).eq(1).all()


def test_the_report_is_one_page_with_everything_inside(run):
    page = report(PaintingSettings(steps=60), run).page()
    assert page.count("data:image/") == 2
    assert page.count("<svg") == 2
    assert f"{run.last.psnr:.2f} dB" in page
    assert not re.search(r"""(src|href)=["']http|url\(http|<script|@import""", page)


@pytest.fixture
def studio(picture):
    made = Studio(PaintingSettings(steps=400), picture)
    yield made
    made.close()


def say(studio, name, value=None, numbers=itertools.count()):  # noqa: B008 (each command has its own number)
    studio.canvas.command = {"name": name, "value": value, "number": next(numbers)}


def status(studio):
    return unpack(studio.canvas.frame)[0]


def test_the_studio_opens_on_the_shipped_result(studio):
    assert status(studio)["step"] == 10_000
    assert studio.run.last is not None
    assert set(studio.look(Window(aspect=0.75))) == {"the network", "the pixels it learned from, bicubic"}


def test_an_upload_is_not_shown_beside_another_pictures_network(studio):
    studio.configure(PaintingSettings(steps=400), Picture("holiday.jpg", torch.rand(30, 50, 3)))
    assert studio.run is None
    assert "step" not in status(studio)


def test_play_learns_and_the_end_is_measured_exactly(studio, picture):
    say(studio, "play")
    wait_for(lambda: status(studio)["state"] == "finished")
    assert status(studio)["step"] == 400
    assert studio.moments()[-1].step == 400
    shown = studio.run.last.picture
    assert studio.run.last.psnr == pytest.approx(psnr(shown, picture.pixels), abs=0.01)
    for export in (studio.gif, studio.comparison, studio.checkpoint):
        *_, last = export()
        assert len(last.data) > 500


def test_a_checkpoint_comes_back_and_play_goes_on_from_it(studio, picture):
    say(studio, "play")
    wait_for(lambda: status(studio)["state"] == "finished")
    before = studio.run.last.psnr
    *_, last = studio.checkpoint()
    studio.open()
    assert f"{before:.2f} dB" in studio.load(last.data)
    say(studio, "step")
    wait_for(lambda: status(studio)["state"] == "paused")
    assert studio.run.last.psnr > before - 6


@pytest.mark.parametrize(
    ("data", "sentence"), [(b"", "not a whole safetensors"), (b"x" * 100, "not a whole safetensors")]
)
def test_a_bad_checkpoint_changes_nothing(studio, data, sentence):
    before = studio.run
    with pytest.raises(UserError, match=sentence):
        studio.load(data)
    assert studio.run is before


def test_a_checkpoint_of_another_network_is_refused(studio, picture):
    *_, last = studio.checkpoint()
    studio.configure(PaintingSettings(network="siren"), picture)
    with pytest.raises(UserError, match="holds the network hashgrid, and siren is chosen"):
        studio.load(last.data)


def test_new_settings_wait_for_the_next_run(studio, picture):
    studio.configure(PaintingSettings(steps=100_000), picture)
    say(studio, "play")
    wait_for(lambda: studio.canvas.job is not None and studio.canvas.job.count > 3)
    running = studio.run
    studio.configure(PaintingSettings(network="relu"), picture)
    assert "start again" in status(studio)["note"]
    assert studio.run is running
    say(studio, "restart")
    wait_for(lambda: studio.run.spec.network == "relu")


def test_another_picture_opens_at_once(studio):
    say(studio, "play")
    wait_for(lambda: studio.canvas.job is not None and studio.canvas.job.count > 3)
    job = studio.canvas.job
    studio.configure(PaintingSettings(picture="camera"), Picture("Camera", torch.zeros(40, 40, 3)))
    job.join(10)
    assert job.state == "stopped"
    assert studio.run is None
    with pytest.raises(UserError, match="press Play first"):
        studio.gif()


def test_a_race_ends_in_a_table(picture):
    racing = RaceStudio()
    try:
        racing.configure(PaintingSettings(), picture, ["hashgrid", "relu"], 0.2)
        racing.canvas.play()
        wait_for(lambda: racing.canvas.job.state == "finished")
        assert {row["network"] for row in racing.table()} == {"Hash grid", "ReLU perceptron"}
        for names in ([], list(NETWORKS)[:5]):
            with pytest.raises(UserError, match="one to 4 networks"):
                racing.configure(PaintingSettings(), picture, names, 1)
    finally:
        racing.close()
