"""Ways to sample the posterior p(x0 | y), one step each.

A method is a function `step(prior, problem, x, t, s, noise, strength)` that takes x at t.t down to s.t < t.t and
returns (x_s, x0_hat), x0_hat being what it believes the picture is. `prior(x, t)` is the denoiser; `prior.pulled(x, t,
direction)` gives also the transposed derivative J^T direction(x0_hat) with J = d x0_hat / d x; noise() is a fresh
N(0, I) like x. Written with x = alpha x0 + sigma eps for every schedule, sigma / alpha being the noise level of papers
that add noise to x0 itself.
"""

import torch

from atelier.diffusion.sampling import ddim, ddpm


def from_estimate(x0_hat, x, t, s, noise):
    """The ancestral step from x_t to x_s if the picture is x0_hat (Ho et al. 2020): DDIM's with eta = 1."""
    return ddim(lambda x, t: x0_hat, x, t, s, noise, eta=1.0)


def pigdm(prior, problem, x, t, s, noise, strength=1.0):
    """Song et al. 2023 (ICLR, "Pseudoinverse-guided diffusion models"), eq. 7: p(x0 | x_t) is taken as
    N(x0_hat, r² I) with r² = sigma² / (alpha² + sigma²), so p(y | x_t) is Gaussian, too. Its slope is added to the
    score, and Tweedie's formula gives the mean of x0 under both."""
    r2 = t.sigma**2 / (t.alpha**2 + t.sigma**2)

    def direction(x0_hat, problem):
        return (problem.nearest(x0_hat, r2) - x0_hat) / r2  # A^T (r² A A^T + sigma_y² I)^-1 (y - A x0_hat)

    x0_hat, slope = prior.pulled(x, t.t, direction)
    x0_hat = prior.clipped(x0_hat + strength * t.sigma**2 / t.alpha * slope)
    return from_estimate(x0_hat, x, t, s, noise)


def dps(prior, problem, x, t, s, noise, strength=1.0):
    """Chung et al. 2023 (arXiv:2209.14687), algorithm 1: an unconditional step, then one of length zeta down the slope
    of ‖y - A x0_hat(x_t)‖. Its unit of x is alpha² + sigma² = 1. Here zeta is strength · sqrt(D) / steps with D numbers
    in a picture, so that a strength suits every size and number of steps; the paper's zeta = 1 at 1,000 steps and
    3 x 256 x 256 numbers is strength 2.3."""

    def direction(x0_hat, problem):
        residual = problem.residual(x0_hat)
        length = residual.flatten(1).norm(dim=1).clamp(min=1e-8)
        return (problem.physics.A_adjoint(residual) / length.view(-1, *[1] * (x.ndim - 1))).to(x)

    x0_hat, slope = prior.pulled(x, t.t, direction)
    x_s, x0_hat = from_estimate(prior.clipped(x0_hat), x, t, s, noise)
    units = (s.alpha**2 + s.sigma**2) ** 0.5 * (t.alpha**2 + t.sigma**2) ** 0.5
    zeta = strength * x[0].numel() ** 0.5 / prior.steps
    return x_s + zeta * units * slope, x0_hat


def diffpir(prior, problem, x, t, s, noise, strength=1.0, zeta=1.0):
    """Zhu et al. 2023 (arXiv:2305.08995), algorithm 1: x0_hat is replaced by the minimum of
    ‖y - A z‖² / sigma_y² + lambda ‖z - x0_hat‖² alpha² / sigma², lambda = 1 / strength, and the share zeta of the
    noise in x_s is fresh."""
    x0_hat = prior(x, t.t)
    if strength:
        x0_hat = prior.clipped(problem.nearest(x0_hat, strength * (t.sigma / t.alpha) ** 2))
    noises = (1 - zeta) ** 0.5 * t.eps_hat(x, x0_hat)
    return s.alpha * x0_hat + s.sigma * (noises + zeta**0.5 * noise()), x0_hat


