"""What ends with a visit, and what a wrong value becomes."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import marimo as mo
import pytest
from atelier.errors import NotYet, UserError
from atelier.page.session import Session, _foreign, check


def test_the_end_of_a_session_closes_what_it_made():
    closed = []

    async def visit():
        made = Session(live=True, mode="run")
        for name in ("first", "second"):
            widget = SimpleNamespace(close=lambda name=name: closed.append(name))
            made.element(lambda widget=widget: SimpleNamespace(widget=widget))
        await asyncio.sleep(0.01)
        assert not closed
        made._guard.cancel()
        await asyncio.gather(made._guard, return_exceptions=True)

    with ThreadPoolExecutor(1) as thread:  # another test's browser may keep a loop in this one
        thread.submit(asyncio.run, visit()).result(10)
    assert closed == ["first", "second"]


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({"host": "127.0.0.1:2718"}, False),
        ({"host": "127.0.0.1:2718", "origin": "http://127.0.0.1:2718"}, False),
        ({"host": "127.0.0.1:2718", "origin": "https://elsewhere.example"}, True),
        ({"host": "inner:80", "x-forwarded-host": "art.example", "origin": "https://art.example"}, False),
        ({"host": "127.0.0.1:2718", "origin": "null"}, False),
    ],
)
def test_a_page_of_another_site_is_refused(headers, foreign):
    assert _foreign(headers) is foreign


def test_modes():
    assert Session(live=False, mode="script").script
    assert not Session(live=False, mode="edit").script, "an export writes no files"
    assert Session(live=True, mode="run").visitor
    assert not Session(live=True, mode="edit").visitor


def test_a_user_error_ends_a_script_in_a_sentence():
    for kind in (UserError, NotYet):
        with pytest.raises(SystemExit, match="Choose another"), check():
            raise kind("Choose another.")
    with pytest.raises(ZeroDivisionError), check():
        raise ZeroDivisionError


def test_a_kernel_that_starts_while_torch_is_imported_waits_for_it():
    code = """
import sys, threading, time
from atelier.page import session
from marimo._output.formatters.formatters import register_formatters

def whole():
    import torch
    print("whole", hasattr(torch, "optim"))

first = threading.Thread(target=whole)
first.start()
while "torch" not in sys.modules:
    time.sleep(0.001)
register_formatters()
first.join()
import torch
print(torch.nn.Linear(1, 1).weight.shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["whole True", "torch.Size([1, 1])"]


def test_what_is_still_missing_is_no_mistake(visit, monkeypatch):
    """The page shows it without alarm."""
    shown = []
    monkeypatch.setattr("marimo.callout", lambda text, kind: shown.append((text, kind)))
    for error in (NotYet("Paint first."), UserError("Choose another.")):
        with pytest.raises(mo.MarimoStopError), check():
            raise error
    assert shown == [("Paint first.", "neutral"), ("Choose another.", "danger")]
