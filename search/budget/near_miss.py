"""A layout close to a budget that no exact search has met in its time: a descent over pairs of components."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain
from archspec.progress import doing
from search.budget.nearest import Effort
from search.space.limits import Box

Ints = NDArray[np.int64]

MOST_PAIRS = 1 << 20
"""Pairs of options that are priced together; of more, so many drawn at random."""
KICKED = 3
"""Components that are drawn anew where no pair brings a layout closer."""


def near_miss(chain: Chain, box: Box, row: Ints, effort: Effort) -> Ints:
    """The closest layout [components] to a box that the effort finds from `row`; one inside, if it comes there.

    Close is the sum of what breaks each limit, relative to the limit. Each step takes the best of all options of two
    components; where that is what stands there, other components are changed at random. At least one step is made.
    """
    rng = np.random.default_rng(0)
    pairs = list(itertools.combinations(range(len(chain.options)), 2)) or [(0, 0)]
    best, least = row, float(broken(chain, box, row[None])[0])
    here, close = best, least
    while least > 0:
        doing(f"looking for a layout close to the budget: {least:.2g} of it away")
        moved = False
        for pair in rng.permutation(len(pairs)).tolist():
            rows = _variations(chain, here, pairs[pair], rng)
            away = broken(chain, box, rows)
            first = int(away.argmin())
            if away[first] < close:
                here, close, moved = rows[first], float(away[first]), True
            if close < least:
                best, least = here, close
            if least == 0 or effort.left <= 0:
                return best
        if not moved:
            here = best.copy()
            for component in rng.choice(len(here), min(KICKED, len(here)), replace=False):
                here[component] = rng.integers(chain.options[component])
            close = float(broken(chain, box, here[None])[0])
    return best


def broken(chain: Chain, box: Box, rows: Ints) -> NDArray[np.float64]:
    """The distance of layouts [layouts, components] from a box, relative to its limits; infinite where impossible."""
    costs = chain.price(rows)
    away = np.where(costs[:, 0] < 0, np.inf, 0.0)
    for limit, cost in zip(box, costs.T, strict=True):
        if limit.high is not None:
            away += np.maximum(cost - limit.high, 0) / max(1, limit.high)
        if limit.low is not None:
            away += np.maximum(limit.low - cost, 0) / max(1, limit.low)
    return away


def _variations(chain: Chain, row: Ints, pair: tuple[int, int], rng: np.random.Generator) -> Ints:
    """The layouts with other options of two components."""
    first, second = (chain.options[component] for component in pair)
    both = np.arange(first * second) if first * second <= MOST_PAIRS else rng.integers(first * second, size=MOST_PAIRS)
    rows = np.repeat(row[None], len(both), axis=0)
    rows[:, pair[0]], rows[:, pair[1]] = both // second, both % second
    return rows
