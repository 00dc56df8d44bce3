"""The metrics of a run: those of the catalog and its evaluator's own, and where its trials keep their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, get_args

from archspec.cost.metrics import METRICS, Direction, Metric

QUALITY = "accuracy"
"""The metric that every report is about; what it measures is the study's `metric`."""
USUAL = ("macs", "params")
"""Exact metrics that tables and figures show even where they were no objective, the first before all others."""


def run_metrics(studies: Iterable[Mapping[str, Any]], columns: Iterable[str] = ()) -> tuple[Metric, ...]:
    """The metrics of the catalog, then those that the attribute `own_metrics` of any study states.

    `accuracy` among the latter is an estimate's, on a scale of its own.

    Args:
        studies: the attributes of each study of the run.
        columns: names that a metric of a trial must not have.

    Raises:
        ValueError: a study states something else, or a metric whose name is taken.
    """
    own = {metric.name: metric for attributes in studies for metric in _own(attributes.get("own_metrics"))}
    taken = [name for name in columns if name in own]
    if QUALITY in own and own[QUALITY].direction != "maximize":
        raise ValueError(f"own_metrics: {QUALITY} must be maximised")
    if taken:
        raise ValueError(f"own_metrics: the name {taken[0]!r} is taken")
    catalog = [own.pop(metric.name, metric) for metric in METRICS]
    return (*catalog, *own.values())


def trial_metrics(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values of a trial's metrics by name: its attributes; runs of before had them all in one, `metrics`."""
    return attributes.get("metrics", attributes)


def others(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """All but the quality: what a layout costs, and what else its evaluator measures."""
    return tuple(metric for metric in metrics if metric.name != QUALITY)


def shown(metrics: Sequence[Metric], objectives: Sequence[str]) -> tuple[Metric, ...]:
    """Those of the `others` that tables and figures show: objectives, whatever was measured, and the usual costs.

    The exact ones are counted for every layout, whether they matter to the study or not, so the rest of them is only
    in files of numbers.
    """
    return tuple(one for one in others(metrics) if not one.exact or one.name in objectives or one.name in USUAL)


def usual_first(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """The same with the `USUAL` ones in front."""
    return tuple(sorted(metrics, key=lambda one: USUAL.index(one.name) if one.name in USUAL else len(USUAL)))


def _own(stated: object) -> list[Metric]:
    if stated is None:
        return []
    if not isinstance(stated, list):
        raise ValueError(f"own_metrics: {stated!r:.80} where a list belongs")
    return [_metric(one) for one in cast("list[object]", stated)]


def _metric(stated: object) -> Metric:
    said: Mapping[str, object] = cast("Mapping[str, object]", stated) if isinstance(stated, Mapping) else {}
    name, title, unit, direction = (said.get(key) for key in ("name", "title", "unit", "direction"))
    if not (isinstance(name, str) and name and isinstance(title, str) and isinstance(unit, str)):
        raise ValueError(f"own_metrics: {stated!r:.80} needs a name, a title and a unit")
    if direction not in get_args(Direction):
        raise ValueError(f"own_metrics: {name} has the direction {direction!r}: known are maximize and minimize")
    return Metric(name, title or name, unit, cast("Direction", direction))
