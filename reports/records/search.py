"""A run's journal as tables: one row per trial of the Optuna studies `search`, `baseline` and `final`."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from archspec.cost.metrics import METRICS, Metric, find_metric
from archspec.documents.reader import read_document
from archspec.documents.safe_text import printable
from archspec.documents.wording import plural, quality
from archspec.errors import RunError, SpecError
from archspec.files.journal import open_journal
from reports.records.devices import COLUMN as DEVICES
from reports.records.devices import FigureDevices, figure_devices, stated_devices
from reports.records.gate import GateRecord, read_gates
from reports.records.metrics import QUALITY, run_metrics, trial_metrics

# No count or duration comes near; beyond it, axes overflow.
LARGEST = 1e18
LABELS = ("digest", "code", "arm", "role", "anchor", "failure")
ESTIMATE = "checked_estimate"
# What a trial records beside its metrics.
MEASURED = ("test_accuracy", "latency_noisy", "train_seconds")
# Numbers of other trials: whose answer was copied, and whose layout was trained again with another seed.
RELATIONS = ("duplicate_of", "copied_from", "repeat_of")
FIXED = ("number", "state", *LABELS, "seed", *RELATIONS, "repaired", "requeued", *MEASURED, DEVICES)
COLUMNS = (*FIXED, *(metric.name for metric in METRICS))
"""Of the tables of a run whose evaluator has no metrics of its own; those come behind them."""

# Counts and durations; whatever else an evaluator measures may have any sign.
_COSTS = frozenset(metric.name for metric in METRICS if metric.direction == "minimize")


@dataclass(frozen=True)
class Quality:
    """The accuracy of a study: its label, data set, and the public benchmark it may be compared with."""

    label: str
    dataset: str
    benchmark: str | None

    @property
    def word(self) -> str:
        """Name in sentences and on axes: `accuracy`, or its own name where it is no accuracy (`mIoU`)."""
        return quality(self.label)


@dataclass(frozen=True)
class Record:
    """Everything that a run's journal says.

    `search`, `baseline` and `final` are tables with the columns `COLUMNS` and the evaluator's own metrics, in order of
    trial number; a study that the journal lacks is an empty table. Metrics are in the units that `metrics` gives them
    (accuracies are fractions), missing numbers are NaN. `latency` says what was timed, `timings` on which devices.
    `study` is the search as Optuna has it, for the parameters and their distributions. `asked` is what study.yaml
    holds, None where it is missing or damaged. Where an estimate stood for accuracy, `check` has the full trainings of
    layouts at random, whose column `estimate` says what it gave, `gates` the verdicts, and `trained` the quality that
    full trainings measured.
    """

    name: str
    objectives: tuple[str, ...]
    metric: Quality
    resolution: int | None
    latency: str
    attributes: Mapping[str, Any]
    search: pd.DataFrame
    baseline: pd.DataFrame
    final: pd.DataFrame
    study: optuna.Study
    asked: Mapping[str, Any] | None = None
    metrics: tuple[Metric, ...] = METRICS
    final_study: optuna.Study | None = None
    check: pd.DataFrame = field(default_factory=lambda: frame([], (QUALITY,)).assign(estimate=[]))
    gates: tuple[GateRecord, ...] = ()
    trained: Quality | None = None
    timings: tuple[FigureDevices, ...] = ()

    @property
    def full(self) -> Quality:
        """The quality of full trainings: that of the finalists, which is not the search's where that estimated."""
        return self.trained or self.metric

    @property
    def scored(self) -> bool:
        """Whether what the search calls accuracy is a score on a scale of its own."""
        return find_metric(QUALITY, self.metrics).unit != "%"

    @property
    def estimated(self) -> bool:
        """Whether a cheap estimate stood for accuracy in the search."""
        return self.scored or any(gate.kind == "check" for gate in self.gates)

    @property
    def goals(self) -> tuple[Metric, ...]:
        """The metrics that are the objectives, in their order."""
        return tuple(find_metric(name, self.metrics) for name in self.objectives)


