"""Fences of folders: of the writers that were given a folder one after the other, only the last one still writes.

A writer that was given up, such as one on a machine that was not heard of, may come back. Each has a number, which the
file `attempt` of the folder holds while it is the current one; whatever archspec writes into the folder asks for it
first. The number travels in the environment, so that processes which a writer starts keep to it too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

from archspec.errors import Interrupted

NAME = "attempt"
"""File of a folder that holds the number of its current writer."""
VARIABLE = "ARCHSPEC_FENCE"
"""Name in the environment of a writer, whose value is its number and its folder."""
LOOK_SECONDS = 1.0

Attempt = tuple[int, int]
"""The number of a writer, and how often the system that runs it has started it again."""


def current_attempt(folder: Path) -> Attempt:
    """The number of a folder's current writer; zeros before the first."""
    try:
        number, _, again = (folder / NAME).read_text(encoding="ascii").strip().partition(".")
        return int(number), int(again or 0)
    except (OSError, ValueError):
        return 0, 0


def take_folder(folder: Path, attempt: Attempt) -> bool:
    """Make a writer the current one of a folder; False where a later one has it, and nothing is changed.

    Raises:
        OSError: the folder cannot be written.
    """
    current = current_attempt(folder)
    if current > attempt:
        return False
    if current != attempt:
        path = folder / NAME
        partial = path.with_name(f".{NAME}.{os.getpid():012x}.tmp")
        try:
            partial.write_text(f"{attempt[0]}.{attempt[1]}\n", encoding="ascii")
            os.replace(partial, path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from error
    return True


def next_attempt(folder: Path) -> int:
    """The number of a new writer of a folder, which is made if need be; all earlier ones are given up.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = current_attempt(folder)[0] + 1
    take_folder(folder, (number, 0))
    return number


@final
class Fence:
    """The fence of a writer at work.

    Args:
        folder: its folder.
        attempt: its number; the first of it is 0 for one that nobody can give up.
    """

    def __init__(self, folder: Path, attempt: Attempt) -> None:
        self._folder, self._attempt = folder, attempt
        self._looked = 0.0

    def passed(self) -> bool:
        """Whether a later writer has taken the folder; looks at most once a second."""
        if not self._attempt[0] or time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return current_attempt(self._folder) > self._attempt


@contextmanager
def fenced(folder: Path, attempt: Attempt) -> Generator[Fence]:
    """Keep what this process, and those that it starts, write into a folder to the time in which they are current."""
    before = os.environ.get(VARIABLE)
    if attempt[0]:
        os.environ[VARIABLE] = f"{attempt[0]}.{attempt[1]} {os.path.abspath(folder)}"
    try:
        yield Fence(folder, attempt)
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def check_fence(path: Path) -> None:
    """Refuse to write into a folder that a later writer has taken.

    Args:
        path: that is to be written; others than those in the writer's own folder are not looked at.

    Raises:
        Interrupted: a later writer has it.
    """
    value = os.environ.get(VARIABLE)
    if value is None:
        return
    attempt, _, folder = value.partition(" ")
    if not os.path.abspath(path).startswith(folder + os.sep):
        return
    number, _, again = attempt.partition(".")
    if current_attempt(Path(folder)) > (int(number), int(again)):
        raise Interrupted(f"attempt {number} was given up, and a later one works in {folder}")
