"""The program that ends the workers of a run whose conductor is gone, and the conductor's side of it.

A worker notices the end of its conductor by itself unless it is stopped or hangs; and no process can end its children
when it is killed. So one more process waits, in a session of its own, for the end of a pipe.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from typing import final

from search.processes.supervised import program
from search.processes.tree import KILL_SECONDS, end_processes, find_tree

CHANNEL = 0
LOOK_SECONDS = 1.0


def main() -> None:
    """Read lines `+PID MARKER` and `-PID MARKER` until the conductor, `sys.argv[1]`, is gone; then end those named."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    conductor, text, workers = int(sys.argv[1]), "", dict[str, int]()
    while os.getppid() == conductor:  # a process that forked while the pipe was open may hold it after the conductor
        if not select.select([CHANNEL], [], [], LOOK_SECONDS)[0]:
            continue
        data = os.read(CHANNEL, 65536)
        if not data:
            break
        *lines, text = (text + data.decode()).split("\n")
        for line in lines:
            pid, marker = line[1:].split()
            if line.startswith("+"):
                workers[marker] = int(pid)
            else:
                workers.pop(marker, None)
    if workers:
        end_processes(lambda: find_tree(set(workers.values()), workers))


@final
class Watchdog:
    """A process that ends the workers it was told of, should this one end without doing so itself."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._workers: dict[str, int] = {}

    def add(self, pid: int, marker: str) -> None:
        """Watch a worker.

        Args:
            pid: of the worker.
            marker: what it sets in the environment of all that it starts: `NAME=VALUE`.
        """
        self._workers[marker] = pid
        if self._process is None or self._process.poll() is not None:  # somebody killed it
            self._start()
        else:
            self._tell(f"+{pid} {marker}\n")

    def remove(self, pid: int, marker: str) -> None:
        """Forget a worker of which nothing is alive."""
        if self._workers.pop(marker, None) is not None:
            self._tell(f"-{pid} {marker}\n")

    def close(self) -> None:
        """End the watchdog; the workers that it still knows end, too."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
            try:
                self._process.wait(2 * KILL_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _start(self) -> None:
        self.close()
        self._process = subprocess.Popen(
            program("watchdog", str(os.getpid())),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for marker, pid in self._workers.items():
            self._tell(f"+{pid} {marker}\n")

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # it was killed; the next worker starts another one
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
