"""The front of a search: its members, and what re-training them with several seeds gave on the test split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from archspec.cost.metrics import METRICS, Metric, find_metric
from reports.records.devices import COLUMN as DEVICES
from reports.records.devices import FigureDevices
from reports.records.metrics import QUALITY, USUAL, others
from reports.records.search import Record, finished, tested_metrics
from reports.statistics.pareto import nondominated
from reports.statistics.summary import Summary, summarise

NONE = Summary(math.nan, math.nan, 0)
"""Of no training."""


@dataclass(frozen=True)
class FrontMember:
    """One layout of the front.

    `rank` counts from 1, cheapest first; `trial` is its number in the search; `accuracy` is that trial's validation
    accuracy (a fraction, one seed); `costs` has every other metric of the run, those to be maximised too, NaN where
    not measured; `test` summarises the test accuracy of its final trainings, with n = 0 when there are none; `again`
    their validation accuracy, over fresh seeds; `tested` their other qualities on the test split, by name; `devices`
    the models on which the trial's inference times were measured, by the names of these.
    """

    rank: int
    digest: str
    code: str
    trial: int
    accuracy: float
    costs: Mapping[str, float]
    test: Summary
    again: Summary = NONE
    tested: Mapping[str, Summary] = field(default_factory=dict[str, Summary])
    devices: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Anchor:
    """A layout that was trained like the front for comparison: a preset, or a former member of the front."""

    name: str
    digest: str
    code: str
    costs: Mapping[str, float]
    test: Summary
    again: Summary = NONE
    tested: Mapping[str, Summary] = field(default_factory=dict[str, Summary])
    devices: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class FrontRecord:
    """The members in order of rank, the anchors, the objectives, the metrics of the run, whether the search had
    estimates in place of accuracies, and the devices of its inference times."""

    objectives: tuple[str, ...]
    members: tuple[FrontMember, ...]
    anchors: tuple[Anchor, ...]
    former: tuple[Anchor, ...]
    metrics: tuple[Metric, ...] = METRICS
    estimated: bool = False
    timings: tuple[FigureDevices, ...] = ()

    @property
    def costs(self) -> tuple[Metric, ...]:
        """All metrics but accuracy: the keys of the members' `costs`."""
        return others(self.metrics)

    @property
    def untested(self) -> bool:
        """Whether layouts were re-trained, and none of them was scored on the test split."""
        lines = (*self.members, *self.anchors)
        return any(line.again.n for line in lines) and not any(line.test.n for line in lines)

    @property
    def tested(self) -> tuple[Metric, ...]:
        """The qualities beside accuracy that any layout was scored by on the test split."""
        lines = (*self.members, *self.anchors)
        return tuple(one for one in tested_metrics(self.metrics) if any(one.name in line.tested for line in lines))

    @property
    def order(self) -> Metric:
        """The metric that members are ranked by before all others."""
        return _order(self.objectives, self.metrics)[0]


def front(record: Record) -> FrontRecord:
    """Front of the search over the study's objectives, by validation accuracy.

    Layouts count once; final trainings only add test statistics, they do not decide who is a member, since the test
    split must not select.
    """
    search = finished(record.search)
    search = search[nondominated(losses(search, record.goals))]
    # By cost, so that the ranks run along the front; the rest only makes the order complete.
    order = _order(record.objectives, record.metrics)
    upwards = [metric.direction == "minimize" for metric in order]
    names = [metric.name for metric in order]
    search = search.sort_values([*names, QUALITY, "digest"], ascending=[*upwards, False, True])
    tests, again = by_layout(record.final, "test_accuracy"), by_layout(record.final, QUALITY)
    tested = _tested(record)
    costs = [metric.name for metric in others(record.metrics)]
    members = tuple(
        FrontMember(
            rank=rank,
            digest=str(row["digest"]),
            code=str(row["code"]),
            trial=int(row["number"]),
            accuracy=float(row[QUALITY]),
            costs={name: float(row[name]) for name in costs},
            test=tests.get(str(row["digest"]), NONE),
            again=again.get(str(row["digest"]), NONE),
            tested=tested.get(str(row["digest"]), {}),
            devices=row[DEVICES] or {},
        )
        for rank, row in enumerate(search.to_dict("records"), start=1)
    )
    found = _others(record.final, (tests, again), {member.digest for member in members}, costs, tested)
    return FrontRecord(
        objectives=record.objectives,
        members=members,
        anchors=tuple(anchor for role, anchor in found if role == "anchor"),
        former=tuple(anchor for role, anchor in found if role != "anchor"),
        metrics=record.metrics,
        estimated=record.estimated,
        timings=record.timings,
    )


