"""Neighbours of a layout: one hole changed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import MetricAt
from search.counting.big_integers import Ints
from search.space.encoding import Encoding
from search.space.limits import Box


def neighbours(encoding: Encoding, choices: NDArray[np.integer], box: Box = ()) -> Ints:
    """The possible layouts inside a box that differ from a layout in one hole.

    Under another label other holes are open; they take their first option, and their other options are a step further.

    Args:
        encoding: of the space.
        choices: [components], a layout; it need not be inside itself.
        box: limits; none for every possible layout.

    Returns:
        [neighbours, components], by component and option.
    """
    row = np.asarray(choices, np.int64)
    parents = _parents(encoding)
    candidates: list[Ints] = []
    for component, options in enumerate(encoding.options):
        others = np.repeat(row[None], options, axis=0)
        others[:, component] = np.arange(options)
        candidates.append(others[_near(encoding.vectors(others), int(row[component]), parents)])
    found = np.concatenate(candidates)
    metrics = tuple(dict.fromkeys(limit.metric for limit in box)) or (MetricAt("params"),)
    costs = encoding.chain(metrics).price(found)
    inside = costs[:, 0] >= 0
    for limit in box:
        cost = costs[:, metrics.index(limit.metric)]
        inside &= (limit.low is None or cost >= limit.low) & (limit.high is None or cost <= limit.high)
    return found[inside]


def _parents(encoding: Encoding) -> NDArray[np.intp]:
    """Per slot, the slot of the hole whose option it stands inside; -1 at the top."""
    index = {slot.path: place for place, slot in enumerate(encoding.slots)}
    parents = np.full(len(index), -1, np.intp)
    for slot in encoding.slots:
        for inner in (hole for holes in slot.nested.values() for hole in holes):
            parents[index[inner.path]] = index[slot.path]
    return parents


def _near(vectors: Ints, own: int, parents: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which vectors differ from that at `own` in one hole, apart from what this hole opens or closes."""
    changed = vectors != vectors[own]
    follows = (parents >= 0) & changed[:, parents]
    roots = (changed & ~follows).sum(1)
    first = ((vectors <= 0) | ~(changed & follows)).all(1)
    return np.flatnonzero((roots == 1) & first)
