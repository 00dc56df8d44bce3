"""The attributes that an answer adds to the trial that it is of: its metrics, and the course of its training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from optuna.trial import Trial

from archspec.spec.schema import ArchSpec
from search.attributes import metric_attributes
from search.evaluator import Epoch, Evaluator, Metrics, cost_metrics
from search.latency.devices import device_attributes
from search.study.config import StudyConfig
from search.train.curve import read_curve

Item = TypeVar("Item")

TESTING = ("train", "table", "supernet")
"""Evaluators that score finalists on the test split by themselves; others are a user's own code."""
MAX_EPOCHS = 100
"""Epochs of a curve that a journal keeps; of a longer one, evenly spaced ones with both ends."""


def answer_attributes(metrics: Metrics, folder: Path) -> dict[str, Any]:
    """The attributes of a trial that has been evaluated: each metric under its own name, `devices`, and the `curve`.

    Args:
        metrics: what the evaluator gave.
        folder: of the evaluation.
    """
    return {**metric_attributes(metrics), **pause_attributes(folder)}


def foreseen_attributes(evaluator: Evaluator, spec: ArchSpec) -> dict[str, Any]:
    """The attributes of an answer that are known when its trial begins, and need no entries of their own with it.

    Args:
        evaluator: that will answer.
        spec: the layout as it sees it.
    """
    return {name: value for name, value in cost_metrics(spec).items() if name in evaluator.gives}


def curve_attributes(folder: Path) -> dict[str, Any]:
    """`curve`: epoch, accuracy on the validation split and training loss, of an evaluation that trained or began to.

    Args:
        folder: of the evaluation; without a `curve.csv` in it, there is no such attribute.
    """
    names = ("epoch", "val_accuracy", "train_loss")
    rows = spread(read_curve(folder / "curve.csv"), MAX_EPOCHS)
    return {"curve": [{name: getattr(row, name) for name in names} for row in rows]} if rows else {}


def pause_attributes(folder: Path) -> dict[str, Any]:
    """The attributes of a trial that pauses, beside its numbers: `devices` and `curve`, of what its folder holds."""
    return {**device_attributes(folder), **curve_attributes(folder)}


def intermediate_values(attrs: Mapping[str, Any], objectives: Sequence[str]) -> dict[int, float]:
    """The course of the objective by epoch, as Optuna keeps it where there is one objective: accuracy.

    Args:
        attrs: of the trial.
        objectives: of its study.
    """
    curve: Sequence[Mapping[str, Any]] = attrs.get("curve", ())
    return {row["epoch"]: row["val_accuracy"] for row in curve} if tuple(objectives) == ("accuracy",) else {}


def report_epoch(trial: Trial, epoch: Epoch, objectives: Sequence[str]) -> None:
    """Report an epoch to Optuna while the training goes on: one that `report_course` would report at its end.

    Args:
        trial: under way.
        epoch: that has ended.
        objectives: of its study.
    """
    kept = epoch.total <= MAX_EPOCHS or epoch.number in spread(range(1, epoch.total + 1), MAX_EPOCHS)
    if kept and "val_accuracy" in epoch.values:
        report_course(trial, {"curve": [{"epoch": epoch.number, **epoch.values}]}, objectives)


def report_course(trial: Trial, attrs: Mapping[str, Any], objectives: Sequence[str]) -> None:
    """Report the `intermediate_values` of an answer's attributes to Optuna, without those that it has."""
    values = intermediate_values(attrs, objectives)
    known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values if values else {}
    for epoch, value in values.items():
        if epoch not in known:
            trial.report(value, epoch)


def objective_values(objectives: Sequence[str], metrics: Metrics) -> list[float]:
    """The objectives among the metrics of an answer; NaN where it lacks one."""
    return [float(metrics.get(name, math.nan)) for name in objectives]


def describe_values(config: StudyConfig, values: Sequence[float]) -> str:
    """The objectives of an answer for people: `accuracy 0.5000, macs 1,000`."""
    return ", ".join(
        f"{title} {value:,.0f}" if metric.exact and math.isfinite(value) else f"{title} {value:.4f}"
        for metric, title, value in zip(config.metrics, config.titles, values, strict=True)
    )


def untested_note(config: StudyConfig, metrics: Metrics) -> str:
    """A line on the first answer of a search whose finalists may get no test figure; empty where they do.

    Args:
        config: what was asked.
        metrics: the first answer. It is of the validation split, so that it need not hold `test_accuracy` itself.
    """
    kind = config.evaluator.type
    if config.evaluator.estimates:
        return ""  # its finalists are another evaluator's
    if not config.final.seeds or "test_accuracy" in metrics or kind in TESTING:
        return ""
    if kind == "command":
        return (
            "note: this answer holds no test_accuracy, and need not: its split is validation. For finalists, whose "
            "{split} is test, print test_accuracy too; without it they are recorded without a test figure"
        )
    place = "what the function returned" if kind == "function" else "this answer"
    return f"note: {place} holds no test_accuracy; finalists whose answer has none are recorded without a test figure"


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` items, evenly spaced in their order, both ends among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(index * (len(items) - 1) / (count - 1))] for index in range(count)]
