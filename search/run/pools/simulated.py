"""A pool of virtual workers: each training takes the seconds that a table recorded, in virtual time.

Whatever the machine, a run with the same seed gives the same answers in the same order: that in which virtual workers
would end. An answer is looked up when its worker ends, not before, so that what was under way when a run was
interrupted is begun anew when it goes on, as where real workers are killed; then virtual time goes on from the last
answer on record.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import final

from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator, Session
from search.run.pools.pool import Pool
from search.run.worker import Order, Report, answer
from search.train.curve import read_curve

VIRTUAL = "virtual_seconds"
"""Name of the metric that holds the virtual time at which an answer came, in seconds since the run began."""


@final
class SimulatedPool(Pool):
    """Virtual workers in this process.

    Args:
        size: how many.
        evaluators: by the name that orders give.
        root: folder of the run.
        now: virtual time at the start, in seconds.
    """

    def __init__(self, size: int, evaluators: Mapping[str, Evaluator], root: Path, now: float = 0.0) -> None:
        self._size, self._evaluators, self._root, self._now = size, evaluators, root, now
        self._sessions: dict[str, Session] = {}
        self._under_way: list[tuple[float, int, Order]] = []
        self._submitted = 0
        self._stopping = False

    def __enter__(self) -> SimulatedPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.clear()
        self._under_way.clear()

    @property
    def idle(self) -> int:
        return self._size - self.busy

    @property
    def busy(self) -> int:
        return len(self._under_way)

    def submit(self, order: Order) -> None:
        """Hand an order to an idle worker, which begins at once; of two that end together the first one answers."""
        task = order.task(self._root, ArchSpec.model_validate(order.spec))
        done = len(read_curve(task.folder / "curve.csv"))
        seconds = self._evaluators[order.evaluator].simulated_seconds(task, done)
        heapq.heappush(self._under_way, (self._now + seconds, self._submitted, order))
        self._submitted += 1

    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        """The answer of the worker that ends next, and what was said on the way."""
        del timeout
        if not self._under_way:
            return
        end, _, order = heapq.heappop(self._under_way)
        if self._stopping:
            yield order, Report("interrupted", "the run stopped before this virtual worker ended")
            return
        self._now = max(self._now, end)
        said: list[Report] = []
        report = answer(order, self._evaluators, self._sessions, self._root, lambda: False, said.append)
        if report.metrics is not None:
            report = replace(report, metrics={**report.metrics, VIRTUAL: round(self._now, 6)})
        for one in (*said, report):
            yield order, one

    def stop(self) -> None:
        self._stopping = True