def read(run: Path) -> Record:
    """Read the journal of the run folder `run`, without writing to it.

    Raises:
        SpecError: there is no journal, or it is not that of a search.
        RunError: the journal is damaged, or holds no finished trial.
    """
    journal = run / "journal.log"
    found = studies(journal, ("search", "baseline", "final", "check"))
    if "search" not in found:
        raise SpecError(f"{journal}: no study named 'search': this is not the journal of a search")
    attributes = found["search"].user_attrs
    try:
        metrics = run_metrics((study.user_attrs for study in found.values()), FIXED)
        asked = {name: _objectives(study, metrics) for name, study in found.items()}
        columns = dict.fromkeys(found, metrics) | {"final": (*metrics, *tested_metrics(metrics))}
        tables = {
            name: frame(study.get_trials(deepcopy=False), asked[name], columns[name]) for name, study in found.items()
        }
        objectives = asked["search"]
        metric, trained = stated_metric(attributes), _trained(found)
        gates = read_gates(attributes)
        check = _with_estimates(tables.get("check", frame([], (QUALITY,), metrics)), found.get("check"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise RunError(f"{journal}: damaged: {one_line(error)}") from None
    if QUALITY not in objectives:
        shown = shlex.join(["archspec", "search", str(run)])
        rule = f"a report needs accuracy among them; `{shown}` shows the front"
        raise RunError(f"{journal}: the objectives are {', '.join(objectives)}: {rule}")
    if not (tables["search"]["state"] == "COMPLETE").any():
        raise RunError(f"{journal}: no trial of the search is finished: nothing to report yet")
    empty = frame([], objectives, metrics)
    final = tables.get("final", frame([], objectives, columns["final"]))
    shown = [
        *(tables[name] for name in ("search", "baseline", "check") if name in tables),
        final.dropna(subset="anchor"),
    ]
    timings = figure_devices(shown, metrics)
    return Record(
        name=run.resolve().name,
        objectives=objectives,
        metric=metric,
        resolution=attributes.get("resolution"),
        latency=_latency(run, timings),
        attributes=attributes,
        search=tables["search"],
        baseline=tables.get("baseline", empty),
        final=final,
        study=found["search"],
        asked=_asked(run / "study.yaml"),
        metrics=metrics,
        final_study=found.get("final"),
        check=check,
        gates=gates,
        trained=trained,
        timings=timings,
    )


def tested_metrics(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """The qualities beside accuracy as finalists have them on the test split: `test_top5`."""
    known = [metric for metric in metrics if metric.name != QUALITY and metric.unit == "%"]
    titles = [f"Test {metric.title[:1].lower()}{metric.title[1:]}" for metric in known]
    return tuple(
        Metric(f"test_{metric.name}", title, metric.unit, metric.direction)
        for metric, title in zip(known, titles, strict=True)
    )


def frame(
    trials: Sequence[FrozenTrial], objectives: Sequence[str], metrics: Sequence[Metric] = METRICS
) -> pd.DataFrame:
    """Table of `trials` with a column for each of `metrics`; a trial's values win over its recorded metrics.

    Raises:
        ValueError: a finished trial has other than one value per objective, or a metric is not a number.
    """
    names = [metric.name for metric in metrics]
    rows = [_row(trial, objectives, names) for trial in sorted(trials, key=lambda trial: trial.number)]
    own = [trial.user_attrs for trial in trials if "copied_from" not in trial.user_attrs]  # others count elsewhere
    again = {attrs.get("requeued_from") for attrs in own}
    done = {(row["digest"], row["seed"]) for row in rows if row["state"] == "COMPLETE"}
    for row in rows:  # one that another trial took the place of, or made good, is no failure
        superseded = row["number"] in again or (row["digest"] is not None and (row["digest"], row["seed"]) in done)
        row["requeued"] |= row["state"] == "FAIL" and superseded
    table = pd.DataFrame(rows, columns=[*FIXED, *names])
    numeric = ["seed", *RELATIONS, *MEASURED, *names]
    return table.astype(dict.fromkeys(numeric, "float64"))


def finished(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that were evaluated, once per layout: complete, and not answered from the record.

    A layout that was trained again with other seeds has the mean of its trainings in the row of the first.
    """
    done = table[(table["state"] == "COMPLETE") & table["duplicate_of"].isna()]
    kept = done.drop_duplicates("digest")
    again = set(done["digest"][done["repeat_of"].notna()])
    if not again:
        return kept
    fixed = {*RELATIONS, "seed", "number", "repaired", *MEASURED}
    names = [name for name in kept.select_dtypes("number").columns if name not in fixed]
    means = done[done["digest"].isin(again)].groupby("digest")[names].mean()
    here = kept["digest"].isin(again)
    pooled = kept.copy()
    pooled.loc[here, names] = means.loc[kept["digest"][here]].to_numpy()
    return pooled


def repeated(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of trainings that repeat one of a layout with another seed."""
    return table[(table["state"] == "COMPLETE") & table["repeat_of"].notna() & table["duplicate_of"].isna()]


def studies(journal: Path, wanted: Sequence[str]) -> dict[str, optuna.Study]:
    """Those of the studies `wanted` that `journal` holds, without writing to it.

    Raises:
        SpecError: there is no journal.
        RunError: the journal is damaged.
    """
    if not os.path.isfile(journal):  # unlike Path.is_file, it takes any name
        rule = "no such file: a run folder holds journal.log, what was asked, and artifacts/"
        raise SpecError(rule, source=str(journal))
    storage = open_journal(journal)
    names = [study.study_name for study in storage.get_all_studies()]
    return {name: optuna.load_study(study_name=name, storage=storage) for name in wanted if name in names}


def _with_estimates(table: pd.DataFrame, study: optuna.Study | None) -> pd.DataFrame:
    """The table of a check with the column `estimate`."""
    trials = [] if study is None else study.get_trials(deepcopy=False)
    found = {trial.number: _number(trial.user_attrs.get(ESTIMATE)) for trial in trials}
    return table.assign(estimate=[found[number] for number in table["number"]])


def _trained(found: Mapping[str, optuna.Study]) -> Quality | None:
    """The quality of the full trainings beside a search that an estimate guided; None where there are none."""
    guided = "check" in found or "gate" in found["search"].user_attrs
    trained = next((found[name] for name in ("final", "check") if name in found), None)
    return None if trained is None or not guided else stated_metric(trained.user_attrs)


def _objectives(study: optuna.Study, metrics: Sequence[Metric]) -> tuple[str, ...]:
    # The final trainings are ranked by nothing else, whatever the search's objectives were.
    names = [QUALITY] if study.study_name in ("final", "check") else study.user_attrs.get("objectives")
    if not isinstance(names, list) or len(cast("list[Any]", names)) != len(study.directions):
        raise ValueError(f"study '{study.study_name}' has {len(study.directions)} directions, objectives {names!r}")
    known = {metric.name for metric in metrics}
    unknown = [name for name in cast("list[Any]", names) if name not in known]
    if unknown:
        raise ValueError(f"study '{study.study_name}' has the unknown objective {unknown[0]!r}")
    return tuple(cast("list[str]", names))


def stated_metric(attributes: Mapping[str, Any]) -> Quality:
    """The accuracy of a study as its attributes state it."""
    metric: Mapping[str, Any] = attributes.get("metric", {})
    return Quality(
        label=str(metric.get("label", "accuracy")),
        dataset=str(metric.get("dataset", "unnamed data")),
        benchmark=metric.get("benchmark"),
    )


def _asked(path: Path) -> Mapping[str, Any] | None:
    try:
        data = read_document(path).data
    except SpecError:
        return None
    return cast("Mapping[str, Any]", data) if isinstance(data, dict) else None


def _latency(run: Path, timings: Sequence[FigureDevices]) -> str:
    """What was timed and where, from the record of the reference that the search keeps beside the journal."""
    main = next((one for one in timings if one.metric.name == "latency_ms"), None)
    try:
        kept = next(iter(sorted(run.glob("reference.*.json"))), run / "reference.json")
        said = json.loads(kept.read_text(encoding="utf-8"))
        backend = said.get("backend", "eager")  # the only one there was
        by = "" if backend == "eager" else f"{printable(str(backend))}, "
        place = said["device"] if main is None else main.short if main.unlike else f"{main.short} ({said['device']})"
        return f"{by}{place}, {plural(said['threads'], 'thread')}, batch 1, {said['resolution']} px"
    except (OSError, ValueError, LookupError, TypeError):
        return "as the search measured it" if main is None else main.short


def _row(trial: FrozenTrial, objectives: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    attributes = trial.user_attrs
    metrics = trial_metrics(attributes)
    row: dict[str, Any] = {"number": trial.number, "state": trial.state.name}
    row |= {name: None if attributes.get(name) is None else str(attributes[name]) for name in LABELS}
    row |= {name: _number(attributes.get(name)) for name in ("seed", *RELATIONS)}
    row["repaired"] = len(attributes.get("repaired", []))
    row["requeued"] = bool(attributes.get("requeued", False))
    row[DEVICES] = stated_devices(attributes)
    row |= {name: _number(metrics.get(name)) for name in (*MEASURED, *names)}
    if trial.state.name == "COMPLETE":
        if len(trial.values) != len(objectives):
            raise ValueError(f"trial {trial.number} has {len(trial.values)} values for {len(objectives)} objectives")
        if not row["digest"]:
            raise ValueError(f"trial {trial.number} names no digest")
        row["code"] = row["code"] or row["digest"]
        row |= dict(zip(objectives, trial.values, strict=True))
        for name in objectives:
            if not abs(row[name]) < LARGEST or (name in _COSTS and row[name] <= 0):
                raise ValueError(f"trial {trial.number} has {name} {row[name]:g}: it must be finite, a cost positive")
    return row


def _number(value: object) -> float:
    """A recorded number; what is missing or not finite (or beyond `LARGEST`) counts as not measured."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} where a number belongs")
    return float(value) if abs(value) < LARGEST else math.nan


def one_line(error: BaseException) -> str:
    """The message of a library's error, short and on one line."""
    text = " ".join(str(error).split())
    return (text[:160] or type(error).__name__) if text != "None" else type(error).__name__
