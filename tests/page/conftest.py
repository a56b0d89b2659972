"""A visit without a browser: what the page would send is handed to the widget."""

import importlib

import pytest
from atelier.page.session import Session


@pytest.fixture
def visit(monkeypatch):
    """A session in which somebody looks on."""
    made = Session(live=True, mode="run")
    monkeypatch.setattr(importlib.import_module("atelier.page.session"), "_OUTSIDE", made)
    yield made
    made.close()
