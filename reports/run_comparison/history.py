"""The course of a search: its hypervolume against trainings, epochs, or time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, final

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from archspec.errors import SpecError
from reports.records.curves import read_curve
from reports.records.hypervolume_box import HypervolumeBox, unit_losses
from reports.records.metrics import trial_metrics
from reports.records.search import Record, finished
from reports.statistics.pareto import hypervolume_history

By = Literal["trainings", "epochs", "seconds"]
VIRTUAL = "virtual_seconds"
"""Where virtual workers trained: the time of an answer, in seconds."""
Floats = NDArray[np.float64]


@final
@dataclass(frozen=True)
class History:
    """The course of a run.

    Attributes:
        spent: [layouts], what was spent when each whole training was known, ascending.
        values: [layouts], hypervolume then, as a share of the box.
        points: [layouts, objectives], the layouts themselves.
        end: what was spent in all.
    """

    spent: Floats
    values: Floats
    points: Floats
    end: float

    def at(self, places: Floats) -> Floats:
        """Hypervolume at places [n] of the axis: 0 before the first layout, NaN beyond the end."""
        values = np.append(0.0, self.values)[np.searchsorted(self.spent, places, side="right")]
        return np.where(places > self.end, np.nan, values)


def read_history(record: Record, by: By, box: HypervolumeBox, source: str) -> History:
    """The course of a run in a box; `source` is its folder, for messages.

    Each layout counts once, when its whole training is known; trainings that stopped early or failed are spent, too.

    Raises:
        SpecError: the journal does not say what `by` asks for.
    """
    table = finished(record.search)
    trials = [one for one in record.study.get_trials(deepcopy=False) if "duplicate_of" not in one.user_attrs]
    trials = [one for one in trials if one.datetime_complete is not None and "digest" in one.user_attrs]
    trials.sort(key=lambda one: (one.datetime_complete, one.number))
    spent = _spent(record, trials, by, source)
    numbers = [number for number in spent if number in set(table["number"])]
    rows = table.set_index("number").loc[numbers]
    points = rows[list(box.objectives)].to_numpy("float64")
    values = hypervolume_history(unit_losses(rows, box), np.ones(len(box.objectives)))
    return History(np.array([spent[number] for number in numbers]), values, points, max(spent.values(), default=0.0))


def timed_virtually(record: Record) -> bool:
    """Whether virtual workers trained."""
    trials = record.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return all(VIRTUAL in one.user_attrs for one in trials if "duplicate_of" not in one.user_attrs)


def _spent(record: Record, trials: Sequence[FrozenTrial], by: By, source: str) -> dict[int, float]:
    """What had been spent with each trial, by its number, in ascending order of what was spent."""
    if by == "trainings":
        whole = [trial.number for trial in trials if trial.state == TrialState.COMPLETE]
        return {number: float(count) for count, number in enumerate(whole, 1)}
    if by == "seconds" and timed_virtually(record):
        ends = {trial.number: _metric(trial, VIRTUAL) for trial in trials}
        known = {number: end for number, end in ends.items() if math.isfinite(end)}
        return dict(sorted(known.items(), key=lambda item: (item[1], item[0])))
    total, found, before = 0.0, dict[int, float](), dict[str, float]()
    for trial in trials:
        reached = _epochs(trial) if by == "epochs" else _metric(trial, "train_seconds")
        digest = str(trial.user_attrs["digest"])
        if not math.isfinite(reached):
            if trial.state == TrialState.FAIL:
                continue
            lacks = "the curve of its training" if by == "epochs" else "the seconds of its training"
            rule = f"trial {trial.number} does not say {lacks}: --by trainings compares without"
            raise SpecError(rule, source=source)
        total += max(0.0, reached - before.get(digest, 0.0))  # one that goes on had the rest before
        before[digest] = max(reached, before.get(digest, 0.0))
        found[trial.number] = total
    return found


def _epochs(trial: FrozenTrial) -> float:
    """The epochs of a training up to here."""
    rung = trial.user_attrs.get("rung_epochs")
    curve = read_curve(trial.user_attrs)
    paused = float(rung) if isinstance(rung, int) else math.nan
    trained = float(curve.epochs[-1]) if curve is not None else math.nan
    known = [epochs for epochs in (paused, trained) if math.isfinite(epochs)]
    return max(known) if known else math.nan


def _metric(trial: FrozenTrial, name: str) -> float:
    """A number of a trial, whole or paused; NaN where it has none."""
    paused = trial.user_attrs.get("rung_metrics")
    for known in (trial_metrics(trial.user_attrs), trial.user_attrs, paused):
        value = cast("Mapping[str, Any]", known).get(name) if isinstance(known, Mapping) else None
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return math.nan
