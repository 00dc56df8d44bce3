"""The layout inside a budget that is nearest to a given one, proven: fewest changed holes, then the smallest moves.

Changes and moves add up over the components of a chain as costs do. So the search goes by the number of changes, and
for each number walks the chain, keeping of all beginnings those that can still end inside: the smallest and largest
cost of an ending with exactly so many changes are known from every border, and a bound on all limits at once
(`search.budget.nearest_bounds`). What it drops cannot be the answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain, Component
from archspec.progress import doing, known
from search.budget.nearest_bounds import MARGIN, Blend, Ends, Relaxation
from search.space.encoding import Encoding
from search.space.holes import Hole
from search.space.limits import Box

Ints = NDArray[np.int64]

FAR = 1 << 60
"""More than any distance or cost; twice that is still an integer of 64 bits."""
SPAN = 1_000_000
"""Distance from one end of a hole's options to the other."""
CHUNK = 1 << 18
"""Beginnings that are extended at a time."""
FEW = 2
"""Changes up to which a look at all is faster than a bound on several limits."""
BEAM = 2048
"""Beginnings that a first descent follows."""


@final
@dataclass(frozen=True)
class Moves:
    """Distances of every option of every component from the layout that is to be repaired.

    Attributes:
        changes: per component [options], holes that change; one that opens or closes with another is none.
        distance: per component [options], the sum over these holes of how far they move, at most SPAN each.
    """

    changes: tuple[Ints, ...]
    distance: tuple[Ints, ...]


def moves(encoding: Encoding, row: Ints, spans: list[Ints] | None = None) -> Moves:
    """The moves from the layout `row` [components].

    Args:
        encoding: the space.
        row: the choices of the layout, which may be impossible.
        spans: per slot [options, options], the distances between its options; `span` of the hole where None.
    """
    spans = [span(slot) for slot in encoding.slots] if spans is None else spans
    (here,) = encoding.vectors(row[None])
    changes: list[Ints] = []
    distance: list[Ints] = []
    for component, options in enumerate(encoding.options):
        rows = np.tile(row, (options, 1))
        rows[:, component] = np.arange(options)
        there = encoding.vectors(rows)
        moved = (there != here) & (there >= 0) & (here >= 0)
        far = np.zeros(options, np.int64)
        for slot in np.flatnonzero(moved.any(0)):
            far += np.where(moved[:, slot], spans[slot][here[slot], there[:, slot]], 0)
        changes.append(moved.sum(1, dtype=np.int64))
        distance.append(far)
    return Moves(tuple(changes), tuple(distance))


def span(hole: Hole) -> Ints:
    """Distances between the options of a hole [options, options]: numbers by their rank, anything else all alike."""
    count = len(hole.options)
    if count > 1 and all(isinstance(o, int | float) and not isinstance(o, bool) for o in hole.options):
        ranks = np.argsort(np.argsort(np.array(hole.options, float)))
        steps = np.abs(ranks[:, None] - ranks[None, :])
        return (steps * SPAN + (count - 1) // 2) // (count - 1)
    return np.where(np.eye(count, dtype=bool), 0, SPAN).astype(np.int64)


@final
@dataclass(slots=True)
class Effort:
    """The work that a search may do.

    Attributes:
        seconds: wall time from now on.
        ways: beginnings that it may look at; unlike seconds, they end it at the same place on any machine.
    """

    seconds: float = math.inf
    ways: float = math.inf
    _started: float = field(default_factory=time.monotonic)

    def spend(self, ways: int) -> None:
        """Count so many beginnings.

        Raises:
            _EffortSpent: that was all.
        """
        self.ways -= ways
        if self.ways < 0 or self.left <= 0:
            raise _EffortSpent

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.monotonic() - self._started)


class _EffortSpent(Exception):  # noqa: N818  (it is no error)
    """An effort is spent."""


@final
@dataclass(frozen=True)
class Nearest:
    """The answer of a search.

    Attributes:
        choices: [components], a layout inside; None where there is none, or none was found.
        decided: whether no other one inside is nearer, or none is inside.
        excluded: no layout inside has so few changes, or fewer; -1 where that is not known of any number.
    """

    choices: Ints | None
    decided: bool
    excluded: int


