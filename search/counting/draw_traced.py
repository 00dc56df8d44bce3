"""Uniform layouts inside a box by exact counts of a meeting in the middle, however small the box is."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import final

import numpy as np
from numpy.typing import NDArray

from search.counting.big_integers import Counts, Ints, settle, times, total
from search.counting.lattice import Bundle, Lattice
from search.counting.meet_in_the_middle import Asked, Meeting, Tier
from search.counting.points import Points


@final
@dataclass(frozen=True)
class _Share:
    """Sums that have completions among the targets in a state: their places, and layouts cumulated."""

    state: int
    places: NDArray[np.int32]
    ways: Counts


@final
class ExactDraw:
    """Every sum of a meeting that can be completed inside the box, with the number of layouts that do.

    Args:
        lattice: not empty, at least one metric.

    Attributes:
        total: layouts inside.

    Raises:
        SpecError: too many distinct sums.
    """

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self.meeting = Meeting(lattice, shortcut=False)
        self._shares: list[_Share] = []
        totals: list[int] = []
        for state, side in self.meeting.targets.items():
            asked = Asked(side, lattice)
            for batch in self.meeting.batches(state, traced=True):
                answers = sum(
                    answers.astype(object) << power if power else answers
                    for power, answers in asked.answers(batch.values)
                )
                ways = times(batch.counts, settle(np.asarray(answers)))
                some = np.flatnonzero(ways)
                if len(some) and batch.places is not None:
                    ways = settle(ways[some])
                    totals.append(total(ways))
                    self._shares.append(_Share(state, batch.places[:, some], ways.cumsum()))
        self._offsets = [0, *accumulate(totals)]
        self.total = self._offsets[-1]

    def draw(self, size: int, rng: np.random.Generator) -> Ints:
        """Choices [size, components]."""
        choices = np.empty((size, len(self.lattice.bundles)), np.int64)
        for row in choices:
            number = draw_below(self.total, rng)
            index = bisect_right(self._offsets, number) - 1
            share = self._shares[index]
            place = int(np.searchsorted(share.ways, number - self._offsets[index], side="right"))
            self._trace(row, share, place, rng)
        return choices

    def _trace(self, row: Ints, share: _Share, place: int, rng: np.random.Generator) -> None:
        """One layout among those of a sum."""
        meeting = self.meeting
        number, entry, point = share.places[:, place].tolist()
        bundle = self.lattice.bundles[meeting.middle][number]
        start = bundle.starts[entry]
        row[meeting.middle] = bundle.options[start + draw_below(int(bundle.counts[entry]), rng)]
        source = meeting.sources[bundle.source if meeting.forward else bundle.target].values[:, point]
        targets = meeting.targets[share.state]
        other = targets.values[:, self._complete(targets, source + bundle.values[:, entry], rng)]
        begin, end = (source, other) if meeting.forward else (other, source)
        self._descend(row, bundle.source, begin, rng)
        self._ascend(row, bundle.target, end, rng)

    def _complete(self, targets: Points, value: Ints, rng: np.random.Generator) -> int:
        """One of the targets that complete a sum, by their counts."""
        inside = np.ones(targets.size, bool)
        for own, add, low, high in zip(targets.values, value, self.lattice.low, self.lattice.high, strict=True):
            if low is not None:
                inside &= own >= low - add
            if high is not None:
                inside &= own <= high - add
        places = np.flatnonzero(inside)
        return int(places[pick(targets.counts[places], rng)])

    def _descend(self, row: Ints, state: int, value: Ints, rng: np.random.Generator) -> None:
        """The options of a beginning that reaches a state of the middle with a cost."""
        for component in reversed(range(self.meeting.middle)):
            state, value = self._step(row, component, (state, value), self.meeting.beginnings[component], rng)

    def _ascend(self, row: Ints, state: int, value: Ints, rng: np.random.Generator) -> None:
        """The options of an end that leaves a state after the middle with a cost."""
        for component in range(self.meeting.middle + 1, len(row)):
            tier = self.meeting.ends[component - self.meeting.middle]
            state, value = self._step(row, component, (state, value), tier, rng)

    def _step(
        self, row: Ints, component: int, here: tuple[int, Ints], tier: Tier, rng: np.random.Generator
    ) -> tuple[int, Ints]:
        """Chooses one component's option among those that lead to a point of the next tier; returns that point."""
        backward = component < self.meeting.middle
        ways: list[Counts] = []
        steps: list[tuple[Bundle, int]] = []
        for bundle in self.lattice.bundles[component]:
            near, far = (bundle.target, bundle.source) if backward else (bundle.source, bundle.target)
            if near == here[0] and far in tier:
                found = tier[far].find(here[1][:, None] - bundle.values)
                ways.append(times(np.where(found >= 0, tier[far].counts[found], 0), bundle.counts))
                steps += [(bundle, entry) for entry in range(bundle.size)]
        bundle, entry = steps[pick(np.concatenate(ways), rng)]
        row[component] = bundle.options[bundle.starts[entry] + draw_below(int(bundle.counts[entry]), rng)]
        return (bundle.source if backward else bundle.target), here[1] - bundle.values[:, entry]


def draw_below(bound: int, rng: np.random.Generator) -> int:
    """A uniform integer below `bound`, which may be of any size."""
    if bound < 2**63:
        return int(rng.integers(0, bound))
    bits = bound.bit_length()
    while True:
        number = int.from_bytes(rng.bytes((bits + 7) // 8), "little") & ((1 << bits) - 1)
        if number < bound:
            return number


def pick(counts: Counts, rng: np.random.Generator) -> int:
    """An index, by its count."""
    sums = settle(counts).cumsum()
    return int(np.searchsorted(sums, draw_below(int(sums[-1]), rng), side="right"))
