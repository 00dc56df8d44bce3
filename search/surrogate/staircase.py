"""The front of the trials as a staircase of accuracy over log cost, and the hypervolume that others would add to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from search.front.dominance import nondominated

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Staircase:
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
    def of(cls, cost: Ints, value: Floats) -> Staircase:
        """That of some layouts [layouts], by cost and value."""
        return cls.among(cost, value, float(value.min()), float(_log(cost).max()))

    @classmethod
    def among(cls, cost: Ints, value: Floats, worst: float, end: float) -> Staircase:
        """That of some layouts [layouts], none perhaps, where the worst value and the end are those of more."""
        kept = nondominated(cost, value) if len(cost) else np.arange(0)
        return cls(np.append(-np.inf, _log(cost[kept])), np.append(worst, value[kept]), end)

    def below(self, cost: Ints) -> Floats:
        """[layouts]: what is reached at each cost."""
        return self.value[np.searchsorted(self.cost, _log(cost), side="right") - 1]

    def order(self, cost: Ints, score: Floats) -> NDArray[np.intp]:
        """Layouts by gain, the largest first; those without a gain by how far they lie below the front."""
        return np.lexsort((self.below(cost) - score, -self.gain(cost, score)))

    def gain(self, cost: Ints, score: Floats) -> Floats:
        """[layouts]: the hypervolume that each would add."""
        ends = np.append(self.cost[1:], self.end)
        widths = np.maximum(ends - np.maximum(self.cost, _log(cost)[:, None]), 0)
        return (widths * np.maximum(score[:, None] - self.value, 0)).sum(1)


def _log(cost: Ints) -> Floats:
    return np.log(np.maximum(cost, 1))
