"""The journal of an ablation as data: what was planned, and which trainings finished, failed or are missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import optuna
from optuna.trial import FrozenTrial, TrialState

from archspec.cost.metrics import exact_metrics
from archspec.errors import RunError, SpecError
from reports.records.metrics import USUAL, trial_metrics
from reports.records.search import Quality, one_line, stated_metric, studies
from reports.statistics.sequential import Look

JOURNAL = "journal.log"
STUDY = "ablation"
ViewType = Literal["progressive", "leave_one_out", "leave_one_in", "factorial", "enumerate"]
Score = Literal["test", "validation"]
# The recorded metric behind each score.
_METRICS: Mapping[str, str] = {"test": "test_accuracy", "validation": "accuracy"}


@dataclass(frozen=True)
class PlanRow:
    """One row of a view: `run` is the key of its trainings, `against` the index of the row that it is compared with.

    `costs` holds the exact metrics that the plan states, `params` and `macs` always among them; `training` holds what
    the row changes in its trainings.
    """

    label: str
    edits: tuple[str, ...]
    run: str
    digest: str
    code: str
    resolution: int
    costs: Mapping[str, int]
    training: Mapping[str, Any]
    against: int | None

    @property
    def params(self) -> int:
        return self.costs["params"]

    @property
    def macs(self) -> int:
        return self.costs["macs"]


@dataclass(frozen=True)
class PlanView:
    """One table of the plan; `title` is its name where the plan gives none.

    `factors` and `generators` (`d = a b c`) are of a factorial only.
    """

    name: str
    type: ViewType
    title: str
    factors: tuple[str, ...]
    generators: tuple[str, ...]
    rows: tuple[PlanRow, ...]

    @property
    def pairs(self) -> tuple[tuple[PlanRow, PlanRow], ...]:
        """Each row that is compared, with its reference, in the order of the rows."""
        return tuple((row, self.rows[row.against]) for row in self.rows if row.against is not None)

    @property
    def overall(self) -> tuple[int, int] | None:
        """The last and the first row of a progressive view of three rows or more, where no step compares them."""
        last = len(self.rows) - 1
        return (last, 0) if self.type == "progressive" and last > 1 and self.rows[last].against != 0 else None

    @property
    def compared(self) -> tuple[tuple[int, int], ...]:
        """Indices of each row that is compared and of its reference, the overall pair last."""
        steps = tuple((index, row.against) for index, row in enumerate(self.rows) if row.against is not None)
        return (*steps, self.overall) if self.overall else steps

    def runs(self, pair: tuple[int, int]) -> tuple[str, str]:
        """The runs of two rows."""
        return self.rows[pair[0]].run, self.rows[pair[1]].run

    @property
    def planned(self) -> tuple[tuple[str, str], ...]:
        """The different runs that rows ask to compare: what sequential stopping spends its level on."""
        return tuple((row.run, base.run) for row, base in self.pairs if row.run != base.run)

    @property
    def family(self) -> tuple[tuple[str, str], ...]:
        """The different runs that are compared, each two once: the hypotheses that Holm's correction is over."""
        runs = dict.fromkeys(self.runs(pair) for pair in self.compared)
        return tuple((one, other) for one, other in runs if one != other)


@dataclass(frozen=True)
class AblationRecord:
    """Everything that the journal of an ablation says of the rows that its plan has now.

    Attributes:
        name: of the run folder; `plan` is the plan's own.
        score: which accuracy `scores` holds: run to seed to percent, finished trainings only. Every run of the views is
            in `scores` and in `failures`, if with nothing.
        failures: run to seed to reason, of trainings that failed for good (not those queued again).
        first_seed, seeds: every row is planned with seeds first_seed ... first_seed + seeds - 1.
        looks: of sequential stopping; empty where every row has all its seeds.
        requeued: trainings that were interrupted and queued again.
        waiting: trials that wait or run.
        seconds: spent in trainings that finished.
        tested: finished trainings that recorded a test accuracy, whichever `score` is.
    """

    name: str
    plan: str
    description: str
    base_digest: str
    notes: tuple[str, ...]
    views: tuple[PlanView, ...]
    metric: Quality
    score: Score
    first_seed: int
    seeds: int
    paired: bool
    looks: tuple[Look, ...]
    archspec: str
    scores: Mapping[str, Mapping[int, float]]
    failures: Mapping[str, Mapping[int, str]]
    requeued: int
    waiting: int
    seconds: float
    tested: int

    @property
    def places(self) -> dict[str, str]:
        """The place where each run is first seen: `view, row`."""
        places: dict[str, str] = {}
        for view in self.views:
            for row in view.rows:
                places.setdefault(row.run, f"{view.name}, {row.label}")
        return places


