"""Worker processes and their pipes. A worker that dies is replaced; its order is reported as lost.

A worker first imports the script that started it, as every process of Python's does: one that starts a run at its top
level would start itself again in each worker.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import cast, final

from search.run.pool import Pool
from search.run.worker import Order, Report, serve

UNGUARDED = 78
"""Exit code of a worker in which the script began to start itself again."""


@final
@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    order: Order | None = None


@final
class ProcessPool(Pool):
    """A fixed number of workers on this machine, each with one torch thread, so that a result does not depend on
    how many there are.

    Args:
        size: number of processes.
        evaluators: evaluators, or their configurations as plain data, by the name that orders give.
        root: folder of the run.
    """

    def __init__(self, size: int, evaluators: Mapping[str, object], root: Path) -> None:
        self._size = size
        self._arguments = (evaluators, root)
        self._workers: list[_Worker] = []

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill() if worker.order else worker.pipe.close()
        for worker in self._workers:
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()

    @property
    def idle(self) -> int:
        """Workers that could take an order."""
        return self._size - self.busy

    @property
    def busy(self) -> int:
        """Orders under way."""
        return sum(worker.order is not None for worker in self._workers)

    def submit(self, order: Order) -> None:
        """Hand an order to an idle worker, started if need be."""
        worker = next((worker for worker in self._workers if worker.order is None), None)
        if worker is None:
            worker = self._start()
        worker.order = order
        with suppress(BrokenPipeError, ConnectionResetError):  # died while idle: `reports` says that the order is lost
            worker.pipe.send(order)

    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        """Messages of workers within `timeout` seconds."""
        pipes = {worker.pipe: worker for worker in self._workers if worker.order is not None}
        for ready in wait(list(pipes), timeout):
            worker = pipes[cast("Connection", ready)]
            order = cast("Order", worker.order)
            try:
                report = cast("Report", worker.pipe.recv())
            except (EOFError, ConnectionResetError):
                self._workers.remove(worker)
                worker.process.join(5)
                report = _lost(worker.process.exitcode)
            if report.kind != "progress":
                worker.order = None
            yield order, report

    def stop(self) -> None:
        """Ask all workers to save and end what they are doing."""
        for worker in self._workers:
            if worker.order is not None:
                with suppress(BrokenPipeError, ConnectionResetError):
                    worker.pipe.send("stop")

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        # Not a daemon: an evaluator may start processes of its own to decode images.
        process = context.Process(target=serve, args=(theirs, *self._arguments), name="archspec-worker")
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker


def end_nested_start() -> None:
    """End this process if it is a worker that imports the script it came from: that script has no `__main__` guard."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(UNGUARDED)


def _lost(code: int | None) -> Report:
    if code == UNGUARDED:
        script = getattr(sys.modules["__main__"], "__file__", "the script")
        rule = 'starts the run again in its workers: put the start under `if __name__ == "__main__":`'
        return Report("unready", f"{script}: {rule}")
    died = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return Report("interrupted", f"the worker died with {died}")
