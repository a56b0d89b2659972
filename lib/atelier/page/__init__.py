"""What makes a notebook live, and nothing of what it shows: controls, the live canvas, viewers, files, reports."""

from atelier.page.actions import actions
from atelier.page.controls import Ask, choice, controls, follow_in_address, number, seed, switch, text
from atelier.page.diagram import diagram
from atelier.page.downloads import File, take_home, written
from atelier.page.gallery import gallery
from atelier.page.layout import beside, links, panel, row, stats, table, title
from atelier.page.live import Run, live, replay
from atelier.page.mixer import mixer
from atelier.page.session import attempt, check, session
from atelier.page.shelf import shelf
from atelier.page.viewer import viewer

__all__ = [
    "Ask",
    "File",
    "Run",
    "actions",
    "attempt",
    "beside",
    "check",
    "choice",
    "controls",
    "diagram",
    "follow_in_address",
    "gallery",
    "links",
    "live",
    "mixer",
    "number",
    "panel",
    "replay",
    "row",
    "seed",
    "session",
    "shelf",
    "stats",
    "switch",
    "table",
    "take_home",
    "text",
    "title",
    "viewer",
    "written",
]
