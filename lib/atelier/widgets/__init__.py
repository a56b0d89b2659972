"""The live pieces of the page: anywidgets that know pictures and numbers, and neither paintings nor digits."""

from atelier.widgets.actions import Actions
from atelier.widgets.diagram import Diagram
from atelier.widgets.exporter import Exporter, ExportStep
from atelier.widgets.gallery import Gallery
from atelier.widgets.live_canvas import Curve, Line, LiveCanvas, Panel, Scene
from atelier.widgets.packing import encode_picture
from atelier.widgets.shelf import Shelf
from atelier.widgets.viewer import Viewer

__all__ = [
    "Actions",
    "Curve",
    "Diagram",
    "ExportStep",
    "Exporter",
    "Gallery",
    "Line",
    "LiveCanvas",
    "Panel",
    "Scene",
    "Shelf",
    "Viewer",
    "encode_picture",
]
