"""The layouts of a search as points of cost and accuracy: trials, re-trained members, anchors and published rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from reports.records.devices import COLUMN as DEVICES
from reports.records.front import Anchor, FrontMember, FrontRecord
from reports.records.metrics import QUALITY, others
from reports.records.published import BENCHMARK, IMAGENET, published
from reports.records.search import Record, finished

Kind = Literal["random", "search", "member", "anchor", "published"]


@dataclass(frozen=True)
class TradeoffPoint:
    """One layout: accuracy in percent (validation for `random` and `search`, else test), deviation over `n` seeds.

    `devices` are the models on which its inference times were measured, by the names of these.
    """

    kind: Kind
    label: str
    accuracy: float
    sd: float
    n: int
    costs: Mapping[str, float]
    devices: Mapping[str, str] = field(default_factory=dict[str, str])


def tradeoff_points(record: Record, front: FrontRecord) -> list[TradeoffPoint]:
    """The points of a search; where an estimate guided it, the layouts of its check in place of its trials."""
    baseline = record.baseline[record.baseline["copied_from"].isna()]
    points = [
        *_trials(record.check if record.estimated else baseline, "random", record),
        *(() if record.estimated else _trials(record.search, "search", record)),
        *(_retrained("member", str(member.rank), member) for member in front.members if member.test.n),
        *(_retrained("anchor", anchor.name, anchor) for anchor in front.anchors if anchor.test.n),
    ]
    if record.metric.benchmark == BENCHMARK:
        points += _published()
    return points


def _trials(table: pd.DataFrame, kind: Kind, record: Record) -> list[TradeoffPoint]:
    names = [metric.name for metric in others(record.metrics)]
    return [
        TradeoffPoint(
            kind,
            str(row["code"]),
            100 * float(row[QUALITY]),
            math.nan,
            1,
            {name: row[name] for name in names},
            row[DEVICES] or {},
        )
        for row in finished(table).to_dict("records")
    ]


def _retrained(kind: Kind, label: str, one: FrontMember | Anchor) -> TradeoffPoint:
    return TradeoffPoint(kind, label, 100 * one.test.mean, 100 * one.test.sd, one.test.n, one.costs, one.devices)


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
