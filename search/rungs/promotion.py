"""The rule of promotion: asynchronous successive halving for several objectives, as a function of the journal.

Whenever a result comes in at a rung, so many of its layouts have gone on as the share allows; the best one that has not
is promoted as soon as there is room. Nothing else is asked: the same results in the same order give the same
promotions, whoever computed them and whatever was killed in between.

The cap matters: the asynchronous rule of Li et al. (A System for Massively Parallel Hyperparameter Tuning, 2020)
promotes whatever is among the best at some time, and ends with 40 to 50 % of the layouts above the first rung instead
of a third. Once no further layout comes, a share that is no whole number is rounded up, so that the best layout of a
rung always goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import final

import numpy as np

from search.rungs.ranking import best


@final
@dataclass(frozen=True, slots=True)
class RungResult:
    """A training that came to a rung, or failed on its way there.

    Attributes:
        layout: number of the trial that began it.
        rung: from 0.
        losses: its objectives, smaller is better; empty where it failed.
    """

    layout: int
    rung: int
    losses: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class Promotion:
    """A layout that is to go on to a rung, from 1."""

    layout: int
    rung: int


@final
@dataclass(slots=True)
class _Rung:
    layouts: list[int] = field(default_factory=list[int])
    losses: list[tuple[float, ...]] = field(default_factory=list[tuple[float, ...]])
    promoted: set[int] = field(default_factory=set[int])
    settled: set[int] = field(default_factory=set[int])
    """Layouts that came to this rung, or failed on the way."""

    def choose(self) -> int | None:
        """The best layout that has not been promoted."""
        candidates = [index for index, layout in enumerate(self.layouts) if layout not in self.promoted]
        if not candidates:
            return None
        return self.layouts[best(np.array(self.losses, np.float64), candidates)]


@final
class Promotions:
    """The promotions that results, told one after the other, call for.

    Args:
        rungs: how many, the whole training among them.
        keep: share of the layouts at a rung that goes on.
    """

    def __init__(self, rungs: int, keep: Fraction) -> None:
        self.keep = keep
        self.granted: list[Promotion] = []
        """In the order in which they were granted."""
        self._rungs = [_Rung() for _ in range(rungs)]

    def add(self, result: RungResult) -> None:
        """A result has come in; a layout that is at its rung already is not counted again."""
        rung = self._rungs[result.rung]
        if result.rung and result.layout not in self._rungs[result.rung - 1].promoted:
            self._grant(result.layout, result.rung)  # by a rounding up at what then was the end
        rung.settled.add(result.layout)
        if not result.losses or result.layout in rung.layouts:
            return
        rung.layouts.append(result.layout)
        rung.losses.append(result.losses)
        self._fill(result.rung, math.floor(self.keep * len(rung.layouts)))

    def close(self) -> None:
        """No further layout will begin: rung by rung, once all have come to it, the share is rounded up."""
        for index, rung in enumerate(self._rungs):
            if index and not self._rungs[index - 1].promoted <= rung.settled:
                return
            self._fill(index, math.ceil(self.keep * len(rung.layouts)))

    @property
    def open(self) -> list[Promotion]:
        """Those granted whose result has not come in: the highest rung first, then as they were granted."""
        left = [one for one in self.granted if one.layout not in self._rungs[one.rung].settled]
        return sorted(left, key=lambda one: -one.rung)

    @property
    def settled(self) -> int:
        """Promotions whose results have come in."""
        return sum(len(rung.settled) for rung in self._rungs[1:])

    def _fill(self, index: int, most: int) -> None:
        rung = self._rungs[index]
        if index == len(self._rungs) - 1:
            return
        while len(rung.promoted) < most and (chosen := rung.choose()) is not None:
            self._grant(chosen, index + 1)

    def _grant(self, layout: int, rung: int) -> None:
        self._rungs[rung - 1].promoted.add(layout)
        self.granted.append(Promotion(layout, rung))


def expected_steps(layouts: int, rungs: int, keep: Fraction) -> tuple[int, ...]:
    """The layouts that come to each rung, of so many that begin and of which none fails; [rungs]."""
    counts = [layouts]
    while len(counts) < rungs:
        counts.append(math.ceil(keep * counts[-1]))
    return tuple(counts)


def expected_epochs(layouts: int, rungs: Sequence[int], keep: Fraction) -> int:
    """The epochs that so many layouts take together.

    Args:
        layouts: that begin.
        rungs: in epochs, ascending.
        keep: share of the layouts at a rung that goes on.
    """
    counts = expected_steps(layouts, len(rungs), keep)
    steps = [rungs[0], *(later - one for one, later in pairwise(rungs))]
    return sum(count * epochs for count, epochs in zip(counts, steps, strict=True))
