"""Meeting in the middle: every layout is a beginning, an option in the middle and an end, whose costs add up.

Beginnings and ends are extended component by component, the smaller side first, and merged by border and cost, until a
single component is between them. What can no longer get into the box is dropped on the way, and beginnings that get in
with every end are counted at once. Then one of the sides is ranked, per border, and asked by all sums of the other
side and the middle: with one limit by bisection, with more by dominance counting (`search.counting.dominance_count`).
Memory and time grow with the number of distinct sums on a side, that is with the square root of the space or better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.errors import SpecError
from search.counting.big_integers import Counts, Ints, dot, limbs, settle, times
from search.counting.dominance_count import Ranks, weigh_below
from search.counting.lattice import Bundle, Lattice, Reach
from search.counting.points import DENSE, Points, convolve, merge

Tier = dict[int, Points]
"""Beginnings (or ends) at a border, by state."""

MAX_POINTS = 1 << 26
"""Most distinct sums per state of a border."""
BATCH = 1 << 22
"""Sums that are asked about together."""


@final
@dataclass(frozen=True)
class Batch:
    """Sums of one side and the middle, to be completed by the points of the other side.

    Attributes:
        values: [metrics, sums].
        counts: [sums].
        places: [3, sums], the bundle in the middle, its entry, and the point that make each sum; None if not asked for.
    """

    values: Ints
    counts: Counts
    places: NDArray[np.int32] | None


@final
class Meeting:
    """The two sides of a lattice inside its box.

    Args:
        lattice: at least one metric.
        shortcut: whether beginnings that are inside with every end are counted at once, in `sure`, and left out.

    Attributes:
        beginnings: the tiers at borders 0 .. middle.
        ends: the tiers at borders middle + 1 ..., the last border's last.
        middle: the component between the sides.
        sure: layouts counted at once.

    Raises:
        SpecError: too many distinct sums.
    """

    def __init__(self, lattice: Lattice, *, shortcut: bool = True) -> None:
        self.lattice = lattice
        self.sure = 0
        self._shortcut = shortcut
        origin = Points(np.zeros((len(lattice.metrics), 1), np.int64), np.ones(1, np.int64))
        self.beginnings: list[Tier] = [{0: origin}]
        self.ends: list[Tier] = [{0: origin}]
        left, right = 0, len(lattice.bundles) - 1
        while left < right:
            if self._size(self.beginnings[-1], left, first=True) <= self._size(self.ends[0], right, first=False):
                self.beginnings.append(self._extend(left, first=True))
                left += 1
            else:
                self.ends.insert(0, self._extend(right, first=False))
                right -= 1
        self.middle = left
        outer = self._size(self.beginnings[-1], left, first=True)
        self.forward = outer <= self._size(self.ends[0], left, first=False)

    def count(self) -> int:
        """The number of layouts inside."""
        inside = self.sure
        for state, side in self.targets.items():
            asked = Asked(side, self.lattice)
            inside += sum(asked.count(batch) for batch in self.batches(state))
        return inside

    @property
    def targets(self) -> Tier:
        """The side that is asked, by state: the ends if `forward`, else the beginnings."""
        return self.ends[0] if self.forward else self.beginnings[-1]

    @property
    def sources(self) -> Tier:
        """The other side."""
        return self.beginnings[-1] if self.forward else self.ends[0]

    def batches(self, state: int, *, traced: bool = False) -> Iterator[Batch]:
        """The sums that may meet the targets in `state`; with their places if `traced`."""
        middle = [
            (number, bundle.source if self.forward else bundle.target)
            for number, bundle in enumerate(self.lattice.bundles[self.middle])
            if (bundle.target if self.forward else bundle.source) == state
        ]
        middle = [(number, source) for number, source in middle if source in self.sources]
        if len(self.lattice.metrics) == 1 and not traced:
            bundles = self.lattice.bundles[self.middle]
            points = convolve([(self.sources[source], bundles[number].points) for number, source in middle])
            if points is not None:
                yield Batch(points.values, points.counts, None)
                return
        parts: list[Batch] = []
        waiting = 0
        size = min(max(BATCH, 4 * self.targets[state].size), 2 * BATCH)
        for number, source in middle:
            for part in self._sums(self.sources[source], number, self.targets[state], traced=traced):
                parts.append(part)
                waiting += len(part.counts)
                if waiting >= size:
                    yield _join(parts)
                    parts, waiting = [], 0
        if parts:
            yield _join(parts)

    def _sums(self, points: Points, number: int, target: Points, *, traced: bool) -> Iterator[Batch]:
        """Sums of points and options whose first metric can get into the box."""
        bundle = self.lattice.bundles[self.middle][number]
        low, high = self.lattice.low[0], self.lattice.high[0]
        first = None if low is None else low - int(target.values[0].max())
        last = None if high is None else high - int(target.values[0].min())
        many, few = (points, bundle) if points.size >= bundle.size else (bundle, points)
        for index in range(few.size):
            own = int(few.values[0, index])
            start = 0 if first is None else int(np.searchsorted(many.values[0], first - own, side="left"))
            stop = many.size if last is None else int(np.searchsorted(many.values[0], last - own, side="right"))
            if start < stop:
                values = many.values[:, start:stop] + few.values[:, index : index + 1]
                counts = times(many.counts[start:stop], few.counts[index : index + 1])
                places = None
                if traced:
                    places = np.full((3, stop - start), number, np.int32)
                    places[1 if many is bundle else 2] = np.arange(start, stop)
                    places[2 if many is bundle else 1] = index
                yield Batch(values, counts, places)

    def _size(self, tier: Tier, component: int, *, first: bool) -> int:
        return sum(
            tier[state].size * bundle.size
            for bundle in self.lattice.bundles[component]
            if (state := bundle.source if first else bundle.target) in tier
        )

    def _extend(self, component: int, *, first: bool) -> Tier:
        """One component more at the end of the beginnings (`first`) or at the beginning of the ends."""
        tier = self.beginnings[-1] if first else self.ends[0]
        border = component + 1 if first else component
        room = (self.lattice.ends if first else self.lattice.beginnings)[border]
        pairs: dict[int, list[tuple[Points, Bundle]]] = {}
        for bundle in self.lattice.bundles[component]:
            old, new = (bundle.source, bundle.target) if first else (bundle.target, bundle.source)
            if old in tier:
                pairs.setdefault(new, []).append((tier[old], bundle))
        merged = {state: self._add(own, room, state) for state, own in sorted(pairs.items())}
        if first and self._shortcut:
            merged = {state: self._count_sure(points, room, border, state) for state, points in merged.items()}
        return {state: points for state, points in merged.items() if points.size}

    def _add(self, pairs: list[tuple[Points, Bundle]], room: Reach, state: int) -> Points:
        """The distinct sums that reach a state and can get into the box."""
        if len(self.lattice.metrics) == 1:
            points = convolve([(points, bundle.points) for points, bundle in pairs])
            if points is not None:
                keep = self._fits(points.values, room, state)
                return Points(points.values[:, keep], points.counts[keep])
        parts: list[tuple[Ints, Counts]] = []
        for points, bundle in pairs:
            for sums in self._sum(points, bundle, room, state):
                parts.append(sums)
                _compact(parts)
        return _concatenate(parts)

    def _sum(self, points: Points, bundle: Bundle, room: Reach, state: int) -> Iterator[tuple[Ints, Counts]]:
        """All sums that can get into the box, in blocks."""
        step = max(1, BATCH // bundle.size)
        for start in range(0, points.size, step):
            part = slice(start, start + step)
            values = points.values[:, part, None] + bundle.values[:, None, :]
            counts = times(points.counts[part, None], bundle.counts[None])
            values, counts = values.reshape(len(values), -1), counts.ravel()
            keep = self._fits(values, room, state)
            yield (values, counts) if keep.all() else (values[:, keep], counts[keep])

    def _fits(self, values: Ints, room: Reach, state: int) -> NDArray[np.bool_]:
        """Which values can get into the box with something in the room."""
        keep = np.ones(values.shape[1], bool)
        for row, low, high, least, most in self._rows(values, room, state):
            if high is not None:
                keep &= row <= high - least
            if low is not None:
                keep &= row >= low - most
        return keep

    def _count_sure(self, points: Points, room: Reach, border: int, state: int) -> Points:
        """The points that are not inside with every end; the others are counted."""
        sure = np.ones(points.size, bool)
        for row, low, high, least, most in self._rows(points.values, room, state):
            if high is not None:
                sure &= row <= high - most
            if low is not None:
                sure &= row >= low - least
        if not sure.any():
            return points
        beginnings = Points(points.values[:, sure], points.counts[sure]).total
        self.sure += beginnings * self.lattice.completions[border][state]
        return Points(points.values[:, ~sure], settle(points.counts[~sure]))

    def _rows(self, values: Ints, room: Reach, state: int) -> Iterator[tuple[Ints, int | None, int | None, int, int]]:
        """Per metric: the values, the box, and the room between which the rest of a layout costs."""
        for index, row in enumerate(values):
            least, most = int(room.low[index, state]), int(room.high[index, state])
            yield row, self.lattice.low[index], self.lattice.high[index], least, most


@final
class Asked:
    """Points of one border, ranked per metric, that complete sums to layouts inside the box.

    Args:
        points: what completes.
        lattice: with the box.
    """

    def __init__(self, points: Points, lattice: Lattice) -> None:
        self.points = points
        self.low, self.high = lattice.low, lattice.high

    def count(self, batch: Batch) -> int:
        """Layouts inside that the sums of a batch make."""
        return sum(dot(batch.counts, answers) << power for power, answers in self.answers(batch.values))

    def answers(self, values: Ints) -> Iterator[tuple[int, Ints]]:
        """The number of points that complete each sum [metrics, sums], in limbs: pairs of a power of two and [sums]."""
        corners = list(product(*(self._ends(index, row) for index, row in enumerate(values))))
        queries = np.stack([np.concatenate(rows) for rows in zip(*([r for _, r in c] for c in corners), strict=True)])
        signs = [np.prod([sign for sign, _ in corner]) for corner in corners]
        for power, counts in limbs(self.points.counts):
            below = weigh_below(self._ranks, counts, queries).reshape(len(corners), -1)
            yield power, np.sum([sign * row for sign, row in zip(signs, below, strict=True)], axis=0)

    def _ends(self, index: int, row: Ints) -> list[tuple[int, Ranks]]:
        """Signs and ranks: points up to the high end, less those below the low end."""
        rank = self._rankers[index]
        high, low = self.high[index], self.low[index]
        ends = [(1, np.full(len(row), self.points.size, np.int32) if high is None else rank(high - row))]
        if low is not None:
            below = rank(low - 1 - row)
            if below.any():
                ends.append((-1, below))
        return ends

    @cached_property
    def _ranks(self) -> Ranks:
        """[metrics, points], ties broken by place; the first row is increasing already."""
        ranks = np.empty(self.points.values.shape, np.int32)
        for row, out in zip(self.points.values, ranks, strict=True):
            out[np.argsort(row, kind="stable")] = np.arange(len(row), dtype=np.int32)
        return ranks

    @cached_property
    def _rankers(self) -> list[Ranker]:
        return [Ranker(row) for row in self.points.values]


@final
class Ranker:
    """Ranks of values among given ones, the number that is not larger: by a table where the values are close enough."""

    def __init__(self, values: Ints) -> None:
        self.values = np.sort(values)
        self.first = int(self.values[0])
        span = int(self.values[-1]) - self.first + 1
        self.table: Ranks | None = None
        if span <= min(DENSE, 64 * len(values)):
            counts = np.bincount(self.values - self.first, minlength=span)
            self.table = np.concatenate([[0], counts.cumsum()]).astype(np.int32)

    def __call__(self, asked: Ints) -> Ranks:
        if self.table is None:
            return np.searchsorted(self.values, asked, side="right").astype(np.int32)
        return self.table.take(asked - (self.first - 1), mode="clip")


def count_inside(lattice: Lattice) -> int:
    """The number of layouts in a lattice's box.

    Raises:
        SpecError: too many distinct sums.
    """
    if lattice.empty:
        return 0
    return Meeting(lattice).count() if lattice.metrics else lattice.total


def too_large() -> SpecError:
    """The message about a space with too many distinct costs."""
    return SpecError(
        f"the space has too many distinct costs to be counted exactly: more than {MAX_POINTS:,} in a half;"
        " name fewer limits or restrict the space"
    )


def _compact(parts: list[tuple[Ints, Counts]]) -> None:
    """Merges the parts into one whenever the later ones outgrow the first; an error if even that one is too large."""
    sizes = [len(counts) for _, counts in parts]
    if sum(sizes[1:]) > max(BATCH, sizes[0]):
        points = _concatenate(parts)
        if points.size > MAX_POINTS:
            raise too_large()
        parts[:] = [(points.values, points.counts)]


def _concatenate(parts: list[tuple[Ints, Counts]]) -> Points:
    values = np.concatenate([values for values, _ in parts], axis=1)
    return merge(values, np.concatenate([counts for _, counts in parts]))


def _join(parts: list[Batch]) -> Batch:
    """The batches as one; equal sums of a single metric are merged unless traced."""
    places = [part.places for part in parts if part.places is not None]
    if not places and len(parts[0].values) == 1:
        points = _concatenate([(part.values, part.counts) for part in parts])
        return Batch(points.values, points.counts, None)
    values = np.concatenate([part.values for part in parts], axis=1)
    counts = np.concatenate([part.counts for part in parts])
    return Batch(values, counts, np.concatenate(places, axis=1) if places else None)
