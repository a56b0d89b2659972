"""Sampling as an iterator of steps.

One loop serves every sampler. A sampler is a function `step(predict, x, t, s, noise)` that takes x at t.t down to
s.t < t.t and returns (x_s, x0_hat); predict(x, t) is the denoiser and noise() a fresh N(0, I) like x. One that
remembers earlier steps is a class, made anew for each run. A new sampler needs one line in `catalogue.SAMPLERS`. All
work on every schedule: they use only alpha, sigma and x0_hat, and are finite where alpha is 0 (pure noise).
"""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from atelier.diffusion.catalogue import DEFAULT_STEPS, FEW, SAMPLERS
from atelier.diffusion.denoiser import SIZE, Denoiser, Guidance, format_of, to_model, to_uint8
from atelier.diffusion.schedules import Schedule
from atelier.errors import UserError
from atelier.seeds import mixed_seed
from atelier.settings import Choice, Number

MOST_SAMPLES = 100_000


@dataclass(frozen=True)
class Rates:
    """alpha and sigma at one time, as plain floats, with what samplers derive from them."""

    t: float
    alpha: float
    sigma: float

    def eps_hat(self, x: Tensor, x0_hat: Tensor) -> Tensor:
        """The noise that x must contain if x0_hat is the clean image."""
        return (x - self.alpha * x0_hat) / self.sigma

    @property
    def noise_fraction(self) -> float:
        """sigma / (alpha + sigma), from 0 (clean) to 1 (pure noise)."""
        return self.sigma / (self.alpha + self.sigma)

    @property
    def log_snr(self) -> Tensor:
        """lambda = log(alpha / sigma) of Lu et al. 2022; -inf at pure noise, +inf at the clean image."""
        return torch.tensor(self.alpha, dtype=torch.float64).log() - torch.tensor(self.sigma, dtype=torch.float64).log()


Sampler = Callable[[Callable[[Tensor, float], Tensor], Tensor, Rates, Rates, Callable[[], Tensor]], tuple]


def ddim(predict, x, t, s, noise, eta: float = 0.0):
    """Song et al. 2021 (arXiv:2010.02502), eq. 12: eta = 0 is deterministic, eta = 1 is DDPM.

    With eta = 0 this is also the Euler step of the rectified flow, whatever the schedule: both move along the line
    between x0_hat and eps_hat.
    """
    x0_hat = predict(x, t.t)
    spread = eta * posterior_std(t, s)
    direction = max(0.0, s.sigma**2 - spread**2) ** 0.5
    x_s = s.alpha * x0_hat + direction * t.eps_hat(x, x0_hat)
    return (x_s + spread * noise() if spread > 0 else x_s), x0_hat


def ddpm(predict, x, t, s, noise):
    """Ancestral sampling with the small posterior variance (Ho et al. 2020, eq. 6 and 7), for any pair of times
    (Kingma et al. 2021, eq. 25)."""
    x0_hat = predict(x, t.t)
    a = t.alpha / s.alpha
    forgotten = t.sigma**2 - a**2 * s.sigma**2  # variance of x_t given x_s
    mean = (a * s.sigma**2 * x + s.alpha * forgotten * x0_hat) / t.sigma**2
    spread = posterior_std(t, s)
    return (mean + spread * noise() if spread > 0 else mean), x0_hat


def posterior_std(t: Rates, s: Rates) -> float:
    """Standard deviation of x_s given x_t and x0 (Ho et al. 2020, eq. 7, for any s < t)."""
    forgotten = t.sigma**2 - (t.alpha / s.alpha) ** 2 * s.sigma**2
    return max(0.0, forgotten) ** 0.5 * s.sigma / t.sigma


