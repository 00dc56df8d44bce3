"""The conductor's side of a driver: its start, what is said to it and heard from it, its end."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from search.ray_cluster.driver import main
from search.ray_cluster.settings import RaySettings, driver_environment

LEAVE_SECONDS = 30.0
PROGRAM = f"from {main.__module__} import main; main()"


@final
class DriverLink:
    """A driver at work.

    Args:
        settings: of the tasks.
        address: of the cluster; `local` to start one.
        log: file for what Ray says.
    """

    def __init__(self, settings: RaySettings, address: str, log: Path) -> None:
        self._log, self._text = log, b""
        self._socket, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, settings.encode(), address],
                stdin=theirs.fileno(),
                stdout=file,
                stderr=subprocess.STDOUT,
                env=driver_environment(address),
                start_new_session=True,  # Ctrl-C is the conductor's
            )
        self.heard = time.monotonic()
        """When it was heard of last."""
        self.ended = False
        """Whether it is gone."""

    def submit(self, key: str, root: Path, batch: str, index: int) -> None:
        """Have it submit the task of an order, which it will call `key`."""
        line = json.dumps({"key": key, "root": str(root), "batch": batch, "index": index})
        with suppress(OSError):  # it is gone, as the next `hear` says
            self._socket.sendall(f"{line}\n".encode())

    def hear(self, timeout: float) -> list[dict[str, Any]]:
        """Its lines within `timeout` seconds."""
        if self.ended or not select.select([self._socket], [], [], timeout)[0]:
            return []
        try:
            data = self._socket.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return []
        self.heard = time.monotonic()
        *whole, self._text = (self._text + data).split(b"\n")
        return [json.loads(line) for line in whole]

    def refused_token(self) -> bool:
        """Whether Ray has said that the token is wrong; Python is told of a connection that failed alone."""
        with suppress(OSError):
            return b"InvalidAuthToken" in self._log.read_bytes()
        return False

    def last_words(self) -> str:
        """The last line of what Ray has said."""
        with suppress(OSError):
            lines = self._log.read_bytes()[-4096:].decode("utf-8", "replace").splitlines()
            return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
        return ""

    def close(self) -> None:
        """End it, and with it its tasks, and a cluster that it has started."""
        self._socket.close()
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
