"""The order of layouts at a rung: by non-dominated sorting, then by their share of the hypervolume, then as they came.

Sources: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002 (the sorting); Beume, Naujoks
and Emmerich, SMS-EMOA, 2007 (the contribution).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MARGIN = 0.1
"""Distance of the reference point from the worst values, in ranges: the ends of a front contribute, too."""


def rank(losses: Floats) -> list[int]:
    """The indices of points from the best to the worst; of points that are equal in all, the first comes first.

    Args:
        losses: [points, objectives], smaller is better.
    """
    fronts = nondomination_ranks(losses)
    order: list[int] = []
    for front in range(int(fronts.max(initial=-1)) + 1):
        members = np.flatnonzero(fronts == front)
        gains = contributions(losses[members], reference_point(losses))
        order += [int(members[index]) for index in np.argsort(-gains, kind="stable")]
    return order


def best(losses: Floats, candidates: list[int]) -> int:
    """The candidate that `rank` names first, without ranking what cannot be it.

    Args:
        losses: [points, objectives] of all points.
        candidates: indices of those that may be chosen, at least one, ascending.
    """
    fronts = nondomination_ranks(losses)
    first = min(int(fronts[index]) for index in candidates)
    members = np.flatnonzero(fronts == first)
    gains = dict(zip(members.tolist(), contributions(losses[members], reference_point(losses)), strict=True))
    return max((index for index in candidates if index in gains), key=lambda index: (gains[index], -index))


def reference_point(losses: Floats) -> Floats:
    """A point worse than all, by `MARGIN` of each objective's range; [objectives]."""
    low, high = losses.min(axis=0), losses.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    return np.asarray(high + MARGIN * span, np.float64)


def nondomination_ranks(losses: Floats) -> NDArray[np.int64]:
    """The front of each point, from 0; equal points share one."""
    count = len(losses)
    weakly = np.ones((count, count), bool)
    strictly = np.zeros((count, count), bool)
    for column in losses.T:
        weakly &= column[:, None] <= column[None, :]
        strictly |= column[:, None] < column[None, :]
    dominates = weakly & strictly
    ranks = np.full(count, -1, np.int64)
    left = np.arange(count)
    front = 0
    while len(left):
        free = ~dominates[np.ix_(left, left)].any(axis=0)
        ranks[left[free]] = front
        left = left[~free]
        front += 1
    return ranks


def contributions(losses: Floats, reference: Floats) -> Floats:
    """The hypervolume that each point alone adds to that of the others, in units of the objectives; [points].

    Args:
        losses: [points, objectives], none of which dominates another.
        reference: [objectives], worse than all of them.
    """
    gains = [
        float(np.prod(reference - point)) - _volume(np.maximum(np.delete(losses, index, axis=0), point), reference)
        for index, point in enumerate(losses)
    ]
    return np.array(gains, np.float64)


def _volume(losses: Floats, reference: Floats) -> float:
    """The hypervolume of points by slices along the last objective."""
    if not len(losses):
        return 0.0
    if losses.shape[1] == 1:
        return float(reference[0] - losses[:, 0].min())
    points = losses[np.lexsort((losses[:, 0], losses[:, -1]))]
    if losses.shape[1] == 2:
        lowest = np.minimum.accumulate(points[:, 0])
        heights = np.append(points[1:, 1], reference[1]) - points[:, 1]
        return float(((reference[0] - lowest) * heights).sum())
    ends = np.append(points[1:, -1], reference[-1])
    total = 0.0
    for index, end in enumerate(ends):
        height = float(end - points[index, -1])
        if height > 0:
            total += height * _volume(points[: index + 1, :-1], reference[:-1])
    return total
