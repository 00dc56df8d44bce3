"""What the journal of an ablation says: its views, rows, and the score of every seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from archspec.errors import RunError, SpecError


@dataclass(frozen=True)
class Row:
    """A row of a view; `run` names its trainings, which other views may share. `against` is the index of the row that
    it is compared with, `training` what it changes in the evaluator."""

    label: str
    edits: tuple[str, ...]
    run: str
    digest: str
    code: str
    resolution: int
    params: int
    macs: int
    training: Mapping[str, Any]
    against: int | None


@dataclass(frozen=True)
class View:
    """One table of a plan; `kind` is progressive, leave_one_out, leave_one_in, factorial or enumerate."""

    name: str
    kind: str
    rows: tuple[Row, ...]

    @property
    def pairs(self) -> tuple[tuple[Row, Row], ...]:
        """Each row that is compared, with its reference."""
        return tuple((row, self.rows[row.against]) for row in self.rows if row.against is not None)


@dataclass(frozen=True)
class AblationRun:
    """An ablation: `seeds` planned per row, the seeds at which a row may stop early (`looks`), the views, the score
    (a fraction) of each run by seed, and the reasons of trainings that failed for good, by run and seed."""

    score: str
    paired: bool
    seeds: int
    looks: tuple[int, ...]
    views: tuple[View, ...]
    scores: Mapping[str, Mapping[int, float]]
    failures: Mapping[str, Mapping[int, str]]
    tested: int
    """Finished trainings that have a test accuracy, whichever score the tables state."""

    @property
    def places(self) -> dict[str, tuple[str, Row]]:
        """Where each run is first seen: `view, row`, and that row."""
        found: dict[str, tuple[str, Row]] = {}
        for view in self.views:
            for row in view.rows:
                found.setdefault(row.run, (f"{view.name}, {row.label}", row))
        return found


def read_ablation(run: Path) -> AblationRun | None:
    """Read the study `ablation` of the run folder `run`, without writing to it; None where its journal has none.

    Raises:
        SpecError: there is no journal.
        RunError: the journal is damaged.
    """
    journal = run / "journal.log"
    # JournalFileBackend creates the file that it does not find; a review must not.
    if not journal.is_file():
        raise SpecError("no such file: a run folder holds journal.log and artifacts/", source=str(journal))
    try:
        storage = JournalStorage(JournalFileBackend(str(journal)))
        if "ablation" not in [study.study_name for study in storage.get_all_studies()]:
            return None
        return _parse(optuna.load_study(study_name="ablation", storage=storage))
    except OSError as error:
        raise RunError(f"{journal}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise RunError(f"{journal}: damaged: {reason}") from None


def _parse(study: optuna.Study) -> AblationRun:
    attributes = study.user_attrs
    looks: list[Sequence[float]] = attributes.get("looks") or []
    trials = study.get_trials(deepcopy=False)
    scores, failures = _outcomes(trials)
    return AblationRun(
        score=str(attributes["score"]),
        paired=bool(attributes.get("paired", True)),
        seeds=int(attributes["seeds"]),
        looks=tuple(int(look[0]) for look in looks),
        views=tuple(_view(view) for view in attributes["plan"]["views"]),
        scores=scores,
        failures=failures,
        tested=sum(
            trial.state == TrialState.COMPLETE and "test_accuracy" in trial.user_attrs.get("metrics", {})
            for trial in trials
        ),
    )


def _view(raw: Mapping[str, Any]) -> View:
    view = View(str(raw["name"]), str(raw["type"]), tuple(_row(row) for row in raw["rows"]))
    for row in view.rows:
        if row.against is not None and not 0 <= row.against < len(view.rows):
            raise ValueError(f"view {view.name} compares {row.label} with its row {row.against}, which it lacks")
    return view


def _row(raw: Mapping[str, Any]) -> Row:
    if raw["params"] <= 0 or raw["macs"] <= 0:
        raise ValueError(f"row {raw['label']} has {raw['params']} params and {raw['macs']} MACs")
    return Row(
        label=str(raw["label"]),
        edits=tuple(str(edit) for edit in raw["edits"]),
        run=str(raw["run"]),
        digest=str(raw["digest"]),
        code=str(raw["code"]),
        resolution=int(raw["resolution"]),
        params=int(raw["params"]),
        macs=int(raw["macs"]),
        training=dict(cast("Mapping[str, Any]", raw["training"])),
        against=None if raw["against"] is None else int(raw["against"]),
    )


def _outcomes(trials: Sequence[FrozenTrial]) -> tuple[dict[str, dict[int, float]], dict[str, dict[int, str]]]:
    """Scores and reasons of failure, by run and seed; what was queued again, or finished later, did not fail."""
    scores: dict[str, dict[int, float]] = {}
    failures: dict[str, dict[int, str]] = {}
    for trial in trials:
        attributes = trial.user_attrs
        if trial.state == TrialState.COMPLETE and trial.value is not None and math.isfinite(trial.value):
            scores.setdefault(str(attributes["run"]), {})[int(attributes["seed"])] = trial.value
    for trial in trials:
        attributes = trial.user_attrs
        if trial.state == TrialState.FAIL and not attributes.get("requeued") and "seed" in attributes:
            run, seed = str(attributes["run"]), int(attributes["seed"])
            if seed not in scores.get(run, {}):
                failures.setdefault(run, {})[seed] = str(attributes.get("failure", "no reason recorded"))
    return scores, failures
