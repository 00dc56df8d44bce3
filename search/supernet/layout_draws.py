"""The layouts that a supernet is trained with: uniform draws inside the budget, the smallest and the largest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain, MetricAt
from archspec.spec.schema import ArchSpec
from search.budget.count import BoxSampler
from search.seeding import mix
from search.space.encoding import Encoding
from search.space.limits import Box
from search.space.space import Space

Ints = NDArray[np.int64]

TRIED = 4096
"""Uniform draws inside a budget among which its smallest and largest layout are looked for."""


@final
class LayoutDraws:
    """Exactly uniform draws of layouts, each a function of seed and step alone.

    Args:
        space: the space.
        box: limits that every layout keeps, at stated resolutions; none for all possible layouts.
        prepare: gives a layout as it is trained, at the resolution of the data.
        resolution: of the data, at which MACs are counted.

    Raises:
        SpecError: no layout is inside, or the space cannot be tabulated.
    """

    def __init__(self, space: Space, box: Box, prepare: Callable[[ArchSpec], ArchSpec], resolution: int) -> None:
        self._encoding, self._prepare, self._box = Encoding(space), prepare, box
        self._macs = MetricAt("macs", resolution)
        metrics = dict.fromkeys((self._macs, *(limit.metric for limit in box)))
        self._chain = self._encoding.chain(tuple(metrics))
        self._sampler = BoxSampler(self._chain, box)

    def draw(self, seed: int, step: int, count: int) -> list[ArchSpec]:
        """The layouts of a step of a training.

        Args:
            seed: of the training.
            step: from 0 at its beginning.
            count: layouts, independent of one another.
        """
        rng = np.random.default_rng(mix(seed, "layouts", step))
        return [self._spec(row) for row in self._sampler.sample(count, rng)]

    @cached_property
    def smallest(self) -> ArchSpec:
        """The layout with the fewest MACs: of the space exactly, of a budget see `largest`."""
        return self._spec(self._extreme(largest=False))

    @cached_property
    def largest(self) -> ArchSpec:
        """The layout with the most MACs: of the space exactly; of a budget that of `TRIED` uniform draws inside.

        Of a space whose largest layout is inside the budget, that one.
        """
        return self._spec(self._extreme(largest=True))

    def _extreme(self, *, largest: bool) -> Ints:
        exact = extreme(self._chain, self._chain.metrics.index(self._macs), largest=largest)
        costs = self._chain.price(exact[None])[0]
        columns = [self._chain.metrics.index(limit.metric) for limit in self._box]
        if all(limit.holds(int(costs[column])) for limit, column in zip(self._box, columns, strict=True)):
            return exact
        rows = self._sampler.sample(TRIED, np.random.default_rng(0))
        macs = self._chain.price(rows)[:, self._chain.metrics.index(self._macs)]
        return rows[int(macs.argmax() if largest else macs.argmin())]

    def _spec(self, row: Ints) -> ArchSpec:
        return self._prepare(self._encoding.spec(row))


def extreme(chain: Chain, column: int, *, largest: bool) -> Ints:
    """The choices [components] of the possible layout with the lowest or the highest cost in one metric.

    By dynamic programming over the borders between components, so exact; of several, the one with the first options.

    Args:
        chain: of the space, with a possible layout.
        column: of the metric.
        largest: whether the highest cost is asked for.
    """
    sign = -1 if largest else 1
    best = np.zeros(1)
    picked: list[NDArray[np.intp]] = []
    for part in reversed(chain.components):
        totals = sign * part.costs[..., column].astype(float) + best[part.after.clip(min=0)]
        totals[part.after < 0] = np.inf
        picked.insert(0, totals.argmin(1))
        best = totals.min(1)
    state, choices = 0, list[int]()
    for part, options in zip(chain.components, picked, strict=True):
        choices.append(int(options[state]))
        state = int(part.after[state, choices[-1]])
    return np.array(choices, np.int64)
