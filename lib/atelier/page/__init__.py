"""The live pieces of the page: anywidgets that know pictures and numbers, and neither paintings nor digits."""

from atelier.page.actions import Actions
from atelier.page.diagram import Diagram
from atelier.page.downloads import Exporter, ExportStep
from atelier.page.gallery import Gallery
from atelier.page.live_canvas import Curve, Line, LiveCanvas, Panel, Scene
from atelier.page.packing import encode_picture
from atelier.page.shelf import Shelf
from atelier.page.viewer import Viewer

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
