"""A pool in whose runs inference times are measured elsewhere: two pools in one, for trainings and for measurements.

An order with inference times is answered in two parts. The training goes to the first pool, and leaves its answer in
the folder of the order. The measurement then goes to the second one, whose answer is that of the order. Whatever ends
otherwise is the order's own end: it begins again by the rules of the run, and of a training that has come to its end
only the measurement does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import final

from search.run.pools.pool import Pool
from search.run.worker import TIME, TRAIN, Order, Report


@final
class MeasuringPool(Pool):
    """Two pools as one.

    Args:
        trainings: answers all orders but measurements; it says how many are taken at a time.
        measurements: answers these.
        timed: names of the metrics that are measured there, by the name of the evaluator that orders give.
        root: folder of the run.
    """

    def __init__(self, trainings: Pool, measurements: Pool, timed: Mapping[str, frozenset[str]], root: Path) -> None:
        self._trainings, self._measurements = trainings, measurements
        self._timed, self._root = timed, root
        self._waiting: list[Order] = []
        """Trained orders whose measurement is not handed over."""
        self._parts: list[tuple[Order, Order, Pool]] = []
        """Orders that are handed over: as they were given, the part under way, and whose it is."""
        self._stopping = False
        self._open = ExitStack()

    def __enter__(self) -> MeasuringPool:
        with ExitStack() as stack:
            stack.enter_context(self._trainings)
            stack.enter_context(self._measurements)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def idle(self) -> int:
        """Places for trainings, fewer where measurements wait: they are not to fall behind without an end."""
        return max(0, self._trainings.idle - len(self._waiting))

    @property
    def busy(self) -> int:
        return self._trainings.busy + self._measurements.busy + len(self._waiting)

    def submit(self, order: Order) -> None:
        """Hand over an order: to be trained, or to be measured where it is trained already."""
        if not self._is_timed(order):
            self._hand(order, order, self._trainings)
            return
        part, folder = replace(order, part=TRAIN), order.folder(self._root)
        if any((folder / one.result).exists() for one in (order, part)):
            self._waiting.append(order)
        else:
            self._hand(order, part, self._trainings)

    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        yield from self._hand_waiting()
        pools = [pool for pool in (self._trainings, self._measurements) if pool.busy]
        for pool in pools:
            for part, report in pool.reports(timeout / len(pools)):
                yield self._judge(part, report, pool)

    def place(self, order: Order) -> tuple[str, float | None]:
        found = next((one for one in self._parts if one[0] is order), None)
        if found is None:
            return "trained, waits for its latency to be measured", None
        _, part, pool = found
        place, since = pool.place(part)
        return (f"latency: {place}" if part.part == TIME else place), since

    def stop(self) -> None:
        self._stopping = True
        self._trainings.stop()
        self._measurements.stop()

    def _is_timed(self, order: Order) -> bool:
        """Whether an order asks for inference times: a pause does only where they are objectives."""
        names = self._timed.get(order.evaluator, frozenset())
        return bool(names) and not order.place and (order.epochs is None or bool(names.intersection(order.wanted)))

    def _hand(self, order: Order, part: Order, pool: Pool) -> None:
        pool.submit(part)  # may fail for want of space, and be asked for again
        self._parts.append((order, part, pool))

    def _hand_waiting(self) -> Iterator[tuple[Order, Report]]:
        """Hand over measurements as far as there is room; none any more while the run stops."""
        if self._stopping:
            waiting, self._waiting = self._waiting, []
            for order in waiting:
                yield order, Report("interrupted", "the run stopped before its latency was measured")
        while self._waiting and self._measurements.idle:
            order = self._waiting[0]
            self._hand(order, replace(order, part=TIME), self._measurements)
            del self._waiting[0]

    def _judge(self, part: Order, report: Report, pool: Pool) -> tuple[Order, Report]:
        """A report on a part as it is one on its order: that it is trained is not its end."""
        index = next(index for index, one in enumerate(self._parts) if one[1] is part and one[2] is pool)
        order = self._parts[index][0]
        if report.kind in ("progress", "note"):
            return order, report
        del self._parts[index]
        if report.kind == "done" and part.part == TRAIN:
            self._waiting.append(order)
            return order, Report("progress", "trained, waits for its latency to be measured")
        if report.kind != "done" and part.part == TIME:
            return order, replace(report, text=f"measuring its latency: {report.text}")
        return order, report
