"""Data: found on this machine, downloaded with checks, or made here.

Names and titles (`PICTURES`, `DATASETS`) come without torch; the first call of a function imports what it needs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": ["PICTURES", "PAINTINGS", "DATASETS"],
        "pictures": ["Picture", "load_picture", "prepare", "read_picture", "painting_file"],
        "digits": ["Digits", "load_digits", "font_digits"],
    },
)
