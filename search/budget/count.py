"""Layouts inside budgets: how many there are, which ones, drawn uniformly, and what lies near.

A budget is a box: limits on metrics (`search.space.limits`). Everything here is exact. With one limit, counting takes
time like the square root of the space or less; with k limits times a logarithm to the power k - 1. Measured on one
core: the shipped five_stage (7e12 layouts) under one, two and three limits in 0.5, 5 and 40 s and under 2 GB; with a
stage more (3e15 layouts) under one and two limits in 2 and 200 s. Drawing takes no count and is as fast in either.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from archspec.cost.tables import Chain, MetricAt
from search.budget.neighbours import neighbours
from search.counting.big_integers import Ints, dot, limbs
from search.counting.explain import explain, extremes, extremes_given, nearest
from search.counting.lattice import Lattice
from search.counting.meet_in_the_middle import Meeting, count_inside
from search.counting.uniform import BoxSampler
from search.space.limits import Box

__all__ = [
    "BoxSampler",
    "count",
    "distribution",
    "explain",
    "extremes",
    "extremes_given",
    "nearest",
    "neighbours",
]


def count(chain: Chain, box: Box = ()) -> int:
    """The exact number of possible layouts inside the box; without one, of all possible ones.

    Raises:
        SpecError: a metric without a table, or too many distinct costs.
    """
    return count_inside(Lattice.of(chain, box))


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
