"""A served app and a real browser. Without Chromium these tests skip with the reason; in CI they fail."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from atelier.paths import ROOT
from webgl import PAINTER

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
FLAGS.append("--enable-unsafe-swiftshader")  # WebGL by the processor


@pytest.fixture(scope="session")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        reason = "no Chromium on this machine"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def canvas(browser):
    """A page that has nothing but the painter of shaders, `window.painter`."""
    opened = browser.new_page()
    opened.add_script_tag(content=PAINTER + "; window.painter = painter;")
    yield opened
    opened.close()


@pytest.fixture
def still_page(browser, tmp_path):
    """`still_page(text, **options)` opens a page of its own, without a network. Errors on its console fail the test."""
    contexts, complaints = [], []

    def open_page(text, script="", **options):
        (tmp_path / "page.html").write_text(text)
        contexts.append(browser.new_context(**{"viewport": {"width": 700, "height": 700}, "offline": True} | options))
        opened = contexts[-1].new_page()
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.add_init_script(script)
        opened.goto((tmp_path / "page.html").as_uri())
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture(scope="module")
def served(request, tmp_path_factory):
    """The address of the app that a test module names in APP, as a read-only web app."""
    yield from _serve(ROOT / "apps" / request.module.APP, "run", tmp_path_factory)


@pytest.fixture
def editor(request, browser, tmp_path_factory):
    """A copy of the app that a test module names in APP, open in `marimo edit`. Its cells run by themselves."""
    folder = tmp_path_factory.mktemp("edited")
    notebook = shutil.copy(ROOT / "apps" / request.module.APP, folder)
    (folder / "pyproject.toml").write_text("[tool.marimo.runtime]\nauto_instantiate = true\n")
    for address in _serve(notebook, "edit", tmp_path_factory, "--no-token"):
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(60_000)
        opened.goto(address, wait_until="domcontentloaded")
        yield opened
        opened.close()


def _serve(notebook, mode, tmp_path_factory, *options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("served") / "log.txt"
    options = [*options, *(["--session-ttl", "1"] if mode == "run" else [])]
    command = [sys.executable, "-m", "marimo", mode, str(notebook), "--headless", "--port", str(port), *options]
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, cwd=Path(notebook).parent)
        try:
            _wait_until_it_answers(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture
def rewrite():
    """`rewrite(page, old, new)` replaces the cell that contains `old` and runs it, as readers do in `marimo edit`."""

    def act(page, old, new):
        cell = page.locator(".cm-content", has_text=old).first
        cell.scroll_into_view_if_needed()
        cell.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(new)
        page.keyboard.press("Control+Enter")

    return act


def _wait_until_it_answers(url, server, log):
    for _ in range(240):
        if server.poll() is not None:
            pytest.fail(f"the server ended: {log.read_text()}")
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail("the server did not answer within a minute")


@pytest.fixture
def page(browser, served, request):
    """A page on the served app; `request.param` is its query, if any. Errors on its console fail the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(60_000)
    complaints = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(served + getattr(request, "param", ""), wait_until="domcontentloaded")
    yield opened
    opened.close()
    assert not complaints
