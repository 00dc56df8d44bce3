"""The settings of the tasks of a run on Ray, and the environment in which its driver speaks to a cluster."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

LOCAL = "local"
"""Address of a cluster that is started on this machine, and ended with the run."""
OWN_HOSTS = ("localhost", "127.0.0.1", "::1")
WRONG_TOKEN = (
    "Ray refuses the token of this process, or it has none: all nodes and this one must have the same "
    "(`ray get-auth-token --generate`, RAY_AUTH_TOKEN_PATH)"
)
KEEP_CHILDREN = "RAY_kill_child_processes_on_worker_exit"
"""Setting of Ray by which a worker kills its children as it ends."""
PATIENCE_SECONDS = 3600
"""Silence of a head after which Ray itself gives up; its own default is a minute."""


@final
@dataclass(frozen=True, slots=True)
class RaySettings:
    """The cluster, and the needs of each task on it.

    Attributes:
        address: of the head, `HOST:PORT`; `local`; empty for what `find_address` finds.
        gpus, cpus: of each task.
        memory: of each task, in bytes, by which Ray places tasks; 0 for none.
        resources: further ones, by the names that nodes were started with.
    """

    address: str = ""
    gpus: float = 0
    cpus: int = 1
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict[str, float])

    def encode(self) -> str:
        """The settings as text, for `decode`."""
        return json.dumps(asdict(self))

    @property
    def options(self) -> dict[str, Any]:
        """The options of `ray.remote` for one order: a process of its own, which Ray does not start again."""
        needs: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus}
        if self.memory:
            needs["memory"] = self.memory
        if self.resources:
            needs["resources"] = dict(self.resources)
        # A worker that Ray ends would kill its children first: the supervisor, which ends what a command has started.
        return needs | {"max_retries": 0, "max_calls": 1, "runtime_env": {"env_vars": {KEEP_CHILDREN: "0"}}}

    @property
    def wants(self) -> dict[str, float]:
        """The needs of a task, by Ray's names of resources."""
        found = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory, **self.resources}
        return {name: value for name, value in found.items() if value}


def decode(text: str) -> RaySettings:
    """The settings from their text."""
    return RaySettings(**json.loads(text))


def find_address(environment: Mapping[str, str]) -> str:
    """The cluster that Ray itself would use: that of `RAY_ADDRESS`, else the one that runs here, else one to start.

    Args:
        environment: of this process.
    """
    if stated := environment.get("RAY_ADDRESS"):
        return stated
    try:
        return (Path(environment.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster").read_text().strip()
    except OSError:
        return LOCAL


def driver_environment(address: str) -> dict[str, str]:
    """The environment of a driver: token authentication is on unless somebody has said otherwise.

    Args:
        address: of the cluster; that of `local` has a token which nobody else knows.
    """
    found = dict(os.environ)
    found.setdefault("RAY_AUTH_MODE", "token")
    found.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(PATIENCE_SECONDS))
    found.setdefault("RAY_raylet_start_wait_time_s", "300")
    found["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == LOCAL:
        found |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        found.pop("RAY_ADDRESS", None)
    if address == LOCAL or address.rpartition(":")[0] in OWN_HOSTS:
        found["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray then keeps to the loopback address, on Linux too
    return found
