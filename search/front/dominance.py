"""Nondominated points among many: of low cost, high score and, where there are limits, low burdens."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from search.front.cost_term import NO_TERM, CostTerm

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]

LEAF = 128
"""So many points are compared each with each."""
CELLS = 14
"""A screen has up to two to the power of this many cells."""


def nondominated(cost: Ints, score: Floats, burden: Ints | None = None, term: CostTerm = NO_TERM) -> Places:
    """The points with no other of at most their cost, at least their score and at most their burdens.

    Args:
        cost: [points], smaller is better.
        score: [points], larger is better.
        burden: [points, burdens], smaller is better.
        term: added to the scores where costs differ.

    Returns:
        Their indices by increasing cost; of equal points the first.
    """
    if burden is not None and len(cost):
        varying = np.flatnonzero((burden != burden[0]).any(0))
        if len(varying):
            return _nondominated_burdened(cost, score, burden[:, varying], term)
    order = np.argsort(cost, kind="stable")
    if not term.is_zero:
        own = score[order] + term.value(cost[order])
        order = order[_records(own, term.slack)]
        order = order[np.lexsort((score[order], cost[order]))]  # within the slack, not by score yet
        return order[_last_of_equals(cost[order])]
    (kept,) = np.nonzero(_records(score[order]))
    order = order[kept]  # by cost and by score: of those with equal costs the last is the best
    return order[_last_of_equals(cost[order])]


def _nondominated_burdened(cost: Ints, score: Floats, burden: Ints, term: CostTerm) -> Places:
    order = np.lexsort((*burden.T, -score, cost))
    if term.is_zero:
        return order[_divide(score[order], burden[order], 0.0)]
    new = np.ones(len(order), bool)  # the slack would keep points that are equal in all
    for values in (cost, score, *burden.T):
        new[1:] &= values[order[1:]] == values[order[:-1]]
    new[1:] = ~new[1:]
    order = order[new]
    return order[_divide(score[order] + term.value(cost[order]), burden[order], term.slack)]


def nondominated_rows(cost: Ints, score: Floats) -> tuple[Places, Places]:
    """`nondominated` of each row of [rows, points]; a score of -inf stands for no point.

    Returns:
        Row and column of each nondominated point, by row and then by increasing cost.
    """
    order = np.lexsort((-score, cost), axis=1)
    scores = np.take_along_axis(score, order, 1)
    row, place = np.nonzero(_records(scores) & (scores > -np.inf))
    return row, order[row, place]


@final
class DominanceFilter:
    """A quick filter that drops most dominated points: the best score of some points, cell by cell.

    A cell of costs (and burdens) holds the best score of those points that cost strictly less (and burden no more)
    than everything in it. What has at most that score is dominated; no point is called so for its own sake.

    Args:
        cost: [points].
        score: [points].
        burden: [points, burdens].
        low: [1 + burdens], the smallest cost and burdens that will be asked about.
        high: [1 + burdens], the largest.
        term: added to the scores where costs differ; with a grain, what lies on the same step is dropped, too.
    """

    def __init__(
        self, cost: Ints, score: Floats, burden: Ints, low: Ints, high: Ints, term: CostTerm = NO_TERM
    ) -> None:
        bits = CELLS // len(low)
        self.low = low
        self.shift = np.array([max(0, int(span).bit_length() - bits) for span in high - low], np.int64)
        shape = ((high - low) >> self.shift) + 1
        self.strides = np.append(np.cumprod(shape[:0:-1])[::-1], 1).astype(np.int64)
        values = np.concatenate([cost[:, None] + 1, burden], axis=1) - low
        cells = -((-values) >> self.shift)  # the first cell all of which lies at or above the values
        inside = ((cells >= 0) & (cells < shape)).all(1)
        best = np.full(tuple(shape), -np.inf)
        offered = score if term.is_zero else score + term.value(cost) - term.slack
        np.maximum.at(best, tuple(cells[inside].T), offered[inside])
        for axis in range(best.ndim):
            np.maximum.accumulate(best, axis=axis, out=best)
        if term.grain:
            best = (np.floor(best / term.grain) + 1) * term.grain
        if not term.is_zero:  # a cell asks for what its points need at least, whatever they cost
            first = low[0] + (np.arange(shape[0]) << self.shift[0])
            most = np.maximum(term.value(first), term.value(first + (1 << self.shift[0]) - 1))
            best -= most.reshape(-1, *[1] * (best.ndim - 1))
        self.best = best.ravel()

    def passes(self, cost: Ints, score: Floats, burden: Ints) -> NDArray[np.bool_]:
        """Mask of the points that may be nondominated."""
        cell = (cost - self.low[0]) >> self.shift[0]
        if burden.shape[1]:
            cell *= self.strides[0]
            cell += ((burden - self.low[1:]) >> self.shift[1:]) @ self.strides[1:]
        return score > self.best.take(cell)


def _records(scores: Floats, slack: float = 0.0) -> NDArray[np.bool_]:
    """Where the score plus the slack is larger than every score before it, along the last axis."""
    records = np.ones(scores.shape, bool)
    best = np.maximum.accumulate(scores, axis=-1)
    np.greater(scores[..., 1:] + slack if slack else scores[..., 1:], best[..., :-1], out=records[..., 1:])
    return records


def _last_of_equals(cost: Ints) -> NDArray[np.bool_]:
    last = np.ones(len(cost), bool)
    np.not_equal(cost[1:], cost[:-1], out=last[:-1])
    return last


def _divide(score: Floats, burden: Ints, slack: float) -> Places:
    """The nondominated of points that are sorted so that none is dominated by a later one."""
    if len(score) <= LEAF:
        worse = np.tri(len(score), k=-1, dtype=bool)
        return np.flatnonzero(~(_beaten(score + slack, burden, score, burden, worse)))
    half = len(score) // 2
    left = _divide(score[:half], burden[:half], slack)
    right = _divide(score[half:], burden[half:], slack) + half
    beaten = _conquer(score[right] + slack, burden[right], score[left], burden[left])
    return np.concatenate([left, right[~beaten]])


def _conquer(score: Floats, burden: Ints, other: Floats, load: Ints) -> NDArray[np.bool_]:
    """Which points some other point equals or beats in score and burdens."""
    if burden.shape[1] == 1:
        order = np.argsort(load[:, 0], kind="stable")
        best = np.concatenate([[-np.inf], np.maximum.accumulate(other[order])])
        return score <= best[np.searchsorted(load[order, 0], burden[:, 0], side="right")]
    step = max(1, (1 << 20) // len(other))
    starts = range(0, len(score), step)
    parts = [_beaten(score[i : i + step], burden[i : i + step], other, load) for i in starts]
    return np.concatenate(parts)


def _beaten(
    score: Floats, burden: Ints, other: Floats, load: Ints, among: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """`_conquer` by comparing each with each, [points, others], or with those `among` the others only."""
    beats = other[None, :] >= score[:, None]
    if among is not None:
        beats &= among
    for column in range(burden.shape[1]):
        beats &= load[None, :, column] <= burden[:, None, column]
    return np.asarray(beats.any(axis=1))
