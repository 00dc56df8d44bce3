"""The cores that this process may use, and the share of each of several workers."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
QUOTAS = ("cpu.max", "cpu/cpu.cfs_quota_us")
"""Files in which Linux states the CPU time of a group of processes per period, of cgroup v2 and v1."""

CORES_VARIABLE = "ARCHSPEC_CORES"
"""Name in the environment of a worker that was kept to a share, whose value is the cores of all workers: `0,1,2,3`."""


def usable_cores() -> list[int]:
    """The numbers of the cores that this process may run on; 0 to their number less one where the system only counts."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def count_cores(root: Path = _ROOT) -> int:
    """Cores that this process may keep busy: those it may run on, or the CPU time of its container where that is less.

    Args:
        root: where the system mounts its groups of processes.
    """
    return max(min([len(usable_cores()), *(int(quota) for quota in _quotas(root))]), 1)


def share_of_cores(place: int, workers: int) -> list[int]:
    """The cores of one of several workers: equal parts, as far as that goes; none where there are fewer than workers.

    Args:
        place: of the worker, from 0.
        workers: in all.
    """
    cores = usable_cores()
    if len(cores) < workers:
        return []
    return cores[len(cores) * place // workers : len(cores) * (place + 1) // workers]


def keep_to_cores(cores: list[int]) -> None:
    """Keep this process, and what it starts from now on, to some cores, where the system can do so."""
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # a container may forbid it, or have lost a core meanwhile
            os.sched_setaffinity(0, cores)


@contextmanager
def with_cores(wanted: int) -> Generator[None]:
    """Inside, threads that are started have the cores of all workers, where this one was kept to fewer than `wanted`."""
    own, all_cores = usable_cores(), os.environ.get(CORES_VARIABLE, "")
    if len(own) >= wanted or not all_cores:
        yield
        return
    keep_to_cores([int(core) for core in all_cores.split(",")])
    try:
        yield
    finally:
        keep_to_cores(own)


def _quotas(root: Path) -> list[float]:
    found: list[float] = []
    with suppress(OSError, ValueError):
        quota, period = (root / QUOTAS[0]).read_text(encoding="ascii").split()
        if quota != "max":
            found.append(int(quota) / int(period))
    with suppress(OSError, ValueError):
        number = int((root / QUOTAS[1]).read_text(encoding="ascii"))
        period_file = (root / QUOTAS[1]).with_name("cpu.cfs_period_us")
        if number > 0:
            found.append(number / int(period_file.read_text(encoding="ascii")))
    return found