def ddrm(prior, problem, x, t, s, noise, strength=1.0, eta=0.85):
    """Kawar et al. 2022 (arXiv:2201.11793), eq. 7 and 8, in the singular vectors of A = U S V^T; eta_b is `strength`.

    DeepInv's `DDRM` divides all fresh noise by sqrt(2), which halves the variance of the samples. Here the noise is
    drawn as a picture and turned by V^T, which is right for real and for complex singular vectors.
    """
    physics = problem.physics
    values = torch.as_tensor(physics.mask, dtype=torch.float64).abs()
    measured = values > 1e-3
    inverse = torch.where(measured, 1 / values.clamp(min=1e-3), 0.0)
    y_bar, noise_y = physics.U_adjoint(problem.y) * inverse, problem.variance**0.5 * inverse
    above, level = t.sigma / t.alpha, s.sigma / s.alpha
    if not prior.calls:  # the first step: where y is better than pure noise, x_t begins at y
        fresh = physics.V_adjoint(noise().double())
        informed = measured & (noise_y <= above)
        spread = torch.where(informed, (above**2 - noise_y**2).clamp(min=0).sqrt(), above)
        x = (t.alpha * physics.V(torch.where(informed, y_bar, 0.0) + spread * fresh)).to(x)
    x0_hat = prior(x, t.t)
    x0_bar, x_bar = physics.V_adjoint(x0_hat.double()), physics.V_adjoint(x.double() / t.alpha)
    keeps = (1 - eta**2) ** 0.5
    unknown = x0_bar + keeps * level * (x_bar - x0_bar) / above
    noisier = x0_bar + keeps * level * (y_bar - x0_bar) / noise_y.clamp(min=1e-12)
    better = (1 - strength) * x0_bar + strength * y_bar
    knows_less, knows_more = measured & (noise_y > level), measured & (noise_y <= level)
    mean = torch.where(knows_more, better, torch.where(knows_less, noisier, unknown))
    rest = (level**2 - (strength * noise_y) ** 2).clamp(min=0).sqrt()
    spread = torch.where(knows_more, rest, eta * level)
    return (s.alpha * physics.V(mean + spread * physics.V_adjoint(noise().double()))).to(x), x0_hat


def replacement(prior, problem, x, t, s, noise, strength=4):
    """Lugmayr et al. 2022 (arXiv:2201.09865), algorithm 1: the known pixels of x_s are measured ones with noise, the
    others come from an ancestral step. Going back to x_t and repeating this, `strength` times in all, lets both agree.

    The noise of the measurement counts as a part of the noise of x_s, which is exact. Below that level the network
    continues alone.
    """
    mask = 1.0 if problem.mask is None else problem.mask
    spare, a = s.sigma**2 - s.alpha**2 * problem.variance, t.alpha / s.alpha
    if spare < 0:
        return ddpm(prior, x, t, s, noise)
    for repetition in range(int(strength)):
        x_s, x0_hat = ddpm(prior, x, t, s, noise)
        x_s = mask * (s.alpha * problem.y.to(x) + spare**0.5 * noise()) + (1 - mask) * x_s
        if repetition + 1 < strength:
            x = a * x_s + max(0.0, t.sigma**2 - a**2 * s.sigma**2) ** 0.5 * noise()
    return x_s, x0_hat


def langevin(prior, problem, x, t, s, noise, strength=1.0, inner=3, step=0.2):
    """Annealed Langevin dynamics (Song & Ermon 2019, arXiv:1907.05600, algorithm 1): at each level v = sigma / alpha,
    `inner` steps of size step · v² up the slope of log p_v(z) + log N(y; A z, sigma_y² I + v² A A^T), z = x / alpha;
    the covariance is that of SNIPS (Kawar et al. 2021, arXiv:2105.14951). The way to the next level is an Euler step
    along the same slope (Song et al. 2021, arXiv:2011.13456, algorithm 2: predictor and corrector)."""
    level2 = (t.sigma / t.alpha) ** 2
    z, size = x / t.alpha, step * level2

    def slope(z):
        x0_hat = prior(t.alpha * z, t.t)
        return x0_hat, (x0_hat - z + strength * (problem.nearest(z, level2) - z)) / level2

    for _ in range(inner):
        z = z + size * slope(z)[1] + (2 * size) ** 0.5 * noise()
    x0_hat, way = slope(z)
    if s.sigma == 0:
        return x0_hat, x0_hat
    ratio = s.sigma / s.alpha / level2**0.5
    return s.alpha * (z + (1 - ratio) * level2 * way), x0_hat
