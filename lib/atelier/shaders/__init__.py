"""Fields as shaders: a network becomes GLSL (OpenGL ES 3.00, WebGL2), which the reader's own GPU draws.

Names come without torch; the first call of a function imports what it needs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "code": ["Shader", "Writer", "LARGEST_FLAT"],
        "pages": ["standalone", "shadertoy"],
    },
)
