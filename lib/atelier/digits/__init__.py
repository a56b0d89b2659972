"""Digit diffusion: what one visitor samples, trains, steers and judges, without any notebook."""
