"""Diffusion of digits: a denoiser is a function from a noisy image, a noise level and a label to a clean
image; sampling, guidance, interpolation and evaluation only call it."""
