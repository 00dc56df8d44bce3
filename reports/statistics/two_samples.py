"""Two samples of numbers: how far apart they are, and whether chance alone would put them there. NumPy only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BATCH = 1 << 22
"""Labels that are permuted together."""


def distance(first: Floats, second: Floats) -> tuple[float, float]:
    """The largest difference between two empirical distribution functions (Kolmogorov and Smirnov), and where it is.

    Args:
        first, second: [n] and [m], in any order, at least one value each.
    """
    pooled = np.sort(np.concatenate([first, second]))
    one = np.searchsorted(np.sort(first), pooled, side="right") * len(second)
    two = np.searchsorted(np.sort(second), pooled, side="right") * len(first)
    gaps = np.abs(one - two)
    place = int(gaps.argmax())
    return float(gaps[place]) / (len(first) * len(second)), float(pooled[place])


def permutation_test(first: Floats, second: Floats, permutations: int, rng: np.random.Generator) -> float:
    """p of the hypothesis that two samples come from one distribution, by the distance of their distributions.

    The share of permutations whose distance is at least the observed one, the observed arrangement counted among
    them: so p is never 0, and the test keeps its level exactly, with ties and at any size.
    """
    pooled = np.concatenate([first, second])
    order = np.argsort(pooled, kind="stable")
    n, m = len(first), len(second)
    ends = np.append(np.diff(pooled[order]) > 0, True)  # a step ends where the next value is another one
    labels = np.where(np.arange(n + m) < n, m, -n)
    observed = _largest(labels[order][None], ends)[0]
    reached, done = 1, 0
    while done < permutations:
        batch = min(permutations - done, max(1, BATCH // (n + m)))
        drawn = rng.permuted(np.broadcast_to(labels, (batch, n + m)), axis=1)
        reached += int((_largest(drawn, ends) >= observed).sum())
        done += batch
    return reached / (permutations + 1)


def _largest(labels: NDArray[np.int64], ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Distances [rows], times both sizes and so whole numbers, of labels [rows, n + m] in the order of the values."""
    return np.abs(labels.cumsum(1)[:, ends]).max(1)


def superiority(first: Floats, second: Floats) -> float:
    """The share of pairs in which the value of the first sample is larger, ties by half (Mann and Whitney's U)."""
    ordered = np.sort(second)
    below = np.searchsorted(ordered, first, side="left")
    tied = np.searchsorted(ordered, first, side="right") - below
    return float((below + tied / 2).sum()) / (len(first) * len(second))


def median_interval(values: Floats, level: float) -> tuple[float, float] | None:
    """The narrowest pair of order statistics that holds the median with probability `level`, by the binomial law.

    None where not even the extremes do.
    """
    ordered, n = np.sort(values), len(values)
    rank, outside = -1, 2 / 2**n  # of the pair at rank + 1
    while outside <= 1 - level:
        rank += 1
        outside += 2 * math.comb(n, rank + 1) / 2**n
    return None if rank < 0 else (float(ordered[rank]), float(ordered[n - 1 - rank]))
