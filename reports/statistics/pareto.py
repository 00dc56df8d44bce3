"""Dominance, the front and its hypervolume, for any number of objectives; every value here is minimised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def nondominated(points: Points) -> NDArray[np.bool_]:
    """Mask of the rows of `points` (n, d) that no other row dominates.

    A row dominates another when it is no larger in any column and smaller in one; equal rows stay together.
    """
    keep = np.ones(len(points), dtype=np.bool_)
    for index in range(len(points)):
        if keep[index]:
            worse = (points >= points[index]).all(axis=1) & (points > points[index]).any(axis=1)
            keep &= ~worse
    return keep


def hypervolume(points: Points, reference: Points) -> float:
    """Volume between `points` (n, d) and `reference` (d,), exact; points not below the reference add nothing."""
    return _union(_boxes(points, reference))


def hypervolume_history(points: Points, reference: Points) -> Points:
    """Hypervolume (n,) of the first 1, 2, ..., n rows of `points` (n, d).

    Each entry adds the volume that the new row alone covers, so the history never falls.
    """
    boxes = np.maximum(reference - points, 0.0)
    history = np.zeros(len(boxes))
    total = 0.0
    front = boxes[:0]
    for index, box in enumerate(boxes):
        total += _exclusive(box, front)
        front = np.vstack([front, box])
        front = front[nondominated(-front)]
        history[index] = total
    return history


def _boxes(points: Points, reference: Points) -> Points:
    """Side lengths of the boxes that the points span with the reference, the empty ones left out."""
    sides = reference - points
    return sides[(sides > 0).all(axis=1)]


def _exclusive(box: Points, others: Points) -> float:
    """Volume inside `box` (d,) and outside every one of `others` (n, d), all anchored at the origin."""
    return float(np.prod(box)) - _union(np.minimum(others, box))


def _union(boxes: Points) -> float:
    """Volume of the union of boxes (n, d) anchored at the origin.

    Source: While, Bradstreet, Barone, "A fast way of calculating exact hypervolumes" (2012): the sum of exclusive
    volumes, each of a box clipped against those that come after it; two columns are swept.
    """
    if len(boxes) == 0:
        return 0.0
    if boxes.shape[1] == 1:
        return float(boxes.max())
    boxes = np.unique(boxes[nondominated(-boxes)], axis=0)[::-1]
    if boxes.shape[1] == 2:
        widths = boxes[:, 0] - np.append(boxes[1:, 0], 0.0)
        return float((widths * np.maximum.accumulate(boxes[:, 1])).sum())
    return sum(_exclusive(box, boxes[index + 1 :]) for index, box in enumerate(boxes))