def losses(table: pd.DataFrame, objectives: Sequence[Metric]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Values (n, d) of the rows of `table`, all to be minimised: those to be maximised with their sign turned."""
    columns = [
        -table[metric.name].to_numpy("float64")
        if metric.direction == "maximize"
        else table[metric.name].to_numpy("float64")
        for metric in objectives
    ]
    return np.column_stack(columns)


def _order(objectives: Sequence[str], metrics: Sequence[Metric]) -> list[Metric]:
    """What members are ranked by, the best first: objectives to be minimised, then others but accuracy, or MACs."""
    found = [find_metric(name, metrics) for name in objectives if name != QUALITY]
    found.sort(key=lambda metric: metric.direction == "maximize")
    return found or [find_metric(USUAL[0])]


def by_seed(final: pd.DataFrame) -> dict[str, dict[int, float]]:
    """Digest to seed to test accuracy (a fraction, NaN where it was not scored) of the final trainings."""
    done = final[(final["state"] == "COMPLETE") & final["seed"].notna()].drop_duplicates(["digest", "seed"])
    return {
        str(digest): {int(seed): float(test) for seed, test in zip(group["seed"], group["test_accuracy"], strict=True)}
        for digest, group in done.groupby("digest", sort=False)
    }


def by_layout(final: pd.DataFrame, name: str) -> dict[str, Summary]:
    """Digest to the accuracy `name` (a fraction) over the seeds of its final trainings."""
    done = final[final["state"] == "COMPLETE"].drop_duplicates(["digest", "seed"])
    return {str(digest): summarise(group[name]) for digest, group in done.groupby("digest", sort=False)}


def _tested(record: Record) -> dict[str, dict[str, Summary]]:
    """Digest to the qualities on the test split that are known of it, by name."""
    found: dict[str, dict[str, Summary]] = {}
    for metric in tested_metrics(record.metrics):
        for digest, summary in by_layout(record.final, metric.name).items():
            if summary.n:
                found.setdefault(digest, {})[metric.name] = summary
    return found


def _others(
    final: pd.DataFrame,
    scores: tuple[Mapping[str, Summary], ...],
    members: set[str],
    names: Sequence[str],
    tested: Mapping[str, Mapping[str, Summary]],
) -> list[tuple[str, Anchor]]:
    """Role and result of every layout in `final` that is an anchor, or that the front no longer holds."""
    found: list[tuple[str, Anchor]] = []
    done = final[final["state"] == "COMPLETE"]
    for digest, group in done.groupby("digest", sort=False):
        named = group["anchor"].dropna()
        if named.empty and str(digest) in members:
            continue
        costs = {name: _mean(group[name]) for name in names}
        code = str(group["code"].iloc[0])
        role, name = ("front", code) if named.empty else ("anchor", str(named.iloc[0]))
        test, again = (known[str(digest)] for known in scores)
        more = tested.get(str(digest), {})
        devices = _devices(group)
        anchor = Anchor(name, str(digest), code, costs, test, again, more, devices)
        found.append((role, anchor))
    return found


def _devices(group: pd.DataFrame) -> dict[str, str]:
    """The device models of the inference times that several trainings of a layout have the means of."""
    found: dict[str, set[str]] = {}
    for devices in group[DEVICES].dropna():
        for name, model in devices.items():
            found.setdefault(name, set()).add(model)
    return {name: "; ".join(sorted(models)) for name, models in found.items()}


def _mean(values: pd.Series[float]) -> float:
    known = values.dropna()
    return float(known.mean()) if len(known) else math.nan
