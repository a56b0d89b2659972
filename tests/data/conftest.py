import http.server
import subprocess
import sys
import threading

import pytest
from atelier.data import download as downloading


@pytest.fixture
def server(monkeypatch):
    """(address, answers); answers: path -> list of (status, promised length, body), the last one again and again.
    What was asked for is in `answers["asked"]`."""
    answers = {"asked": []}
    monkeypatch.setattr(downloading, "_failed_at", {})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answers["asked"].append(self.path)
            queue = answers.get(self.path, [(404, 0, b"")])
            status, length, body = queue.pop(0) if len(queue) > 1 else queue[0]
            assert "Atelier" in self.headers["User-Agent"]
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}", answers
    web.shutdown()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """pooch waits a second or two before it tries again."""
    import pooch.core

    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)


@pytest.fixture
def without_torch():
    """Runs lines in a fresh interpreter and fails if they import torch."""

    def run(lines):
        script = f"import sys; {lines}; assert 'torch' not in sys.modules"
        subprocess.run([sys.executable, "-c", script], check=True, timeout=60)

    return run
