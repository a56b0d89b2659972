"""The widgets of one browser session around an `Explorer`: the picture, the siblings, the walk, the exports."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from atelier.errors import UserError
from atelier.explorer import drawings, exports
from atelier.explorer.settings import ExplorerSettings
from atelier.explorer.studio import LITTER, Explorer, jpeg
from atelier.cppn import favourites
from atelier.cppn.animation import Frame, frame_at
from atelier.cppn.favourites import FileShelf
from atelier.cppn.genetics import Mutation
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import picture
from atelier.cppn.spec import FieldSpec
from atelier.cppn.window import Window
from atelier.page.jobs import Job
from atelier.page import Actions, Diagram, Exporter, Gallery, LiveCanvas, Panel, Scene, Shelf, Viewer
from atelier.page.downloads import ExportStep

SIDE = 512
PREVIEW_SIDE = 320
PICTURE_SIDE = 2048
_ROUNDS = 100  # of a preview that nobody stops


@dataclass(frozen=True)
class Look:
    """A window as the viewer moves it: a square.

    Raises:
        SettingError: a value out of the bounds of `Window`.
    """

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    aspect: float = 1.0

    def __post_init__(self) -> None:
        Window(self.x, self.y, self.zoom)

    @property
    def window(self) -> Window:
        return Window(self.x, self.y, self.zoom)

    @classmethod
    def at(cls, window: Window) -> "Look":
        return cls(window.pan_x, window.pan_y, window.zoom)


@dataclass(frozen=True)
class Loop:
    """An animation that was chosen: the walk's kind, how far a zoom reaches, its frames, its format."""

    kind: str = "latent"
    path: str = "spline"
    reach: float = 16.0
    frames: int = 120
    fps: int = 24
    side: int = 512
    ending: str = ".webp"


