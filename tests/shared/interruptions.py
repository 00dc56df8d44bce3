"""Runs in real processes, found by a variable of their environment that nothing else has, and their interruption."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

VARIABLE = "ARCHSPEC_TEST"


class StartedRun:
    """An `archspec` command and whatever it starts; a context, at whose end nothing of it is alive."""

    def __init__(self, *arguments: object) -> None:
        self.marker = f"{VARIABLE}={secrets.token_hex(8)}"
        name, _, value = self.marker.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "archspec", *map(str, arguments)],
            env={**os.environ, name: value},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.said = b""

    def __enter__(self) -> "StartedRun":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.alive():
            self.signal(pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def alive(self) -> dict[int, str]:
        """The command lines of all that is alive, by number."""
        return alive_with(self.marker)

    def find(self, words: str) -> list[int]:
        """The processes whose command line holds `words`."""
        return [pid for pid, line in self.alive().items() if words in line]

    def workers(self) -> list[int]:
        return self.find("spawn_main")

    def signal(self, pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def signal_all(self, number: int) -> None:
        for pid in self.alive():
            self.signal(pid, number)

    def wait(self, condition: Callable[[], object], seconds: float = 120) -> None:
        """Wait until `condition` holds, or the run has ended."""
        deadline = time.monotonic() + seconds
        while not condition() and self.process.poll() is None:
            assert time.monotonic() < deadline, "what was waited for did not happen"
            time.sleep(0.02)

    def end(self, seconds: float = 60) -> tuple[int, str]:
        """The exit code and what was printed."""
        assert self.process.stderr is not None
        code = self.process.wait(seconds)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.said += self.process.stderr.read() or b""
        return code, self.said.decode()

    def left(self, seconds: float = 5) -> dict[int, str]:
        """What is alive after `seconds`; at once empty where nothing is."""
        deadline = time.monotonic() + seconds
        while (alive := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return alive


def alive_with(marker: str) -> dict[int, str]:
    """The command lines of all that is alive and has `NAME=VALUE` in its environment, by number."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (path / "environ").read_bytes().split(b"\0"):
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if state not in "ZX":
                    found[int(path.name)] = words
        except OSError:
            continue
    return found
