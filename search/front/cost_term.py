"""A multiple of the logarithm of the cost, added to an additive score: what then dominates what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROUNDING = 1e-12
"""Differences of so much of the largest score are no differences."""


@final
@dataclass(frozen=True, slots=True)
class CostTerm:
    """The term `slope * log(1 + cost)` of a score, at a place where a part of the cost is still to come.

    Let two beginnings cost a <= b, and let r follow either. The gap log(1 + b + r) - log(1 + a + r) falls with r, so
    the cheaper beginning is at least as good after everything that may follow if it is so with the r that is worst for
    it: the least one where the slope is positive, else the largest. A comparison of `value`s at that r is all that
    pruning needs, and it stays one of two numbers.

    Attributes:
        slope: of the score over the logarithm.
        rest: what follows at least (slope positive) or at most (negative).
        slack: the amount by which a cheaper point's value must be larger, against rounding. Points of equal cost need
            none: their sums round alike.
        grain: where many beginnings lead to one border, they are told apart in steps of this only; 0 for all.
    """

    slope: float
    rest: int = 0
    slack: float = 0.0
    grain: float = 0.0

    @property
    def is_zero(self) -> bool:
        """Whether nothing is added."""
        return self.slope == 0

    def at(self, rest: int) -> CostTerm:
        """The term where another amount follows."""
        return replace(self, rest=max(rest, 0))

    def value(self, cost: Ints) -> Floats:
        """The term [points] for costs [points] and the rest."""
        return self.slope * np.log1p(np.maximum(cost + self.rest, 0))

    def step(self, cost: Ints, score: Floats) -> Floats:
        """The step [points] of the grain on which a score and the term lie. Steps are compared, not differences, so
        that of a row of points a little apart not each is dropped for the one before.
        """
        return np.floor((score + self.value(cost)) / self.grain)


NO_TERM: Final = CostTerm(0.0)
