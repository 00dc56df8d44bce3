"""The machine that a process runs on, in a few facts for people."""

from __future__ import annotations

import os
import platform
import socket
import sys


def host_name() -> str:
    """The name of this machine without its domain."""
    return socket.gethostname().partition(".")[0]


def describe_machine() -> dict[str, str]:
    """Host, process, cores, devices that torch sees, Python and torch of this process."""
    import torch

    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "host": host_name(),
        "process": str(os.getpid()),
        "cores": str(cores),
        "devices": ", ".join(devices) if devices else f"cpu ({platform.machine()})",
        "python": f"{platform.python_version()} ({sys.executable})",
        "torch": torch.__version__,
    }
