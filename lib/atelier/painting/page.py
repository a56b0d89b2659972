"""Words and numbers of the painting fitter's page that depend on a run."""

from atelier import figures
from atelier.fields import rendering
from atelier.fields.fitting import rendered
from atelier.fields.inside import stage_maps, unit_sheet
from atelier.fields.metrics import decibels, radial_spectrum
from atelier.fields.recording import Moment
from atelier.painting.run import Run
from atelier.page import encode_picture


def honest_numbers(run: Run) -> dict[str, str]:
    """What the network costs beside what it gives, and what a JPEG of that size would give."""
    jpeg = run.jpeg()
    rival = f"{jpeg.psnr:.1f} dB at {jpeg.size / 1e3:,.0f} kB" if jpeg.size <= run.bytes else "none is so small"
    return {
        "Network": f"{decibels(run.last.psnr)} at {run.bytes / 1e3:,.0f} kB",
        "Best JPEG no larger": rival,
        "Parameters": f"{run.parameters:,}",
        "Parameters ÷ picture values": f"{run.parameters / run.values:.2f}",
    }


def spectrum_svg(run: Run) -> str:
    """The power of the picture's waves beside the network's."""
    curves = {"the picture": radial_spectrum(run.picture.pixels), "the network": radial_spectrum(run.last.picture)}
    return figures.svg(figures.spectra(curves))


def neuron_sheets(run: Run, moment: Moment, columns: int = 12, rows: int = 3, longer: int = 64) -> dict[str, bytes]:
    """The inner stages of the network at a moment of its training: caption -> PNG."""
    sheets = {}
    for name, maps in stage_maps(run.network_at(moment), run.spec.aspect, longer).items():
        if name in ("coordinates", "colour"):
            continue
        high = min(rows, -(-len(maps) // columns))
        caption = f"{name}: {min(len(maps), columns * high)} of {len(maps)} units"
        sheets[caption] = encode_picture(unit_sheet(maps, columns, high, gap=2))
    return sheets


def picture_at(run: Run, moment: Moment) -> bytes:
    """The picture as it was at a moment: PNG."""
    return encode_picture(rendering.to_uint8(rendered(run.network_at(moment), run.picture.pixels)))
