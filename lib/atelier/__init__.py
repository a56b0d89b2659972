"""Atelier: interactive neural image-making to watch, touch and trust.

Everything long is an iterator of steps; everything drawn is a function.
"""

import os

# An OpenMP thread that waits for its siblings spins by default. On a machine that also runs a browser, or other
# visitors' jobs, it then burns the very processor that its sibling needs: a training step of 4 ms takes 400 ms.
# A quiet machine notices nothing of ten thousand turns; with a thousand, a call of our U-Net for 16 digits takes 24 ms
# in place of 13. It must be set before torch loads the OpenMP runtime.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
