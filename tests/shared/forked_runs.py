"""Runs of the command line in forked processes, conductor and workers, which need not import anything anew."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from archspec.cli.app import main

FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None


class ForkContext:
    """Workers as forks of their conductor; a worker lets go of the conductor's end of its pipe, as a spawned one."""

    def Pipe(self) -> tuple[Connection, Connection]:  # noqa: N802 # multiprocessing's name
        self.ours, theirs = FORK.Pipe()
        return self.ours, theirs

    def Process(self, target: Callable[..., None], args: tuple[Any, ...], name: str) -> ForkProcess:  # noqa: N802
        ours = self.ours

        def work(*arguments: Any) -> None:
            ours.close()
            target(*arguments)

        return FORK.Process(target=work, args=args, name=name)


def _call(arguments: list[str], said: Path) -> None:
    os.setsid()
    with said.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    multiprocessing.get_context = lambda method=None: ForkContext()
    sys.argv = ["archspec", *arguments]
    main()


class ForkedRun:
    """An `archspec` command in a process of its own; a context, at whose end it is not alive.

    Args:
        arguments: of the command line.
        said: file to which all that is printed is appended.
    """

    def __init__(self, *arguments: object, said: Path) -> None:
        self.process = FORK.Process(target=_call, args=([*map(str, arguments)], said))

    def __enter__(self) -> "ForkedRun":
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        kill(self.process.pid)
        self.process.join()

    def wait(self, condition: Callable[[], object], seconds: float = 120) -> None:
        """Wait until `condition` holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.is_alive(), "the run ended before what was waited for"
            assert time.monotonic() < deadline, "what was waited for did not happen"
            time.sleep(0.005)

    def end(self, seconds: float = 120) -> int | None:
        """The exit code."""
        self.process.join(seconds)
        return self.process.exitcode


def kill(*pids: int) -> None:
    """Kill processes, those that have ended already excepted."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