def nearest(chain: Chain, box: Box, moves: Moves, effort: Effort | None = None) -> Nearest:
    """The layout inside `box` with the fewest changes, of these with the smallest distance, of these the first in the
    order of the options.

    The time that this takes grows with the number of changes where limits are narrow or contradict each other nearly.

    Args:
        chain: the tables.
        box: at least one limit.
        moves: from the layout that is to be repaired.
        effort: after which the search ends with what it has.
    """
    search = _Search(chain.select([limit.metric for limit in box]), box, moves, effort or Effort())
    for changes in range(search.most_changes + 1):
        doing(f"looking at edits of {changes} of at most {search.most_changes} fields")
        try:
            found = search.find(changes)
        except _EffortSpent:
            return Nearest(search.best, decided=False, excluded=changes - 1)
        if found is not None:
            return Nearest(found, decided=True, excluded=changes - 1)
        known(f"none changes {changes}")
    return Nearest(None, decided=True, excluded=search.most_changes)


@final
@dataclass(frozen=True)
class _Beginnings:
    """Ways through the first components, in the order of their options: what they cost and where they stand."""

    path: NDArray[np.int32]  # [ways, components so far]
    state: NDArray[np.int32]  # [ways]
    left: Ints  # [ways], changes still to be made
    distance: Ints  # [ways]
    costs: Ints  # [ways, limits]
    blend: NDArray[np.float64]  # [ways]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> _Beginnings:
        return _Beginnings(
            self.path[rows],
            self.state[rows],
            self.left[rows],
            self.distance[rows],
            self.costs[rows],
            self.blend[rows],
        )


@final
@dataclass(frozen=True)
class _Endings:
    """What the components from one on can add, by state and number of changes; FAR where nothing is possible."""

    near: list[Ints]  # by changes: [states], the smallest distance
    least: list[Ints]  # by changes: [states, limits]
    most: list[Ints]


