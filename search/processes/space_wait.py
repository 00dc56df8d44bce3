"""The wait of a run whose folder is full: it says so once, proposes nothing, and goes on when there is space."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar, final

from archspec.errors import Interrupted
from archspec.files.os_errors import PROBE_BYTES, check_space, explain, lacks_space

RETRY_SECONDS: Final = 5.0
"""Time between two looks at the folder, and the first pause after a worker found it full."""
LONGEST_SECONDS: Final = 300.0
"""Longest pause after workers found the folder full again and again: what they write may need more than a look."""
SLICE_SECONDS: Final = 0.2

Found = TypeVar("Found")


@final
class SpaceWait:
    """The space in the folder of a run, as far as writes tell.

    Args:
        root: folder of the run.
        say: takes lines for people.
        stopping: whether somebody asked the run to end.
    """

    def __init__(self, root: Path, say: Callable[[str], None], stopping: Callable[[], bool]) -> None:
        self._root, self._say, self._stopping = root, say, stopping
        self._said = self._full = False
        self._pause, self._next = RETRY_SECONDS, 0.0

    def run(self, write: Callable[[], Found]) -> Found:
        """Write, as often as it takes for want of space.

        Args:
            write: does so whole, or raises and may be called again.

        Raises:
            OSError: it fails for another reason.
            Interrupted: the run is asked to end while it waits.
        """
        waited = False
        while True:
            try:
                found = write()
            except OSError as error:
                if not lacks_space(error):
                    raise
                waited = True
                self._tell(explain(error))
                if self._stopping():
                    raise Interrupted(explain(error)) from None
                self._sleep(RETRY_SECONDS)
                continue
            if waited and not self._full:
                self._tell_space()
            return found

    def note_full(self, text: str) -> None:
        """A worker could not write for want of space."""
        self._tell(text)
        self._full = True
        self._next = time.monotonic() + self._pause
        self._pause = min(LONGEST_SECONDS, 2 * self._pause)

    def note_written(self) -> None:
        """A worker could write all that it had to."""
        self._pause = RETRY_SECONDS

    @property
    def blocked(self) -> bool:
        """Whether a worker found the folder full, and nothing tells of space since."""
        if not self._full:
            return False
        if time.monotonic() < self._next:
            return True
        try:
            check_space(self._root)
        except OSError:
            self._next = time.monotonic() + RETRY_SECONDS
            return True
        self._full = False
        self._tell_space()
        return False

    def rest(self) -> None:
        """Let a moment pass: nothing is under way."""
        time.sleep(SLICE_SECONDS)

    def _tell(self, text: str) -> None:
        if self._said:
            return
        self._said = True
        free, need = shutil.disk_usage(self._root).free >> 10, PROBE_BYTES >> 10
        known = f"{free:,} KiB free in {self._root}, at least {need} KiB needed"
        self._say(f"{text}: {known}; nothing is proposed until there is space (Ctrl-C ends the run)")

    def _tell_space(self) -> None:
        if self._said:
            self._said = False
            self._say(f"there is space again in {self._root}: the run goes on")

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopping():
            time.sleep(min(SLICE_SECONDS, left))
