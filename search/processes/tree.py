"""Process trees of a machine: the processes that belong to a root, and their end.

Linux says everything in `/proc`. Elsewhere `ps` gives parents and groups, so that a process which left both its parent
and its group is not found there. This module is imported by small programs that must start fast: standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TERM_SECONDS = 1.0
"""Time between SIGTERM and SIGKILL where the run that owns a tree is gone."""
KILL_SECONDS = 3.0
"""Time after which processes that survive SIGKILL, such as those that wait for a disk, are left to the system."""
POLL_SECONDS = 0.02

_PDEATHSIG, _SUBREAPER = 1, 36


class ProcessEntry(NamedTuple):
    """A process that is alive: its parent, its group and its session (0 where the system does not say)."""

    pid: int
    parent: int
    group: int
    session: int


def list_processes() -> list[ProcessEntry]:
    """All living processes of the machine; zombies are none."""
    if not sys.platform.startswith("linux"):
        return _ask_ps()
    found: list[ProcessEntry] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError):  # ended meanwhile
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
                if fields[0] not in (b"Z", b"X"):
                    found.append(ProcessEntry(int(name), int(fields[1]), int(fields[2]), int(fields[3])))
    return found


def find_tree(roots: Collection[int], markers: Collection[str] = ()) -> set[int]:
    """The living processes that belong to `roots`, without this one.

    Args:
        roots: processes, alive or not. To them belong their descendants and the members of the groups and sessions
            that they lead.
        markers: settings `NAME=VALUE` of the environment with which processes were started that belong here too:
            those that have left group and session and lost their parent. Linux alone says.
    """
    entries = list_processes()
    wanted = [marker.encode() for marker in markers]
    found = {
        entry.pid
        for entry in entries
        if not {entry.pid, entry.group, entry.session}.isdisjoint(roots) or (wanted and _has(entry.pid, wanted))
    }
    found |= set(roots)
    grown = True
    while grown:
        children = {entry.pid for entry in entries if entry.parent in found}
        grown = not children <= found
        found |= children
    return found & {entry.pid for entry in entries} - {os.getpid()}


def end_processes(find: Callable[[], set[int]], grace: float = TERM_SECONDS) -> bool:
    """Terminate processes, and kill those that are left after `grace` seconds; whether all ended.

    Args:
        find: those that are still alive; asked again until there are none, since they may start others.
        grace: seconds between SIGTERM and SIGKILL; 0 kills at once.
    """
    start, asked = time.monotonic(), set[int]()
    while alive := find():
        waited = time.monotonic() - start
        if waited > grace + KILL_SECONDS:
            return False
        if waited >= grace:
            _send(alive, signal.SIGKILL)
        else:
            _send(alive - asked, signal.SIGTERM)
            _send(alive - asked, signal.SIGCONT)  # one that is stopped hears of it
            asked |= alive
        time.sleep(POLL_SECONDS)
    return True


def die_with_parent() -> None:
    """Have the system kill this process when the thread that started it ends. Linux alone can."""
    _control(_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Have orphans among the descendants become children of this process. Linux alone can."""
    _control(_SUBREAPER, 1)


def _control(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        import ctypes

        with suppress(OSError, AttributeError):  # a C library without it
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _send(pids: Collection[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _has(pid: int, markers: Collection[bytes]) -> bool:
    try:
        settings = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return False
    return any(marker in settings for marker in markers)


def _ask_ps() -> list[ProcessEntry]:
    try:
        done = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    rows = [line.split() for line in done.stdout.splitlines()]
    return [ProcessEntry(int(row[0]), int(row[1]), int(row[2]), 0) for row in rows if not row[3].startswith("Z")]
