"""The designs that fit published cost cells: all of them priced, none left out."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.documents.wording import show
from archspec.errors import SpecError
from search.infer.case import Case, Label
from search.infer.pricing import Ints, Pricer
from search.infer.printed_cells import PrintedCell

Mask = NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True)
class CellResult:
    """The verdict of a cell on the designs.

    Attributes:
        cell: the cell.
        alone: designs that fit it.
        without: designs that fit all other cells.
        among: fits of all cells that fit it: all of them, except for an excluded cell.
        low: least cost of a possible design.
        high: largest.
    """

    cell: PrintedCell
    alone: int
    without: int
    among: int
    low: int
    high: int


@final
@dataclass(frozen=True, slots=True)
class Design:
    """One design and its exact costs in the cells, excluded ones last.

    Attributes:
        picks: the index of the option of each choice.
        costs: cost in each cell, None where that spec is impossible at that resolution.
        possible: whether it is possible in all cells that are not excluded.
        broken: indices of the cells that it does not fit.
        worst: largest deviation over the cells, as a share of what the cell's window allows; above 1 is outside.
    """

    picks: tuple[int, ...]
    costs: tuple[int | None, ...]
    possible: bool
    broken: tuple[int, ...]
    worst: float


@final
@dataclass(frozen=True, slots=True)
class Inference:
    """The conclusions from the cells of a case.

    Attributes:
        case: the case.
        designs: their number.
        possible: how many of them give possible specs.
        fits: how many of these fit all cells.
        cells: each cell, then each excluded one.
        counts: for each choice, how many fits have each option.
        idle: for each choice, whether no cell depends on it.
        fewest: least number of cells that a possible design breaks.
        nearest: how many break no more; the fits, if there are any.
        conflict: without fits, cells that no design fits together, each needed for that.
        top: the designs that break fewest cells, by largest deviation.
        known: the designs with a name.
    """

    case: Case
    designs: int
    possible: int
    fits: int
    cells: tuple[CellResult, ...]
    counts: tuple[tuple[int, ...], ...]
    idle: tuple[bool, ...]
    fewest: int
    nearest: int
    conflict: tuple[PrintedCell, ...]
    top: tuple[Design, ...]
    known: dict[str, Design]

    @property
    def determined(self) -> dict[str, Label]:
        """The choices with the same option in all fits."""
        out: dict[str, Label] = {}
        for choice, counts in zip(self.case.choices, self.counts, strict=True):
            if self.fits and max(counts) == self.fits:
                out[choice.name] = choice.labels[counts.index(self.fits)]
        return out


def infer(case: Case, top: int = 5) -> Inference:
    """Price every design of `case` and compare it with the cells.

    Args:
        case: the case.
        top: how many designs to list.

    Raises:
        SpecError: no design is possible, an option that no possible design has, too many combinations.
    """
    return _Solver(case).solve(top)


@final
class _Solver:
    """Arrays with an axis per choice, of length 1 where the choice does not matter."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.every = (*case.cells, *case.excluded)
        pricer = Pricer(case)
        wanted = dict.fromkeys((cell.spec, cell.resolution) for cell in self.every)
        prices = {key: pricer.price(*key) for key in wanted}
        self.costs: list[Ints] = [getattr(prices[cell.spec, cell.resolution], cell.quantity) for cell in self.every]
        self.masks = [
            (costs >= cell.window.low) & (costs <= cell.window.high)
            for cell, costs in zip(self.every, self.costs, strict=True)
        ]
        self.possible = np.ones(case.sizes, np.bool_)
        for cell in case.cells:
            self.possible &= prices[cell.spec, cell.resolution].params >= 0
        self._check_options()

    def solve(self, top: int) -> Inference:
        count = len(self.case.cells)
        broken = np.zeros(self.case.sizes, np.uint16)
        for mask in self.masks[:count]:
            broken += ~mask
        fits = self.possible & (broken == 0)
        fewest = int(broken[self.possible].min())
        nearest = self.possible & (broken == fewest)
        axes = range(fits.ndim)
        total = int(fits.sum())
        return Inference(
            self.case,
            prod(self.case.sizes),
            int(self.possible.sum()),
            total,
            tuple(self._cell(index, fits, broken) for index in range(len(self.every))),
            tuple(
                tuple(int(n) for n in fits.sum(axis=tuple(other for other in axes if other != axis))) for axis in axes
            ),
            tuple(self._idle(axis) for axis in axes),
            fewest,
            int(nearest.sum()),
            () if total else self._conflict(),
            self._top(nearest, top),
            {name: self._design(np.array([picks]), 0) for name, picks in self.case.known.items()},
        )

    def _check_options(self) -> None:
        case = self.case
        if not self.possible.any():
            raise SpecError("give no possible design", field="choices", source=case.document.source)
        for axis, choice in enumerate(case.choices):
            for option, label in enumerate(choice.labels):
                if not self.possible.take(option, axis).any():
                    picks = [0] * len(case.choices)
                    picks[axis] = option
                    rule = f"option {show(label)} gives no possible design{self._reason(tuple(picks))}"
                    raise case.document.refuse(choice.place, rule)

    def _reason(self, picks: tuple[int, ...]) -> str:
        for name in self.case.specs:
            try:
                self.case.spec(name, picks)
            except SpecError as error:
                return f": {error}"
        return ""

    def _cell(self, index: int, fits: Mask, broken: NDArray[np.uint16]) -> CellResult:
        mask, costs = self.masks[index], self.costs[index]
        excluded = index >= len(self.case.cells)
        others = fits if excluded else self.possible & (broken == ~mask)
        true = costs[costs >= 0]
        return CellResult(
            self.every[index],
            int((self.possible & mask).sum()),
            int(others.sum()),
            int((fits & mask).sum()),
            int(true.min()) if true.size else 0,
            int(true.max(initial=0)),
        )

    def _idle(self, axis: int) -> bool:
        return all(bool((costs == costs.take([0], axis)).all()) for costs in self.costs[: len(self.case.cells)])

    def _conflict(self) -> tuple[PrintedCell, ...]:
        """Cells without a common fit, none of which can be left out: each is dropped unless that gives a fit."""
        kept = list(range(len(self.case.cells)))
        sure = self.possible
        for index in list(kept):
            rest = sure
            for other in kept:
                if other > index:
                    rest = rest & self.masks[other]
                if not rest.any():
                    break
            if rest.any():
                sure = sure & self.masks[index]
            else:
                kept.remove(index)
        return tuple(self.case.cells[index] for index in kept)

    def _top(self, among: Mask, count: int) -> tuple[Design, ...]:
        picks = np.argwhere(among)
        worst = np.zeros(len(picks))
        for index in range(len(self.case.cells)):
            np.maximum(worst, self._deviation(index, self._gather(index, picks)), out=worst)
        order = np.argsort(worst, kind="stable")[:count]
        return tuple(self._design(picks, int(row)) for row in order)

    def _design(self, picks: NDArray[np.integer], row: int) -> Design:
        own = picks[row : row + 1]
        design = tuple(int(pick) for pick in own[0])
        count = len(self.case.cells)
        found = [self._gather(index, own) for index in range(len(self.every))]
        inside = [bool(mask[_at(mask.shape, own)][0]) for mask in self.masks]
        worst = max(float(self._deviation(index, found[index])[0]) for index in range(count))
        return Design(
            design,
            tuple(int(cost[0]) if cost[0] >= 0 else None for cost in found),
            bool(self.possible[design]),
            tuple(index for index, fits in enumerate(inside) if not fits),
            worst,
        )

    def _gather(self, index: int, picks: NDArray[np.integer]) -> Ints:
        """Costs [designs] in one cell."""
        costs = self.costs[index]
        return costs[_at(costs.shape, picks)]

    def _deviation(self, index: int, costs: Ints) -> NDArray[np.float64]:
        """How far costs lie from the middle of a window, as a share of what it allows."""
        window = self.every[index].window
        distance = np.abs(costs - float(window.centre))
        # An exact figure allows nothing: what differs by one unit is as far outside as it can be.
        return distance / float(window.reach) if window.reach else np.where(distance > 0, np.inf, 0.0)


def _at(shape: tuple[int, ...], picks: NDArray[np.integer]) -> tuple[NDArray[np.integer], ...]:
    """The indices of designs [designs, choices] in an array whose axes of length 1 stand for any option."""
    return tuple(picks[:, axis] if size > 1 else np.zeros_like(picks[:, axis]) for axis, size in enumerate(shape))
