"""Fixtures of the vocabulary's tests."""

import os

# The machine has few cores, and pytest-xdist fills them: torch, once imported, must not start threads of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
