"""Quasi-random layouts inside a budget: points that fill a cube evenly, carried over to the layouts.

A scrambled Sobol point has a coordinate per hole. The first one fills the first hole, in proportion to how many layouts
inside begin so, the second one the next hole among those, and so on (Rosenblatt's transform): evenly spread points
become evenly spread layouts. How many layouts follow is counted on costs rounded down to bins, for the limit that
excludes the most; what is not truly inside is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain
from search.space.limits import Limit

if TYPE_CHECKING:
    from search.budget.confinement import Confinement

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BINS = 4096
BLOCK = 256
"""Points made at a time; a power of two keeps them balanced."""
MAX_BLOCKS = 64
"""Blocks without the wanted point after which layouts are drawn at random: the box is too small a part of its bins."""
PILOT = 4096


@final
class QuasiRandom:
    """The points inside a budget, one after the other.

    Args:
        confinement: the budget.
        seed: of the scrambling.
    """

    def __init__(self, confinement: Confinement, seed: int) -> None:
        from scipy.stats.qmc import Sobol

        self.confinement, self.seed = confinement, seed
        self._holes = _holes(confinement)
        coordinates = sum(len(holes) for holes in self._holes)
        # SciPy calls the seed rng from 1.15 on, and takes both names.
        self._points = Sobol(max(1, coordinates), scramble=True, seed=seed)  # pyright: ignore[reportCallIssue]
        self._weights = _Weights(confinement.chain, *_tightest(confinement))
        self._rows = np.zeros((0, len(confinement.chain.components)), np.int64)
        self._blocks = 0

    def point(self, index: int) -> Ints:
        """The choices [components] of the point `index`, counted from 0."""
        while len(self._rows) <= index and self._blocks < MAX_BLOCKS + index:
            rows = self._weights.carry(self._points.random(BLOCK), self._holes)
            self._rows = np.concatenate([self._rows, rows[self.confinement.inside(rows)]])
            self._blocks += 1
        if index < len(self._rows):
            return self._rows[index]
        return self.confinement.draw(np.random.default_rng([self.seed, index]))[0]


@final
class _Weights:
    """How many ends of layouts, by binned cost, lead from a beginning into a limit.

    Args:
        chain: the tables.
        limit: the limit.
        column: the metric of the chain that it speaks of.
    """

    def __init__(self, chain: Chain, limit: Limit, column: int) -> None:
        self.parts = chain.components
        costs = [part.costs[..., column] for part in self.parts]
        possible = [part.after >= 0 for part in self.parts]
        bases = [int(cost[mask].min()) for cost, mask in zip(costs, possible, strict=True)]
        spread = sum(int(cost[mask].max()) for cost, mask in zip(costs, possible, strict=True)) - sum(bases)
        low = max(0, (limit.low or 0) - sum(bases))
        high = spread if limit.high is None else min(spread, limit.high - sum(bases))
        width = high // BINS + 1
        self.bins = [
            np.where(mask, (cost - base) // width, 0) for cost, mask, base in zip(costs, possible, bases, strict=True)
        ]
        # A binned sum falls short of the true one by less than one bin per component.
        self.first = max(0, -(-(low - len(costs) * (width - 1)) // width))
        self.last = high // width
        self.ends = self._ends()

    def carry(self, cube: Floats, holes: list[list[Floats]]) -> Ints:
        """Points of the cube [points, holes] as choices [points, components]; `holes` as `_holes` gives them."""
        rows = np.zeros((len(cube), len(self.parts)), np.int64)
        state = np.zeros(len(cube), np.int64)
        spent = np.zeros(len(cube), np.int64)
        coordinates = iter(cube.T)
        for place, part in enumerate(self.parts):
            total = spent[:, None] + self.bins[place][state]
            weight = self._follow(place, part.after[state], total)
            for values in holes[place]:
                chosen = _pick(weight @ values, next(coordinates))
                weight = weight * values.T[chosen]
            rows[:, place] = weight.argmax(1)
            spent = np.take_along_axis(total, rows[:, [place]], 1)[:, 0]
            state = np.maximum(part.after[state, rows[:, place]], 0).astype(np.int64)
        return rows

    def _follow(self, place: int, after: NDArray[np.int32], spent: Ints) -> Floats:
        """Ends that lead inside from the states `after` entered with `spent` bins; 0 where that is impossible."""
        ends = self.ends[place + 1]  # cumulated: [states, bins + 1]
        top = np.clip(self.last - spent + 1, 0, ends.shape[1] - 1)
        bottom = np.clip(self.first - spent, 0, ends.shape[1] - 1)
        return np.where(after < 0, 0, ends[after, top] - ends[after, bottom])

    def _ends(self) -> list[Floats]:
        """Per border [states, bins + 1]: how many ends have fewer than so many bins of cost."""
        size = self.last + 1
        counts = np.zeros((1, size))
        counts[0, 0] = 1
        tables = [counts]
        for part, bins in zip(reversed(self.parts), reversed(self.bins), strict=True):
            counts = np.zeros((part.states, size))
            for state in range(part.states):
                fits = (part.after[state] >= 0) & (bins[state] < size)
                steps = np.stack([part.after[state, fits], bins[state, fits]])
                steps, times = np.unique(steps, axis=1, return_counts=True)
                for target, shift, count in zip(*steps.tolist(), times.tolist(), strict=True):
                    counts[state, shift:] += count * tables[0][target, : size - shift]
            tables.insert(0, counts)
        return [np.concatenate([np.zeros((len(table), 1)), table.cumsum(1)], axis=1) for table in tables]


def _tightest(confinement: Confinement) -> tuple[Limit, int]:
    """The limit that excludes the most of the possible layouts, and its column; of equal ones the first."""
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, count, PILOT) for count in confinement.chain.options], axis=1)
    costs = confinement.chain.price(rows)
    shares = [
        sum(limit.holds(cost) for cost in column[column >= 0].tolist())
        for limit, column in zip(confinement.box, costs.T, strict=True)
    ]
    column = int(np.argmin(shares))
    return confinement.box[column], column


def _holes(confinement: Confinement) -> list[list[Floats]]:
    """Per component, for each of its holes [options, values]: 1 where the option fills it so; closed is a value too."""
    encoding = confinement.encoding
    tables: list[list[Floats]] = []
    for component, options in enumerate(encoding.options):
        rows = np.zeros((options, len(encoding.options)), np.int64)
        rows[:, component] = np.arange(options)
        columns = [np.unique(column, return_inverse=True)[1] for column in encoding.vectors(rows).T]
        tables.append([np.eye(column.max() + 1)[column] for column in columns if column.max() > 0])
    return tables


def _pick(weights: Floats, coordinate: Floats) -> Ints:
    """Where each coordinate [points] falls among weights [points, values]."""
    sums = weights.cumsum(1)
    chosen = (sums <= (coordinate * sums[:, -1])[:, None]).sum(1)
    # Rounding may put a point behind the last value that leads inside.
    last = weights.shape[1] - 1 - (weights[:, ::-1] > 0).argmax(1)
    return np.minimum(chosen, last)
