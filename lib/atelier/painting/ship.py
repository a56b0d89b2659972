"""Fit the networks that ship with the product: `uv run python -m atelier.painting.ship`.

Each painting, 384 pixels on its longer side, becomes a hash grid with 0.9 parameters per value, stored as float16.
"""

from atelier.data.pictures import PAINTINGS, painting_file, weights_file
from atelier.errors import UserError
from atelier.fields import networks
from atelier.painting.command import finished_run
from atelier.painting.run import shipped_run
from atelier.painting.settings import PaintingSettings

STEPS = 10_000
_EVERY = 3


def main() -> None:
    for name in PAINTINGS:
        if painting_file(name) is None:
            raise UserError(f"{name} is not on this machine; open it once in the painting fitter, online.")
        run = finished_run(PaintingSettings(picture=name, steps=STEPS))
        path = weights_file(name)
        history = {key: [float(f"{v:.5g}") for v in values[::_EVERY]] for key, values in run.history.items()}
        networks.save(path, run.network, run.spec, True, steps=run.step, seconds=round(run.seconds, 1), history=history)
        shipped = shipped_run(run.picture, path)
        print(
            f"{path.name}: {shipped.last.psnr:.2f} dB, SSIM {shipped.last.ssim:.4f}, {shipped.parameters:,} parameters "
            f"for {shipped.values:,} values, {path.stat().st_size / 1e3:,.0f} kB, {run.seconds:.0f} s",
        )


if __name__ == "__main__":
    main()
