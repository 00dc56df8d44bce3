"""The space in the folder of a run, as its process sees it: jobs that find the disk full cannot say so."""

from __future__ import annotations

import time
from pathlib import Path
from typing import final

from archspec.files.os_errors import check_space, explain

LOOK_SECONDS = 10.0
"""Time between two looks."""


@final
class SpaceWatch:
    """A look into the folder of a run now and then.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._next, self._full = 0.0, False

    def look(self) -> list[str]:
        """A line for people where space has gone or come; none otherwise, and while it is too early to look again."""
        if time.monotonic() < self._next:
            return []
        before, reason = self._full, ""
        try:
            check_space(self._root)
        except OSError as error:
            reason = explain(error)
        self._next, self._full = time.monotonic() + LOOK_SECONDS, bool(reason)
        if self._full == before:
            return []
        at = time.strftime("%H:%M:%S")
        return [f"{reason} at {at}: jobs wait for space to answer" if reason else f"there is space again at {at}"]
