"""Fields: functions from a place (N, 2) to a colour (N, C), (N, 3) as a rule, that learn a picture.

Names, titles and options come without torch; the first call of a function imports what it needs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": [
            *("NETWORKS", "OPTIONS", "FINALS", "LOSSES", "OPTIMISERS", "SAMPLINGS", "KNOWN", "options_of", "rate_of")
        ],
        "networks": ["build", "load", "save", "NetworkSpec", "CoordinateNetwork", "parameter_count"],
        "fitting": ["fit", "FitStep", "Measure"],
        "ship": ["finished"],
        "showing": ["panels", "honest_numbers", "spectrum", "look_inside", "summary"],
        "plane": ["Window", "Drawing"],
        "rendering": ["renderer", "bicubic", "render"],
        "shading": ["shader_of", "picture_shader"],
        "racing": ["race", "race_panels", "standings"],
        "repairing": ["repair", "repair_panels", "known_pixels", "small_picture", "total_variation"],
        "exports": ["training_gif", "comparison", "checkpoint", "large_picture", "page_file", "shadertoy_file"],
        "metrics": ["psnr", "ssim"],
    },
)
