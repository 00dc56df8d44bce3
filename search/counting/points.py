"""Multisets of cost vectors: the sums that beginnings or ends of layouts reach, each with how many reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from search.counting.big_integers import SAFE, Counts, Ints, settle, total

DENSE = 1 << 25
"""Most cells of a table indexed by cost."""


@final
@dataclass(frozen=True)
class Points:
    """Distinct cost vectors in lexicographic order.

    Attributes:
        values: [metrics, points] int64, not negative.
        counts: [points], how many layouts' parts have this cost.
    """

    values: Ints
    counts: Counts

    @property
    def size(self) -> int:
        """Number of distinct vectors."""
        return self.values.shape[1]

    @cached_property
    def total(self) -> int:
        """Number of parts."""
        return total(self.counts)

    def find(self, values: Ints) -> NDArray[np.intp]:
        """Indices of vectors [metrics, n] among the points; -1 for those that are not among them."""
        if not self.size:
            return np.full(values.shape[1], -1, np.intp)
        begin, end = np.zeros(values.shape[1], np.intp), np.full(values.shape[1], self.size, np.intp)
        for _ in range(self.size.bit_length()):
            middle = (begin + end) // 2
            before = _less(self.values[:, middle.clip(max=self.size - 1)], values) & (middle < end)
            begin, end = np.where(before, middle + 1, begin), np.where(before, end, middle)
        place = begin.clip(max=self.size - 1)
        return np.where((self.values[:, place] == values).all(0), place, -1)


def _less(first: Ints, second: Ints) -> NDArray[np.bool_]:
    less = np.zeros(first.shape[1], bool)
    same = np.ones(first.shape[1], bool)
    for a, b in zip(first, second, strict=True):
        less |= same & (a < b)
        same &= a == b
    return less


def merge(values: Ints, counts: Counts) -> Points:
    """The distinct columns of `values` [metrics, n], the counts of equal ones added."""
    counts = settle(counts)
    metrics, size = values.shape
    if not size:
        return Points(values, counts)
    if not metrics:
        return Points(values[:, :1], settle(np.array([total(counts)], object)))
    keys, cells = _keys(values)
    if cells <= min(DENSE, 16 * size) and counts.dtype != object and int(counts.max()) * size < 2**53:
        # Sums of integers below 2**53 are exact in the float64 that bincount adds up in.
        sums = np.bincount(keys, counts)
        found = np.flatnonzero(sums)
        place = np.empty(cells, np.int64)
        place[keys] = np.arange(size)
        return Points(np.ascontiguousarray(values[:, place[found]]), sums[found].astype(np.int64))
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return Points(np.ascontiguousarray(values[:, order[starts]]), np.add.reduceat(counts[order], starts))


def convolve(pairs: Sequence[tuple[Points, Points]]) -> Points | None:
    """All sums of the pairs' points, in one metric, by a table over the cost; None where that would not do."""
    pairs = [(a, b) if a.size >= b.size else (b, a) for a, b in pairs if a.size and b.size]
    if not pairs or sum(a.total * b.total for a, b in pairs) >= SAFE:
        return None
    low = min(int(a.values[0, 0] + b.values[0, 0]) for a, b in pairs)
    span = max(int(a.values[0, -1] + b.values[0, -1]) for a, b in pairs) - low + 1
    if span > min(DENSE, 16 * sum(a.size * b.size for a, b in pairs)):
        return None
    table = np.zeros(span, np.int64)
    for many, few in pairs:
        first = int(many.values[0, 0])
        own = many.values[0] - first
        width = int(own[-1]) + 1
        dense = np.zeros(width if width <= 6 * many.size else 0, np.int64)
        if len(dense):
            dense[own] = many.counts
        for value, count in zip((few.values[0] + (first - low)).tolist(), few.counts.tolist(), strict=True):
            if len(dense):
                table[value : value + width] += dense * count
            else:
                table[own + value] += many.counts * count
    found = np.flatnonzero(table)
    return Points((found + low)[None], table[found])


def _keys(values: Ints) -> tuple[Ints, int]:
    """One integer per column, in lexicographic order, and a bound on them."""
    keys = values[0] - values[0].min()
    cells = int(keys.max()) + 1
    for row in values[1:]:
        own = row - row.min()
        if cells * (int(own.max()) + 1) >= 2**63:  # ranks keep the order and take less room
            keys, own = (np.unique(part, return_inverse=True)[1].astype(np.int64) for part in (keys, own))
            cells = int(keys.max()) + 1
        span = int(own.max()) + 1
        keys = keys * span + own
        cells *= span
    return keys, cells
