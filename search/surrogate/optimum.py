"""The layout that an additive surrogate holds for the most promising of a whole space, exactly.

`search.surrogate.model` is fitted to the trials so far, and `search.front.front` solves for the exact front of cost
against the upper confidence bound. Of it, the layout is taken that promises the largest gain of hypervolume over the
front of the trials, each at the mean of its answer and its prediction. A gain grows with the score and falls with the
cost, so no layout of the space promises more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain
from archspec.errors import SpecError
from search.front.dominance import nondominated
from search.front.front import solve_front
from search.space.limits import Limit
from search.surrogate.features import Features
from search.surrogate.model import Surrogate, fit_surrogate

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KAPPA = 0.3
"""Deviations that are added to a prediction. Their sum over components is several times that of the prediction: on the
table of `benchmarks/samplers.py` and on simulated studies 0.3 found between 1 % less and 2 % more than 1 did.
"""
GRAIN = 0.05
"""Of the error of prediction: by so much a proposal may miss the best score where nearly every cost is on the front."""
AROUND = 16
"""The most promising layouts of the front whose neighbours are looked at where they are known themselves."""


@final
@dataclass(frozen=True, slots=True)
class Known:
    """The knowledge of a space so far.

    Attributes:
        choices: [layouts, components] with an answer.
        values: [layouts], their accuracy.
        pending: [layouts, components] under way: taken for what the surrogate predicts.
        closed: [layouts, components] not to be proposed for other reasons.
    """

    choices: Ints
    values: Floats
    pending: Ints
    closed: Ints


@final
class Optimizer:
    """The search for the most promising layout.

    Args:
        chain: the tables of the space; the first metric is the cost among the objectives.
        features: what the surrogate sees.
        limits: that every proposal must keep, on metrics of the chain.
        kappa: how many deviations are added to a prediction.
        listed: [layouts, components], the only ones that may be proposed; None for all within the limits.
    """

    def __init__(
        self,
        chain: Chain,
        features: Features,
        limits: Sequence[Limit] = (),
        *,
        kappa: float = KAPPA,
        listed: Ints | None = None,
    ) -> None:
        self.listed = listed
        self.chain, self.features, self.limits, self.kappa = chain, features, limits, kappa

    def propose(self, known: Known) -> tuple[Ints | None, Surrogate]:
        """The most promising layout [components] that is not known, and the surrogate that says so.

        Where the best of the front is known, so may be the next best of the space, though not on the front: then the
        layouts that differ from it in one component count, too. None where all of these are known or outside.
        """
        layouts = np.concatenate([known.choices, known.pending])
        costs = self.chain.price(layouts)[:, 0]
        done = len(known.values)
        priced = bool((costs >= 0).all())
        surrogate = fit_surrogate(self.features, known.choices, known.values, costs=costs[:done] if priced else None)
        scores = surrogate.optimistic(self.kappa)
        values = surrogate.predict(layouts, costs)
        # The best of noisy answers are lucky ones. How much of what the surrogate misses is noise, and how much the
        # layout's own, one training of each does not say: half each did better than either alone.
        values[:done] = (known.values + values[:done]) / 2
        seen = _Seen.of(costs[costs >= 0], values[costs >= 0])
        shut = {row.tobytes() for row in (*layouts, *known.closed)}
        rows = self._front(scores, surrogate)
        for last in (False, True):
            prices = self.chain.price(rows)[:, 0]
            order = seen.order(prices, surrogate.total(scores, rows, prices))
            outside = ~self._inside(rows)
            order = order[np.argsort(outside[order], kind="stable")]
            places = (i for i, row in enumerate(order) if not outside[row] and rows[row].tobytes() not in shut)
            first = next(places, len(order))
            if first == 0 or last or self.listed is not None:
                break
            rows = np.concatenate([rows, _around(rows[order[: min(first, AROUND)]], self.chain)])
        return (rows[order[first]] if first < len(order) else None), surrogate

    def _front(self, scores: list[Floats], surrogate: Surrogate) -> Ints:
        """Choices of the front inside, exactly if no lower limit and no more than a few upper ones bind.

        A range is taken for its upper limit, and a lower limit on the cost for none. That still gives every layout
        of the front inside that costs at least as much as one of the front that is inside, and takes no minutes.
        """
        if self.listed is not None:
            return self.listed
        cost, slope = self.chain.metrics[0], surrogate.slope
        grain = GRAIN * surrogate.loo_error / len(self.chain.components)
        sides = [
            Limit(limit.metric, limit.low if limit.high is None else None, limit.high)
            for limit in self.limits
            if limit.high is not None or limit.metric != cost
        ]
        try:
            return solve_front(self.chain, 0, scores, sides, slope=slope, grain=grain).choices
        except SpecError:  # too many layouts to compare: what is outside is left out afterwards
            alone = [limit for limit in sides if limit.metric == cost]
            return solve_front(self.chain, 0, scores, alone, slope=slope, grain=grain).choices

    def _inside(self, rows: Ints) -> NDArray[np.bool_]:
        costs = self.chain.price(rows)
        keep = costs[:, 0] >= 0
        for limit in self.limits:
            own = costs[:, self.chain.metrics.index(limit.metric)]
            keep &= own >= (limit.low or 0)
            keep &= own <= (own if limit.high is None else limit.high)
        return keep


def _around(rows: Ints, chain: Chain) -> Ints:
    """The layouts that differ from one of some [layouts, components] in one component."""
    parts: list[Ints] = []
    for index, count in enumerate(chain.options):
        changed = np.repeat(rows, count, axis=0)
        changed[:, index] = np.tile(np.arange(count), len(rows))
        parts.append(changed)
    return np.concatenate(parts)


@final
@dataclass(frozen=True, slots=True)
class _Seen:
    """The front of the trials as a staircase over the logarithm of the cost, so that cheap layouts count, too.

    Attributes:
        cost: [steps], where each step begins; the first at minus infinity.
        value: [steps], the accuracy that is reached from there on; first the worst of all, below which nothing counts.
        end: where the last one ends.
    """

    cost: Floats
    value: Floats
    end: float

    @classmethod
    def of(cls, cost: Ints, value: Floats) -> _Seen:
        kept = nondominated(cost, value)
        steps = _log(cost[kept])
        return cls(np.append(-np.inf, steps), np.append(value.min(), value[kept]), float(_log(cost).max()))

    def order(self, cost: Ints, score: Floats) -> NDArray[np.intp]:
        """Layouts by gain, the largest first; those without a gain by how far they lie below the front."""
        below = np.searchsorted(self.cost, _log(cost), side="right") - 1
        return np.lexsort((self.value[below] - score, -self.gain(cost, score)))

    def gain(self, cost: Ints, score: Floats) -> Floats:
        """[layouts]: the hypervolume that each would add."""
        ends = np.append(self.cost[1:], self.end)
        widths = np.maximum(ends - np.maximum(self.cost, _log(cost)[:, None]), 0)
        return (widths * np.maximum(score[:, None] - self.value, 0)).sum(1)


def _log(cost: Ints) -> Floats:
    return np.log(np.maximum(cost, 1))
