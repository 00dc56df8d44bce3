"""Rank correlations of two measurements of the same things, as single numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SMALL = 256
"""Things whose pairs are compared one by one, which is faster for few and takes memory for their square; the number is
the same."""


def kendall(first: Floats, second: Floats) -> float:
    """Kendall's tau b of two rankings [n]; 0 where one of them is all ties."""
    if len(first) <= SMALL:
        signs, others = np.sign(first[:, None] - first), np.sign(second[:, None] - second)
        size = float(np.sqrt(np.square(signs).sum() * np.square(others).sum()))
        return float((signs * others).sum()) / size if size else 0.0
    a, b, both = (_pairs(keys) for keys in (_ranks(first), _ranks(second), _ranks(first) * len(first) + _ranks(second)))
    total = len(first) * (len(first) - 1) // 2
    scale = float(np.sqrt(float(2 * (total - a)) * float(2 * (total - b))))
    agreeing = total - a - b + both - 2 * _discordant(first, second)
    return float(2 * agreeing) / scale if scale else 0.0


def spearman(first: Floats, second: Floats) -> float:
    """Spearman's rho of two rankings [n], ties at their mean rank; 0 where one of them is all ties."""
    a, b = (_below_less_above(x) for x in (first, second))
    scale = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / scale if scale else 0.0


def _ranks(values: Floats) -> Ints:
    """[n]: number of different values below each."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _pairs(keys: Ints) -> int:
    """Pairs with the same key."""
    counts = np.unique(keys, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _below_less_above(values: Floats) -> Floats:
    """[n]: how many values are smaller than each, less how many are larger."""
    known = np.sort(values)
    above = len(values) - np.searchsorted(known, values, side="right")
    return (np.searchsorted(known, values, side="left") - above).astype(np.float64)


def _discordant(first: Floats, second: Floats) -> int:
    """Pairs that the two rankings order differently: inversions of one in the order of the other.

    Counted level by level of a merge sort, all pairs of neighbouring blocks at once: n log n of memory and time.
    """
    ranks = _ranks(second)[np.lexsort((second, first))]
    size = 1 << max(0, len(ranks) - 1).bit_length()
    most = size + 1
    values = np.concatenate([ranks, np.full(size - len(ranks), size, np.int64)])
    count, width = 0, 1
    while width < size:
        blocks = values.reshape(-1, 2, width)
        offsets = np.arange(len(blocks), dtype=np.int64) * most
        left = (blocks[:, 0] + offsets[:, None]).ravel()
        right = (blocks[:, 1] + offsets[:, None]).ravel()
        before = np.searchsorted(left, right, side="right").reshape(len(blocks), width)
        count += int((np.arange(1, len(blocks) + 1)[:, None] * width - before).sum())
        values = np.sort(blocks.reshape(len(blocks), -1), axis=1).ravel()
        width *= 2
    return count
