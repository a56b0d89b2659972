"""Random fields (CPPNs): pictures that nobody planned, from networks that nobody trained.

A `FieldSpec` says everything about a field. `picture` draws it, `siblings` are its children, `walk_for` and `animate`
move it. Names, titles and bounds come without torch; the first call that draws imports it.
"""

import lazy_loader

_CATALOGUE = "STRENGTH TOPOLOGIES ACTIVATIONS OPERATIONS INITIALISATIONS INPUTS SYMMETRIES COLOURS PALETTES WALKS PATHS"
_BEGIN = "STARTERS starter begin begin_options file_options motion_options PAPER"
_WALKS = "walk_for latent_walk weight_walk window_walk endless_zoom animate frame_at seen_on animation_file"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": _CATALOGUE.split(),
        "spec": ["FieldSpec", "blend"],
        "starters": _BEGIN.split(),
        "styles": ["STYLES", "surprise", "recolour"],
        "topologies": ["plan", "activation_of"],
        "field": ["Field"],
        "shading": ["shader_of", "page_file", "shadertoy_file"],
        "rendering": ["picture", "pictures", "render_tiles", "estimate"],
        "recipe": ["Recipe", "WHOLE", "to_token", "from_token", "read", "to_file"],
        "genetics": ["mutate", "crossover", "siblings", "hint"],
        "walks": _WALKS.split(),
        "knobs": ["knobs_of", "turned"],
        "breeding": ["Breeder", "Family", "Member", "LITTER", "drawing_of"],
        "drawings": ["graph_svg", "neuron_sheet", "neuron_strips", "family_tree"],
        "favourites": ["FileShelf", "load_favourites", "favourites_file"],
        "prints": ["write_png", "print_file", "siblings_file", "thumbnail"],
    },
)
