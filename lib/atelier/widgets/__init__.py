"""The live pieces of the page: anywidgets that know pictures and numbers, and neither paintings nor digits."""

<<<<<<< HEAD
from atelier.widgets.diagram import Diagram
from atelier.widgets.exporter import Exporter
from atelier.widgets.gallery import Gallery
=======
from atelier.widgets.exporter import Exporter, ExportStep
>>>>>>> diffusion
from atelier.widgets.live_canvas import Curve, Line, LiveCanvas, Panel, Scene
from atelier.widgets.packing import encode_picture
from atelier.widgets.viewer import Viewer

<<<<<<< HEAD
__all__ = [
    "Curve",
    "Diagram",
    "Exporter",
    "Gallery",
    "Line",
    "LiveCanvas",
    "Panel",
    "Scene",
    "Viewer",
    "encode_picture",
]
=======
__all__ = ["Curve", "ExportStep", "Exporter", "Line", "LiveCanvas", "Panel", "Scene", "Viewer", "encode_picture"]
>>>>>>> diffusion
