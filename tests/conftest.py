"""All tests run on one thread each, since two workers share the processors: two threads that wait for each other on a
busy core are many times slower than one."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
