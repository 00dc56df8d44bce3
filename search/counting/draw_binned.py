"""Proposals of layouts from a grid, and the choice of its bins."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from search.counting.big_integers import Ints
from search.counting.grid import WORD, Grid, StateOptions, carry
from search.counting.lattice import MAX_TOTAL, Lattice

WORK = 300_000_000
"""Most additions that the tables of a grid may take."""
CELLS = 16_000_000
"""Most numbers that they may hold."""
PILOT = 2000
"""Layouts that are drawn to see how many of a grid's are inside."""
BLOCK = 4096
"""Layouts that are proposed together."""


@final
class Inside:
    """Test of layouts against a lattice's box, by their true costs, with the share that passed.

    Attributes:
        accepted: layouts that were inside.
        proposed: layouts so far.
    """

    def __init__(self, lattice: Lattice) -> None:
        self.chain = lattice.chain.select(lattice.metrics)
        self.low = [None if low is None else lattice.cost(index, low) for index, low in enumerate(lattice.low)]
        self.high = [None if high is None else lattice.cost(index, high) for index, high in enumerate(lattice.high)]
        self.accepted = self.proposed = 0

    @property
    def share(self) -> float:
        """The share that was inside; at least what one of all would have been."""
        return max(1, self.accepted) / max(1, self.proposed)

    def __call__(self, choices: Ints) -> NDArray[np.bool_]:
        """Mask of the layouts [layouts, components] that are inside."""
        inside = np.asarray(~self.outside(choices).any(0))
        self.accepted += int(inside.sum())
        self.proposed += len(choices)
        return inside

    def outside(self, choices: Ints) -> NDArray[np.bool_]:
        """[metrics, layouts], whether a layout is outside in a metric."""
        if not self.low:
            return np.zeros((0, len(choices)), bool)
        outside: list[NDArray[np.bool_]] = []
        for row, low, high in zip(self.chain.price(choices).T, self.low, self.high, strict=True):
            below = np.zeros(len(row), bool) if low is None else row < low
            outside.append(below if high is None else below | (row > high))
        return np.stack(outside)


