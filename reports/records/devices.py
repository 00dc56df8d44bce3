"""The devices on which the inference times of a run were measured: a time in milliseconds is that of a device."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from archspec.cost.metrics import Metric
from archspec.documents.safe_text import printable
from archspec.documents.wording import listed, plural, unlike_devices

COLUMN = "devices"
"""Of the tables of a run: the device model of each figure by its name; None where the trial does not say."""


@dataclass(frozen=True)
class FigureDevices:
    """The device models on which one figure was measured, with the trials of each, most of them first.

    `unknown` counts the trials that do not say, which earlier versions trained or an evaluator of the user's own timed.
    """

    metric: Metric
    counts: Mapping[str, int]
    unknown: int = 0

    @property
    def unlike(self) -> bool:
        """Whether its values do not all compare."""
        return len(self.counts) > 1

    @property
    def short(self) -> str:
        """The device in a few words: its model, or that there are several."""
        return f"{len(self.counts)} models of devices" if self.unlike else next(iter(self.counts))


def is_latency(metric: Metric) -> bool:
    """Whether it is a figure of inference time, by the names that the evaluator `train` gives them."""
    timed = metric.name.startswith("latency_") and metric.unit == "ms"
    return timed or (metric.name.startswith("throughput_") and metric.unit == "img/s")


def stated_devices(attributes: Mapping[str, Any]) -> dict[str, str] | None:
    """The device models that a trial states, by the names of its figures; None where it states none."""
    stated = attributes.get(COLUMN)
    if not isinstance(stated, Mapping):
        return None
    known = cast("Mapping[object, object]", stated)
    return {str(name): printable(str(model)) for name, model in known.items() if model}


def figure_devices(tables: Iterable[pd.DataFrame], metrics: Sequence[Metric]) -> tuple[FigureDevices, ...]:
    """The devices of each figure of inference time that any trial states.

    Args:
        tables: of trials, as `reports.records.search.frame` makes them; duplicates and copies are left out.
        metrics: of the run.
    """
    rows: list[dict[str, Any]] = []
    for table in tables:
        own = table[(table["state"] == "COMPLETE") & table["duplicate_of"].isna() & table["copied_from"].isna()]
        rows += cast("list[dict[str, Any]]", own.to_dict("records"))
    found: list[FigureDevices] = []
    for metric in metrics:
        if not is_latency(metric):
            continue
        models = Counter[str]()
        for row in rows:
            if math.isfinite(row.get(metric.name, math.nan)):
                models[(row[COLUMN] or {}).get(metric.name, "")] += 1
        unknown = models.pop("", 0)
        if models:
            counts = dict(sorted(models.items(), key=lambda pair: (-pair[1], pair[0])))
            found.append(FigureDevices(metric, counts, unknown))
    return tuple(found)


def pooled_devices(runs: Iterable[Sequence[FigureDevices]]) -> tuple[FigureDevices, ...]:
    """The devices of each figure over several runs."""
    found: dict[str, FigureDevices] = {}
    for one in (one for run in runs for one in run):
        known = found.get(one.metric.name)
        counts = Counter(one.counts) + Counter(known.counts if known else {})
        ordered = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
        found[one.metric.name] = FigureDevices(one.metric, ordered, one.unknown + (known.unknown if known else 0))
    return tuple(found.values())


def device_sentences(found: Iterable[FigureDevices]) -> tuple[str, ...]:
    """Sentences for a page, one for the figures of the same devices: which, and where they are several what that means.

    Args:
        found: figures of a run.
    """
    groups: dict[tuple[object, ...], list[FigureDevices]] = {}
    for one in found:
        groups.setdefault((*one.counts.items(), one.unknown), []).append(one)
    return tuple(map(_sentence, groups.values()))


def _sentence(group: Sequence[FigureDevices]) -> str:
    first = group[0]
    titles = listed([first.metric.title, *(_inner(one.metric.title) for one in group[1:])])
    where = unlike_devices(first.counts) if first.unlike else f"on {first.short}"
    rest = f"; of {plural(first.unknown, 'trial')} the device is not recorded" if first.unknown else ""
    return f"{titles} {'was' if len(group) == 1 else 'were'} measured {where}{rest}."


def _inner(title: str) -> str:
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
