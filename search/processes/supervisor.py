"""The program that runs one command and owns everything that the command starts.

It is started by `search.processes.supervised`, in a session of its own, with a socket as its standard input. The
command ends, the socket says so, or whoever held its other end is gone: in each case nothing of the command's tree is
left when this process ends. On Linux it adopts orphans, so that not even a process that left its session escapes.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from types import FrameType

from search.processes.tree import TERM_SECONDS, adopt_orphans, end_processes, find_tree

CHANNEL = 0
STOP_SECONDS = 5.0
"""Time that a command has between SIGTERM and SIGKILL where its layout takes too long or the run is interrupted."""


def main() -> None:
    """Run the command of `sys.argv`; the socket gets `error ERRNO`, or `pid PID` and then `exit CODE` or `ended`."""
    adopt_orphans()
    wake = _watch_signals()
    command = sys.argv[1:]
    try:
        pid = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, CHANNEL, os.devnull, os.O_RDONLY, 0)],
            setpgroup=0,
            setsigmask=(),
            setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ],  # which Python, or the worker, ignores
        )
    except OSError as error:
        _say(f"error {error.errno}")
        return
    _say(f"pid {pid}")
    codes: dict[int, int] = {}

    def left() -> set[int]:
        _reap(codes)
        return find_tree({os.getpid(), pid})

    grace = _wait(pid, codes, wake)
    by_itself = pid in codes
    end_processes(left, grace)
    _reap(codes)
    _say(f"exit {codes[pid]}" if by_itself else "ended")


def _wait(pid: int, codes: dict[int, int], wake: int) -> float:
    """Wait for the end of the command, or for that of its run; the grace of what is then alive."""
    while True:
        _reap(codes)
        if pid in codes:
            return TERM_SECONDS
        ready, _, _ = select.select([CHANNEL, wake], [], [])
        if CHANNEL in ready:
            return STOP_SECONDS if _hear() else TERM_SECONDS
        if set(os.read(wake, 4096)) - {signal.SIGCHLD}:
            return STOP_SECONDS  # somebody ends this process


def _watch_signals() -> int:
    """A pipe from which a signal's number can be read when it has come."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _note)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return reading


def _note(number: int, frame: FrameType | None) -> None:
    del number, frame  # the pipe has it


def _hear() -> bytes:
    try:
        return os.read(CHANNEL, 64)
    except OSError:
        return b""


def _say(text: str) -> None:
    try:
        os.write(CHANNEL, f"{text}\n".encode())
    except OSError:  # nobody listens any more
        return


def _reap(codes: dict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        codes[pid] = os.waitstatus_to_exitcode(status)
