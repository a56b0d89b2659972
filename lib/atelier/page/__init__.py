"""What makes a notebook live, and nothing of what it shows: controls, the live canvas, viewers, files, reports."""

# ruff: noqa: F401  these names are the public interface of the room
from atelier.page.controls import Ask, choice, controls, follow_in_address, number, path, seed, switch, text
from atelier.page.downloads import File, out_file, take_home
from atelier.page.layout import beside, panel, row, section, stats, table, title, told
from atelier.page.live import Run, live, replay
from atelier.page.loop import loop
from atelier.page.pad import pad
from atelier.page.session import attempt, check, session
from atelier.page.viewer import viewer
from atelier.page.volume import volume
from atelier.page.widgets import actions, diagram, gallery, instrument, mixer, shelf, upload
