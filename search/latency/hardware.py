"""The model of a device, by which times that were taken on like devices are known: `NVIDIA H200`, `AMD EPYC 7B13`."""

import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
ARM = ("CPU implementer", "CPU part")
"""Fields of /proc/cpuinfo that stand for a model where there is no name."""
LONGEST = 120


def device_model(device: torch.device) -> str:
    """The model of a device: of a GPU its name, of a CPU and of Apple's GPUs that of the chip."""
    name = _gpu_name(device) if device.type in ("cuda", "xpu") else _chip_name()
    return " ".join(name.split())[:LONGEST] or f"unknown {device.type}"


def _gpu_name(device: torch.device) -> str:
    return str(torch.get_device_module(device.type).get_device_name(device))


@cache
def _chip_name() -> str:
    """The name of this machine's CPU, and so of an Apple chip with its GPU; its architecture where it tells none."""
    if platform.system() == "Darwin":
        return _ask("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    try:
        fields = read_fields(CPUINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return platform.processor() or platform.machine()
    if name := fields.get("model name", fields.get("Model", "")):
        return name
    return " ".join([platform.machine(), *(fields[field] for field in ARM if field in fields)])


def read_fields(text: str) -> Mapping[str, str]:
    """The fields of the first core in the text of /proc/cpuinfo, and those that the machine states behind the last."""
    pairs = [line.partition(":") for line in text.splitlines() if ":" in line]
    found: dict[str, str] = {}
    for name, _, value in pairs:
        found.setdefault(name.strip(), value.strip())
    return found


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