@final
class Proposer:
    """Uniform proposals of layouts from the widened box of a grid.

    Args:
        grid: one that holds a layout.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    def draw(self, size: int, rng: np.random.Generator) -> Ints:
        """Choices [size, components]."""
        parts = [self._draw(min(BLOCK, size - start), rng) for start in range(0, size, BLOCK)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.grid.menus)), np.int64)

    def _draw(self, size: int, rng: np.random.Generator) -> Ints:
        choices = np.empty((size, len(self.grid.menus)), np.int64)
        states = np.zeros(size, np.int64)
        bins = np.zeros((len(self.grid.widths), size), np.int64)
        for component, menus in enumerate(self.grid.menus):
            after = np.empty_like(states)
            for state, menu in enumerate(menus):
                rows = np.flatnonzero(states == state)
                if menu is None or not len(rows):
                    continue
                entries = self._pick(component, menu, bins[:, rows], rng)
                among = rng.integers(0, menu.counts[entries])
                choices[rows, component] = menu.options[menu.starts[entries] + among]
                bins[:, rows] += menu.bins[:, entries]
                after[rows] = menu.targets[entries]
            states = after
        return choices

    def _pick(self, component: int, menu: StateOptions, bins: Ints, rng: np.random.Generator) -> NDArray[np.intp]:
        """An entry of the menu for each layout, with costs so far [metrics, layouts], by the ends that follow it."""
        first, shape = self.grid.windows[component]
        cells = np.ravel_multi_index(tuple(bins - first[:, None]), shape) if shape else np.zeros(bins.shape[1], np.intp)
        _, kept, back = np.unique(cells, return_index=True, return_inverse=True)
        if 2 * len(kept) > len(back):
            ways = self._ways(component, menu, bins).cumsum(2)
        else:
            ways = self._ways(component, menu, bins[:, kept]).cumsum(2)[:, back]
        ways = carry(ways)
        return _exceeds(ways, draw_below(ways[:, :, -1], rng)).argmax(1)

    def _ways(self, component: int, menu: StateOptions, bins: Ints) -> Ints:
        """The ends that follow each entry: [words, layouts, entries]."""
        first, shape = self.grid.windows[component + 1]
        table = self.grid.tables[component + 1]
        flat = np.broadcast_to(menu.targets, (bins.shape[1], len(menu.targets)))
        inside = np.ones(flat.shape, bool)
        for own, step, begin, size in zip(bins, menu.bins, first, shape, strict=True):
            place = (own - begin)[:, None] + step
            inside &= (place >= 0) & (place < size)
            flat = flat * size + place
        flat = np.where(inside, flat, 0)
        weights = inside * menu.counts
        return np.stack([word.ravel().take(flat) * weights for word in table])


def draw_below(totals: Ints, rng: np.random.Generator) -> Ints:
    """Uniform integers below `totals` [words, draws], likewise in words, the lowest first."""
    if len(totals) == 1:
        return rng.integers(0, totals)
    lead = len(totals) - 1 - (totals[::-1] > 0).argmax(0)
    index = np.arange(len(totals))[:, None]
    # Below the highest word that is not 0 every value is possible; at least every second draw is below the total.
    bounds = np.where(index == lead, totals + 1, np.where(index < lead, 1 << WORD, 1))
    draws = np.zeros_like(totals)
    missing = np.arange(totals.shape[1])
    while len(missing):
        draws[:, missing] = rng.integers(0, bounds[:, missing])
        missing = missing[~_exceeds(totals[:, missing, None], draws[:, missing])[:, 0]]
    return draws


def _exceeds(first: Ints, second: Ints) -> NDArray[np.bool_]:
    """Whether numbers [words, n, m] are larger than others [words, n]: [n, m]."""
    larger = first[0] > second[0][:, None]
    for own, other in zip(first[1:], second[1:], strict=True):
        larger = (own > other[:, None]) | ((own == other[:, None]) & larger)
    return larger


def fit(lattice: Lattice, inside: Inside) -> Proposer | None:
    """A proposer most of whose layouts are inside, as far as tables of bounded size allow; None for an empty box.

    A coarse grid shows which metrics reject how many; a finer one shares the bins so that all reject alike.
    `inside` counts the last pilot.
    """
    tolerance = [_tolerance(lattice, index) for index in range(len(lattice.metrics))]
    coarse = Proposer(_finest(lattice, tolerance, WORK // 16, CELLS // 16))
    if not coarse.grid.count:
        return None
    rng = np.random.default_rng(0)
    pilot = coarse.draw(PILOT, rng)
    outside = inside.outside(pilot).mean(1)
    fine = coarse
    if outside.sum() > 0.01:
        shares = np.maximum(outside, 0.002)
        widths = coarse.grid.widths / shares
        fine = Proposer(_finest(lattice, widths.tolist(), WORK, CELLS))
    if not fine.grid.count:
        return None
    inside(fine.draw(PILOT, rng))
    return fine


def _tolerance(lattice: Lattice, index: int) -> float:
    """The width of a box in a metric, or a part of it where one end is open."""
    low, high = lattice.low[index], lattice.high[index]
    least, most = int(lattice.ends[0].low[index, 0]), int(lattice.ends[0].high[index, 0])
    if low is not None and high is not None:
        return high - low + 1
    return ((most if high is None else high) - (least if low is None else low) + 1) / 4


def _finest(lattice: Lattice, widths: list[float], work: int, cells: int) -> Grid:
    """The grid of the smallest bins, in the proportions of `widths`, that stays within `work` and `cells`."""
    scale = 1.0
    most = MAX_TOTAL  # bins so wide that there is but one
    best: Grid | None = None
    while True:
        sizes = [max(1, int(min(width * scale, MAX_TOTAL))) for width in widths]
        grid = Grid(lattice, sizes)
        fits = grid.work <= work and grid.cells <= cells
        if fits:
            best = grid
            if max(sizes, default=1) == 1:
                return best
            scale /= 1.3
        elif best is not None or scale > most:
            return best or grid
        else:
            scale *= 2
