"""Inference times of the networks of a run: behind their trainings, or by a session that trains none."""

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import nn

from archspec.errors import RunError
from archspec.model.weights import with_weights
from search.evaluator import Metrics, Progress, Session, Task
from search.latency.devices import write_devices
from search.latency.measurement import measure_latency
from search.latency.spec import LatencySpec
from search.train.checkpoint import load_checkpoint
from search.train.device import find_device, use_device, worker_place


def time_network(network: nn.Module, task: Task, specs: Sequence[LatencySpec], rounds: int) -> Metrics:
    """The figures of a trained network; the devices that they were measured on are written into the task's folder.

    Args:
        network: left in evaluation mode.
        task: that trained it.
        specs: what is measured.
        rounds: paired measurements where a measurement states none.

    Raises:
        RunError: a backend cannot run this network.
    """
    found = measure_latency(network, task.spec, task.root, specs, rounds=rounds)
    write_devices(task.folder, found.devices)
    return {**found.metrics}


@final
class TimingSession(Session):
    """A session that measures trained networks: those of checkpoints, with their averaged weights.

    Args:
        device: of the network, by its name.
        specs: what is measured.
        rounds: paired measurements where a measurement states none.
    """

    def __init__(self, device: str, specs: Sequence[LatencySpec], rounds: int) -> None:
        torch.set_num_threads(1)
        self.device = find_device(device, worker_place())
        use_device(self.device)
        self.specs, self.rounds = tuple(specs), rounds

    def evaluate(self, task: Task, stop: Callable[[], bool], progress: Progress) -> Metrics:
        del stop  # it takes seconds
        path = task.folder / "checkpoint.pt"
        state: dict[str, Any] | None = load_checkpoint(path, {})
        if state is None:
            raise RunError(f"{path}: no such file: the training that is to be timed left no weights that are seen here")
        progress(f"measuring latency on {self.device}")
        network = with_weights(task.spec, state["ema"], path).to(self.device)
        return time_network(network, task, self.specs, self.rounds)
