"""All tests run on one thread each, since two workers share the processors: two threads that wait for each other on a
busy core are many times slower than one. Programs that they start keep their bytecode, as a user's do: without it each
of them compiles torch and marimo anew, for some seconds."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