class DPMSolverPP:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2), the last step of first order."""

    earlier: tuple[Tensor, Tensor] | None = None  # (x0_hat, log_snr) of the step before

    def __call__(self, predict, x, t, s, noise):
        x0_hat = predict(x, t.t)
        h = s.log_snr - t.log_snr
        d = x0_hat
        if self.earlier is not None and h.isfinite():
            x0_before, log_snr_before = self.earlier
            half_inverse_r = float(h / (t.log_snr - log_snr_before) / 2)  # 1 / (2r); 0 after pure noise
            d = (1 + half_inverse_r) * x0_hat - half_inverse_r * x0_before
        self.earlier = (x0_hat, t.log_snr)
        return s.sigma / t.sigma * x - s.alpha * float(torch.expm1(-h)) * d, x0_hat


@dataclass(frozen=True)
class Coordinates:
    """Coordinates of the probability flow, dz/du = velocity, in which a step is taken: z is x divided by `scale`, u
    runs from 0 (clean) to the noisy end."""

    scale: Callable[[Rates], float]
    u: Callable[[Rates], float]
    velocity: Callable[[Rates, Tensor, Tensor], Tensor]


FLOW = Coordinates(
    scale=lambda r: r.alpha + r.sigma,
    u=lambda r: r.noise_fraction,
    velocity=lambda r, x0_hat, eps_hat: eps_hat - x0_hat,
)
"""z = (1 - u) x0 + u eps (Liu et al. 2022)."""

ANGLE = Coordinates(
    scale=lambda r: (r.alpha**2 + r.sigma**2) ** 0.5,
    u=lambda r: float(torch.atan2(torch.tensor(r.sigma).double(), torch.tensor(r.alpha).double())),
    velocity=lambda r, x0_hat, eps_hat: (r.alpha * eps_hat - r.sigma * x0_hat) / (r.alpha**2 + r.sigma**2) ** 0.5,
)
"""z = cos(u) x0 + sin(u) eps (Salimans & Ho 2022, appendix D): bounded at both ends, unlike EDM's sigma."""


def _ode(c: Coordinates, second_order: bool, predict, x, t, s, noise):
    """Euler's or Heun's method on the probability flow. Heun's last step is Euler's, since the velocity at 0 needs a
    division by sigma (as in Karras et al. 2022, algorithm 1)."""
    x0_hat = predict(x, t.t)
    if s.sigma == 0:
        return s.alpha * x0_hat, x0_hat
    z, du = x / c.scale(t), c.u(s) - c.u(t)
    velocity = c.velocity(t, x0_hat, t.eps_hat(x, x0_hat))
    x_s = c.scale(s) * (z + du * velocity)
    if second_order:
        x0_there = predict(x_s, s.t)
        velocity = (velocity + c.velocity(s, x0_there, s.eps_hat(x_s, x0_there))) / 2
        x_s = c.scale(s) * (z + du * velocity)
    return x_s, x0_hat


heun = functools.partial(_ode, ANGLE, True)
flow_euler = functools.partial(_ode, FLOW, False)
flow_heun = functools.partial(_ode, FLOW, True)


def _invert(corrections: int, predict, x, t, s, noise):
    """The step of `encode`, from t up to s."""
    z, du = x / FLOW.scale(t), FLOW.u(s) - FLOW.u(t)
    guess = x if t.sigma == 0 else FLOW.scale(s) / FLOW.scale(t) * x
    for _ in range(1 + corrections):
        x0_hat = predict(guess, s.t)
        guess = FLOW.scale(s) * (z + du * FLOW.velocity(s, x0_hat, s.eps_hat(guess, x0_hat)))
    return guess, x0_hat


@dataclass(frozen=True)
class SampleStep:
    """State after one step, from x at `before` to x_t at `after`; all images are (N, 1, 28, 28)."""

    step: int  # from 1 to `steps`
    steps: int
    before: Rates
    after: Rates  # at time 0 after the last step
    seconds: float  # from the start
    network_calls: int  # for each image; guidance takes two where it acts
    x: Tensor = field(repr=False)
    x0_hat: Tensor = field(repr=False)  # the clean image below x, in [-1, 1] if clipped
    x_t: Tensor = field(repr=False)  # after the last step the result

    @property
    def noise_fraction(self) -> float:
        return self.after.noise_fraction

    @property
    def last(self) -> bool:
        return self.step == self.steps

    @property
    def progress(self) -> float:
        """Share of the steps that are done."""
        return self.step / self.steps

    @property
    def eps_hat(self) -> Tensor:
        """The noise that the network found in x: x = alpha x0_hat + sigma eps_hat."""
        return self.before.eps_hat(self.x, self.x0_hat)

    @property
    def images(self) -> Tensor:
        """x_t as uint8 (N, 28, 28)."""
        return to_uint8(self.x_t)