def read_ablation(run: Path) -> AblationRecord:
    """Read the journal of the run folder `run`, without writing to it.

    Raises:
        SpecError: there is no journal, or it is not that of an ablation.
        RunError: the journal is damaged.
    """
    record = find_ablation(run)
    if record is None:
        raise SpecError(f"{run / JOURNAL}: no study named '{STUDY}': this is not the journal of an ablation")
    return record


def find_ablation(run: Path) -> AblationRecord | None:
    """The record as of `read_ablation`, or None where the journal is of something else.

    Raises:
        SpecError: there is no journal.
        RunError: the journal is damaged.
    """
    journal = run / JOURNAL
    study = studies(journal, (STUDY,)).get(STUDY)
    if study is None:
        return None
    try:
        return _record(run.resolve().name, study)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise RunError(f"{journal}: damaged: {one_line(error)}") from None


def parse_view(data: object, place: str = "view") -> PlanView:
    """A view as the plan keeps it in the journal.

    Raises:
        ValueError: a key is missing or holds something else; the message names it.
    """
    kind = _text(data, "type", place)
    if kind not in get_args(ViewType):
        raise ValueError(f"{place}.type: unknown {kind!r}")
    rows = tuple(_row(row, f"{place}.rows[{index}]") for index, row in enumerate(_list(data, "rows", place)))
    if not rows:
        raise ValueError(f"{place}.rows: empty")
    for index, row in enumerate(rows):
        if row.against is not None and (row.against == index or not 0 <= row.against < len(rows)):
            raise ValueError(f"{place}.rows[{index}].against: no other row {row.against}")
    return PlanView(
        name=_text(data, "name", place),
        type=cast("ViewType", kind),
        title=_text(data, "title", place) or _text(data, "name", place),
        factors=_texts(data, "factors", place),
        generators=_texts(data, "generators", place),
        rows=rows,
    )


def _record(name: str, study: optuna.Study) -> AblationRecord:
    said: Mapping[str, Any] = study.user_attrs
    plan = _get(said, "plan", dict, "study")
    score = _text(said, "score", "study")
    if score not in _METRICS:
        raise ValueError(f"study.score: {score!r} is neither test nor validation")
    views = tuple(parse_view(view, f"plan.views[{index}]") for index, view in enumerate(_list(plan, "views", "plan")))
    runs = {row.run for view in views for row in view.rows}
    looks = said.get("looks") or []
    trials = [trial for trial in study.get_trials(deepcopy=False) if _wanted(trial, runs)]
    paired = bool(_get(said, "paired", bool, "study"))
    if looks and not paired:
        raise ValueError("study.looks: stopping tests paired differences, and the study is not paired")
    return AblationRecord(
        name=name,
        plan=_text(plan, "name", "plan"),
        description=str(plan.get("description") or ""),
        base_digest=_text(plan, "base_digest", "plan"),
        notes=_texts(plan, "notes", "plan"),
        views=views,
        metric=stated_metric(said),
        score=cast("Score", score),
        first_seed=_integer(said, "seed", "study"),
        seeds=_integer(said, "seeds", "study"),
        paired=paired,
        looks=tuple(Look(int(seeds), float(p), math.nan) for seeds, p in looks),
        archspec=str(said.get("archspec", "unknown")),
        scores=_scores(trials, runs, _METRICS[score]),
        failures=_failures(trials, runs),
        requeued=sum(trial.state == TrialState.FAIL and bool(trial.user_attrs.get("requeued")) for trial in trials),
        waiting=sum(trial.state in (TrialState.WAITING, TrialState.RUNNING) for trial in trials),
        seconds=sum(float(trial_metrics(trial.user_attrs).get("train_seconds") or 0.0) for trial in trials),
        tested=sum(_tested(trial) for trial in trials),
    )


