"""The rungs of a search: which layouts came to which, which stopped there, and the epochs that this saved.

Values at a rung are of trainings that had paused. They stand in attributes of their own, and never among those of whole
trainings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import optuna
from optuna.trial import FrozenTrial, TrialState

from reports.records.curves import TrainingCurve, read_curve
from reports.records.metrics import QUALITY, trial_metrics


@final
@dataclass(frozen=True)
class RungCount:
    """One rung: its epochs, the layouts that came to it, and those that went on from it."""

    epochs: int
    reached: int
    promoted: int

    @property
    def stopped(self) -> int:
        """Layouts that did not go on: on the last rung those that were trained to the end."""
        return self.reached - self.promoted


@final
@dataclass(frozen=True)
class PausedTraining:
    """A layout that was not trained to the end: its trial, its epochs, its accuracy there, and its curve if it has one.

    `seconds` is the time of its training.
    """

    trial: int
    digest: str
    epochs: int
    accuracy: float
    seconds: float
    curve: TrainingCurve | None


@final
@dataclass(frozen=True)
class EarlyAndFull:
    """The accuracy of a layout at the first rung and after the whole training, and its exact costs by name.

    `trial` is the one of the whole training, `epochs` are those of the rung.
    """

    trial: int
    digest: str
    epochs: int
    early: float
    full: float
    costs: Mapping[str, float]


@final
@dataclass(frozen=True)
class RungRecord:
    """Layouts and epochs of a search with rungs.

    Attributes:
        rungs: in ascending order; the last is the whole training once a layout has come to its end.
        paused: layouts that stopped before the end.
        pairs: layouts that were trained to the end.
    """

    rungs: tuple[RungCount, ...]
    paused: tuple[PausedTraining, ...]
    pairs: tuple[EarlyAndFull, ...]

    @property
    def whole(self) -> int:
        """The epochs that training every layout to the end would have taken."""
        return self.rungs[0].reached * self.rungs[-1].epochs

    @property
    def spent(self) -> int:
        """The epochs that were trained."""
        return sum(one.stopped * one.epochs for one in self.rungs)


def read_rungs(study: optuna.Study) -> RungRecord | None:
    """The rungs of a search that any layout came to; None where there are none."""
    trials = [one for one in study.get_trials(deepcopy=False) if _reached(one)]
    if not trials:
        return None
    last: dict[int, FrozenTrial] = {}
    first: dict[int, FrozenTrial] = {}
    for one in sorted(trials, key=lambda one: int(one.user_attrs["rung"])):
        layout = int(one.user_attrs.get("promoted_from", one.number))
        last[layout] = one
        first.setdefault(layout, one)
    steps = {int(one.user_attrs["rung"]): int(one.user_attrs["rung_epochs"]) for one in trials}
    counts = {rung: sum(int(one.user_attrs["rung"]) == rung for one in trials) for rung in steps}
    rungs = [RungCount(steps[rung], counts[rung], counts.get(rung + 1, 0)) for rung in sorted(steps)]
    paused = [_paused(one) for one in last.values() if one.state == TrialState.PRUNED]
    pairs = [_pair(first[key], one) for key, one in last.items() if one.state == TrialState.COMPLETE]
    return RungRecord(tuple(rungs), tuple(paused), tuple(pairs))


def _reached(trial: FrozenTrial) -> bool:
    attrs = trial.user_attrs
    return "rung_epochs" in attrs and "duplicate_of" not in attrs and trial.state.name in ("PRUNED", "COMPLETE")


def _paused(trial: FrozenTrial) -> PausedTraining:
    metrics, attrs = _early(trial), trial.user_attrs
    seconds = metrics.get("train_seconds", 0.0)
    accuracy = metrics.get(QUALITY, math.nan)
    curve = read_curve(attrs)
    return PausedTraining(trial.number, str(attrs["digest"]), int(attrs["rung_epochs"]), accuracy, seconds, curve)


def _pair(first: FrozenTrial, whole: FrozenTrial) -> EarlyAndFull:
    metrics = trial_metrics(whole.user_attrs)
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
    costs = {name: numbers[name] for name in ("params", "macs", "activations", "saved_bytes") if name in numbers}
    early = _early(first).get(QUALITY, math.nan)
    epochs = int(first.user_attrs["rung_epochs"])
    return EarlyAndFull(
        whole.number, str(whole.user_attrs["digest"]), epochs, early, numbers.get(QUALITY, math.nan), costs
    )


def _early(trial: FrozenTrial) -> dict[str, float]:
    known: Mapping[str, Any] = trial.user_attrs.get("rung_metrics", {})
    return {name: float(value) for name, value in known.items() if isinstance(value, int | float)}
