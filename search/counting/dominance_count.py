"""Weighted dominance counting: the weight below many points at once, in any number of dimensions, exactly.

Points are given by their ranks, so that in each dimension they are a permutation of 0 .. n - 1, and a query by how many
points lie below it in each dimension. The last dimension is cut into groups of equal size. A query sees whole the
groups below its own, which is a problem with one dimension less (a cumulated sum, at last), and a part of its own
group, which is a smaller problem of the same kind; the smallest ones of two dimensions are tables. Queries move in
bulk: O(log n) gathers each in two dimensions, O(log(n) ** (d - 1)) in d.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.counting.big_integers import Ints

Ranks = NDArray[np.int32]

TABLE = 256
"""Points of a problem in two dimensions that is solved by a table of all answers."""
DIRECT = 32
"""Points of a problem in more dimensions whose points and queries are compared one by one."""
GROUPS = 512
FEW_GROUPS = 16


def weigh_below(points: Ranks, weights: Ints, queries: Ranks) -> Ints:
    """The weight of the points below each query in every dimension.

    Args:
        points: [dimensions, points], each row a permutation of 0 .. points - 1.
        weights: [points]; their sum must be below 2**63.
        queries: [dimensions, queries], 0 .. points: a point is below if its rank is less than this everywhere.

    Returns:
        [queries].
    """
    size = points.shape[1]
    answers = np.zeros(queries.shape[1], np.int64)
    if not size or not queries.shape[1]:
        return answers
    some = np.flatnonzero(queries.min(0))  # what has no point below it in one dimension needs no look at the others
    if len(some) < queries.shape[1]:
        answers[some] = _below(points, weights, queries[:, some])
        return answers
    return _below(points, weights, queries)


def _below(points: Ranks, weights: Ints, queries: Ranks) -> Ints:
    dimensions, size = points.shape
    if dimensions == 1:
        return _cumulate(points[0], weights).take(queries[0])
    if dimensions == 2 and size <= TABLE:
        return _tabulate(points, weights).take(queries[0].astype(np.intp) * (size + 1) + queries[1])
    if dimensions > 2 and size <= DIRECT:
        return _compare(points, weights, queries)
    return _by_groups(points, weights, queries)


def _cumulate(ranks: Ranks, weights: Ints) -> Ints:
    sums = np.zeros(len(ranks) + 1, np.int64)
    sums[ranks + 1] = weights
    return sums.cumsum()


def _tabulate(points: Ranks, weights: Ints) -> Ints:
    table = np.zeros((points.shape[1] + 1, points.shape[1] + 1), np.int64)
    table[points[0] + 1, points[1] + 1] = weights
    table.cumsum(0, out=table)
    table.cumsum(1, out=table)
    return table


def _compare(points: Ranks, weights: Ints, queries: Ranks) -> Ints:
    below = np.ones((points.shape[1], queries.shape[1]), bool)
    for own, asked in zip(points, queries, strict=True):
        below &= own[:, None] < asked
    answers = np.zeros(queries.shape[1], np.int64)
    for row, weight in zip(below, weights, strict=True):
        answers += row * weight
    return answers


def _by_groups(points: Ranks, weights: Ints, queries: Ranks) -> Ints:
    dimensions, size = points.shape
    # Groups cost the points a pass each, levels cost the queries some gathers each.
    groups = FEW_GROUPS if dimensions > 2 or size > GROUPS * TABLE else -(-size // TABLE)
    width = -(-size // groups)
    owner = (queries[-1] // width).astype(np.uint16)
    order = np.argsort(owner, kind="stable")
    bounds = np.concatenate([[0], np.bincount(owner, minlength=groups + 1).cumsum()]).tolist()
    sorted_queries = queries.take(order, axis=1)
    members = np.argsort(points[-1] // width, kind="stable")
    results = np.zeros(len(order), np.int64)
    lower = np.zeros(size, bool)
    for group in range(groups + 1):
        asked = slice(bounds[group], bounds[group + 1])
        own = members[group * width : (group + 1) * width]
        if asked.start < asked.stop:
            inside = sorted_queries[:, asked]
            if group:
                results[asked] = _within(points[:-1], weights, lower, inside[:-1])
            if len(own):
                part = np.zeros(size, bool)
                part[own] = True
                results[asked] += _within_group(points, weights, part, inside, group * width)
        lower[own] = True
    answers = np.empty_like(results)
    answers[order] = results
    return answers


def _within(points: Ranks, weights: Ints, chosen: NDArray[np.bool_], queries: Ranks) -> Ints:
    """`weigh_below` among the chosen points."""
    if len(points) == 1:  # their ranks among all points will do
        return _cumulate(points[0], np.where(chosen, weights, 0)).take(queries[0])
    return weigh_below(*_choose(points, weights, chosen, queries))


def _within_group(points: Ranks, weights: Ints, chosen: NDArray[np.bool_], queries: Ranks, first: int) -> Ints:
    """`weigh_below` among the chosen points, which are consecutive in the last dimension, beginning with `first`."""
    own, weights, asked = _choose(points, weights, chosen, queries, known=1)
    own[-1] = points[-1, chosen] - np.int32(first)
    np.minimum(queries[-1] - np.int32(first), own.shape[1], out=asked[-1])
    return weigh_below(own, weights, asked)


def _choose(
    points: Ranks, weights: Ints, chosen: NDArray[np.bool_], queries: Ranks, known: int = 0
) -> tuple[Ranks, Ints, Ranks]:
    """The chosen points, ranked among one another, and queries against those; not in the last `known` dimensions."""
    places = np.flatnonzero(chosen)
    own = np.empty((len(points), len(places)), np.int32)
    asked = np.empty_like(queries, order="C")
    for index in range(len(points) - known):
        ranks = points[index].take(places)
        below = np.zeros(points.shape[1] + 1, np.int32)
        below[ranks + 1] = 1
        below.cumsum(out=below)
        below.take(ranks, out=own[index], mode="clip")
        below.take(queries[index], out=asked[index], mode="clip")
    return own, weights[places], asked
