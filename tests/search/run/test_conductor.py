"""The loop of a run: what a report counts as while the run stops."""

from typing import final

import pytest

from search.evaluator import Epoch
from search.monitor.display import ProgressDisplay
from search.monitor.estimate import RunPart, TimeEstimate
from search.monitor.run_log import RunLog
from search.monitor.status import StatusBoard
from search.run.conductor import Conductor
from search.run.phase import Phase
from search.run.pools.pool import Pool
from search.run.worker import Order, Report

ORDER = Order({}, "0123", 0, "search-seed0", "search", place="somewhere")


@final
class OneOrder(Phase):
    """One order, and what it was told of it."""

    title, noun = "search", "layouts"

    def __init__(self):
        super().__init__()
        self.heard, self._waiting = [], True

    def next_order(self):
        order, self._waiting = (ORDER if self._waiting else None), False
        return order

    def label(self, order):
        return "trial 0"

    def describe(self, order):
        raise NotImplementedError

    def note_epoch(self, order: Order, epoch: Epoch) -> None:
        raise NotImplementedError

    def finish(self, order, report):
        self.heard.append(report)
        return "said"

    @property
    def progress(self):
        return len(self.heard), 1


@final
class StoppedPool(Pool):
    """A pool whose only order ends with a report, before which somebody may press Ctrl-C."""

    def __init__(self, report, stops):
        self.report, self.stops, self.conductor, self.orders = report, stops, None, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    idle = property(lambda self: 1 - len(self.orders))
    busy = property(lambda self: len(self.orders))

    def submit(self, order):
        self.orders.append(order)

    def reports(self, timeout):
        if self.stops:
            self.conductor._interrupt(2, None)
        yield self.orders.pop(), self.report

    def stop(self):
        pass


@pytest.mark.parametrize("kind", ["failed", "lost", "died"])
@pytest.mark.parametrize("stops", [True, False])
def test_nothing_fails_or_dies_while_a_run_stops(kind, stops, tmp_path):
    pool, phase = StoppedPool(Report(kind, "out of memory"), stops), OneOrder()
    with ProgressDisplay("toy", quiet=True) as screen:
        pool.conductor = Conductor(
            pool, screen, RunLog((), None), TimeEstimate(1, [RunPart("search", 1)]), StatusBoard(tmp_path, "local")
        )
        assert pool.conductor.run(phase) is not stops
    stopped = Report("interrupted", "out of memory, while the run stopped")
    assert phase.heard == [stopped if stops else Report(kind, "out of memory")]
