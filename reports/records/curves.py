"""The courses of trainings by epoch, as the journal keeps them with their trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, cast, final

import optuna
from optuna.trial import TrialState

FEWEST = 3
"""Epochs of a training below which its end cannot be told from its beginning."""
FITTED = 6
"""Epochs from which a line is put through the last third; below it is no more than a step, which is taken as it is."""


@final
@dataclass(frozen=True)
class TrainingCurve:
    """Validation accuracy (a fraction) and training loss by epoch; NaN where a number was not recorded.

    Of a training of many epochs the journal keeps a hundred, evenly spaced.
    """

    epochs: tuple[int, ...]
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def rise(self) -> float:
        """The rise of accuracy over the last third; see `last_rise`."""
        return last_rise(self.accuracies)


def read_curve(attributes: Mapping[str, Any]) -> TrainingCurve | None:
    """The curve of a trial by its attributes; None where there is none that can be read."""
    rows = attributes.get("curve")
    if not isinstance(rows, list):
        return None
    found: list[tuple[int, float, float]] = []
    for row in cast("list[Any]", rows):
        fields = cast("Mapping[str, Any]", row) if isinstance(row, Mapping) else {}
        epoch, accuracy = fields.get("epoch"), _number(fields.get("val_accuracy"))
        if isinstance(epoch, int) and math.isfinite(accuracy):
            found.append((epoch, accuracy, _number(fields.get("train_loss"))))
    if not found:
        return None
    epochs, accuracies, losses = zip(*found, strict=True)
    return TrainingCurve(epochs, accuracies, losses)


def read_curves(study: optuna.Study | None) -> dict[str, tuple[TrainingCurve, ...]]:
    """The curves of the finished trainings in a study, one of each seed, by the layout's digest."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if study is not None else []
    found: dict[str, dict[object, TrainingCurve]] = {}
    for trial in trials:
        curve = read_curve(trial.user_attrs)
        if curve is not None and "duplicate_of" not in trial.user_attrs:
            of_layout = found.setdefault(str(trial.user_attrs.get("digest")), {})
            of_layout.setdefault(trial.user_attrs.get("seed"), curve)
    return {digest: tuple(curves.values()) for digest, curves in found.items()}


def mean_curve(curves: Sequence[TrainingCurve]) -> TrainingCurve:
    """The mean of curves over the epochs that all of them have."""
    shared = sorted(set.intersection(*(set(curve.epochs) for curve in curves)))
    rows = [{epoch: index for index, epoch in enumerate(curve.epochs)} for curve in curves]
    accuracies, losses = (
        tuple(fmean(values[row[epoch]] for values, row in zip(columns, rows, strict=True)) for epoch in shared)
        for columns in ([curve.accuracies for curve in curves], [curve.losses for curve in curves])
    )
    return TrainingCurve(tuple(shared), accuracies, losses)


def last_rise(curve: Sequence[float]) -> float:
    """The rise of a curve over its last third, by the line of least squares through it.

    Below `FITTED` epochs it is the last step, below `FEWEST` NaN.
    """
    if len(curve) < FEWEST:
        return math.nan
    if len(curve) < FITTED:
        return curve[-1] - curve[-2]
    part = curve[-max(3, len(curve) // 3) :]
    middle, mean = (len(part) - 1) / 2, fmean(part)
    slope = sum((index - middle) * (value - mean) for index, value in enumerate(part))
    slope /= sum((index - middle) ** 2 for index in range(len(part)))
    return slope * (len(part) - 1)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)
