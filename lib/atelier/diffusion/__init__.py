"""Diffusion of digits: a denoiser is a function from a noisy image, a noise level and a label to a clean image.
Sampling, guidance, interpolation and evaluation only call it.

Names, titles and bounds come without torch; the first call of a function imports what it needs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": [
            "FEW",
            "SAMPLERS",
            "SCHEDULES",
            "TARGETS",
            "BACKBONES",
            "OPTIMISERS",
            "EXPERIMENTS",
            "DIGITS",
            "GUIDANCE",
            "GUIDES",
            "LARGEST_T",
            "MOST_REAL",
            "guidance_of",
            "trains",
        ],
        "schedules": ["build_schedule", "Schedule"],
        "denoiser": ["build_denoiser", "Denoiser", "Guidance"],
        "models": ["Model", "choose_model", "read_model", "with_steps", "guide"],
        "sampling": ["sample", "SampleStep"],
        "drawing": ["draw", "Drawing", "panels", "moments", "digits_png", "digits_npz", "digits_gif", "summary"],
        "training": ["train", "Recipe", "TrainStep", "Denoising"],
        "distilling": ["distill", "KNOTS"],
        "learning": [
            "learn",
            "saved",
            "recipe_of",
            "learning_panels",
            "before_learning",
            "measure",
            "measured",
        ],
        "steering": ["experiment", "morphing", "steering_panels", "picture"],
        "evaluation": ["evaluate", "judge_model", "load_judges"],
        "showing": ["forward", "leak_words", "class_note", "steps_note", "ways_table", "judging_panels", "Judgement"],
    },
)
