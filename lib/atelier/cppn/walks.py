"""Animations: a walk says what every frame shows, `animate` renders the frames one by one.

A walk is a function of t in [0, 1]; a loop is one that ends where it began, so that frame n is frame 0.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from atelier import animation
from atelier.cppn.breeding import drawing_of
from atelier.cppn.catalogue import PATHS, WALKS
from atelier.cppn.recipe import Recipe
from atelier.cppn.rendering import picture
from atelier.cppn.spec import LATENT, blend
from atelier.cppn.styles import draw_latent, new_seed
from atelier.errors import UserError
from atelier.fields.plane import Drawing, Window, check_size
from atelier.settings import Choice, Number

Walk = Callable[[float], Recipe]
FRAMES = Number(1, 10_000, whole=True)
_NUMBERS = (
    "scale", "std", "bias", "cycles", "relief", "contrast", "brightness", "saturation", "latent_scale"
)  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """Frame `index` of `count`."""

    index: int
    count: int
    pixels: np.ndarray = field(repr=False)  # (H, W, 3) uint8

    @property
    def step(self) -> int:
        """Frames drawn so far."""
        return self.index + 1

    @property
    def progress(self) -> float:
        """In [0, 1]."""
        return self.step / self.count


def animate(walk: Walk, frames: int, size: tuple[int, int], *, supersample: int = 1) -> Iterator[Frame]:
    """The frames of a loop: frame i shows walk(i / frames), so frame `frames` would be frame 0 again. Raises
    SettingError: a number of frames, a size or a supersampling out of bounds."""
    frames, size = FRAMES.check("The number of frames", frames), check_size(size)
    for i in range(frames):
        yield frame_at(walk, i, frames, size, supersample=supersample)


def frame_at(walk: Walk, index: int, frames: int, size: tuple[int, int], *, supersample: int = 1) -> Frame:
    """One frame, by its number modulo the number of frames: the same as when the whole is played."""
    recipe = walk((index % frames) / frames)
    return Frame(index, frames, picture(recipe.spec, recipe.window, size, supersample=supersample))


def latent_walk(recipe: Recipe, keys: Sequence[Sequence[float]], path: str = "spline") -> Walk:
    """A closed walk of the latent vector through `keys`, with all else as it is.

    path: "lerp" straight from key to key; "slerp" on great circles (Shoemake 1985), the length interpolated too;
    "spline" a closed Catmull-Rom spline; "eight" a figure of eight (Lissajous 1:2) about the first key in the plane of
    the second and third. Raises UserError: fewer than two keys (three for "eight"), of other lengths than the latent
    vector.
    """
    Choice(tuple(PATHS)).check("The path", path)
    least = 3 if path == "eight" else 2
    if len(keys) < least:
        raise UserError(f"A walk by {path} needs {least} latent vectors or more; add some.")
    if {len(key) for key in keys} != {len(recipe.spec.latent) or None}:
        raise UserError("Each latent vector of a walk must be as long as the field's own, and not empty.")
    points = np.array(keys, np.float64)

    def walk(t: float) -> Recipe:
        latent = np.clip(_on_path(points, path, t % 1.0), LATENT.low, LATENT.high)
        return Recipe(recipe.spec.replace(latent=tuple(latent.tolist())), recipe.window)

    return walk


def weight_walk(first: Recipe, second: Recipe) -> Walk:
    """There and back through weight space, from one spec to another of the same shape. Latent vectors of equal length
    and the numbers of the tone are interpolated too. Raises UserError: the specs differ in more than weights, latent
    vector and tone."""
    moving = ("strands", "latent", "seed", *_NUMBERS)
    same = first.spec.replace(**{name: getattr(second.spec, name) for name in moving})
    if same != second.spec or len(first.spec.latent) != len(second.spec.latent):
        raise UserError("A walk between two fields needs fields of the same shape; choose parent and child.")

    def walk(t: float) -> Recipe:
        u = _there_and_back(t)
        numbers = {name: _mix(getattr(first.spec, name), getattr(second.spec, name), u) for name in _NUMBERS}
        latent = tuple(_mix(a, b, u) for a, b in zip(first.spec.latent, second.spec.latent, strict=True))
        spec = first.spec.replace(**numbers, latent=latent, strands=blend(first.spec, second.spec, u))
        return Recipe(spec, _between(first.window, second.window, u))

    return walk


def window_walk(recipe: Recipe, target: Window) -> Walk:
    """Zoom and pan to `target` and back: the zoom moves by ratio, and the pan so that the target moves evenly over the
    screen."""
    return lambda t: Recipe(recipe.spec, _between(recipe.window, target, _there_and_back(t)))


def endless_zoom(recipe: Recipe) -> Walk:
    """Zoom into the centre without end: a perfect loop for a field whose only inputs are spiral and theta, which look
    the same at every power of two. Raises UserError: the field has other inputs, or a pan."""
    if not _is_self_similar(recipe):
        raise UserError("An endless zoom needs the inputs spiral and theta alone, and no pan; change them.")
    return lambda t: Recipe(recipe.spec, recipe.window.replace(zoom=recipe.window.zoom * 2.0 ** (t % 1.0)))


def walk_for(kind: str, recipe: Recipe, reach: float = 16.0, path: str = "spline") -> Walk:
    """A loop that begins with the recipe.

    kind: "zoom" magnifies `reach` times and comes back, or never ends where the field is the same at every power of
    two; "latent" wanders by `path`; "weights" goes a third of the way to other weights and back. Raises UserError:
    another kind, or a walk that the field cannot make.
    """
    spec, window = recipe.spec, recipe.window
    kind = Choice(tuple(WALKS)).check("The walk", kind)
    if kind == "zoom":
        zoom = min(window.zoom * reach, Window.ZOOM.high)
        return endless_zoom(recipe) if _is_self_similar(recipe) else window_walk(recipe, window.replace(zoom=zoom))
    if kind == "latent":
        spec = spec if spec.latent else spec.replace(latent=(0.0,) * 6)
        keys = [draw_latent(new_seed(spec.seed, f"key {i}"), len(spec.latent)) for i in range(3)]
        return latent_walk(Recipe(spec, window), [spec.latent, *keys], path)
    strands = ((seed, 0.87 * amount) for seed, amount in spec.weight_strands()[:11])
    return weight_walk(recipe, Recipe(spec.replace(strands=(*strands, (new_seed(spec.seed, "breath"), 0.5))), window))


def seen_on(walk: Walk) -> Callable[[float], tuple[Drawing, Window]]:
    """What a `page.loop` plays of a walk: at t what draws the field, and where it looks."""

    def at(t: float) -> tuple[Drawing, Window]:
        recipe = walk(t)
        return drawing_of(recipe.spec), recipe.window

    return at


def animation_file(
    walk: Walk, frames: int, size: tuple[int, int], fps: int = 24, ending: str = ".webp"
) -> Iterator[animation.Written]:
    """A loop as a file in memory (".webp", ".gif", ".png" or ".mp4"); the last step has its bytes as `data`. Raises
    UserError: a value out of bounds, an ending that cannot be written here."""
    return animation.encode(ending, (frame.pixels for frame in animate(walk, frames, size)), fps, count=frames)


def _on_path(points: np.ndarray, path: str, t: float) -> np.ndarray:
    """The point at t in [0, 1) of a closed path through points (n, D)."""
    if path == "eight":
        turn = 2 * math.pi * t
        return points[0] + (points[1] - points[0]) * math.sin(turn) + (points[2] - points[0]) * math.sin(2 * turn) / 2
    n = len(points)
    i = min(int(t * n), n - 1)
    u = t * n - i
    before, a, b, after = (points[(i + k) % n] for k in (-1, 0, 1, 2))
    if path == "spline":
        slope_a, slope_b = (b - before) / 2, (after - a) / 2
        bend = (2 * u - 3) * u * u
        hermite = (1 + bend) * a - bend * b
        return hermite + u * (1 - u) ** 2 * slope_a - u * u * (1 - u) * slope_b
    return _slerp(a, b, u) if path == "slerp" else (1 - u) * a + u * b


def _slerp(a: np.ndarray, b: np.ndarray, u: float) -> np.ndarray:
    """Direction on the great circle, length linear; straight where a direction is undefined."""
    la, lb = math.sqrt(float(a @ a)), math.sqrt(float(b @ b))
    cosine = float(a @ b) / (la * lb) if la and lb else 1.0
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    if math.sin(angle) < 1e-6:
        return (1 - u) * a + u * b
    direction = (math.sin((1 - u) * angle) * a / la + math.sin(u * angle) * b / lb) / math.sin(angle)
    return direction * _mix(la, lb, u)


def _there_and_back(t: float) -> float:
    """From 0 to 1 at t = 1/2 and back to 0, slow at both ends."""
    return (1 - math.cos(math.pi * (1 - abs(2 * (t % 1.0) - 1)))) / 2


def _between(start: Window, end: Window, u: float) -> Window:
    """Zoom by ratio; the pan follows 1/zoom, so that the way over the screen is even."""
    if u <= 0 or u >= 1 or start == end:
        return end if u >= 1 else start
    zoom = start.zoom * (end.zoom / start.zoom) ** u
    share = u if start.zoom == end.zoom else (1 / start.zoom - 1 / zoom) / (1 / start.zoom - 1 / end.zoom)
    return start.replace(x=_mix(start.x, end.x, share), y=_mix(start.y, end.y, share), zoom=zoom)


def _mix(a: float, b: float, u: float) -> float:
    return a if a == b else (1 - u) * a + u * b


def _is_self_similar(recipe: Recipe) -> bool:
    """Whether the picture is the same at every power of two."""
    spec, window = recipe.spec, recipe.window
    similar = set(spec.inputs) <= {"spiral", "theta"} and not spec.fourier and spec.symmetry != "tiling"
    return similar and not window.x and not window.y
