"""Commands under a supervisor: whatever they start ends with them, and with the process that started them."""

from __future__ import annotations

import os
import secrets
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, final

from search.processes.supervisor import STOP_SECONDS
from search.processes.tree import KILL_SECONDS, end_processes, find_tree

COMMAND_VARIABLE = "ARCHSPEC_COMMAND"
"""Name in the environment of a command, whose value nothing else has."""


def program(module: str, *arguments: str) -> list[str]:
    """The command line of `main` of a module of `search.processes`, without what `site` would import."""
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.append({root!r}); from search.processes.{module} import main; main()"
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


@final
class SupervisedCommand:
    """A command at work.

    Args:
        arguments: program and arguments.
        output: file for what it prints, standard error too.

    Raises:
        ChildProcessError: somebody ended its supervisor; nothing of the command is alive.
        OSError: it cannot be started.
    """

    def __init__(self, arguments: Sequence[str], output: IO[bytes]) -> None:
        self._marker = f"{COMMAND_VARIABLE}={secrets.token_hex(8)}"
        self._channel, theirs = socket.socketpair()
        self._heard = b""
        name, _, value = self._marker.partition("=")
        with theirs:
            self._process = subprocess.Popen(
                program("supervisor", *arguments),
                stdin=theirs.fileno(),
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, name: value},
                start_new_session=True,
            )
        self._roots = {self._process.pid}
        words = self._next_line(None) or []
        if words[:1] == ["pid"]:
            self._roots.add(int(words[1]))
            return
        self._close()
        if words[:1] == ["error"]:
            raise OSError(int(words[1]), os.strerror(int(words[1])), arguments[0])
        raise self._ended(words)

    def wait(self, seconds: float) -> int | None:
        """The exit code, negative for a signal; None where the command is still at work after `seconds`.

        Raises:
            ChildProcessError: as above.
            OSError: its supervisor failed.
        """
        words = self._next_line(seconds)
        if words is None:
            return None
        self._close()
        if words[:1] == ["exit"]:
            return int(words[1])
        raise self._ended(words)

    def end(self) -> None:
        """End the command and all that it started: SIGTERM, and SIGKILL after `STOP_SECONDS`."""
        if self._channel.fileno() < 0:  # it has ended already
            return
        with suppress(OSError):  # it ends just now
            self._channel.send(b"stop")
        self._next_line(STOP_SECONDS + KILL_SECONDS)
        self._close()

    def _close(self) -> None:
        """End what is left where the supervisor is hung or was killed; its end else has come already."""
        self._channel.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_SECONDS)
        if self._process.returncode != 0:
            self._process.kill()
            end_processes(lambda: find_tree(self._roots, [self._marker]), 0)
            self._process.wait()

    def _ended(self, words: list[str] | None) -> OSError:
        """The reason for which there is no exit code: a signal to the supervisor, or a fault of its own."""
        code = self._process.returncode
        if words or code is None or code < 0:
            return ChildProcessError("the command was ended from outside")
        return OSError(f"its supervisor failed with exit code {code}")

    def _next_line(self, seconds: float | None) -> list[str] | None:
        """The words of the supervisor's next line, none where it is gone; None where it is silent for `seconds`."""
        while b"\n" not in self._heard:
            if not select.select([self._channel], [], [], seconds)[0]:
                return None
            try:
                data = self._channel.recv(4096)
            except OSError:
                data = b""
            if not data:
                return []
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode().split()
