"""The cores that this process may use, and the share of each of several workers."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
QUOTAS = ("cpu.max", "cpu/cpu.cfs_quota_us")
"""Files in which Linux states the CPU time of a container in each period, of cgroup v2 and v1."""
CORES_VARIABLE, SHARE_VARIABLE = "ARCHSPEC_CORES", "ARCHSPEC_WORKER_CORES"
"""Names in the environment of a worker, whose values are the cores of all workers and its own: `0,1,2,3`."""


def usable_cores() -> list[int]:
    """The numbers of the cores that this process may run on; from 0 where the system only counts them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def count_cores(root: Path = _ROOT) -> int:
    """Cores that this process may keep busy: those it may run on, or the CPU time of its container where that is less.

    Args:
        root: where the system mounts its groups of processes.
    """
    return max(min([len(usable_cores()), *map(int, _quotas(root))]), 1)


def share_of_cores(place: int, workers: int) -> list[int]:
    """The cores of one of several workers: parts as equal as they go; none where there are fewer cores than workers.

    Args:
        place: of the worker, from 0.
        workers: in all.
    """
    cores = usable_cores()
    if workers == 1 or len(cores) < workers:
        return []
    return cores[len(cores) * place // workers : len(cores) * (place + 1) // workers]


def core_settings(share: Sequence[int]) -> list[str]:
    """Settings `NAME=VALUE` of the environment that tell a worker its cores; none where it has no share."""
    if not share:
        return []
    sets = {CORES_VARIABLE: usable_cores(), SHARE_VARIABLE: share}
    return [f"{name}={','.join(map(str, cores))}" for name, cores in sets.items()]


def keep_to_share() -> None:
    """Keep this process, and what it starts from now on, to the cores that its environment states."""
    _keep_to(_stated(SHARE_VARIABLE))


@contextmanager
def with_cores(wanted: int) -> Generator[None]:
    """Inside, threads that are started have the cores of all workers, where this one has fewer than `wanted`."""
    own = usable_cores()
    if len(own) >= wanted or not _stated(CORES_VARIABLE):
        yield
        return
    _keep_to(_stated(CORES_VARIABLE))
    try:
        yield
    finally:
        _keep_to(own)


def _stated(name: str) -> list[int]:
    return [int(core) for core in os.environ.get(name, "").split(",") if core.isdecimal()]


def _keep_to(cores: Sequence[int]) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # a container may forbid it, or have lost a core meanwhile
            os.sched_setaffinity(0, cores)


def _quotas(root: Path) -> list[float]:
    found: list[float] = []
    with suppress(OSError, ValueError):
        quota, period = (root / QUOTAS[0]).read_text(encoding="ascii").split()
        if quota != "max":
            found.append(int(quota) / int(period))
    with suppress(OSError, ValueError):
        number = int((root / QUOTAS[1]).read_text(encoding="ascii"))
        if number > 0:
            period_file = (root / QUOTAS[1]).with_name("cpu.cfs_period_us")
            found.append(number / int(period_file.read_text(encoding="ascii")))
    return found
