"""The possible steps of a chain in the metrics that limits speak of: options of equal cost as one, in small units.

Costs have large common divisors (the positions of the smallest map, say), so after each component's smallest cost is
taken off, all are divided by their greatest common divisor: equal sums meet, and tables by cost stay small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain, Component, MetricAt
from archspec.errors import SpecError
from search.counting.big_integers import Ints
from search.counting.points import Points, merge
from search.space.limits import Box, Limit

MAX_TOTAL = 1 << 61


@final
@dataclass(frozen=True)
class Bundle:
    """The options of a component that lead from one border to another, those of equal cost as one.

    Attributes:
        source: state in which the component is entered.
        target: state entered next.
        values: [metrics, bundled] reduced costs, distinct, in lexicographic order.
        counts: [bundled] number of options.
        options: [sum of counts] the options themselves, grouped likewise.
    """

    source: int
    target: int
    values: Ints
    counts: Ints
    options: Ints

    @property
    def size(self) -> int:
        """Number of distinct costs."""
        return self.values.shape[1]

    @cached_property
    def points(self) -> Points:
        """The distinct costs, with the number of options."""
        return Points(self.values, self.counts)

    @cached_property
    def starts(self) -> Ints:
        """The index at which each one's options begin."""
        return np.concatenate([[0], self.counts.cumsum()[:-1]])


@final
@dataclass(frozen=True)
class Reach:
    """The smallest and largest cost, [metrics, states] each, that leads to or follows the states of a border."""

    low: Ints
    high: Ints


