"""What several tests of the page do, and a tiny notebook that stands for the apps."""

import time


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def press(widget, name, value=None):
    """Send a command as the page does."""
    widget._obey(widget, {"name": name, "value": value}, [])


NOTEBOOK = """
import marimo

app = marimo.App(app_title="Tiny")

with app.setup:
    import marimo as mo
    from atelier import page


@app.cell
def _():
    import itertools
    import time
    from dataclasses import dataclass
    from pathlib import Path

    import numpy as np
    from atelier.drawing import Chart, Frame, Line, encoded

    @dataclass(frozen=True)
    class Step:
        step: int
        progress: float

    def steps(steps, value):
        for k in range(1, steps + 1):
            if k == 5:
                Path("begun").touch()
            time.sleep(0.005)
            yield Step(k, k / steps)

    def show(step, full):
        lines = [Line(range(step.step), range(step.step))]
        return Frame({"now": np.full((8, 8), step.step % 256, np.uint8)}, charts=[Chart("Loss", lines)], step=step.step)

    return encoded, show, steps


@app.cell
def _():
    ask = page.controls(dict(steps=page.number(1, 100000, 20), value=page.number(-1.0, 1.0, 0.0)))
    mo.md("# Tiny\\nA formula, $x_t = \\\\alpha_t x_0$, and a [link](#look).")
    return (ask,)


@app.cell
def _():
    live, other = page.live(), page.live()
    return live, other


@app.cell
def _(ask, live, other, show, steps):
    run = live.play(steps, **ask.value, show=show)
    side = other.play(steps, 3, 0.0, show=show, aside=True)
    mo.hstack([ask, live])
    return run, side


@app.cell
def _(run, show):
    def draw(window, height, width):
        open("drawn", "w").close()
        return show(run.step, True).pictures["now"].repeat(height // 8, 0).repeat(width // 8, 1)

    page.viewer({"the last one": draw})
    return


@app.cell
def _(encoded, run, show, side):
    files = {
        "last.png": page.File("Picture", "the last one", lambda: encoded(show(run.step, True).pictures["now"])),
        "never.txt": page.File("Text", "only on the page", lambda: b"", written=False),
    }
    page.take_home(files, lambda: {"steps": run.step.step, "side": side.step is not None})
    return


if __name__ == "__main__":
    app.run()
"""
