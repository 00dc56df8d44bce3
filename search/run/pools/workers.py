"""Worker processes and their pipes. A worker that dies is replaced; its order is reported as lost.

The pool owns all that its workers start. Nothing of a worker is alive when its order is reported as lost, so that the
order can be given to another one; nor is anything of the pool when it is closed, or the process that has it is gone.

A worker first imports the script that started it, as every process of Python's does: one that starts a run at its top
level would start itself again in each worker.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import cast, final

from archspec.files.fence import next_attempt
from search.evaluator import Evaluator
from search.installation import describe_installation
from search.processes.cores import core_settings, share_of_cores
from search.processes.gpus import gpu_settings, visible_gpus
from search.processes.machine import host_name
from search.processes.signals import hold_signals
from search.processes.tree import end_processes, find_tree
from search.processes.watchdog import Watchdog
from search.run.pools.pool import Pool
from search.run.worker import FINISH, LEAVE_SECONDS, STOP, Order, Report, serve
from search.train.device import PLACE_VARIABLE

UNGUARDED = 78
"""Exit code of a worker in which the script began to start itself again."""

STOP_SECONDS = 30.0
"""Silence after which a worker that was asked to stop is killed: it hangs, or somebody has stopped its process."""

WORKER_VARIABLE = "ARCHSPEC_WORKER"
"""Name in the environment of what a worker starts, whose value is the worker's own."""


@final
@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    marker: str
    place: int
    order: Order | None = None
    heard: float = 0.0

    @property
    def pid(self) -> int:
        return cast("int", self.process.pid)