def initial_noise(seed: int, n: int, *, first: int = 0) -> Tensor:
    """(n, 1, 28, 28) N(0, I); image k has its own seed, so it does not depend on n.

    Args:
        first: number of the first image, to continue a series.

    Raises:
        UserError: n outside 1 to 100,000, or a seed that is not a whole number from 0 to 2^31 - 1.
    """
    n = Number(1, MOST_SAMPLES, whole=True).check("The number of samples", n)
    seed = Number(0, 2**31 - 1, whole=True).check("The seed", seed)
    return _noise(_generators(seed, n, first))


def sample(
    denoiser: Denoiser,
    labels: Tensor | None,
    *,
    n: int | None = None,
    sampler: str | Sampler | None = None,
    steps: int | None = None,
    guidance: Guidance | None = None,
    eta: float = 0.0,
    seed: int = 0,
    first: int = 0,
    noise: Tensor | None = None,
    times: Sequence[float] | None = None,
    clip: bool = True,
    batch: int = 100,
    precision: str = "auto",
    layout: str = "auto",
) -> Iterator[SampleStep]:
    """Turn noise into images, one SampleStep per step.

    Args:
        denoiser: in eval mode, on the device to compute on.
        labels: None (unconditional; then give `n`), (N,) digits, or (N, classes) weights of a blend.
        sampler: a name in `SAMPLERS` (`eta` goes to DDIM), or a function (see the top of this module); DPM-Solver++ by
            default. A distilled network has a sampler and times of its own.
        steps: number of steps, spaced evenly over the schedule; 30 by default.
        guidance: scale and interval, see `Guidance`; plain conditional by default.
        seed, first: image k draws all its noise from (seed, first + k) alone.
        noise: (N, 1, 28, 28) to start from instead of the seeds' (for morphs and races).
        times: falling times to use instead of the even ones, the last of them 0.
        clip: whether x0_hat is clipped to [-1, 1] at every step.
        batch: images per network call, which bounds the memory.
        precision, layout: of the computation, see `devices.fastest`; what is "auto" is measured once.

    Raises:
        UserError: an unknown sampler, a number out of bounds, labels that do not fit, or a sampler or steps for a
            distilled network; an early snapshot of another network.
    """
    if denoiser.knots:
        count = len(denoiser.knots)
        if sampler not in (None, f"few{count}") or steps is not None or times is not None:
            raise UserError(f"This network was distilled to {count} steps; draw with the sampler few{count}.")
        sampler, times = ddim, [rates.t for rates in knot_rates(denoiser, denoiser.knots)]
    n = _count(labels, n, noise)
    start = initial_noise(seed, n, first=first) if noise is None else _checked(noise, n)
    step = sampler_of("dpmpp" if sampler is None else sampler, eta)
    grid = _grid(denoiser, DEFAULT_STEPS if steps is None else steps, times)
    predict = _Prediction(denoiser, labels, n, guidance or Guidance(), clip, batch, precision, layout)
    generators = functools.cache(lambda: _generators(mixed_seed(seed, 1), n, first))
    yield from _steps(step, predict, start, grid, lambda: _noise(generators()).to(denoiser.device))


