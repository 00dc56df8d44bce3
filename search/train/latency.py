"""Inference time of a network, measured against a reference so that a busy machine does not decide the result.

Candidate and reference run in turns; the figure is the median over rounds of their paired ratio, times the
reference's own time, which is measured once per run and kept in `reference.json`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from torch import Tensor, nn

from archspec.files.output import write_text
from archspec.loader import load
from archspec.model.build import build
from archspec.spec.schema import ArchSpec

REFERENCE = "tiny"
MIN_SECONDS = 0.004
NOISE = 1.1


def measure_latency(network: nn.Module, spec: ArchSpec, root: Path, *, rounds: int = 7) -> dict[str, float]:
    """Milliseconds per image at batch 1, channels last, in evaluation mode, on the network's own device.

    Args:
        network: the network; left in evaluation mode.
        spec: what it was built from; gives the image's size.
        root: folder of the run, where the reference's own time is kept.
        rounds: paired measurements, at least 5.

    Returns:
        `latency_ms`; `latency_ratio` to the reference; `latency_noisy`, 1 where wall time exceeds CPU time by 10 %
        on a CPU, so that somebody else was running.
    """
    device = next(network.parameters()).device
    image = torch.zeros(1, spec.channels, spec.resolution, spec.resolution, device=device)
    image = image.contiguous(memory_format=torch.channels_last)
    reference = _channels_last(build(load(REFERENCE), device=device).eval())
    network = _channels_last(network.eval())
    with torch.inference_mode():
        repeats = [_calibrate(model, image) for model in (network, reference)]
        wall: list[tuple[float, float]] = []
        cpu: list[float] = []
        for _ in range(rounds):
            ours = _time(network, image, repeats[0])
            theirs = _time(reference, image, repeats[1])
            wall.append((ours[0], theirs[0]))
            cpu.append(ours[0] / max(ours[1], 1e-9))
    ratio = median(ours / theirs for ours, theirs in wall)
    nominal = _nominal(root / "reference.json", min(theirs for _, theirs in wall), device, spec)
    noisy = device.type == "cpu" and torch.get_num_threads() == 1 and median(cpu) > NOISE
    return {"latency_ms": 1000 * ratio * nominal, "latency_ratio": ratio, "latency_noisy": float(noisy)}


def _channels_last(network: nn.Module) -> nn.Module:
    return cast("Any", network).to(memory_format=torch.channels_last)  # torch's stubs lack this form of `to`


def _time(model: Callable[[Tensor], Tensor], image: Tensor, repeats: int) -> tuple[float, float]:
    """Wall and CPU seconds per call."""
    _wait(image.device)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        model(image)
    _wait(image.device)
    return (time.perf_counter() - wall) / repeats, (time.process_time() - cpu) / repeats


def _calibrate(model: Callable[[Tensor], Tensor], image: Tensor) -> int:
    """Calls that take long enough to be timed; warms up on the way."""
    repeats = 1
    while _time(model, image, repeats)[0] * repeats < MIN_SECONDS:
        repeats *= 2
    return repeats


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


def _nominal(path: Path, seconds: float, device: torch.device, spec: ArchSpec) -> float:
    """The reference's seconds per image in this run: measured by whoever comes first."""
    if not path.exists():
        threads = torch.get_num_threads()
        record: dict[str, Any] = {"seconds": seconds, "reference": REFERENCE, "resolution": spec.resolution}
        record |= {"device": device.type, "threads": threads, "torch": torch.__version__}
        write_text(path, json.dumps(record))
    return float(json.loads(path.read_text())["seconds"])
