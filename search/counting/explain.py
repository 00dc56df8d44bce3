"""The reason why no layout is in a box, and what is nearest."""

from __future__ import annotations

from itertools import combinations
from typing import final

import numpy as np

from archspec.cost.tables import Chain, MetricAt
from search.counting.big_integers import Ints
from search.counting.lattice import Lattice
from search.counting.meet_in_the_middle import Meeting, count_inside
from search.counting.points import Points
from search.space.limits import Box, Limit, describe


def explain(chain: Chain, box: Box) -> str:
    """The reason why no layout is inside: the limit that none meets, or the limits that exclude each other.

    Names the nearest cost that can be reached. Meant for boxes that hold no layout.

    Raises:
        SpecError: too many distinct sums to find out.
    """
    if not Lattice(chain).possible:
        return "no layout of the space is possible"
    for limit in box:
        if (reason := _unmet(chain, limit)) is not None:
            return f"no layout meets {limit}: {reason}"
    for pair in combinations(box, 2):
        if (reason := _exclusive(chain, *pair)) is not None:
            return f"no layout meets {describe(pair)}, though each alone can be met: {reason}"
    if len(box) <= 2:
        return f"no layout meets {describe(box)}"
    return f"no layout meets {describe(box)} together, though any two of them can be met"


def nearest(chain: Chain, limit: Limit) -> int:
    """The reachable cost that is nearest to a limit: the highest one inside, or the lowest if only that end is bound.

    Args:
        chain: with a possible layout.
        limit: on a metric of the chain; where none is inside, the nearest outside, the lower one of two.
    """
    if limit.high is None:
        above = _beside(chain, limit.metric, limit.low or 0, above=True)
        return extremes(chain, limit.metric)[1] if above is None else above
    below = _beside(chain, limit.metric, limit.high, above=False)
    if below is not None and limit.holds(below):
        return below
    above = _beside(chain, limit.metric, limit.high + 1, above=True)
    if below is None or above is None:
        known = below if above is None else above
        assert known is not None
        return known
    low = limit.high if limit.low is None else limit.low
    return below if low - below <= above - limit.high else above


def extremes(chain: Chain, metric: MetricAt) -> tuple[int, int]:
    """The smallest and the largest cost of the possible layouts."""
    lattice = Lattice.over(chain, metric)
    reach = lattice.ends[0]
    return lattice.cost(0, int(reach.low[0, 0])), lattice.cost(0, int(reach.high[0, 0]))


def extremes_given(chain: Chain, metric: MetricAt, limit: Limit) -> tuple[int, int] | None:
    """The smallest and the largest cost of the layouts that meet a limit on another metric; None if none does.

    Raises:
        SpecError: too many distinct sums.
    """
    lattice = Lattice(chain, (limit.metric, metric), ((limit.low, limit.high), (None, None)))
    if lattice.empty:
        return None
    meeting = Meeting(lattice, shortcut=False)
    found: list[int] = []
    for state, side in meeting.targets.items():
        spans = _Spans(side, lattice)
        for batch in meeting.batches(state):
            found += spans.extremes(batch.values)
    if not found:
        return None
    return lattice.cost(1, min(found)), lattice.cost(1, max(found))


@final
class _Spans:
    """Points by their first metric, with the extremes of the second over any consecutive ones of them."""

    def __init__(self, points: Points, lattice: Lattice) -> None:
        self.low, self.high = lattice.low[0], lattice.high[0]
        self.keys = points.values[0]
        self.least, self.most = [points.values[1]], [points.values[1]]
        step = 1
        while 2 * step <= points.size:
            self.least.append(np.minimum(self.least[-1][:-step], self.least[-1][step:]))
            self.most.append(np.maximum(self.most[-1][:-step], self.most[-1][step:]))
            step *= 2

    def extremes(self, sums: Ints) -> list[int]:
        """Extremes of the second metric of those layouts that the sums [2, sums] and the points make inside the box."""
        size = len(self.keys)
        start = np.zeros(sums.shape[1], np.intp)
        stop = np.full(sums.shape[1], size, np.intp)
        if self.low is not None:
            start = np.searchsorted(self.keys, self.low - sums[0], side="left")
        if self.high is not None:
            stop = np.searchsorted(self.keys, self.high - sums[0], side="right")
        found: list[int] = []
        length = stop - start
        for level, (least, most) in enumerate(zip(self.least, self.most, strict=True)):
            here = np.flatnonzero((length >= 1 << level) & (length < 2 << level))
            if len(here):
                left, right, own = start[here], stop[here] - (1 << level), sums[1, here]
                found.append(int((np.minimum(least[left], least[right]) + own).min()))
                found.append(int((np.maximum(most[left], most[right]) + own).max()))
        return found


def _unmet(chain: Chain, limit: Limit) -> str | None:
    """Why no layout meets a single limit; None if one does."""
    low, high = extremes(chain, limit.metric)
    if limit.high is not None and limit.high < low:
        return f"the cheapest has {low:,}"
    if limit.low is not None and limit.low > high:
        return f"the dearest has {high:,}"
    if limit.low is None or limit.high is None or count_inside(Lattice.of(chain, (limit,))):
        return None
    below = _beside(chain, limit.metric, limit.low, above=False)
    above = _beside(chain, limit.metric, limit.high, above=True)
    return " and ".join(
        f"the nearest {side} has {cost:,}" for side, cost in (("below", below), ("above", above)) if cost is not None
    )


def _exclusive(chain: Chain, first: Limit, second: Limit) -> str | None:
    """Why two limits exclude each other; None if they do not."""
    for limit, given in ((first, second), (second, first)):
        span = extremes_given(chain, limit.metric, given)
        if span is not None and limit.high is not None and limit.high < span[0]:
            return f"with {given}, the smallest {limit.metric.name} is {span[0]:,}"
        if span is not None and limit.low is not None and limit.low > span[1]:
            return f"with {given}, the largest {limit.metric.name} is {span[1]:,}"
    if count_inside(Lattice.of(chain, (first, second))):
        return None
    return "their costs leave a gap there"


def _beside(chain: Chain, metric: MetricAt, cost: int, *, above: bool) -> int | None:
    """The reachable cost next to `cost`, itself included."""
    lattice = Lattice(chain, (metric,), ((cost, None) if above else (None, cost),))
    if lattice.empty:
        return None
    wanted = lattice.low[0] if above else lattice.high[0]
    if wanted is None:
        return extremes(chain, metric)[0 if above else 1]
    meeting = Meeting(lattice, shortcut=False)
    found: list[int] = []
    for state, side in meeting.targets.items():
        keys = side.values[0]
        for batch in meeting.batches(state):
            sums = batch.values[0]
            place = np.searchsorted(keys, wanted - sums, side="left" if above else "right") - (not above)
            some = (place >= 0) & (place < len(keys))
            complete = sums[some] + keys[place[some]]
            if len(complete):
                found.append(int(complete.min() if above else complete.max()))
    return lattice.cost(0, min(found) if above else max(found))
