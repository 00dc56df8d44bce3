"""Locks of evaluation folders: at most one living process works in one, whatever became of the run that started it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, final

from archspec.errors import Interrupted, RunError

UNLOCKED_VARIABLE = "ARCHSPEC_UNLOCKED"
"""Name in the environment of a process whose folder processes of other machines may have had. Between machines, locks
are not to be relied upon: such processes keep to a fence (`archspec.files.fence`)."""
WAIT_SECONDS = 15.0
"""Time in which processes of a run that was killed have ended, if they can."""
POLL_SECONDS = 0.1


@final
class BusyFolderError(RunError):
    """Another process works in the folder of an evaluation."""


def has_locks() -> bool:
    """Whether this process, and those that it starts, hold locks on the folders in which they work."""
    return UNLOCKED_VARIABLE not in os.environ


@contextmanager
def lock_folder(folder: Path, stop: Callable[[], bool]) -> Generator[None]:
    """Hold the lock of a folder, which forked processes share: it is free when the last of them has ended.

    Args:
        folder: of one evaluation; it exists.
        stop: asked while another process holds the lock.

    Raises:
        BusyFolderError: another process holds it for `WAIT_SECONDS`.
        Interrupted: `stop` said so.
    """
    if not has_locks():
        yield
        return
    path = folder / "lock"
    with path.open("ab") as file:
        lock_output(file, path, stop)
        try:
            yield
        finally:
            _unlock(file)


def lock_output(file: IO[bytes], path: Path, stop: Callable[[], bool]) -> None:
    """Lock an open file for this process and all that inherit it as their output; see `lock_folder` for what is raised.

    Args:
        file: open for writing.
        path: where it is.
        stop: asked while another process holds the lock.
    """
    if not has_locks():
        return
    deadline = time.monotonic() + WAIT_SECONDS
    while not _lock(file):
        if stop():
            raise Interrupted("interrupted while another process worked in its folder")
        if time.monotonic() > deadline:
            names = ", ".join(_users(path)) or "another process"
            raise BusyFolderError(f"{path.parent}: {names} is at work in this folder; end it, and continue")
        time.sleep(POLL_SECONDS)


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file for all processes that inherit it; whether no other one has it."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(file: IO[bytes]) -> None:
    with suppress(ImportError):
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN)  # closing would leave it to forked processes that are about to end


def _users(path: Path) -> list[str]:
    """Processes of this user that have a file open, as far as the system says."""
    wanted, users = os.path.realpath(path), list[str]()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            opened = {os.path.realpath(link) for link in (process / "fd").iterdir()}
            if process.name != str(os.getpid()) and wanted in opened:
                users.append(f"process {process.name} ({(process / 'comm').read_text().strip()})")
    return sorted(users)
