"""What belongs to one visit of one notebook: whether a browser shows it, its settings, and what ends with it."""

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import marimo as mo
from marimo._dependencies.dependencies import DependencyManager
from marimo._output.formatters.pytorch_formatters import PyTorchFormatter
from marimo._runtime.context import ContextNotInitializedError, get_context, runtime_context_installed

from atelier.errors import NotYet, UserError

POSTER_SECONDS = 1.5
"""How long a fresh page keeps the processor to itself before torch is imported in the background."""


class Session:
    """One kernel's page, or one run of a script.

    Attributes:
        live: a browser shows the page; else a script, an export or a test.
        script: files are written and a summary is printed, as `python apps/NAME.py` does.
        visitor: a read-only web app, where files of this machine are not the reader's.
        shown: somebody sees what widgets draw. `python apps/NAME.py` shows none of its cells, except in a report.
        state: what other modules of the page remember for this visit, by their names.
    """

    def __init__(self, live: bool = False, mode: str | None = "script") -> None:
        self.live, self.shown = live, True
        self.script = not live and mode == "script"
        self.visitor = live and mode == "run"
        self.state: dict[str, Any] = {}
        self._made: dict[str | None, tuple[object, list[Callable[[], None]]]] = {}  # by cell, with the run of the cell
        self._lasting: dict[tuple[str | None, object], tuple[Any, Callable[[], None]]] = {}
        self._guard = _when_the_session_ends(self.close) if live else None
        if live:
            threading.Thread(target=_warm_up, name="atelier-warm-up", daemon=True).start()

    def lasting(self, name: object, make: Callable[[], Any]) -> Any:
        """The element of that name which `make` gave when this cell ran first: it stays when the cell runs again, since
        a reader may be about to press it."""
        key = cell(), name
        if key not in self._lasting:
            self._lasting[key] = self._own(make)
        return self._lasting[key][0]

    def element(self, make: Callable[[], Any]) -> Any:
        """The element of a widget that `make` gives. It is closed at the end of the visit, or earlier, when the cell
        that made it runs again."""
        made, close = self._own(make)
        place, run = cell(), getattr(running(), "execution_context", None)
        known, closers = self._made.get(place, (None, []))
        if known is not run and place is not None:
            for earlier in closers:
                earlier()
            closers = []
        self._made[place] = (run, [*closers, close])
        return made

    def _own(self, make: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        """An element and what closes it, which marimo does not do.

        marimo closes the widgets of a cell, and the files of their modules, when it prepares to run the cell again. It
        does so also where the cell then does not run: marimo 0.25 prepares all cells when a reader adds an import to
        the first one. So marimo's record of what to close is put back to what it was.
        """
        context, place = running(), cell()
        record = context.cell_lifecycle_registry.registry if place else {}
        before = set(record.get(place, ()))
        made = make()
        items = record.get(place, set()) - before
        if place:
            record[place] = before

        def close() -> None:
            made.widget.close()
            for item in items:
                item.dispose(context, deletion=True)

        return made, close

    def close(self) -> None:
        """End everything that the visit started."""
        for _, end in self._lasting.values():
            end()
        for _, closers in self._made.values():
            for end in closers:
                end()
        self._lasting.clear()
        self._made.clear()


_OUTSIDE = Session()


def running() -> Any:
    """marimo's context of the running notebook; None outside of marimo."""
    with contextlib.suppress(ContextNotInitializedError):
        return get_context()


def session() -> Session:
    """The session of the notebook that is running. Outside of marimo there is one for the process."""
    context = running()
    if context is None:
        return _OUTSIDE
    found = vars(context).get("atelier_session")
    if found is None:
        # Later runs of a cell may come from a widget's message, which carries no request: so this is asked once.
        meta = mo.app_meta()
        if meta.request is not None and _foreign(meta.request.headers):
            mo.stop(True, mo.callout("This page was opened by another site; open its own address.", kind="danger"))
        found = vars(context)["atelier_session"] = Session(meta.request is not None, meta.mode)
    return found


def cell() -> str | None:
    """The id of the cell that is running."""
    return getattr(running(), "cell_id", None)


def program() -> str:
    """The name of the notebook's file, without its ending."""
    return Path(getattr(running(), "filename", None) or "atelier").stem


def give_up(sentence: object) -> NoReturn:
    """End a script with a sentence and exit status 1."""
    sys.exit(f"{program()}: {sentence}")


@contextlib.contextmanager
def check() -> Iterator[None]:
    """Turn a UserError of the block into one sentence: on the page a callout, and the cells below stay quiet; in a
    script the last words of the program."""
    try:
        yield
    except UserError as error:
        if not session().live:
            give_up(error)
        mo.stop(True, mo.callout(str(error), kind="neutral" if isinstance(error, NotYet) else "danger"))


def attempt(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, str]:
    """What a function gives, and an empty text. A UserError gives None and its sentence on the page, so that the cells
    below go on, and ends a script."""
    try:
        return function(*args, **kwargs), ""
    except UserError as error:
        if not session().live:
            give_up(error)
        return None, str(error)


def _foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another host made the request; marimo does not check the origin."""
    origin = urlsplit(headers.get("origin", "")).netloc
    return bool(origin) and origin not in (headers.get("host"), headers.get("x-forwarded-host"))


def _when_the_session_ends(close: Callable[[], None]) -> asyncio.Task | None:
    """Call `close` when marimo ends the browser session whose cell is running. None outside of an event loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            close()  # marimo cancels the task at the session's end

    return loop.create_task(wait())


def _warm_up() -> None:
    """Import torch once the page had time to show its poster; the cells above it take twice as long meanwhile."""
    time.sleep(POSTER_SECONDS)
    import torch  # noqa: F401


def _register_torch_when_it_is_whole() -> None:
    """Let marimo wait for torch before it looks into it.

    When a kernel starts, marimo 0.25 imports torch.nn for its formatter wherever torch is in sys.modules, even while
    another visitor's thread is still importing torch. Two threads then import its parts, and torch is broken for the
    process. A plain `import torch` waits for the other thread.
    """
    register = PyTorchFormatter.register

    def wait_and_register(factory: PyTorchFormatter) -> None:
        import torch  # noqa: F401

        register(factory)

    PyTorchFormatter.register = wait_and_register


_register_torch_when_it_is_whole()
if not runtime_context_installed():
    # A script: marimo 0.25 imports pyplot before the first cell (0.8 s), to close figures that cells leave open; the
    # figures here are made without it.
    DependencyManager.matplotlib.has = lambda quiet=False: False