@final
class ProcessPool(Pool):
    """A fixed number of workers on this machine, each with one torch thread, so that a result does not depend on
    how many there are.

    Args:
        size: number of processes.
        evaluators: evaluators, or their configurations as plain data, by the name that orders give.
        root: folder of the run.
        patience: seconds of silence after which a worker that was asked to stop is killed.
        gpus: GPUs that each worker sees of this machine's, as its own; 0 for all of them. Of the cores, too, each has
            its share.
    """

    def __init__(
        self, size: int, evaluators: Mapping[str, object], root: Path, *, patience: float = STOP_SECONDS, gpus: int = 0
    ) -> None:
        self._size, self._patience = size, patience
        self._gpus, self._visible = gpus, visible_gpus() if gpus else []
        self._evaluators, self._root = evaluators, root
        self._workers: list[_Worker] = []
        self._watchdog = Watchdog()
        self._stopping = self._asked = False

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._close()
        except BaseException:  # a signal came before signals were held
            self._close()
            raise

    @property
    def idle(self) -> int:
        """Workers that could take an order."""
        return self._size - self.busy

    @property
    def busy(self) -> int:
        """Orders under way."""
        return sum(worker.order is not None for worker in self._workers)

    def submit(self, order: Order) -> None:
        """Hand an order to an idle worker, started if need be.

        Raises:
            OSError: the folder of the order cannot be written.
        """
        attempt = next_attempt(order.folder(self._root))
        worker = next((worker for worker in self._workers if worker.order is None), None)
        if worker is None:
            worker = self._start()
        with hold_signals(), suppress(BrokenPipeError, ConnectionResetError):  # died while idle: `reports` says so
            worker.order = order
            worker.pipe.send(replace(order, attempt=attempt))

    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        """Messages of workers within `timeout` seconds."""
        busy = [worker for worker in self._workers if worker.order is not None]
        if self._stopping and not self._asked:
            self._ask_to_stop(busy)
        ready = wait([worker.pipe for worker in busy], timeout)
        for worker in busy:
            order = cast("Order", worker.order)
            report = self._hear(worker, worker.pipe in ready)
            if report is None:
                continue
            if report.kind not in ("progress", "note"):
                worker.order = None
            yield order, report

    def place(self, order: Order) -> tuple[str, float | None]:
        found = next((worker for worker in self._workers if worker.order is order), None)
        return (f"process {found.pid} on {host_name()}" if found is not None else ""), None

    def stop(self) -> None:
        """Have the next `reports` ask all workers to save and end what they are doing; a handler of signals may."""
        self._stopping = True

    def _close(self) -> None:
        with hold_signals():  # it takes seconds at most
            idle = [worker for worker in self._workers if worker.order is None]
            for worker in idle:
                worker.pipe.close()
            self._bury([worker for worker in self._workers if worker.order is not None])
            for worker in idle:
                worker.process.join(LEAVE_SECONDS + 1)
            self._bury(idle)
            self._workers = []
            self._watchdog.close()

    def _ask_to_stop(self, busy: Iterable[_Worker]) -> None:
        self._asked = True
        for worker in busy:
            evaluator = self._evaluators.get(cast("Order", worker.order).evaluator)
            patient = isinstance(evaluator, Evaluator) and not evaluator.interruptible
            worker.heard = time.monotonic()
            with suppress(BrokenPipeError, ConnectionResetError):
                worker.pipe.send(FINISH if patient else STOP)

    def _hear(self, worker: _Worker, ready: bool) -> Report | None:
        """A busy worker's next message, or what became of it; None where there is nothing to say."""
        # Processes that a dead worker has forked may hold its end of the pipe open: its death must be looked for.
        if ready or (not worker.process.is_alive() and worker.pipe.poll()):
            try:
                report = cast("Report", worker.pipe.recv())
            except (EOFError, ConnectionResetError):
                worker.process.join(5)
                return self._lose(worker)
            worker.heard = time.monotonic()
            return report
        if not worker.process.is_alive():
            return self._lose(worker)
        if self._asked and time.monotonic() - worker.heard > self._patience:
            self._lose(worker)
            return Report("interrupted", f"the worker did not stop within {self._patience:g} s and was killed")
        return None

    def _lose(self, worker: _Worker) -> Report:
        with hold_signals():
            self._workers.remove(worker)
            self._bury([worker])
        if self._stopping:  # a batch system may end all processes of a run at once: the layout is not to blame
            return Report("interrupted", "the worker ended while the run stopped")
        return _lost(worker.process.exitcode)

    def _bury(self, workers: Iterable[_Worker]) -> None:
        """Kill workers and all that they have started, at once: what a dead one has just forked is found no more."""
        roots = {worker.marker: worker.pid for worker in workers}
        if roots:
            end_processes(lambda: find_tree(set(roots.values()), roots), grace=0)
        for worker in workers:
            worker.process.join(5)
            worker.pipe.close()
            self._watchdog.remove(worker.pid, worker.marker)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        marker = f"{WORKER_VARIABLE}={secrets.token_hex(8)}"
        taken = {worker.place for worker in self._workers}
        place = next(place for place in range(self._size) if place not in taken)  # a replacement has the lost one's
        marks = (marker, f"{PLACE_VARIABLE}={place}", *gpu_settings(place, self._gpus, self._visible))
        cores = share_of_cores(place, self._size)
        # Not a daemon: an evaluator may start processes of its own to decode images.
        arguments = (theirs, self._evaluators, self._root, (*marks, *core_settings(cores)), describe_installation())
        process = context.Process(target=serve, args=arguments, name="archspec-worker")
        _start_tracker()  # which would let signals through
        with hold_signals():
            process.start()
            theirs.close()
            worker = _Worker(process, ours, marker, place)
            self._workers.append(worker)
            self._watchdog.add(worker.pid, marker)
        return worker


def end_nested_start() -> None:
    """End this process if it is a worker that imports the script it came from: that script has no `__main__` guard."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(UNGUARDED)


def _start_tracker() -> None:
    """Start the process with which Python frees what killed processes shared, unless there is one: without warnings."""
    before = os.environ.get("PYTHONWARNINGS")
    rule = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = f"{before},{rule}" if before else rule
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _lost(code: int | None) -> Report:
    if code == UNGUARDED:
        script = getattr(sys.modules["__main__"], "__file__", "the script")
        rule = 'starts the run again in its workers: put the start under `if __name__ == "__main__":`'
        return Report("unready", f"{script}: {rule}")
    died = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return Report("died", f"the worker died with {died}")
