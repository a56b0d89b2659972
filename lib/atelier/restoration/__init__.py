"""Inverse problems: a picture is measured, y = A x + noise, and a denoiser draws pictures that could be behind it.

The measurement is one of DeepInv's physics, the prior is any denoiser (x_t, t, label) -> x0_hat with a schedule. Names,
titles and bounds come without torch; the first call of a function imports what it needs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": [
            *("METHODS", "TASKS", "BREAKS", "WAYS", "LABELS", "MOST_NOISE", "breaks_of", "ways_of", "fit_note"),
            *("PLANES", "PLANE_METHODS", "PLANE_OPTIONS", "plane_options"),
        ],
        "problems": ["Problem", "measure", "read_pixels"],
        "showing": ["answer"],
        "sampling": ["posterior_samples", "PosteriorStep"],
        "scores": ["Scores", "score", "shares", "shares_words"],
        "mixtures": ["Mixture", "Line"],
        "plane": ["distribution", "sample_plane"],
        "plane_showing": ["plane_panels", "plane_words"],
        "exact": ["ExactDenoiser", "compare", "comparison_panels", "comparison_words"],
        "classify": ["classify", "reading_panels", "reading_figure", "reading_words"],
        "repairing": [
            *("Repair", "repair", "digit_of", "panels", "moments", "samples_png", "samples_npz", "samples_gif"),
            *("sample_rows", "summary", "summary_json"),
        ],
    },
)
