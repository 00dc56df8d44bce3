"""Repeated searches compared: bands of hypervolume, attainment of the fronts, and tests at several budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from archspec.errors import SpecError
from reports.records.devices import FigureDevices, pooled_devices
from reports.records.hypervolume_box import HypervolumeBox, scale_of
from reports.records.metrics import QUALITY
from reports.records.search import Record, finished
from reports.run_comparison.arms import Arm, read_arms
from reports.run_comparison.history import By, Floats, History, read_history, timed_virtually
from reports.statistics.comparison import Comparison, Settings, compare

QUARTILES = (0.25, 0.5, 0.75)
SHARES = (0.25, 0.5, 1.0)
"""Parts of what all runs have spent at which they are compared where nothing else is asked."""


@final
@dataclass(frozen=True)
class Band:
    """Hypervolume of an arm's repetitions along the axis, as far as all of them come.

    Attributes:
        x: [places].
        low, middle, high: [places], quartiles over the repetitions.
    """

    x: Floats
    low: Floats
    middle: Floats
    high: Floats


@final
@dataclass(frozen=True)
class Attainment:
    """Empirical attainment of an arm's fronts: what a share of the repetitions reaches at a cost or below.

    Attributes:
        costs: [places], ascending.
        surfaces: by share (0.25, 0.5, 0.75), [places], NaN where fewer repetitions have anything so cheap.
    """

    costs: Floats
    surfaces: Mapping[float, Floats]


@final
@dataclass(frozen=True)
class BudgetRow:
    """An arm at one budget.

    Attributes:
        at: the budget.
        arm: its name.
        scores: hypervolume by seed.
        quartiles: over the repetitions.
        tested: against the first arm; None for that itself, and where nothing could be tested.
    """

    at: float
    arm: str
    scores: Mapping[int, float]
    quartiles: tuple[float, float, float]
    tested: Comparison | None


@final
@dataclass(frozen=True)
class RunComparison:
    """Everything that is said of runs that are compared.

    Attributes:
        arms: in order; the first is what the others are tested against.
        by: the axis; `unit` names it.
        box: in which hypervolumes are measured, the same for all.
        histories: of each arm's runs.
        bands, attainments: of each arm; attainments are empty where objectives are not accuracy and one cost.
        rows: at each budget, each arm.
        end: what every run has spent.
        paired: whether tests pair runs by seed.
        untested: why nothing was tested; empty where it was.
    """

    arms: tuple[Arm, ...]
    by: By
    unit: str
    box: HypervolumeBox
    histories: tuple[tuple[History, ...], ...]
    bands: tuple[Band, ...]
    attainments: tuple[Attainment, ...]
    rows: tuple[BudgetRow, ...]
    end: float
    paired: bool
    untested: str

    @property
    def timings(self) -> tuple[FigureDevices, ...]:
        """The devices of those objectives that are inference times, over all runs."""
        found = pooled_devices([run.record.timings for arm in self.arms for run in arm.runs])
        return tuple(one for one in found if one.metric.name in self.record.objectives)

    @property
    def record(self) -> Record:
        """That of the first run, for names and units."""
        return self.arms[0].runs[0].record


def compare_runs(
    folders: Sequence[Path], names: Sequence[str] = (), by: By = "trainings", at: Sequence[float] = ()
) -> RunComparison:
    """Read runs and compare their arms.

    Args:
        folders: of runs.
        names: of the arms, in their order.
        by: the axis.
        at: budgets on it; a quarter, half and all of what every run has spent where empty.

    Raises:
        SpecError: runs that cannot be compared, a budget that not all runs reach.
        RunError: a damaged journal.
    """
    arms = read_arms(folders, names)
    runs = [run for arm in arms for run in arm.runs]
    record = runs[0].record
    box = scale_of(pd.concat([finished(run.record.search) for run in runs]), record.objectives, record.metrics)
    histories = tuple(tuple(read_history(run.record, by, box, str(run.folder)) for run in arm.runs) for arm in arms)
    ends = [
        (one.end, run) for arm, of in zip(arms, histories, strict=True) for one, run in zip(of, arm.runs, strict=True)
    ]
    end, shortest = min(ends, key=lambda pair: pair[0])
    for place in at:
        if not 0 < place <= end:
            rule = f"must be above 0 and at most {end:g} {by}, where {shortest.folder} ends, not {place:g}"
            raise SpecError(rule, field="--at")
    budgets = tuple(sorted(set(at))) or _budgets(end, by)
    rows, paired, untested = _rows(arms, histories, budgets)
    virtual = by == "seconds" and all(timed_virtually(run.record) for run in runs)
    return RunComparison(
        arms,
        by,
        {"trainings": "whole trainings", "epochs": "epochs"}.get(by, "seconds" if virtual else "seconds of training"),
        box,
        histories,
        tuple(map(_band, histories)),
        _attainments(record, histories, end),
        rows,
        end,
        paired,
        untested,
    )


def _budgets(end: float, by: By) -> tuple[float, ...]:
    places = [end * share for share in SHARES]
    return tuple(sorted({max(1.0, float(round(place))) if by != "seconds" else place for place in places}))


def _band(histories: Sequence[History]) -> Band:
    end = min(one.end for one in histories)
    places = np.unique(np.concatenate([[0.0, end], *(one.spent for one in histories)]))
    places = places[places <= end]
    low, middle, high = np.quantile(np.stack([one.at(places) for one in histories]), QUARTILES, axis=0)
    return Band(places, low, middle, high)


def _attainments(record: Record, histories: Sequence[Sequence[History]], end: float) -> tuple[Attainment, ...]:
    if len(record.goals) != 2 or record.goals[0].name != QUALITY or record.goals[1].direction != "minimize":
        return ()
    reached = [[one.points[one.spent <= end] for one in of] for of in histories]
    costs = np.unique(np.concatenate([points[:, 1] for of in reached for points in of]))
    return tuple(_attainment(of, costs) for of in reached)


def _attainment(fronts: Sequence[Floats], costs: Floats) -> Attainment:
    """The attainment of fronts, [layouts, 2] each: accuracy and cost.

    Source: Grunert da Fonseca, Fonseca and Hall, Inferential performance assessment of stochastic optimisers and the
    attainment function, 2001.
    """
    best = np.full((len(fronts), len(costs)), -np.inf)
    for row, points in zip(best, fronts, strict=True):
        order = np.argsort(points[:, 1], kind="stable")
        highest = np.append(-np.inf, np.maximum.accumulate(points[order, 0]))
        row[:] = highest[np.searchsorted(points[order, 1], costs, side="right")]
    ranked = -np.sort(-best, axis=0)
    surfaces = {share: ranked[math.ceil(share * len(fronts)) - 1] for share in QUARTILES}
    return Attainment(costs, {share: np.where(np.isfinite(one), one, np.nan) for share, one in surfaces.items()})


def _rows(
    arms: Sequence[Arm], histories: Sequence[Sequence[History]], budgets: Sequence[float]
) -> tuple[tuple[BudgetRow, ...], bool, str]:
    """A row for each budget and arm, all tests as one family; whether they are paired; why there are none."""
    scores: dict[tuple[float, str], dict[int, float]] = {}
    for place in budgets:
        for arm, of in zip(arms, histories, strict=True):
            values = [float(one.at(np.array([place]))[0]) for one in of]
            scores[place, arm.name] = dict(zip((run.seed for run in arm.runs), values, strict=True))
    first = arms[0]
    seeds = [{run.seed for run in arm.runs} for arm in arms]
    paired = all(len(own & seeds[0]) > 1 for own in seeds)
    names = {key: f"{key[1]} at {key[0]!r}" for key in scores}
    against = {names[key]: names[key[0], first.name] for key in scores if key[1] != first.name}
    tested, untested = dict[str, Comparison](), ""
    if len(arms) < 2:
        untested = "There is one arm: nothing to compare it with."
    elif min(map(len, seeds)) < 2:
        untested = "An arm has a single run: the spread between its repetitions is not known, and nothing is tested."
    else:
        try:
            table = {names[key]: of for key, of in scores.items()}
            tested = {one.row: one for one in compare(table, against, Settings(paired=paired))}
        except SpecError as error:  # without scipy, which is no dependency of a report
            untested = f"Nothing is tested: {error}."
    rows = [BudgetRow(key[0], key[1], of, _quartiles(of), tested.get(names[key])) for key, of in scores.items()]
    return tuple(rows), paired, untested


def _quartiles(scores: Mapping[int, float]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(list(scores.values()), QUARTILES)
    return float(low), float(middle), float(high)
