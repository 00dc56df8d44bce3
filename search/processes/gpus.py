"""The GPUs of this machine that a process may use, and the share of each of several workers; without torch.

CUDA and ROCm read `CUDA_VISIBLE_DEVICES` once, when they begin: a worker's share must be in its environment by then.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

VISIBLE = "CUDA_VISIBLE_DEVICES"
NUMBER_VARIABLE = "ARCHSPEC_GPUS"
"""Name in the environment of a worker whose GPUs are a share; its value is how many there are for all workers."""
LIBRARIES = ("libnvidia-ml.so.1", "nvml.dll")


def visible_gpus() -> list[str]:
    """The GPUs of NVIDIA (or AMD, where the user names them) that this process may use, as `CUDA_VISIBLE_DEVICES` does.

    What the user has set counts, numbers and names (`GPU-...`, `MIG-...`) alike; else the driver is asked.
    """
    given = os.environ.get(VISIBLE)
    if given is None:
        return [str(number) for number in range(count_installed())]
    found: list[str] = []
    for name in (part.strip() for part in given.split(",")):
        if not name or name == "-1" or name in found:  # CUDA ends its list at the first that it does not know
            break
        found.append(name)
    return found


def count_installed() -> int:
    """GPUs that NVIDIA's driver shows to this process; 0 without the driver."""
    for name in LIBRARIES:
        with suppress(OSError, AttributeError):
            library, count = ctypes.CDLL(name), ctypes.c_uint(0)
            if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
                return 0
            library.nvmlShutdown()
            return count.value
    return 0


def share_of_gpus(place: int, each: int, gpus: list[str]) -> list[str]:
    """The GPUs of one of several workers; workers beyond the last GPU take them in turn.

    Args:
        place: of the worker, from 0.
        each: GPUs that each worker has.
        gpus: of all workers.
    """
    seats = max(len(gpus) // each, 1)
    first = place % seats * each
    return gpus[first : first + each]


def gpu_settings(place: int, each: int, gpus: list[str]) -> list[str]:
    """Settings `NAME=VALUE` of the environment by which a worker has its share; none where there are no GPUs."""
    if not gpus:
        return []
    return [f"{VISIBLE}={','.join(share_of_gpus(place, each, gpus))}", f"{NUMBER_VARIABLE}={len(gpus)}"]
