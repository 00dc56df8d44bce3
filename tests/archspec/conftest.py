"""Fixtures of the language's tests."""

import os

from hypothesis import settings

# The machine has few cores, and pytest-xdist fills them: torch, once imported, must not start threads of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline, since the machine may be busy, and the same examples in every run: a failure must be one of the change.
settings.register_profile("archspec", deadline=None, derandomize=True)
settings.load_profile("archspec")