@final
class _Search:
    def __init__(self, chain: Chain, box: Box, moves: Moves, effort: Effort) -> None:
        self.parts, self.moves, self.effort = chain.components, moves, effort
        self.best: Ints | None = None  # inside, with as many changes as are looked at now
        self.low = np.array([-FAR if limit.low is None else limit.low for limit in box], np.int64)
        self.high = np.array([FAR if limit.high is None else limit.high for limit in box], np.int64)
        self.most_changes = sum(int(changes.max()) for changes in moves.changes)
        self.endings = [_Endings([], [], []) for _ in (*self.parts, None)]
        ends = Ends.of([(limit.low, limit.high) for limit in box])
        self.relaxation = Relaxation(self.parts, ends, moves.changes, moves.distance)
        self.one_sided = len(box) == 1 and (box[0].low is None or box[0].high is None)

    def find(self, changes: int) -> Ints | None:
        """The nearest layout inside with exactly so many changes; asked for 0, 1, 2, ... in turn."""
        self._extend(changes)
        start = _Beginnings(
            np.zeros((1, 0), np.int32),
            np.zeros(1, np.int32),
            np.full(1, changes, np.int64),
            np.zeros(1, np.int64),
            np.zeros((1, len(self.low)), np.int64),
            np.zeros(1),
        )
        if not len(self._promising(start, None, FAR)[0]):
            return None
        if changes <= FEW or len(self.low) < 2:
            return self._walk(start, None, FAR)
        blend = self.relaxation.blend(changes)
        return None if blend is None else self._walk(start, blend, self._descend(start, blend) + 1)

    def _descend(self, ways: _Beginnings, blend: Blend) -> int:
        """The distance of some layout inside, if following the most promising beginnings finds one; else nearly FAR."""
        for _ in self.parts:
            ways = self._grow(ways, blend)
            keep, bounds = self._promising(ways, blend, FAR)
            if not len(keep):
                return FAR - 1
            ways = ways.take(keep[np.argsort(bounds, kind="stable")[:BEAM]])
        return int(ways.distance.min())

    def _walk(self, start: _Beginnings, blend: Blend | None, best: int) -> Ints | None:
        """The first of the nearest layouts inside, nearer than `best`."""
        stack, path = [start], None
        while stack:
            ways = stack.pop()
            ways = ways.take(self._promising(ways, blend, best)[0])
            place = ways.path.shape[1]
            if not len(ways.state):
                continue
            if place == len(self.parts):
                first = int(ways.distance.argmin())
                best, path = int(ways.distance[first]), ways.path[first].astype(np.int64)
                self.best = path
                continue
            few = max(1, CHUNK // self.parts[place].options)
            if len(ways.state) > few:
                stack.append(ways.take(slice(few, None)))
            stack.append(self._prune(self._grow(ways.take(slice(few)), blend)))
        return path

    def _extend(self, changes: int) -> None:
        """The endings with exactly `changes` changes, from those with fewer."""
        width = len(self.low)
        last = self.endings[-1]
        last.near.append(np.full(1, FAR if changes else 0))
        last.least.append(np.full((1, width), FAR if changes else 0))
        last.most.append(np.full((1, width), -FAR if changes else 0))
        for place in range(len(self.parts) - 1, -1, -1):
            part, own, following = self.parts[place], self.endings[place], self.endings[place + 1]
            near = np.full(part.states, FAR)
            least, most = np.full((part.states, width), FAR), np.full((part.states, width), -FAR)
            for made in range(changes + 1):
                options = np.flatnonzero(self.moves.changes[place] == made)
                if len(options):
                    self._meet(part, options, place, following, changes - made, (near, least, most))
            own.near.append(near)
            own.least.append(least)
            own.most.append(most)

    def _meet(
        self,
        part: Component,
        options: NDArray[np.intp],
        place: int,
        following: _Endings,
        left: int,
        best: tuple[Ints, Ints, Ints],
    ) -> None:
        """Improve the bounds `best` of a component by those of its options followed by endings of `left` changes."""
        after, costs = part.after[:, options], part.costs[:, options]
        possible = (after >= 0) & (following.near[left][after] < FAR)
        near = np.where(possible, following.near[left][after] + self.moves.distance[place][options], FAR)
        least = np.where(possible[..., None], following.least[left][after] + costs, FAR)
        most = np.where(possible[..., None], following.most[left][after] + costs, -FAR)
        np.minimum(best[0], near.min(1), out=best[0])
        np.minimum(best[1], least.min(1), out=best[1])
        np.maximum(best[2], most.max(1), out=best[2])

    def _promising(
        self, ways: _Beginnings, blend: Blend | None, best: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The beginnings of layouts that may lie inside, nearer than `best`; and how near those may be."""
        place = ways.path.shape[1]
        endings = self.endings[place]
        near = np.stack(endings.near, 1)[ways.state, ways.left]
        least = np.stack(endings.least, 1)[ways.state, ways.left] + ways.costs
        most = np.stack(endings.most, 1)[ways.state, ways.left] + ways.costs
        keep = (near < FAR) & (ways.distance + near < best)
        keep &= (least <= self.high).all(1) & (most >= self.low).all(1)
        bounds = (ways.distance + near).astype(float)
        if blend is not None:
            keep &= ways.blend + blend.least[place][ways.state, ways.left] <= blend.bound + MARGIN
            detour = blend.detour[place][ways.state, ways.left] + blend.rate * (ways.blend - blend.bound)
            bounds = np.maximum(bounds, ways.distance + detour)
            keep &= bounds < best - 0.5  # distances are whole, so half is a margin for rounding
        (rows,) = np.nonzero(keep)
        return rows, bounds[rows]

    def _grow(self, ways: _Beginnings, blend: Blend | None) -> _Beginnings:
        """Every way followed by every option that is possible there and leaves enough changes."""
        place = ways.path.shape[1]
        part, changes = self.parts[place], self.moves.changes[place]
        self.effort.spend(len(ways.state) * part.options)
        after = part.after[ways.state]
        rows, options = np.nonzero((after >= 0) & (changes <= ways.left[:, None]))
        return _Beginnings(
            np.concatenate([ways.path[rows], options[:, None].astype(np.int32)], axis=1),
            after[rows, options],
            ways.left[rows] - changes[options],
            ways.distance[rows] + self.moves.distance[place][options],
            ways.costs[rows] + part.costs[ways.state[rows], options],
            ways.blend[rows] + (0 if blend is None else blend.costs[place][ways.state[rows], options]),
        )

    def _prune(self, ways: _Beginnings) -> _Beginnings:
        """Without the ways that another one makes superfluous: one at the same border with as many changes left, of
        equal or lesser cost where the only limit is from above, and nearer, or as near and earlier.
        """
        if not self.one_sided or not len(ways.state):
            return ways
        cost = ways.costs[:, 0] if self.high[0] < FAR else -ways.costs[:, 0]
        group = ways.state.astype(np.int64) * (int(ways.left.max()) + 1) + ways.left
        rank = np.empty(len(cost), np.int64)  # by distance, then by order
        rank[np.lexsort((np.arange(len(cost)), ways.distance))] = np.arange(len(cost))
        order = np.lexsort((rank, cost, group))
        # A running minimum within each group: later groups stand below all earlier ones.
        falling = rank[order] - group[order] * len(cost)
        before = np.minimum.accumulate(falling)
        keep = np.zeros(len(cost), bool)
        keep[order[np.concatenate([[True], falling[1:] < before[:-1]])]] = True
        return ways.take(keep)


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[str, ...]:
    """`path: old -> new` for every hole that is filled otherwise, in the order of the file; not for one that closes."""
    return tuple(
        f"{path}: {before.get(path, 'none')} -> {value}"
        for path, value in after.items()
        if path not in before or before[path] != value
    )
