"""Inference time of a network, measured against a reference so that a busy machine does not decide the result.

Candidate and reference run in turns, by the same backend; the figure is the median over rounds of their paired ratio,
times the reference's own time, which is measured once per run and model of a device (`search.latency.reference`).
"""

import copy
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import final

import torch
from torch import Tensor, nn

from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec
from search.latency.backend import Inference, check_answers
from search.latency.compile import forget_compiled
from search.latency.hardware import device_model
from search.latency.reference import prepare_reference, reference_seconds
from search.latency.spec import BACKENDS, LatencyFigure, LatencySpec, figures
from search.processes.cores import with_cores

MIN_SECONDS = 0.004
NOISE = 1.1


@final
@dataclass(frozen=True)
class Pairing:
    """The times of a network and of the reference in turns.

    Attributes:
        ratio: median over rounds of the network's time to the reference's.
        seconds: the reference's shortest time per batch.
        noisy: whether wall time exceeds CPU time by 10 % on one thread of a CPU, so that somebody else was running.
    """

    ratio: float
    seconds: float
    noisy: bool


@final
@dataclass(frozen=True)
class Timings:
    """The inference times of a network.

    Attributes:
        metrics: the figures; with each its `_ratio` to the reference, and `_noisy`, 1 where somebody else was running;
            of `latency_ms` they are `latency_ratio` and `latency_noisy`.
        devices: the model of the device of each figure.
    """

    metrics: dict[str, float]
    devices: dict[str, str]


def measure_latency(
    network: nn.Module, spec: ArchSpec, root: Path, specs: Sequence[LatencySpec], *, rounds: int = 7
) -> Timings:
    """Every figure of `specs`: milliseconds of one image, images per second of a batch.

    Args:
        network: the network; left in evaluation mode.
        spec: what it was built from; gives the image's size.
        root: folder of the run, where the reference's own times are kept.
        specs: what is measured.
        rounds: paired measurements, at least 5, where a measurement states none.

    Raises:
        RunError: a backend cannot run this network, or answers otherwise than eager mode.
    """
    network.eval()
    found: dict[str, float] = {}
    devices: dict[str, str] = {}
    for figure in figures(specs):
        with _threads(figure.spec.threads):
            images, pairing = _measure(network, spec, root, figure, figure.spec.rounds or rounds)
            model = device_model(images.device)
            seconds = pairing.ratio * reference_seconds(root, figure, pairing.seconds, images, model)
        metric = figure.metric
        devices[metric.name] = model
        found[metric.name] = figure.batch / seconds if metric.direction == "maximize" else 1000 * seconds
        found |= {figure.ratio.name: pairing.ratio, f"{figure.stem}_noisy": float(pairing.noisy)}
    return Timings(found, devices)


def check_devices(specs: Sequence[LatencySpec]) -> None:
    """Refuse a device that is not here, and one that a backend does not run on.

    Raises:
        SpecError: the first such device.
    """
    for spec in specs:
        if spec.device in ("auto", "cpu"):
            continue
        device, here = torch.device(spec.device), torch.accelerator.current_accelerator(check_available=True)
        count = torch.accelerator.device_count()
        if here is None or here.type != device.type or (device.index or 0) >= count:
            has = "cpu" if here is None else ", ".join(["cpu", *(f"{here.type}:{index}" for index in range(count))])
            raise SpecError(f"{spec.device} is not on this machine, which has {has}", field="evaluator.latency.device")


def _measure(
    network: nn.Module, spec: ArchSpec, root: Path, figure: LatencyFigure, rounds: int
) -> tuple[Tensor, Pairing]:
    """The batch, and the times of the network and the reference on it."""
    backend, home = BACKENDS[figure.spec.backend], next(network.parameters()).device
    device = backend.place(home if figure.spec.device == "auto" else torch.device(figure.spec.device))
    if device != home:
        network = copy.deepcopy(network).to(device)
    images = torch.zeros(figure.batch, spec.channels, spec.resolution, spec.resolution, device=device)
    eager = backend.name == "eager"
    if not eager:  # noise, so that answers tell apart networks
        images = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).to(device)
        forget_compiled()
    ours = backend.prepare(network, images)
    if not eager:
        with torch.inference_mode():
            check_answers(backend.name, ours(), network(images))
    return images, pair(ours, prepare_reference(root, figure, images), device, rounds)


def pair(ours: Inference, theirs: Inference, device: torch.device, rounds: int) -> Pairing:
    """Time two inferences in turns; both are warmed up before."""
    wall: list[tuple[float, float]] = []
    cpu: list[tuple[float, float]] = []
    with torch.inference_mode():
        repeats = [_calibrate(run, device) for run in (ours, theirs)]
        for _ in range(rounds):
            first = _time(ours, device, repeats[0])
            second = _time(theirs, device, repeats[1])
            wall.append((first[0], second[0]))
            cpu.append((first[0] / max(first[1], 1e-9), second[0] / max(second[1], 1e-9)))
    ratio = median(first / second for first, second in wall)
    disturbed = any(median(shares) > NOISE for shares in zip(*cpu, strict=True))
    noisy = device.type == "cpu" and torch.get_num_threads() == 1 and disturbed
    return Pairing(ratio, min(second for _, second in wall), noisy)


def _time(run: Inference, device: torch.device, repeats: int) -> tuple[float, float]:
    """Wall and CPU seconds per call."""
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        run()
    _wait(device)
    return (time.perf_counter() - wall) / repeats, (time.process_time() - cpu) / repeats


def _calibrate(run: Inference, device: torch.device) -> int:
    """Calls that take long enough to be timed; warms up on the way."""
    repeats = 1
    while _time(run, device, repeats)[0] * repeats < MIN_SECONDS:
        repeats *= 2
    return repeats


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


@contextmanager
def _threads(count: int) -> Generator[None]:
    """Compute with `count` threads of the CPU."""
    before = torch.get_num_threads()
    with with_cores(count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
