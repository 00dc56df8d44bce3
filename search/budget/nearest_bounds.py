"""Bounds that see several limits at once: what is the least that they are broken by, and the distance that costs.

Each limit alone may be met by some layout with k changes, and yet no layout meets all. A weighted sum of the limits is
a single limit that every layout inside meets; the weights are chosen so that it is hard to meet (multiplicative
weights on the Lagrangian dual). Sums are in floating point and compared with a margin far above their rounding; what
they decide is only where not to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Component

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MARGIN = 1e-9
ROUNDS = 30
RATES = tuple(10.0**power for power in range(3, 10))
"""Prices, in distance, of breaking the blend by its own size."""


@final
@dataclass(frozen=True)
class Ends:
    """The ends of limits as limits from above: `sign` times a cost over `scale` is at most `bound`.

    Attributes:
        columns: [ends] the metric of each.
        factors: [ends] sign over scale.
        bounds: [ends].
    """

    columns: Ints
    factors: Floats
    bounds: Floats

    @classmethod
    def of(cls, limits: Sequence[tuple[int | None, int | None]]) -> Ends:
        """The ends of inclusive limits, one limit per metric."""
        ends = [(column, 1.0, high) for column, (_, high) in enumerate(limits) if high is not None]
        ends += [(column, -1.0, low) for column, (low, _) in enumerate(limits) if low is not None]
        columns, signs, values = (np.array(part) for part in zip(*ends, strict=True))
        scales = np.maximum(np.abs(values.astype(float)), 1.0)
        return cls(columns.astype(np.int64), signs / scales, signs * values / scales)


@final
@dataclass(frozen=True)
class Blend:
    """A limit that follows from all, and the least that endings add to it, without and with the distance they make.

    Attributes:
        costs: per component [states, options].
        bound: what the sum of these costs may be.
        least: per border [states, changes + 1], the least sum of an ending with so many changes.
        rate: the price of a unit of cost in distance.
        detour: per border [states, changes + 1], the least distance plus priced cost of an ending.
    """

    costs: list[Floats]
    bound: float
    least: list[Floats]
    rate: float
    detour: list[Floats]


@final
class Relaxation:
    """Bounds for layouts with a given number of changes.

    Args:
        parts: the tables.
        ends: of the limits.
        changes: per component [options].
        distance: per component [options].
    """

    def __init__(
        self, parts: tuple[Component, ...], ends: Ends, changes: tuple[Ints, ...], distance: tuple[Ints, ...]
    ) -> None:
        self.parts, self.ends, self.changes = parts, ends, changes
        self.distance = [np.broadcast_to(d.astype(float), p.after.shape) for d, p in zip(distance, parts, strict=True)]
        self._costs = [part.costs[..., ends.columns] * ends.factors for part in parts]

    def blend(self, changes: int) -> Blend | None:
        """The blend that layouts with exactly `changes` changes find hardest; None where none of them can meet it."""
        weights = np.full(len(self.ends.bounds), 1 / len(self.ends.bounds))
        best, hardest, least = weights, -np.inf, list[Floats]()
        for _ in range(ROUNDS if len(weights) > 1 else 1):
            costs = [cost @ weights for cost in self._costs]
            endings = self._endings(costs, changes)
            gap = float(endings[0][0, changes] - self.ends.bounds @ weights)
            if gap > MARGIN:
                return None
            if gap > hardest:
                best, hardest, least = weights, gap, endings
            broken = self._broken(costs, endings, changes)
            weights = weights * np.exp(broken / max(1e-12, float(np.abs(broken).max())) / 2)
            weights /= weights.sum()
        costs, bound = [cost @ best for cost in self._costs], float(self.ends.bounds @ best)
        detours = [(rate, self._endings(self._priced(costs, rate), changes)) for rate in (0.0, *RATES)]
        rate, detour = max(detours, key=lambda pair: pair[1][0][0, changes] - pair[0] * bound)
        return Blend(costs, bound, least, rate, detour)

    def _priced(self, costs: list[Floats], rate: float) -> list[Floats]:
        return [far + rate * cost for far, cost in zip(self.distance, costs, strict=True)]

    def _endings(self, values: list[Floats], changes: int) -> list[Floats]:
        """Per border [states, changes + 1], the least sum of `values` of an ending with exactly so many changes."""
        last = np.full((1, changes + 1), np.inf)
        last[0, 0] = 0
        tables = [last]
        for place in range(len(self.parts) - 1, -1, -1):
            after, following = self.parts[place].after, tables[0]
            table = np.full((len(after), changes + 1), np.inf)
            for made in range(changes + 1):
                options = np.flatnonzero(self.changes[place] == made)
                if len(options):
                    rest = following[after[:, options], : changes + 1 - made]
                    rest = np.where(after[:, options, None] < 0, np.inf, rest) + values[place][:, options, None]
                    np.minimum(table[:, made:], rest.min(1), out=table[:, made:])
            tables.insert(0, table)
        return tables

    def _broken(self, values: list[Floats], endings: list[Floats], changes: int) -> Floats:
        """How far the layout of the least sum breaks each end."""
        state, left = 0, changes
        total = -self.ends.bounds
        for place, part in enumerate(self.parts):
            after, rest = part.after[state], left - self.changes[place]
            sums = np.where(
                (after < 0) | (rest < 0), np.inf, values[place][state] + endings[place + 1][after, np.maximum(rest, 0)]
            )
            option = int(sums.argmin())
            total = total + self._costs[place][state, option]
            state, left = int(after[option]), int(rest[option])
        return total
