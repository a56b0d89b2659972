"""Learning rate and frequency of each network, for equal processor seconds on the Mona Lisa at 192 pixels.

    ATELIER_DATA=... uv run python tests/benchmarks/tune_networks.py [network …] [--seconds 6]

Prints the PSNR of every setting and marks the best; the defaults in `atelier.fields.NETWORKS` come from here.
"""

import argparse
import itertools

from atelier.data import load_picture
from atelier.fields import NETWORKS, build, race

RATES = {
    "hashgrid": (5e-3, 1e-2, 2e-2),
    "relu": (1e-3, 2e-3, 5e-3),
    "siren": (5e-4, 1e-3, 2e-3),
    "fourier": (1e-3, 2e-3, 5e-3),
    "fourier_siren": (2e-4, 5e-4, 1e-3),
    "finer": (5e-4, 1e-3, 2e-3),
    "wire": (2e-3, 5e-3, 1e-2),
    "gauss": (1e-3, 2e-3, 5e-3),
    "conv": (1e-3, 2e-3, 5e-3),
}
OPTIONS = {
    "siren": {"frequency": (20.0, 30.0)},
    "fourier": {"frequency": (10.0, 20.0)},
    "fourier_siren": {"frequency": (4.0, 10.0)},
    "finer": {"frequency": (20.0, 30.0)},
    "wire": {"frequency": (10.0, 20.0)},
    "gauss": {"scale": (5.0, 10.0, 30.0)},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="network", help=f"of {', '.join(NETWORKS)}; all by default")
    parser.add_argument("--seconds", type=float, default=6.0, help="processor seconds for each setting")
    asked = parser.parse_args()
    if unknown := set(asked.networks) - set(NETWORKS):
        parser.error(f"There is no network {min(unknown)}; choose among {', '.join(NETWORKS)}.")
    picture = load_picture("mona_lisa", 192)
    for name in asked.networks or NETWORKS:
        figures = {}
        grid = OPTIONS.get(name, {})
        for rate, *values in itertools.product(RATES[name], *grid.values()):
            options = dict(zip(grid, values, strict=True))
            setting = f"{name} rate {rate:g} {options}"
            network = build(name, picture=picture, **options)
            *_, lap = race({setting: network}, picture, seconds=asked.seconds, learning_rate=rate)
            figures[setting] = lap.runners[setting].psnr
        for setting, psnr in sorted(figures.items(), key=lambda item: -item[1]):
            print(f"{'*' if psnr == max(figures.values()) else ' '} {psnr:6.2f} dB  {setting}", flush=True)


if __name__ == "__main__":
    main()