def _row(data: object, place: str) -> PlanRow:
    against = cast("Mapping[str, Any]", data).get("against") if isinstance(data, Mapping) else None
    return PlanRow(
        label=_text(data, "label", place),
        edits=_texts(data, "edits", place),
        run=_text(data, "run", place),
        digest=_text(data, "digest", place),
        code=_text(data, "code", place),
        resolution=_integer(data, "resolution", place),
        costs=_costs(data, place),
        training=_get(data, "training", dict, place),
        against=None if against is None else _integer(data, "against", place),
    )


def _costs(data: object, place: str) -> dict[str, int]:
    usual = {name: _positive(data, name, place) for name in USUAL}
    stated = cast("Mapping[str, Any]", data)
    return usual | {one.name: _integer(data, one.name, place) for one in exact_metrics() if one.name in stated}


def _scores(trials: Sequence[FrozenTrial], runs: set[str], metric: str) -> dict[str, dict[int, float]]:
    scores: dict[str, dict[int, float]] = {run: {} for run in sorted(runs)}
    for trial in trials:
        if trial.state != TrialState.COMPLETE:
            continue
        run, seed = _key(trial)
        value, recorded = trial.value, trial_metrics(trial.user_attrs).get(metric)
        place = f"trial {trial.number}"
        if value is None or not 0 <= value <= 1:
            raise ValueError(f"{place} has the score {value}: it must lie between 0 and 1")
        if not isinstance(recorded, int | float) or not math.isclose(recorded, value, abs_tol=1e-9):
            raise ValueError(f"{place} has the score {value}, but recorded {metric} {recorded!r}")
        if seed in scores[run]:
            raise ValueError(f"{place} repeats seed {seed} of {run}, which is finished")
        scores[run][seed] = 100 * value
    return scores


def _failures(trials: Sequence[FrozenTrial], runs: set[str]) -> dict[str, dict[int, str]]:
    """Reasons by run and seed; a failure that was queued again counts for nothing, whatever came of it."""
    failures: dict[str, dict[int, str]] = {run: {} for run in sorted(runs)}
    again = {trial.user_attrs.get("requeued_from") for trial in trials}
    for trial in trials:
        if trial.state == TrialState.FAIL and not trial.user_attrs.get("requeued") and trial.number not in again:
            run, seed = _key(trial)
            failures[run][seed] = str(trial.user_attrs.get("failure") or "no reason recorded")
    done = {_key(trial) for trial in trials if trial.state == TrialState.COMPLETE}
    return {
        run: {seed: why for seed, why in found.items() if (run, seed) not in done} for run, found in failures.items()
    }


def _wanted(trial: FrozenTrial, runs: set[str]) -> bool:
    """False for trainings of rows that a plan had before it was continued without them."""
    run = trial.user_attrs.get("run")
    return run is None or run in runs


def _tested(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and "test_accuracy" in trial_metrics(trial.user_attrs)


def _key(trial: FrozenTrial) -> tuple[str, int]:
    place = f"trial {trial.number}"
    return _text(trial.user_attrs, "run", place), _integer(trial.user_attrs, "seed", place)


def _get(data: object, key: str, kind: type, place: str) -> Any:
    if not isinstance(data, Mapping):
        raise ValueError(f"{place}: a mapping belongs here")
    found = cast("Mapping[str, Any]", data)
    if key not in found:
        raise ValueError(f"{place}: no {key}")
    value = found[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{place}.{key}: {value!r} where {kind.__name__} belongs")
    return value


def _text(data: object, key: str, place: str) -> str:
    return _get(data, key, str, place)


def _integer(data: object, key: str, place: str) -> int:
    return _get(data, key, int, place)


def _positive(data: object, key: str, place: str) -> int:
    count = _integer(data, key, place)
    if count <= 0:
        raise ValueError(f"{place}.{key}: must be above 0, not {count}")
    return count


def _list(data: object, key: str, place: str) -> list[Any]:
    return _get(data, key, list, place)


def _texts(data: object, key: str, place: str) -> tuple[str, ...]:
    return tuple(str(each) for each in _list(data, key, place))
