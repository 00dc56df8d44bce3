"""Counting by dynamic programming over rounded costs: how many ends of layouts get a beginning into a box.

Costs are rounded down to bins, per component, so a layout's binned cost is at most that of its true cost and falls
short of it by less than the sum of the largest remainders. The binned box is the true one widened by just that: it
holds every layout of the true box, and some others. How many, per border, state and binned cost so far, is counted in
integers, from the back: in int64 while they fit, in several words of 32 bits beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from search.counting.big_integers import SAFE, Ints
from search.counting.lattice import Bundle, Lattice
from search.counting.points import merge

WORD = 32
"""Bits per word of a count that does not fit into int64."""


@final
@dataclass(frozen=True, slots=True)
class StateOptions:
    """The options in one state of one component, those of equal target and binned cost as one.

    Attributes:
        targets: [entries] state entered next.
        bins: [metrics, entries] binned cost.
        counts: [entries] number of options.
        starts: [entries], where each one's options begin in `options`.
        options: the options, grouped.
    """

    targets: Ints
    bins: Ints
    counts: Ints
    starts: Ints
    options: Ints


@final
class Grid:
    """The binned costs of a lattice.

    Args:
        lattice: not empty.
        widths: the width of a bin per metric, in the lattice's units.

    Attributes:
        menus: [component][state]; None where a state is never reached.
        low, high: the widened box in bins, per metric.
        words: words per count.
        tables: per border [words, states, cells of the window]: ends that get there.
        windows: per border (first bin, number of bins) per metric; what lies outside cannot get there.
    """

    def __init__(self, lattice: Lattice, widths: Sequence[int]) -> None:
        self.lattice = lattice
        self.widths = np.array(widths, np.int64)
        self.menus = [
            self._menus(bundles, states) for bundles, states in zip(lattice.bundles, lattice.states[:-1], strict=True)
        ]
        self.low, self.high = self._box()
        self.words = 1 if lattice.total < SAFE else -(-lattice.total.bit_length() // WORD)
        self.windows = self._windows()

    @cached_property
    def tables(self) -> list[Ints]:
        """Tables of the counts; see the class."""
        _, shape = self.windows[-1]
        last = np.zeros((self.words, 1, *shape), np.int64)
        last[0] = 1
        tables = [last]
        for component in reversed(range(len(self.menus))):
            tables.insert(0, self._table(component, tables[0]))
        return tables

    @property
    def work(self) -> int:
        """Additions that the tables take."""
        return self.words * sum(
            len(menu.targets) * int(np.prod(shape, dtype=np.int64))
            for menus, (_, shape) in zip(self.menus, self.windows[:-1], strict=True)
            for menu in menus
            if menu is not None
        )

    @property
    def cells(self) -> int:
        """Numbers that the tables hold."""
        return self.words * sum(
            states * int(np.prod(shape, dtype=np.int64))
            for states, (_, shape) in zip(self.lattice.states, self.windows, strict=True)
        )

    @property
    def count(self) -> int:
        """Layouts in the widened box."""
        return sum(int(word.ravel()[0]) << (WORD * index) for index, word in enumerate(self.tables[0][:, 0]))

    def _menus(self, bundles: list[Bundle], states: int) -> list[StateOptions | None]:
        return [self._menu([bundle for bundle in bundles if bundle.source == state]) for state in range(states)]

    def _menu(self, bundles: list[Bundle]) -> StateOptions | None:
        if not bundles:
            return None
        targets = np.concatenate([np.full(len(bundle.options), bundle.target) for bundle in bundles])
        options = np.concatenate([bundle.options for bundle in bundles])
        values = np.concatenate([np.repeat(bundle.values, bundle.counts, axis=1) for bundle in bundles], axis=1)
        rows = np.concatenate([targets[None], values // self.widths[:, None]])
        points = merge(rows, np.ones(len(options), np.int64))
        order = np.argsort(points.find(rows), kind="stable")
        starts = np.concatenate([[0], points.counts.cumsum()[:-1]])
        return StateOptions(points.values[0], points.values[1:], points.counts, starts, options[order])

    def _box(self) -> tuple[list[int], list[int]]:
        lattice = self.lattice
        least = np.zeros(len(self.widths), np.int64)
        most = np.zeros(len(self.widths), np.int64)
        for bundles in lattice.bundles:
            rests = np.concatenate([bundle.values % self.widths[:, None] for bundle in bundles], axis=1)
            least += rests.min(1)
            most += rests.max(1)
        low, high = [], []
        for index, width in enumerate(self.widths.tolist()):
            first, last = lattice.low[index], lattice.high[index]
            first = int(lattice.ends[0].low[index, 0]) if first is None else first
            last = int(lattice.ends[0].high[index, 0]) if last is None else last
            low.append(-(-(first - int(most[index])) // width))
            high.append((last - int(least[index])) // width)
        return low, high

    def _windows(self) -> list[tuple[Ints, tuple[int, ...]]]:
        """Per border, the bins that can be reached and from which the box can be."""
        spans = [
            (
                np.min([menu.bins.min(1) for menu in menus if menu], 0),
                np.max([menu.bins.max(1) for menu in menus if menu], 0),
            )
            for menus in self.menus
        ]
        low, high = np.array(self.low, np.int64), np.array(self.high, np.int64)
        firsts, lasts = [low], [high]
        for least, most in reversed(spans):
            firsts.insert(0, firsts[0] - most)
            lasts.insert(0, lasts[0] - least)
        reached = [np.zeros_like(low), np.zeros_like(low)]
        windows: list[tuple[Ints, tuple[int, ...]]] = []
        for index, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
            begin, end = np.maximum(first, reached[0]), np.minimum(last, reached[1])
            windows.append((begin, tuple(np.maximum(end - begin + 1, 0).tolist())))
            if index < len(spans):
                reached = [reached[0] + spans[index][0], reached[1] + spans[index][1]]
        return windows

    def _table(self, component: int, following: Ints) -> Ints:
        first, shape = self.windows[component]
        after, room = self.windows[component + 1]
        table = np.zeros((self.words, self.lattice.states[component], *shape), np.int64)
        for state, menu in enumerate(self.menus[component]):
            if menu is None:
                continue
            for target, bins, count in zip(menu.targets.tolist(), menu.bins.T, menu.counts.tolist(), strict=True):
                own, other = _overlap(first + bins - after, shape, room)
                part = following[(slice(None), target, *other)]
                table[(slice(None), state, *own)] += part if count == 1 else part * count
        return carry(table)


def carry(words: Ints) -> Ints:
    """Counts [words, ...] with what exceeds a word moved to the next; in place. One word holds all there is."""
    for index in range(len(words) - 1):
        words[index + 1] += words[index] >> WORD
        words[index] &= (1 << WORD) - 1
    return words


def _overlap(shift: Ints, shape: tuple[int, ...], room: tuple[int, ...]) -> tuple[list[slice], list[slice]]:
    """The cells of a window that a step takes into the next one, and where: cell i goes to i + shift."""
    own, other = [], []
    for move, size, there in zip(shift.tolist(), shape, room, strict=True):
        start, stop = max(0, -move), min(size, there - move)
        stop = max(start, stop)
        own.append(slice(start, stop))
        other.append(slice(start + move, stop + move))
    return own, other
