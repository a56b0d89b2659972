"""Controls: one declaration for the page, the address and the command line."""

import importlib

import pytest
from atelier.page.controls import Ask, Words, choice, number, parse, path, ratio_steps, seed, switch, text, usage
from atelier.page.session import Session
from atelier.settings import Control, Knob, Number, SettingError

controls = importlib.import_module("atelier.page.controls")  # in the room this name is the function

KNOWN = {
    "size": number(8, 512, 64),
    "brightness": number(-2.0, 2.0, 0.0),
    "rate": number(1e-6, 1, 1e-2, log=True, live=True),
    "kind": choice({"siren": "SIREN", "relu": "ReLU"}, "siren"),
    "picture": choice(["mona", "cat"], "mona", paths=True),
    "gray": switch(),
    "steps": number(1, 100),
    "out": text("out", door="command"),
}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("--size 128 --gray", {"size": "128", "gray": "true"}),
        ("--brightness -0.5", {"brightness": "-0.5"}),
        ("--brightness=-0.5 --gray off", {"brightness": "-0.5", "gray": "off"}),
        ("--picture a=b.png", {"picture": "a=b.png"}),
        ("--size --5x3", {"size": "--5x3"}),
        ("--gray --size 8", {"gray": "true", "size": "8"}),
    ],
)
def test_a_command_line_is_read(line, found):
    assert parse(line.split(), KNOWN) == found


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--sise 8", "did you mean --size"),
        ("--colour red", "There is no option --colour"),
        ("hello", "no place for 'hello'"),
        ("--size", "--size needs a value: a whole number from 8 to 512"),
        ("--size --gray", "--size needs a value"),
        ("--size 8 --size 9", "given twice"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(line, sentence):
    with pytest.raises(SettingError, match=sentence):
        parse(line.split(), KNOWN)


def words(monkeypatch, line="", address=None):
    monkeypatch.setattr(controls, "_arguments", line.split)
    monkeypatch.setattr(controls, "address", lambda: address or {})
    session = Session(live=address is not None, mode="run" if address is not None else "script")
    return Words(session, KNOWN, later=[("brightness", "gray")])


def test_a_word_for_a_control_that_is_not_made_is_told(monkeypatch):
    made = [{"brightness": KNOWN["brightness"]}]
    sentence = "Gray has no use with what is chosen above; leave it out."
    assert words(monkeypatch, address={"gray": "on", "size": "9"}).left_over(made) == {"gray": sentence}
    assert words(monkeypatch, address={"brightness": "1"}).left_over(made) == {}
    assert words(monkeypatch, "--size 9").left_over(made) == {}
    with pytest.raises(SystemExit, match="Gray has no use"):
        words(monkeypatch, "--gray").left_over(made)


def test_two_cells_can_make_controls_later(monkeypatch):
    monkeypatch.setattr(controls, "_arguments", "--gray --brightness 1".split)
    made = Words(Session(live=False, mode="script"), KNOWN, later=[("brightness", "rate"), ("gray",)])
    assert made.left_over([{"brightness": KNOWN["brightness"]}]) == {}
    assert made.left_over([{"gray": KNOWN["gray"]}]) == {}
    with pytest.raises(SystemExit, match="Brightness has no use"):
        made.left_over([{"rate": KNOWN["rate"]}])


def test_the_command_line_fills_the_controls(monkeypatch):
    given, problems = words(monkeypatch, "--size 128 --picture cat.png --steps auto").take(KNOWN)
    assert given == {"size": 128, "picture": "cat.png"}  # auto is what steps are by default
    assert not problems


@pytest.mark.parametrize(
    ("line", "sentence"),
    [("--size 0", "Size must be a whole number from 8 to 512, and 0 is not"), ("--kind siern", "Did you mean siren")],
)
def test_a_value_out_of_bounds_ends_a_script_in_a_sentence(monkeypatch, line, sentence):
    with pytest.raises(SystemExit, match=sentence):
        words(monkeypatch, line)


def test_an_address_gives_what_is_right_and_tells_what_is_wrong(monkeypatch):
    asked = {
        "size": "128",
        "kind": "magic",
        "utm_source": "x",
        "access_token": "y",
        "picture": "/etc/passwd",
        "out": "z",
    }
    given, problems = words(monkeypatch, address=asked).take(KNOWN)
    assert given == {"size": 128}
    assert len(problems) == 3
    assert all("The default is used instead." in problem for problem in problems.values())
    assert "command line only" in problems["out"]


def test_help_names_every_option(monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        words(monkeypatch, "--help")
    assert not ended.value.code
    told = capsys.readouterr().out
    assert told == usage("atelier", {**KNOWN, "report": controls._OWN["report"], "out": controls._OWN["out"]}) + "\n"
    assert "--brightness" in told


def test_a_browser_may_send_anything_and_the_last_good_value_stays(visit):
    ask = Ask({"size": KNOWN["size"], "rate": KNOWN["rate"], "kind": KNOWN["kind"]}, {"size": 128})
    knob = ask.value["rate"]
    assert isinstance(knob, Knob)
    assert (ask.value["size"], knob(), ask.value["kind"]) == (128, 0.01, "siren")
    ask._update({"size": 256})
    assert ask.value["size"] == 256
    ask._update({"size": 10**6})
    assert ask.value["size"] == 256
    assert ask.sentences == {"size": "Size must be a whole number from 8 to 512, and 1000000 is not."}
    ask._update({"kind": ["no such option"]})
    assert ask.value["kind"] == "siren"
    ask._update({"size": 64})
    assert not ask.sentences
    steps = ratio_steps(KNOWN["rate"].domain, 0.01)
    ask._update({"rate": steps.index(0.1)})
    assert ask.value["rate"] is knob
    assert knob() == 0.1


def test_a_browser_cannot_set_what_belongs_to_the_command_line(visit):
    ask = Ask({"drawing": path(), "size": KNOWN["size"]})
    ask._update({"drawing": "/etc/hostname", "size": 9})
    assert ask.value == {"drawing": "", "size": 9}
    ask._update({"drawing": "/no/such/file"})
    assert (ask.value["drawing"], ask.sentences) == ("", {})


def test_ratio_steps_are_round_and_whole_where_numbers_are():
    assert ratio_steps(Number(1, 100, whole=True, log=True), 60) == [1, 2, 3, 5, 7, 10, 20, 30, 50, 60, 70, 100]


def test_a_domain_is_a_control_whose_value_may_be_left_open():
    control = Control(Number(1, 9, whole=True))
    assert (control.default, control.read("width", "auto"), control.read("width", "3")) == (None, None, 3)
    assert control.write(None) == "auto"
    assert seed().domain.check("Seed", 5) == 5


def test_a_slider_with_fractions_gives_round_numbers_and_holds_any_value(visit):
    ask = Ask({"eta": number(0.0, 1, 0.0, step=0.05)}, {"eta": 0.33})
    slider = ask.elements["eta"]
    assert slider.value == 0.33
    assert slider.steps == [*(k / 20 for k in range(7)), 0.33, *(k / 20 for k in range(7, 21))]
    ask._update({"eta": 1})
    assert ask.value["eta"] == 0.05


def test_a_choice_stays_when_its_controls_are_made_anew_with_the_same_default(visit, monkeypatch):
    monkeypatch.setattr(controls, "cell", lambda: "second")
    monkeypatch.setattr(controls, "address", dict)
    known = Words(Session(live=True, mode="run"), {})
    known.cell = "first"

    made = {"model": choice(("shipped", "trained"), "shipped", door="page")}
    first = Ask(made, *known.take(made, known.taken_again(), keep=True))
    known.asks["second"] = [first]
    first._update({"model": ["trained"]})
    assert known.take(made, known.taken_again(), keep=True)[0] == {"model": "trained"}
    loaded = {"model": choice(("shipped", "trained", "file"), "file", door="page")}
    assert known.take(loaded, known.taken_again(), keep=True)[0] == {}  # another default is what is meant now
    fewer = {"model": choice(("shipped",), "shipped", door="page")}
    assert known.take(fewer, known.taken_again(), keep=True)[0] == {}


def test_what_was_set_back_to_its_default_stays_there(visit, monkeypatch):
    monkeypatch.setattr(controls, "cell", lambda: "second")
    words = {"brightness": "1"}
    monkeypatch.setattr(controls, "address", lambda: words)
    known = Words(Session(live=True, mode="run"), KNOWN)
    made = {"brightness": KNOWN["brightness"]}
    assert known.take(made)[0] == {"brightness": 1.0}
    known.asks["second"] = []
    words.clear()  # the reader has moved it back, so the address says nothing of it
    assert known.take(made, again=True, keep=True)[0] == {}


@pytest.mark.parametrize(
    ("low", "high", "step", "stops"),
    [(0, 1, 0.3, [0, 0.3, 0.6, 0.9, 1]), (-0.1, 0.1, 0.05, [-0.1, -0.05, 0, 0.05, 0.1])],
)
def test_a_slider_has_every_stop(low, high, step, stops):
    assert controls._element("x", number(low, high, low, step=step, whole=False), low).steps == stops


def test_zero_is_among_the_stops_of_a_slider_with_odd_ends():
    assert 0 in controls._element("z", number(-4.6, 4, -4.6, step=0.05), -4.6).steps
