"""The program that is the driver of a run's tasks on Ray: a process of its own, beside the one that conducts the run.

Ray ends a driver that it cannot serve any more, with no word to Python, and its calls block while a head is silent.
Neither must befall the process that writes the journal. When that process is gone, so is this one, and Ray then ends
its tasks. It is spoken to in lines of JSON through the socket that is its standard input.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, final

from search.ray_cluster.job import run_order
from search.ray_cluster.settings import LOCAL, WRONG_TOKEN, RaySettings, decode

ALIVE_SECONDS = 3.0
"""Time between two looks at the cluster, each of which the run is told of."""
CONNECT_SECONDS = 10.0
LEAVE_SECONDS = 20.0
"""Time in which a cluster of this machine has ended."""
STORE_BYTES = 100_000_000
"""Size of the object store of a cluster on this machine, through which nothing of a run goes."""

End = Literal["ended", "crashed", "lost", "memory", "error"]
"""Ends of a task: by itself; with its worker; with its node; by Ray for want of memory; without a worker to run it."""


def main() -> None:
    """Submit and watch the tasks that `sys.stdin` names, until it ends; `sys.argv`: settings and address."""
    settings, address = decode(sys.argv[1]), sys.argv[2]
    channel = Channel(socket.socket(fileno=0))
    ray: Any = import_module("ray")
    if refusal := connect(ray, settings, address):
        channel.say(say="refused", text=refusal)
        os._exit(0)
    threading.Thread(target=watch_cluster, args=(ray, settings, channel), daemon=True).start()
    try:
        Tasks(ray, settings, channel).serve()
    finally:
        threading.Timer(LEAVE_SECONDS, os._exit, (1,)).start()
        ray.shutdown()
        os._exit(0)


@final
class Channel:
    """The driver's end of the socket.

    Args:
        end: of the socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket, self._heard, self._saying = end, b"", threading.Lock()

    def say(self, **record: object) -> None:
        """Tell the run; this process ends where the run is gone."""
        try:
            with self._saying:
                self._socket.sendall(f"{json.dumps(record)}\n".encode())
        except OSError:
            os._exit(1)

    def lines(self, timeout: float) -> list[dict[str, Any]]:
        """The lines of the run within `timeout` seconds.

        Raises:
            EOFError: it is gone.
        """
        if not select.select([self._socket], [], [], timeout)[0]:
            return []
        data = self._socket.recv(1 << 20)
        if not data:
            raise EOFError
        *whole, self._heard = (self._heard + data).split(b"\n")
        return [json.loads(line) for line in whole]


def connect(ray: Any, settings: RaySettings, address: str) -> str:
    """Connect to the cluster at an address, or start one; why that could not be, in one line, empty where it could.

    Args:
        ray: the package.
        settings: of the tasks.
        address: `HOST:PORT`, or `local`.
    """
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    try:
        if address == LOCAL:
            own = {"include_dashboard": False, "object_store_memory": STORE_BYTES, "_node_ip_address": "127.0.0.1"}
            ray.init(address=LOCAL, **own, **quiet)
            if lacking := describe_lack(ray.nodes(), settings):
                return f"{lacking} on this machine"
            return ""
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError as error:
            return f"no cluster answers at {address}: {error.strerror or error}"
        ray.init(address=address, **quiet)
    except Exception as error:  # of many kinds, Ray's own and others
        if type(error).__name__ == "AuthenticationError":
            return f"{address}: {WRONG_TOKEN}"
        return f"{address}: {' '.join(str(error).split())[:300] or type(error).__name__}"
    return ""


def describe_lack(nodes: list[dict[str, Any]], settings: RaySettings) -> str:
    """The needs of tasks that no living node has at once, in words; empty where one has it."""
    have: list[dict[str, float]] = [node["Resources"] for node in nodes if node["Alive"]]
    if any(all(one.get(name, 0) >= value for name, value in settings.wants.items()) for one in have):
        return ""
    return "no node has " + " and ".join(f"{name} {value:g}" for name, value in settings.wants.items())


def watch_cluster(ray: Any, settings: RaySettings, channel: Channel) -> None:
    """Tell the run now and then that the head answers, and which nodes are alive."""
    while True:
        try:
            nodes: list[dict[str, Any]] = ray.nodes()
        except Exception as error:
            print(f"watching: {error}", file=sys.stderr)  # noqa: T201
        else:
            alive = [node["NodeID"] for node in nodes if node["Alive"]]
            channel.say(say="alive", nodes=alive, lack=describe_lack(nodes, settings))
        time.sleep(ALIVE_SECONDS)


@final
class Tasks:
    """The tasks under way.

    Args:
        ray: the package, connected.
        settings: of the tasks.
        channel: to the run.
    """

    def __init__(self, ray: Any, settings: RaySettings, channel: Channel) -> None:
        self._ray, self._channel = ray, channel
        self._start: Callable[..., Any] = ray.remote(**settings.options)(run_order).remote
        self._keys: dict[Any, str] = {}

    def serve(self) -> None:
        """Submit what the run asks for, and tell it of each task's end, until it is gone."""
        while True:
            try:
                lines = self._channel.lines(0 if self._keys else 0.2)
            except EOFError:
                return
            for line in lines:
                self._keys[self._start(line["root"], line["batch"], line["index"])] = line["key"]
            if self._keys:
                ended, _ = self._ray.wait(list(self._keys), num_returns=len(self._keys), timeout=0.2)
                for task in ended:
                    how, text = self._read(task)
                    self._channel.say(say="ended", key=self._keys.pop(task), how=how, text=text)

    def _read(self, task: Any) -> tuple[End, str]:
        """How a task has ended, and what is to be said of it."""
        errors = self._ray.exceptions
        try:
            return "ended", self._ray.get(task)
        except errors.WorkerCrashedError:
            return "crashed", "the worker died"
        except errors.OutOfMemoryError:
            return "memory", "Ray ended the worker, since the memory of its node was nearly full"
        except errors.NodeDiedError:
            return "lost", "its node died"
        except (errors.RayTaskError, errors.RuntimeEnvSetupError, errors.TaskUnschedulableError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return "error", lines[-1][:300] if lines else type(error).__name__
        except errors.RayError as error:
            return "lost", f"Ray lost its task ({type(error).__name__})"