def encode(
    denoiser: Denoiser, images: Tensor, labels: Tensor | None, *, steps: int = 50, corrections: int = 3
) -> Iterator[SampleStep]:
    """DDIM inversion: from real images (N, 28, 28) uint8 up to the noise that deterministic sampling turns into them
    again (sampler "ddim" or "flow_euler", the same steps and labels, guidance 1, clip off, precision "float32").

    Each step solves the implicit equation "the step down from here leads to where I was" by fixed-point
    iteration, `corrections` times (Pan et al. 2023, AIDI); 0 is the plain inversion of Song et al. 2021.

    Yields:
        SampleSteps whose x_t climbs to noise; the last one's x_t is the code.
    """
    predict = _Prediction(denoiser, labels, len(images), Guidance(), False, 100, "float32")
    yield from _steps(functools.partial(_invert, corrections), predict, to_model(images), _grid(denoiser, steps)[::-1])


def _steps(
    step: Sampler, predict: "_Prediction", x: Tensor, grid: Sequence[Rates], noise: Callable[[], Tensor] | None = None
) -> Iterator[SampleStep]:
    """The loop: one step of the sampler for each pair of neighbours in the grid."""
    x, began = x.to(predict.denoiser.device), time.perf_counter()
    for k, (t, s) in enumerate(pairwise(grid), 1):
        x_s, x0_hat = step(predict, x, t, s, noise)
        yield SampleStep(k, len(grid) - 1, t, s, time.perf_counter() - began, predict.calls, x, x0_hat, x_s)
        x = x_s


@dataclass
class _Prediction:
    """The denoiser as a sampler sees it: guided x0_hat for all images, in batches; counts its calls."""

    denoiser: Denoiser
    labels: Tensor | None
    n: int
    guidance: Guidance
    clip: bool
    batch: int
    precision: str
    layout: str = "auto"
    calls: int = 0

    def __post_init__(self) -> None:
        self.format = format_of(self.denoiser, self.precision, self.layout)
        self.denoiser = self.format.laid_out(self.denoiser)
        if self.guidance.weak is not None:
            _check_weak(self.guidance.weak, self.denoiser)
            self.guidance = replace(self.guidance, weak=self.format.laid_out(self.guidance.weak))
        if self.labels is not None:
            self.labels = self.denoiser.label_weights(self.labels, self.n).to(self.denoiser.device)

    @torch.no_grad()
    def __call__(self, x: Tensor, t: float) -> Tensor:
        self.calls += 1 + self.denoiser.calls_twice(t, self.labels, self.guidance)
        parts = []
        with self.format.autocast(self.denoiser.device):
            for first in range(0, self.n, self.batch):
                part = slice(first, first + self.batch)
                label = None if self.labels is None else self.labels[part]
                parts.append(self.denoiser.guided(x[part], t, label, self.guidance, clip=self.clip))
        return torch.cat(parts)


def slerp(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """Great-circle path between two noises (Shoemake 1985), each point as likely as its ends.

    a, b: (1, 28, 28). weights: (K,) in [0, 1]. Returns (K, 1, 28, 28), a at 0 and b at 1.
    """
    flat_a, flat_b = a.flatten(), b.flatten()
    cosine = torch.dot(flat_a, flat_b) / (flat_a.norm() * flat_b.norm())
    angle = cosine.clamp(-1, 1).acos()
    w = weights.to(a)[:, None, None, None]
    if float(angle.sin()) < 1e-4:
        return (1 - w) * a + w * b
    return (((1 - w) * angle).sin() * a + (w * angle).sin() * b) / angle.sin()


def blend_labels(first: int, second: int, weights: Tensor, classes: int = 10) -> Tensor:
    """(K, classes) label weights from `first` at 0 to `second` at 1; 0.5 between 3 and 4 is "3½"."""
    if not (0 <= first < classes and 0 <= second < classes):
        raise UserError(f"Labels must be whole numbers from 0 to {classes - 1}.")
    start, end = torch.eye(classes)[[first, second]]
    return torch.lerp(start, end, weights[:, None])


def _count(labels: Tensor | None, n: int | None, noise: Tensor | None) -> int:
    tensors = [given for given in (labels, noise) if given is not None]
    if any(not isinstance(given, Tensor) or not given.ndim for given in tensors):
        raise UserError("Labels and noise must be tensors, one entry an image; for four 7s give torch.full((4,), 7).")
    counts = {len(given) for given in tensors} | ({n} - {None})
    if len(counts) != 1:
        raise UserError("Say how many images to sample: labels, noise or n, and the same number in each.")
    return counts.pop()


def _check_weak(weak: Denoiser, denoiser: Denoiser) -> None:
    if denoiser.knots:
        raise UserError("A distilled network has its guidance built in; leave the early snapshot out.")
    for name, value in denoiser.spec.items():
        if weak.spec.get(name) != value:
            raise UserError(
                "Autoguidance needs an early snapshot of the same network; this one has another "
                f"{name.replace('_', ' ')}: {weak.spec.get(name)} in place of {value}."
            )


def _checked(noise: Tensor, n: int) -> Tensor:
    if noise.shape != (n, 1, SIZE, SIZE) or not noise.isfinite().all():
        raise UserError(f"The starting noise must be {n} finite images of {SIZE} x {SIZE} pixels.")
    return noise.float()


def sampler_name(given: str | Sampler) -> str:
    """How figures call a sampler."""
    return given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)


