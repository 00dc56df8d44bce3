"""Layouts inside budgets: how many there are, which ones, drawn uniformly, and what lies near.

A budget is a box: limits on metrics (`search.space.limits`). Everything here is exact. With one limit, counting takes
time like the square root of the space or less; with k limits times a logarithm to the power k - 1. Measured on one
core: the shipped five_stage (7e12 layouts) under one, two and three limits in 0.5, 5 and 40 s and under 2 GB; with a
stage more (3e15 layouts) under one and two limits in 2 and 200 s. Drawing takes no count and is as fast in either.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np

from archspec.cost.tables import Chain, MetricAt
from search.budget.neighbours import neighbours
from search.counting.big_integers import Ints, dot, limbs
from search.counting.explain import explain, extremes, extremes_given, nearest
from search.counting.lattice import Lattice
from search.counting.meet_in_the_middle import Meeting, count_inside
from search.counting.uniform import Sampler
from search.space.limits import Box

__all__ = [
    "Sampler",
    "cheapest",
    "count",
    "dearest",
    "distribution",
    "explain",
    "extremes",
    "extremes_given",
    "nearest",
    "neighbours",
    "share",
]


def count(chain: Chain, box: Box = ()) -> int:
    """The exact number of possible layouts inside the box; without one, of all possible ones.

    Raises:
        SpecError: a metric without a table, or too many distinct costs.
    """
    return count_inside(Lattice.of(chain, box))


def share(chain: Chain, box: Box) -> Fraction:
    """The share of the possible layouts that is inside the box, exactly; 0 where none is possible."""
    return Fraction(count(chain, box), count(chain) or 1)


def cheapest(chain: Chain, metric: MetricAt) -> Ints:
    """Choices [components] of a layout of the smallest cost, the first one in each component among equals."""
    return _extreme(chain, metric, 1)


def dearest(chain: Chain, metric: MetricAt) -> Ints:
    """Choices [components] of a layout of the largest cost, the first one in each component among equals."""
    return _extreme(chain, metric, -1)


def distribution(chain: Chain, metric: MetricAt, bins: int) -> tuple[Ints, list[int]]:
    """The number of possible layouts by cost.

    Args:
        chain: with a possible layout.
        metric: the cost.
        bins: number of bins of (nearly) equal width between the smallest and the largest cost.

    Returns:
        Edges [bins + 1] and counts: bin i holds the costs from edges[i] to below edges[i + 1].

    Raises:
        SpecError: too many distinct costs.
    """
    low, high = extremes(chain, metric)
    bins = min(bins, high - low + 1)
    edges = [low + (high + 1 - low) * index // bins for index in range(bins + 1)]
    lattice = Lattice.over(chain, metric)
    below = [0] * (bins + 1)
    meeting = Meeting(lattice, shortcut=False)
    for state, side in meeting.targets.items():
        keys = side.values[0]
        parts = [(power, np.concatenate([[0], counts.cumsum()])) for power, counts in limbs(side.counts)]
        for batch in meeting.batches(state):
            for index, edge in enumerate(edges):
                ranks = np.searchsorted(keys, lattice.reduced(0, edge - 1) - batch.values[0], side="right")
                below[index] += sum(dot(batch.counts, sums[ranks]) << power for power, sums in parts)
    return np.array(edges, np.int64), [after - before for before, after in pairwise(below)]


def _extreme(chain: Chain, metric: MetricAt, sign: int) -> Ints:
    lattice = Lattice.over(chain, metric)
    choices = np.zeros(len(lattice.bundles), np.int64)
    state = 0
    for component, bundles in enumerate(lattice.bundles):
        reach = lattice.ends[component + 1]
        rest = (reach.low if sign > 0 else reach.high)[0]
        candidates = [
            (sign * int(value + rest[bundle.target]), int(bundle.options[start]), bundle.target)
            for bundle in bundles
            if bundle.source == state
            for value, start in zip(bundle.values[0], bundle.starts, strict=True)
        ]
        _, choices[component], state = min(candidates)
    return choices
