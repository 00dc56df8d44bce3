"""Cost against accuracy (MACs, parameters, inference time): what the analogue of HIRI-ViT's Figure 6 shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

import numpy as np
import pandas as pd

from reports.drawing.units import unit
from reports.records.front import Anchor, FrontMember, FrontRecord
from reports.records.published import BENCHMARK, IMAGENET, published
from reports.records.search import COSTS, Record, finished
from reports.statistics.pareto import nondominated

Kind = Literal["random", "search", "member", "anchor", "published"]
PANELS = ("macs", "params", "latency_ms")
# Wider than this ratio of the dearest to the cheapest layout, an axis is logarithmic.
LOG_RATIO = 4.0


@dataclass(frozen=True)
class TradeoffPoint:
    """One layout: accuracy in percent (validation for `random` and `search`, else test), deviation over `n` seeds."""

    kind: Kind
    label: str
    accuracy: float
    sd: float
    n: int
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Panel:
    """One cost: its points in units of the axis, and the front of the search and of the re-trained layouts in it.

    The fronts are indices into `points`, cheapest first: layouts that no other of their kind beats on this cost and
    accuracy at once (validation accuracy for the search, mean test accuracy for the re-trained).
    """

    cost: str
    label: str
    log: bool
    points: tuple[TradeoffPoint, ...]
    x: tuple[float, ...]
    search_front: tuple[int, ...]
    test_front: tuple[int, ...]


@dataclass(frozen=True)
class Tradeoff:
    """The data of the figure; `notes` are the sentences that belong under it."""

    metric: str
    panels: tuple[Panel, ...]
    points: tuple[TradeoffPoint, ...]
    notes: tuple[str, ...]


def tradeoff(record: Record, front: FrontRecord) -> Tradeoff:
    """Compute the figure: every trial, the front per panel, the re-trained members, anchors and published rows."""
    points = [
        *_trials(record.baseline[record.baseline["copied_from"].isna()], "random"),
        *_trials(record.search, "search"),
        *(_retrained("member", str(member.rank), member) for member in front.members if member.test.n),
        *(_retrained("anchor", anchor.name, anchor) for anchor in front.anchors if anchor.test.n),
    ]
    if record.metric.benchmark == BENCHMARK:
        points += _published()
    wanted = [*PANELS, *(name for name in record.objectives if name in COSTS and name not in PANELS)]
    panels = [panel for name in wanted if (panel := _panel(name, points, record.latency)) is not None]
    return Tradeoff(record.metric.label, tuple(panels), tuple(points), tuple(_notes(record, front, panels)))


def _trials(table: pd.DataFrame, kind: Kind) -> list[TradeoffPoint]:
    return [
        TradeoffPoint(
            kind, str(row["code"]), 100 * float(row["accuracy"]), math.nan, 1, {name: row[name] for name in COSTS}
        )
        for row in finished(table).to_dict("records")
    ]


def _retrained(kind: Kind, label: str, one: FrontMember | Anchor) -> TradeoffPoint:
    return TradeoffPoint(kind, label, 100 * one.test.mean, 100 * one.test.sd, one.test.n, one.costs)


def _published() -> list[TradeoffPoint]:
    return [
        TradeoffPoint(
            "published",
            f"{row['network']} @{row['resolution']}",
            float(row["top1"]),
            math.nan,
            1,
            {"macs": 1e9 * float(row["gmacs"]), "params": 1e6 * float(row["params_m"])},
        )
        for row in published(IMAGENET).to_dict("records")
    ]


def _panel(cost: str, points: Sequence[TradeoffPoint], latency: str) -> Panel | None:
    known = tuple(point for point in points if 0 < point.costs.get(cost, math.nan) < math.inf)
    if not any(point.kind == "search" for point in known):
        return None
    scale = unit(cost, [point.costs[cost] for point in known])
    x = tuple(point.costs[cost] / scale.divisor for point in known)
    return Panel(
        cost=cost,
        label="\n".join([scale.label, *wrap(latency, 32)]) if cost == "latency_ms" else scale.label,
        log=max(x) > LOG_RATIO * min(x),
        points=known,
        x=x,
        search_front=_front(known, x, "search"),
        test_front=_front(known, x, "member"),
    )


def _front(points: Sequence[TradeoffPoint], x: Sequence[float], kind: Kind) -> tuple[int, ...]:
    """Indices of the points of one kind that none of that kind beats, cheapest first."""
    own = [index for index, point in enumerate(points) if point.kind == kind and math.isfinite(point.accuracy)]
    keep = nondominated(np.array([[x[index], -points[index].accuracy] for index in own]).reshape(-1, 2))
    return tuple(sorted((index for index, kept in zip(own, keep, strict=True) if kept), key=lambda index: x[index]))


def _notes(record: Record, front: FrontRecord, panels: Sequence[Panel]) -> list[str]:
    notes: list[str] = []
    if all(panel.cost != "latency_ms" for panel in panels):
        notes.append("Inference time was not measured in this run, so its panel is missing.")
    elif noisy := int((finished(record.search)["latency_noisy"] > 0).sum()):
        notes.append(f"{noisy} of the search's inference times were taken while something else kept the machine busy.")
    if record.metric.benchmark == BENCHMARK:
        notes.append(
            "Published rows are Table II of HIRI-ViT: top-1 on ImageNet-1K's validation set, each by its authors' "
            "recipe and count of multiply-adds. They were timed on other hardware, so inference time is not drawn."
        )
    if not any(member.test.n for member in front.members):
        notes.append(
            f"No member of the front has been re-trained yet, so there is no test {record.metric.word} to show."
        )
    elif lacking := [str(member.rank) for member in front.members if not member.test.n]:
        notes.append(f"Members without final trainings: {', '.join(lacking)}.")
    if front.former:
        notes.append(f"{len(front.former)} re-trained layouts have left the front since and are not drawn.")
    return notes
