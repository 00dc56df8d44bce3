"""A budget over a space: which layouts are inside, draws among them, and the nearest of them to any other.

A confinement may also be to a list of layouts, such as those of a table: then these are all there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping
from math import prod
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from archspec.errors import SpecError
from search.budget.count import BoxSampler, count
from search.budget.nearest import Effort, Moves, changed, moves, nearest, span
from search.space.encoding import Encoding
from search.space.holes import Hole, Params
from search.space.limits import Box, format_limit
from search.space.space import Layout, Space

if TYPE_CHECKING:
    from numpy.random import Generator

Ints = NDArray[np.int64]

MOST_WAYS = 1 << 26
"""Beginnings of layouts that a repair looks at: some seconds."""
DRAWN = 1024
UNLISTED = "not among the layouts that can be answered"
"""Why a layout is moved that is within the box, where only some are there."""
LARGE = 1 << 22
"""Layouts of a space whose inside is counted in milliseconds, however many limits there are."""


@final
class Confinement:
    """The layouts of a space that lie inside a box of limits, all of them or those of a list.

    Args:
        space: the space, or its integer form.
        box: at least one limit.
        distance: how far the options of a hole are apart [options, options], for `bring`.
        listed: the choices [components] of the only layouts, by digest; None for all. Those outside the box are left
            out.

    Attributes:
        encoding: the integer form of the space.
        chain: its costs, one metric per limit.
        listed: [layouts, components], the only layouts; None where all of the box are.

    Raises:
        SpecError: no layout is inside, or the space cannot be tabulated.
    """

    def __init__(
        self,
        space: Space | Encoding,
        box: Box,
        distance: Callable[[Hole], Ints] = span,
        listed: Mapping[str, Ints] | None = None,
    ) -> None:
        self.box = box
        self.encoding = space if isinstance(space, Encoding) else Encoding(space)
        self.chain = self.encoding.chain([limit.metric for limit in box])
        self._sampler = BoxSampler(self.chain, box)
        self._spans = [distance(slot) for slot in self.encoding.slots]
        self.listed: Ints | None = None
        self._digests: tuple[str, ...] = ()
        if listed is not None:
            rows = np.stack(list(listed.values()))
            kept = np.flatnonzero(self._within(rows))
            if not len(kept):
                limits = ", ".join(f"{limit.metric.name} {format_limit(limit)}" for limit in box)
                raise SpecError(f"none of the {len(listed):,} layouts that can be answered is within {limits}")
            self.listed, self._digests = rows[kept], tuple(list(listed)[index] for index in kept)
        self._keys = {row.tobytes() for row in (() if self.listed is None else self.listed)}

    def count(self) -> int:
        """Number of layouts inside; of a large space the number in all, which no study exhausts."""
        if self.listed is not None:
            return len(self.listed)
        layouts = prod(self.encoding.options)
        return layouts if layouts > LARGE else count(self.chain, self.box)

    def inside(self, rows: Ints) -> NDArray[np.bool_]:
        """Mask of the layouts [layouts, components] that are possible and inside."""
        keep = self._within(rows)
        if self.listed is not None:
            keep &= np.array([row.tobytes() in self._keys for row in rows.astype(np.int64)], bool)
        return keep

    def _within(self, rows: Ints) -> NDArray[np.bool_]:
        """Mask of the layouts that are possible and within the box."""
        costs = self.chain.price(rows)
        keep = costs[:, 0] >= 0
        for limit, cost in zip(self.box, costs.T, strict=True):
            keep &= (cost >= (limit.low or 0)) & ((limit.high is None) | (cost <= (limit.high or 0)))
        return keep

    def draw(self, rng: Generator, count: int = 1) -> Ints:
        """Layouts inside [count, components], each with the same probability."""
        if self.listed is not None:
            return self.listed[rng.integers(len(self.listed), size=count)]
        return self._sampler.sample(count, rng)

    def admit(self, params: Params, taken: Collection[Container[str]] = ()) -> Layout:
        """The layout that these parameters give, or the nearest one inside where that is impossible or outside.

        Args:
            params: that were proposed.
            taken: groups of digests of layouts of a list on which none is placed while there are others: a sampler
                that comes to rest where the list has a gap would be given the same layout again and again.
        """
        row = self.encoding.encode(params)
        complaint = self._complaint(row)
        if not complaint:
            return Layout(self.encoding.spec(row), params)
        inner = self.encoding.params(self.bring(row, taken))
        return Layout(self.encoding.space.decode(inner), inner, changed(params, inner), complaint)

    def bring(self, row: Ints, taken: Collection[Container[str]] = ()) -> Ints:
        """The nearest layout inside to the choices `row` [components]; see `search.budget.nearest`.

        Where a narrow budget makes that longer than `MOST_WAYS`, the nearest of `DRAWN` uniform draws inside, or
        one that the search came across; the same for the same choices.
        """
        distances = moves(self.encoding, row, self._spans)
        if self.listed is not None:
            free = [index for index, digest in enumerate(self._digests) if not any(digest in known for known in taken)]
            return _first(self.listed[free] if free else self.listed, distances)
        found = nearest(self.chain, self.box, distances, Effort(ways=MOST_WAYS))
        if found.decided and found.choices is not None:
            return found.choices
        drawn = self.draw(np.random.default_rng(0), DRAWN)
        return _first(drawn if found.choices is None else np.concatenate([found.choices[None], drawn]), distances)

    def _complaint(self, row: Ints) -> str:
        """Why a layout is not inside; empty where it is."""
        (costs,) = self.chain.price(row[None]).tolist()
        if costs[0] < 0:
            return "impossible"
        outside = [
            f"{limit.metric.name} {cost:,} is not {format_limit(limit)}"
            for limit, cost in zip(self.box, costs, strict=True)
            if not limit.holds(cost)
        ]
        if not outside and self.listed is not None and row.tobytes() not in self._keys:
            return UNLISTED
        return ", ".join(outside)


def _first(rows: Ints, distances: Moves) -> Ints:
    """Of some layouts [layouts, components] the one with the fewest changes, then the smallest moves; ties by order."""
    made, far = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for component, options in enumerate(rows.T):
        made += distances.changes[component][options]
        far += distances.distance[component][options]
    return rows[np.lexsort((far, made))[0]]