def sampler_of(given: str | Sampler, eta: float = 0.0) -> Sampler:
    """The steps of a sampler for one run; eta: of DDIM.

    Raises:
        UserError: an unknown sampler, a distilled one, an eta out of bounds.
    """
    if callable(given):
        return given if getattr(given, "__module__", "") == __name__ else own_step(given)
    if given in FEW:
        raise UserError("Only the shipped network was distilled to few steps; choose another sampler for this one.")
    Choice(tuple(SAMPLERS)).check("The sampler", given)
    found = SAMPLERS[given].load()
    if found is ddim:
        return functools.partial(ddim, eta=Number(0, 1).check("DDIM's eta", eta))
    return found() if isinstance(found, type) else found


def _grid(denoiser: Denoiser, steps: int, times: Sequence[float] | None = None) -> list[Rates]:
    schedule = denoiser.schedule
    if times is None:
        return rates_at(schedule, schedule.sampling_times(steps))
    grid = torch.as_tensor(times, dtype=torch.float64)
    falling = len(grid) > 1 and bool((grid.diff() < 0).all())
    if not falling or grid[-1] != 0 or grid[0] > schedule.T:
        raise UserError(f"Sampling times must fall from at most {schedule.T} to 0.")
    return rates_at(schedule, grid)


def own_step(given: Callable[..., Any], kind: str = "sampler", place: int = 1) -> Callable[..., Any]:
    """A sampler, or another `kind` of step, of the reader's, with a sentence where it fails or gives something else.
    place: of x among its arguments."""

    def step(*args: Any, **options: Any) -> tuple[Tensor, Tensor]:
        x = args[place]
        try:
            found = given(*args, **options)
        except Exception as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"The {kind} ended in an error ({type(error).__name__}: {error}).") from error
        pair = found if isinstance(found, tuple | list) else (found,)
        if len(pair) != 2 or any(not isinstance(part, Tensor) or part.shape != x.shape for part in pair):
            shapes = ", ".join(str(tuple(p.shape)) if isinstance(p, Tensor) else type(p).__name__ for p in pair)
            raise UserError(f"A {kind} must give (x, x0_hat), both of shape {tuple(x.shape)}; yours gave {shapes}.")
        return found

    return step


def rates_at(schedule: Schedule, times: Tensor) -> list[Rates]:
    """The rates at times (K,) float64."""
    return [Rates(*row) for row in torch.stack([times, schedule.alpha(times), schedule.sigma(times)], 1).tolist()]


def knot_rates(denoiser: Denoiser, knots: Sequence[float]) -> list[Rates]:
    """The rates at falling noise fractions, and at 0."""
    times = denoiser.schedule.time_of(torch.tensor([*knots, 0.0], dtype=torch.float64))
    return rates_at(denoiser.schedule, times)


def _generators(seed: int, n: int, first: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(mixed_seed(seed, first + k)) for k in range(n)]


def _noise(generators: list[torch.Generator]) -> Tensor:
    return torch.stack([torch.randn(1, SIZE, SIZE, generator=g) for g in generators])
