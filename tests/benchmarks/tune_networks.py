"""Learning rate and frequency of each network, for equal processor seconds on the Mona Lisa at 192 pixels.

    ATELIER_DATA=... uv run python tests/benchmarks/tune_networks.py [network …]

Prints the PSNR of every setting and marks the best; the defaults in `atelier.fields.networks.NETWORKS` come from here.
"""

import itertools
import sys

from atelier.data.pictures import load_picture
from atelier.fields.fitting import FitOptions
from atelier.fields.networks import NETWORKS, NetworkSpec, finest_for
from atelier.fields.race import race

SECONDS = 6.0
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
    picture = load_picture("mona_lisa", 192)
    for name in sys.argv[1:] or NETWORKS:
        kind, entries = NETWORKS[name], {}
        grid = OPTIONS.get(name, {})
        for rate, *values in itertools.product(RATES[name], *grid.values()):
            options = dict(zip(grid, values, strict=True))
            if name == "hashgrid":
                options["finest"] = finest_for(0.9, picture.pixels.numel(), picture.aspect, 64, 2, 5, 3)
            label = f"{name} rate {rate:g} {options}"
            spec = NetworkSpec(name, options, aspect=picture.aspect)
            entries[label] = (spec, FitOptions(learning_rate=rate, batch=kind.batch))
        last = {}
        for lap in race(entries, picture.pixels, SECONDS):
            last[lap.runner] = lap.measure.psnr
        for label, psnr in sorted(last.items(), key=lambda item: -item[1]):
            print(f"{'*' if psnr == max(last.values()) else ' '} {psnr:6.2f} dB  {label}", flush=True)


if __name__ == "__main__":
    main()
