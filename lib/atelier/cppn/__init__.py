"""Random fields (CPPNs): pictures that nobody planned, from networks that nobody trained.

A `FieldSpec` says everything about a field. `picture` draws it, `siblings` are its children, `walk_for` and `animate`
move it. Names, titles and bounds come without torch; the first call of a function imports what it needs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": [
            "TOPOLOGIES",
            "ACTIVATIONS",
            "OPERATIONS",
            "INITIALISATIONS",
            "INPUTS",
            "SYMMETRIES",
            "COLOURS",
            "PALETTES",
            "STYLES",
            "WALKS",
            "PATHS",
        ],
        "spec": ["FieldSpec", "blend"],
        "starters": ["STARTERS", "starter", "options", "begin"],
        "styles": ["surprise", "recolour", "Mutation"],
        "field": ["Field", "build"],
        "rendering": ["picture", "pictures", "render_tiles", "estimate"],
        "recipe": ["Recipe", "WHOLE", "to_token", "from_token", "read"],
        "genetics": ["mutate", "crossover", "siblings", "hint"],
        "prints": ["write_png", "png_bytes", "print_file"],
        "walks": [
            "walk_for",
            "latent_walk",
            "weight_walk",
            "window_walk",
            "endless_zoom",
            "animate",
            "rehearse",
            "animation_file",
        ],
        "topologies": ["plan", "check_live"],
        "knobs": ["knobs_of", "turned"],
        "breeding": ["Breeder", "Family", "Member"],
        "drawings": ["graph_svg", "neuron_strips", "neuron_sheet", "family_tree"],
        "favourites": ["FileShelf", "load_favourites", "dump_favourites"],
    },
)
