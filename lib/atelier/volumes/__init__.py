"""Volumes: random fields that fill space, seen by ray marching and saved for other tools.

A baked volume is a uint8 array (D, H, W, 4), its axes z, y, x: sRGB colour and density. `generate` makes one in slabs,
`march` draws it, `turntable` turns it, `write` saves it. Names, titles and bounds come without torch.
"""

import lazy_loader

_CATALOGUE = "MODES ENVELOPES ENDINGS SIDE Camera Look volume_options growth_options"
_GENERATING = "Slab generate bake exact_slice solid as_voxels slabs_of"
_LEARNING = "example prepared opening fit_panels network_voxels network_slice fit_view fit_file"
_SHOWING = "Grown grow growth_panels growth_view suited_look seen_from still_file turntable_file"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": _CATALOGUE.split(),
        "generating": _GENERATING.split(),
        "marching": ["march", "turntable"],
        "files": ["write", "volume_file", "read", "pyvista_still"],
        "learning": _LEARNING.split(),
        "showing": _SHOWING.split(),
    },
)
