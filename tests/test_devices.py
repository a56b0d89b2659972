"""The number format and layout are measured, remembered, and can be said."""

import time

import pytest
import torch
from atelier import devices
from atelier.devices import Format, fastest
from atelier.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    monkeypatch.setattr(devices, "_known", {})
    monkeypatch.setattr(devices, "_convolution", lambda *_: lambda form: time.sleep(0.001))
    return tmp_path / "formats.json"


def runner(slow):
    """A run that takes so many milliseconds in a format, and the formats that it was run in."""
    seen = []

    def run(form):
        seen.append(form)
        time.sleep(slow(form) / 1000)

    return run, seen


def test_the_fastest_is_chosen_and_remembered(store, monkeypatch):
    run, seen = runner(lambda form: 2 if form == Format("float32", "channels_last") else 12)
    assert fastest("net", run, CPU) == Format("float32", "channels_last")
    assert store.is_file()
    seen.clear()
    assert fastest("net", run, CPU) == Format("float32", "channels_last")
    monkeypatch.setattr(devices, "_known", {})  # another process
    assert fastest("net", run, CPU) == Format("float32", "channels_last")
    assert not seen
    fastest("another", run, CPU)
    assert seen


@pytest.mark.parametrize(("fast", "likeliest"), [(False, "float32"), (True, "bfloat16")])
def test_a_small_gain_does_not_leave_the_likeliest_format(monkeypatch, fast, likeliest):
    monkeypatch.setattr(devices, "has_fast_bfloat16", lambda kind: fast)
    run, _ = runner(lambda form: 10 if form.precision == likeliest else 9)
    assert fastest("net", run, CPU).precision == likeliest
    run, _ = runner(lambda form: 10 if form.precision == likeliest else 5)
    assert fastest("another", run, CPU).precision != likeliest


def test_a_hopeless_number_format_is_never_tried_on_the_network(monkeypatch):
    def convolution(device):
        return lambda form: time.sleep(0.02 if form.precision == "bfloat16" else 0.001)

    monkeypatch.setattr(devices, "_convolution", convolution)
    run, seen = runner(lambda form: 1)
    fastest("net", run, CPU)
    assert "float32" in {form.precision for form in seen}
    assert "bfloat16" not in {form.precision for form in seen}


def test_measuring_stops_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(devices, "MEASURING_SECONDS", 0.0)
    run, seen = runner(lambda form: 5)
    found = fastest("net", run, CPU)
    assert seen == [found]


def test_what_is_said_is_taken_without_measuring():
    run, seen = runner(lambda form: 1)
    assert fastest("net", run, CPU, "bfloat16", "channels_last") == Format("bfloat16", "channels_last")
    assert not seen
    assert fastest("net", run, CPU, "float32").precision == "float32"
    with pytest.raises(UserError, match="Precision must be one of auto, float32"):
        fastest("net", run, CPU, "float8")
    with pytest.raises(UserError, match="Layout must be one of auto, contiguous, channels_last"):
        fastest("net", run, CPU, "auto", "diagonal")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}', "null"])
def test_a_damaged_store_is_measured_anew(store, text):
    store.write_text(text)
    run, _ = runner(lambda form: 1)
    assert isinstance(fastest("net", run, CPU), Format)


def test_a_layout_changes_no_result_but_by_rounding():
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(8, 4, 3))
    x = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    before = network(x)
    Format("float32", "channels_last").lay_out(network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(x), before)
    Format().lay_out(network)
    assert network[0].weight.is_contiguous()
