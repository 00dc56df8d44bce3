"""A pool without processes: orders are answered here, one at a time, by evaluators that only this process has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import final

from search.evaluator import Evaluator, Session
from search.run.pools.pool import Pool
from search.run.worker import Order, Report, answer


@final
class InProcessPool(Pool):
    """One worker: this process.

    Args:
        evaluators: by the name that orders give.
        root: folder of the run.
    """

    def __init__(self, evaluators: Mapping[str, Evaluator], root: Path) -> None:
        self._evaluators, self._root = evaluators, root
        self._sessions: dict[str, Session] = {}
        self._order: Order | None = None
        self._stopping = False

    def __enter__(self) -> InProcessPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.clear()

    @property
    def idle(self) -> int:
        return 1 - self.busy

    @property
    def busy(self) -> int:
        return int(self._order is not None)

    def submit(self, order: Order) -> None:
        self._order = order

    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        """The answer to the order, however long it takes, and what was said on the way."""
        del timeout
        if self._order is None:
            return
        order, self._order = self._order, None
        said: list[Report] = []
        report = answer(order, self._evaluators, self._sessions, self._root, lambda: self._stopping, said.append)
        for one in (*said, report):
            yield order, one

    def stop(self) -> None:
        self._stopping = True