class Stage:
    """What one visitor sees and drives. Actions never raise: `problem` holds the sentence of the last one and
    `knob_problem` that of the knobs as they stand, or None."""

    def __init__(self, settings: ExplorerSettings, visitors: bool = False) -> None:
        """visitors: each one's favourites stay in the browser they come with, not in a file of this machine."""
        begin, name = settings.begin()
        self.shelf = Shelf("atelier favourites") if visitors else FileShelf()
        self.explorer = Explorer(begin, name, Mutation(strength=settings.strength), self.shelf)
        self.problem: str | None = None
        self.knob_problem: str | None = None
        self.note: str | None = None
        self.node = ""
        self.loop = Loop()
        self._shown_loop: tuple[Loop, Recipe] | None = None
        self.print_size = (4096, 4096)
        self.supersample = 1
        self._lock = threading.Lock()
        self._wanted = self._breeding = self._closed = False
        self.actions = Actions(
            {
                "Surprise me": self.surprise,
                "Other colours": self.recolour,
                "Undo": self.undo,
                "Keep": self.keep,
            },
            lead=True,
        )
        self.name_wanted = ""
        self.keeping = Actions({"Keep": lambda: self.keep(self.name_wanted)})
        self.viewer = Viewer(self._look, Look.at(begin.window), least=1e-3, most=Window.domain("zoom").high)
        self.gallery = Gallery(self.choose, {"Cross…": self.cross, "More siblings": lambda _: self.more()})
        self.graph = Diagram(self.select)
        self.tree = Diagram(self.back_to)
        self.kept = Gallery(self.open_favourite, columns=6)
        self.canvas = LiveCanvas()
        self.canvas.drive(self._job)
        self.exporters = {
            "animation": Exporter("Make the animation", "loop.webp", self._animation),
            "print": Exporter("Make the print", "print.png", self._print),
            "picture": Exporter("PNG with its recipe", "picture.png", self._picture),
            "recipe": Exporter("recipe.json", "recipe.json", lambda: exports.recipe_steps(self.recipe)),
            "favourites": Exporter("All favourites", favourites.FILE, self._favourites_file),
        }
        self._name_files()
        self.breed()

    def close(self) -> None:
        """End the session: stop what runs, forget the widgets."""
        self._closed = True
        widgets = [self.actions, self.viewer, self.gallery, self.graph, self.tree, self.canvas, self.keeping, self.kept]
        for widget in [*widgets, *self.exporters.values(), *([self.shelf] if isinstance(self.shelf, Shelf) else [])]:
            widget.close()

    @property
    def recipe(self) -> Recipe:
        """What is seen now."""
        self.follow()
        return self.explorer.recipe

    def follow(self) -> None:
        """Take over where the viewer looks."""
        self.explorer.roam(self.viewer.window.window)

    # What a visitor does.

    def choose(self, number: int) -> None:
        self._do(lambda: self.explorer.choose(number))

    def cross(self, picks: list[int]) -> None:
        self._do(lambda: self.explorer.cross(picks))

    def more(self) -> None:
        self._do(self.explorer.more)

    def surprise(self) -> None:
        self._do(self.explorer.surprise)

    def recolour(self) -> None:
        self._do(self.explorer.recolour)

    def undo(self) -> None:
        self._do(self.explorer.undo)

    def back_to(self, number: str | int) -> None:
        self._do(lambda: self.explorer.back_to(int(number)))

    def set_strength(self, strength: float) -> None:
        if strength != self.explorer.mutation.strength:
            self._do(lambda: self.explorer.set_mutation(self.explorer.mutation.replace(strength=strength)))

    def set_activation(self, activation: str) -> None:
        """Give the selected node another activation."""
        if self.node:
            self._do(lambda: self.explorer.set_activation(self.node, activation))

    def give_latent(self, size: int) -> None:
        self._do(lambda: self.explorer.give_latent(size))

    def tune(self, base: FieldSpec, changes: dict[str, Any]) -> None:
        """Turn knobs of `base`; nothing happens where they stand already."""
        self.follow()
        try:
            changed = self.explorer.tune(base, changes)
            self.knob_problem = None
        except UserError as error:
            self.knob_problem, changed = str(error), False
        if changed:
            self._show()

    def load(self, data: bytes, name: str) -> None:
        self._do(lambda: self.explorer.load(data, name))

    def keep(self, name: str = "") -> None:
        """Keep the picture as a favourite; the siblings stay as they are."""
        self.follow()
        try:
            self.note, self.problem = self.explorer.keep(name), None
        except (UserError, OSError) as error:
            self.note, self.problem = None, _sentence(error)

    def forget(self, name: str) -> None:
        try:
            favourites.forget(name, self.shelf)
            self.note, self.problem = f"Removed {name}.", None
        except (UserError, OSError) as error:
            self.note, self.problem = None, _sentence(error)

    def open_favourite(self, number: int) -> None:
        def action() -> str:
            name, found = list(favourites.load(self.shelf).items())[number]
            self.explorer.open(found, name)
            return f"{name} opened."

        self._do(action)

    def select(self, node: str) -> None:
        """Look into a node of the network."""
        if node not in [known.name for known in drawings.nodes(self.explorer.spec)]:
            return  # not from our drawing
        self.node = node
        self.graph.svg = drawings.network(self.explorer.spec, node)

    # What is drawn when its tab is open.

    def activation(self) -> str:
        """The activation of the selected node; the first one is selected where the network has no such node."""
        known = {node.name: node.activation for node in drawings.nodes(self.explorer.spec)}
        if self.node not in known:
            self.node = next(iter(known))
        return known[self.node]

    def show_graph(self) -> None:
        """Draw the network, with the selected node in bold."""
        self.activation()
        self.graph.svg = drawings.network(self.explorer.spec, self.node)

    def show_tree(self) -> None:
        """Draw the family."""
        self.tree.svg = drawings.family_tree(self.explorer)

    def favourites(self) -> list[str]:
        """Names of the favourites."""
        return list(self._favourites())

    def show_favourites(self) -> None:
        """Fill the gallery of favourites."""
        found = self._favourites()
        self.kept.show([self.explorer.thumb(kept.spec, kept.window) for kept in found.values()], list(found))

    def set_loop(self, loop: Loop) -> None:
        """Choose the animation."""
        self.loop = loop
        self._name_files()

    def show_loop(self) -> None:
        """Lay out the preview, on the first frame; nothing happens where that very loop is shown already."""
        wanted = (self.loop, self.recipe)
        if wanted == self._shown_loop:
            return
        self._shown_loop = wanted
        self.canvas.drive(self._job)
        self.canvas.forget()
        self.canvas.show(Scene((Panel("now", self.explorer.name),), height=520))
        self.seek(0)

    def seek(self, index: int) -> None:
        """Show one frame of the loop, by its number from 0."""
        self.canvas.halt()
        try:
            walk = exports.walk_for(self.loop.kind, self.recipe, self.loop.reach, self.loop.path)
            self._frame(frame_at(walk, index, self.loop.frames, (PREVIEW_SIDE, PREVIEW_SIDE)))
        except UserError as error:
            self.canvas.publish(note=str(error))

    # Inside.

    @property
    def where_kept(self) -> str:
        """In Markdown: where favourites are."""
        if not isinstance(self.shelf, Shelf):
            return "Favourites are kept in `favourites.json`, in the data folder."
        if not self.shelf.works:
            return "**This browser keeps nothing** (its storage is full or switched off): take *All favourites* home."
        return (
            "Favourites stay in *this browser*; the server keeps none. Take *All favourites* with you to have them in "
            "another."
        )

    def _favourites(self) -> dict[str, Recipe]:
        try:
            return favourites.load(self.shelf)
        except UserError as error:
            self.problem = str(error)
            return {}

    def breed(self) -> None:
        """Draw siblings in a thread; only the newest litter that was asked for is."""
        with self._lock:
            self._wanted = True
            if self._breeding:
                return
            self._breeding = True
        threading.Thread(target=self._breed, name="atelier-siblings", daemon=True).start()

    def _breed(self) -> None:
        while True:
            with self._lock:
                if not self._wanted or self._closed:
                    self._breeding = False
                    return
                self._wanted = False
            thumbs, shown, fresh = [], time.monotonic(), True
            for _, thumb in self.explorer.breed():
                if self._wanted or self._closed:
                    break
                thumbs.append(thumb)
                if len(thumbs) == LITTER or time.monotonic() > shown + 0.12:
                    self.gallery.show(thumbs, total=LITTER, fresh=fresh)
                    shown, fresh = time.monotonic(), False

    def _do(self, action: Callable[[], object]) -> None:
        self.follow()
        self.note = None
        try:
            done = action()
            self.note, self.problem = done if isinstance(done, str) else None, None
        except (UserError, OSError, IndexError, ValueError) as error:
            self.problem = _sentence(error)
            return
        self._show()

    def _show(self) -> None:
        self.viewer.redraw(window=Look.at(self.explorer.window))
        self.breed()
        self._name_files()

    def _look(self, look: Look) -> dict[str, bytes]:
        return {self.explorer.name: jpeg(picture(self.explorer.spec, look.window, (SIDE, SIDE)), 93)}

    def _name_files(self) -> None:
        name = re.sub(r"[^a-z0-9]+", "-", self.explorer.name.lower()).strip("-") or "field"
        endings = {
            "animation": f"-{self.loop.kind}{self.loop.ending}",
            "print": "-{}x{}.png".format(*self.print_size),
            "picture": ".png",
            "recipe": ".json",
        }
        for key, ending in endings.items():
            self.exporters[key].filename = name + ending

    def set_print(self, size: tuple[int, int], supersample: int) -> None:
        self.print_size, self.supersample = size, supersample
        self._name_files()

    def _animation(self) -> Iterator[ExportStep]:
        loop = self.loop
        walk = exports.walk_for(loop.kind, self.recipe, loop.reach, loop.path)
        return exports.animation_steps(walk, loop.frames, (loop.side, loop.side), loop.fps, loop.ending)

    def _print(self) -> Iterator[ExportStep]:
        return exports.print_steps(self.recipe, self.print_size, self.supersample)

    def _picture(self) -> Iterator[ExportStep]:
        return exports.print_steps(self.recipe, (PICTURE_SIDE, PICTURE_SIDE), 2)

    def _favourites_file(self) -> Iterator[ExportStep]:
        found = favourites.load(self.shelf)
        if not found:
            raise UserError("There are no favourites yet: press Keep first.")
        return iter([ExportStep(1, 1, favourites.dumps(found).encode())])

    def _job(self) -> Job[Frame]:
        loop, found = self.loop, self.recipe
        job: Job[Frame] = Job(
            lambda: _playing(loop, found),
            on_step=lambda frame: self._play(job, frame),
            on_change=lambda: self.canvas.publish() if job is self.canvas.job else None,
        )
        return job

    def _play(self, job: Job, frame: Frame) -> None:
        if job is self.canvas.job and (self.canvas.due() or job.holding or job.delay):
            self._frame(frame)

    def _frame(self, frame: Frame) -> None:
        status = {"step": frame.index + 1, "total": f"of {frame.count} frames"}
        self.canvas.publish({"now": jpeg(frame.pixels)}, labels={"now": self.explorer.name}, **status)


def _playing(loop: Loop, found: Recipe) -> Iterator[Frame]:
    """The frames of the preview round and round, not faster than they will be played."""
    walk = exports.walk_for(loop.kind, found, loop.reach, loop.path)
    for number in range(_ROUNDS * loop.frames):
        begin = time.monotonic()
        yield frame_at(walk, number, loop.frames, (PREVIEW_SIDE, PREVIEW_SIDE))
        time.sleep(max(0.0, 1 / loop.fps - (time.monotonic() - begin)))


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, (IndexError, ValueError)):
        return "This picture is no longer there; choose another."
    return f"The favourites cannot be written ({error.strerror})."
