"""The live race: up to four networks learn one picture for equal processor time, side by side."""

from collections.abc import Sequence

from atelier.data.pictures import Picture
from atelier.errors import UserError
from atelier.fields import rendering
from atelier.fields.networks import NETWORKS
from atelier.fields.race import Lap, race
from atelier.page.jobs import Job
from atelier.painting.settings import PaintingSettings, fit_options, network_spec
from atelier.page import Curve, Line, LiveCanvas, Panel, Scene, encode_picture

MOST_RUNNERS = 4
_CURVE = Curve("psnr", "PSNR, dB", "", 1, over="processor seconds each", height=180, newest=False)


class RaceStudio:
    """One visitor's race."""

    def __init__(self) -> None:
        self.canvas = LiveCanvas()
        self.laps: dict[str, list[Lap]] = {}

    def close(self) -> None:
        self.canvas.close()

    def configure(self, settings: PaintingSettings, picture: Picture, names: Sequence[str], seconds: float) -> None:
        """Choose who runs, on what and for how long; a race that was going on is stopped.

        Raises:
            UserError: no runner, or too many.
        """
        if not 1 <= len(names) <= MOST_RUNNERS:
            raise UserError(f"A race needs one to {MOST_RUNNERS} networks, and {len(names)} are chosen.")
        own = {name: settings_of(settings, name) for name in names}
        entries = {
            NETWORKS[name].title: (network_spec(chosen, picture), fit_options(chosen)) for name, chosen in own.items()
        }
        self.canvas.halt()
        self.laps = {}
        panels = [Panel(title, title, picture.aspect) for title in entries]
        self.canvas.forget()
        self.canvas.show(Scene(panels, (_CURVE,), height=240))

        def job() -> Job[Lap]:
            self.laps = {title: [] for title in entries}
            self.canvas.publish(step=0, total="steps in all", labels={title: title for title in entries}, curves={})
            made: Job[Lap] = Job(
                lambda: race(entries, picture.pixels, seconds),
                on_step=lambda lap: self._draw(made, lap),
                on_change=lambda: self.canvas.publish() if made is self.canvas.job else None,
            )
            return made

        self.canvas.drive(job)
        self.canvas.publish(note=f"{seconds:g} seconds of processor time each")

    def table(self) -> list[dict[str, str]]:
        """The last figures of every runner, best first."""
        last = sorted((laps[-1] for laps in self.laps.values() if laps), key=lambda lap: -lap.measure.psnr)
        return [
            {
                "network": lap.runner,
                "PSNR, dB": f"{lap.measure.psnr:.2f}",
                "SSIM": f"{lap.measure.ssim:.4f}",
                "processor seconds": f"{lap.seconds:.1f}",
                "steps": f"{lap.step:,}",
                "parameters": f"{lap.parameters:,}",
                "remark": lap.error or "",
            }
            for lap in last
        ]

    def _draw(self, job: Job, lap: Lap) -> None:
        if job is not self.canvas.job:
            return
        self.laps[lap.runner].append(lap)
        lines = [
            Line([one.seconds for one in laps], [one.measure.psnr for one in laps], title)
            for title, laps in self.laps.items()
        ]
        newest = [laps[-1] for laps in self.laps.values() if laps]
        self.canvas.publish(
            {lap.runner: encode_picture(rendering.to_uint8(lap.measure.picture), lossless=False)},
            step=sum(one.step for one in newest),
            seconds=sum(one.seconds for one in newest),
            curves={_CURVE.name: lines},
            labels={lap.runner: f"{lap.runner} · {lap.error or f'{lap.measure.psnr:.1f} dB'}"},
        )


def settings_of(settings: PaintingSettings, network: str) -> PaintingSettings:
    """The settings for a runner: everything about the picture and the training, and the network's own options."""
    if network == settings.network:
        return settings
    return PaintingSettings(
        network=network,
        picture=settings.picture,
        size=settings.size,
        gray=settings.gray,
        seed=settings.seed,
        final=settings.final,
        loss=settings.loss,
        sampling=settings.sampling,
        held_out=settings.held_out,
        budget=settings.budget,
    )