@final
class Lattice:
    """The steps of a chain, and a box in their units.

    Args:
        chain: the tables.
        metrics: those that count, each in the chain.
        limits: inclusive ends per metric; None where open.

    Attributes:
        bundles: per component.
        low, high: the box's ends in reduced units, per metric; None where they exclude no layout.
        completions: per border and state, how many ends of layouts follow: [border][state], the last border's is 1.
        empty: whether the box is outside of every layout in some metric, or no layout is possible.
    """

    def __init__(
        self, chain: Chain, metrics: Sequence[MetricAt] = (), limits: Sequence[tuple[int | None, int | None]] = ()
    ) -> None:
        self.chain = chain
        self.metrics = tuple(metrics)
        self.states = [part.states for part in chain.components] + [1]
        columns = [_column(chain, metric) for metric in metrics]
        alive = self._alive()
        costs = [part.costs[..., columns] for part in chain.components]
        self.possible = all(mask.any() for mask in alive)
        if not self.possible:
            alive = [np.zeros_like(mask) for mask in alive]
        self.bases, self.strides = _units(costs, alive, metrics)
        self.bundles = [
            _bundles(part, (cost - base) // self.strides, mask)
            for part, cost, base, mask in zip(chain.components, costs, self.bases, alive, strict=True)
        ]
        self.empty = not self.possible
        self.low: list[int | None] = []
        self.high: list[int | None] = []
        for index, (low, high) in enumerate(limits or [(None, None)] * len(self.metrics)):
            self._limit(index, low, high)

    @classmethod
    def of(cls, chain: Chain, box: Box) -> Lattice:
        """The lattice of the limits in `box` that exclude any layout.

        Raises:
            SpecError: a metric that the chain does not have.
        """
        ends: dict[MetricAt, tuple[int | None, int | None]] = {}
        for limit in box:
            low, high = ends.get(limit.metric, (None, None))
            ends[limit.metric] = _tighter(limit, low, high)
        lattice = cls(chain, tuple(ends), tuple(ends.values()))
        binding = [
            index for index, ends_ in enumerate(zip(lattice.low, lattice.high, strict=True)) if ends_ != (None, None)
        ]
        if lattice.empty or len(binding) == len(ends):
            return lattice
        metrics, limits = list(ends), list(ends.values())
        return cls(chain, [metrics[index] for index in binding], [limits[index] for index in binding])

    @classmethod
    def over(cls, chain: Chain, metric: MetricAt) -> Lattice:
        """The lattice of one metric without limits.

        Raises:
            SpecError: no layout is possible.
        """
        lattice = cls(chain, (metric,))
        if not lattice.possible:
            raise SpecError("no layout of the space is possible")
        return lattice

    @property
    def total(self) -> int:
        """Number of possible layouts."""
        return self.completions[0][0]

    @cached_property
    def completions(self) -> list[list[int]]:
        """Ends of layouts per border and state."""
        counts = [[1]]
        for part in reversed(self.chain.components):
            after, following = part.after, counts[0]
            counts.insert(0, [_weigh(row, following) for row in after])
        return counts

    @cached_property
    def ends(self) -> list[Reach]:
        """Smallest and largest costs of ends, per border; those of the first border are the layouts'."""
        reach = [self._origin(1)]
        for bundles, states in zip(reversed(self.bundles), reversed(self.states[:-1]), strict=True):
            reach.insert(0, self._step(bundles, states, reach[0], forward=False))
        return reach

    @cached_property
    def beginnings(self) -> list[Reach]:
        """Smallest and largest costs of beginnings, per border."""
        reach = [self._origin(self.states[0])]
        for bundles, states in zip(self.bundles, self.states[1:], strict=True):
            reach.append(self._step(bundles, states, reach[-1], forward=True))
        return reach

    def cost(self, metric: int, reduced: int) -> int:
        """A reduced sum over whole layouts in the metric's own unit."""
        return sum(int(base[metric]) for base in self.bases) + int(self.strides[metric]) * reduced

    def reduced(self, metric: int, cost: int) -> int:
        """The largest reduced sum of at most `cost`."""
        return (cost - self.cost(metric, 0)) // int(self.strides[metric])

    def _limit(self, index: int, low: int | None, high: int | None) -> None:
        if self.empty:
            self.low.append(low)
            self.high.append(high)
            return
        least, most = int(self.ends[0].low[index, 0]), int(self.ends[0].high[index, 0])
        first = None if low is None else self.reduced(index, low - 1) + 1
        last = None if high is None else self.reduced(index, high)
        first = None if first is None or first <= least else first
        last = None if last is None or last >= most else last
        self.empty = (first or 0) > most or (last is not None and last < (first or least))
        self.low.append(first)
        self.high.append(last)

    def _alive(self) -> list[NDArray[np.bool_]]:
        """Per component, which options [states, options] are part of a possible layout."""
        reached = [np.zeros(states, bool) for states in self.states]
        reached[0][0] = True
        for part, before, after in zip(self.chain.components, reached[:-1], reached[1:], strict=True):
            rows = part.after[before]
            after[rows[rows >= 0]] = True
        finish = [np.array([count > 0 for count in counts]) for counts in self.completions]
        return [
            (part.after >= 0) & begin[:, None] & end[part.after]
            for part, begin, end in zip(self.chain.components, reached[:-1], finish[1:], strict=True)
        ]

    def _reach(self, states: int) -> Reach:
        shape = (len(self.metrics), states)
        return Reach(np.full(shape, MAX_TOTAL), np.full(shape, -1))

    def _origin(self, states: int) -> Reach:
        reach = self._reach(states)
        reach.low[:, 0] = reach.high[:, 0] = 0
        return reach

    def _step(self, bundles: list[Bundle], states: int, before: Reach, *, forward: bool) -> Reach:
        reach = self._reach(states)
        for bundle in bundles:
            known, new = (bundle.source, bundle.target) if forward else (bundle.target, bundle.source)
            low = bundle.values.min(1) + before.low[:, known]
            high = bundle.values.max(1) + before.high[:, known]
            reach.low[:, new] = np.minimum(reach.low[:, new], low)
            reach.high[:, new] = np.maximum(reach.high[:, new], high)
        return reach


def _column(chain: Chain, metric: MetricAt) -> int:
    if metric not in chain.metrics:
        raise SpecError(f"no table of {metric}; there are tables of {', '.join(map(str, chain.metrics))}")
    return chain.metrics.index(metric)


def _tighter(limit: Limit, low: int | None, high: int | None) -> tuple[int | None, int | None]:
    lows = [end for end in (limit.low, low) if end is not None]
    highs = [end for end in (limit.high, high) if end is not None]
    return max(lows, default=None), min(highs, default=None)


def _weigh(after: NDArray[np.int32], following: list[int]) -> int:
    """How many ends follow the options of one state."""
    counts = np.bincount(after[after >= 0], minlength=len(following))
    return sum(int(count) * ways for count, ways in zip(counts, following, strict=True))


def _units(costs: list[Ints], alive: list[NDArray[np.bool_]], metrics: Sequence[MetricAt]) -> tuple[list[Ints], Ints]:
    """Per component its smallest costs [metrics], and the unit of each metric."""
    rows = [cost[mask] for cost, mask in zip(costs, alive, strict=True)]
    bases = [row.min(0) if len(row) else np.zeros(len(metrics), np.int64) for row in rows]
    largest = sum(int(np.abs(row).max(initial=0)) for row in rows)
    if largest >= MAX_TOTAL:
        raise SpecError(f"costs reach {largest:.1e}; they must stay below 2**61")
    strides = [
        gcd(*(int(np.gcd.reduce(row[:, index] - base[index])) for row, base in zip(rows, bases, strict=True))) or 1
        for index in range(len(metrics))
    ]
    return bases, np.array(strides, np.int64)


def _bundles(part: Component, costs: Ints, alive: NDArray[np.bool_]) -> list[Bundle]:
    bundles: list[Bundle] = []
    for source in range(part.states):
        for target in np.unique(part.after[source][alive[source]]):
            options = np.flatnonzero(alive[source] & (part.after[source] == target))
            values = np.ascontiguousarray(costs[source, options].T)
            points = merge(values, np.ones(len(options), np.int64))
            order = np.argsort(points.find(values), kind="stable")
            bundles.append(Bundle(source, int(target), points.values, points.counts, options[order]))
    return bundles
