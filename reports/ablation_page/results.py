"""The results of an ablation: the scores and costs of every row, and its difference to the row it is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

from archspec.errors import FieldError, RunError
from reports.ablation_page.pilot import noise
from reports.records.ablation import AblationRecord, PlanRow, PlanView
from reports.statistics.comparison import Comparison, Settings, compare
from reports.statistics.effects import Effect, effects
from reports.statistics.power import needed_seeds
from reports.statistics.sequential import decide
from reports.statistics.summary import Summary, paired_differences, shared_seeds, summarise

Status = Literal["better", "worse", "within noise", "open", "untested", "same run"]


@dataclass(frozen=True)
class CostChange:
    """A count less that of the row compared with, and the same in percent of the latter."""

    absolute: int
    percent: float


@dataclass(frozen=True)
class Outcome:
    """A row against the row with index `against`.

    Attributes:
        comparison: in percentage points; None for `same run`, as equal trainings have no difference to test.
        status: the mark. `open`: sequential stopping has not decided, and asks for more seeds.
        stopped: seeds after which a look decided the row before its last one; None otherwise.
        needed: seeds per row that would mark a difference of the size seen with 80 % probability, at Holm's strictest
            level and with the noise of all comparisons, as `archspec power` has it; None where the row is decided, or
            where no number is known.
    """

    against: int
    comparison: Comparison | None
    status: Status
    stopped: int | None
    needed: int | None

    @property
    def decided(self) -> bool:
        return self.status in ("better", "worse")


@dataclass(frozen=True)
class ResultRow:
    """One row: its scores in percent, trainings finished, failed and missing, and what it changes."""

    index: int
    row: PlanRow
    score: Summary
    failed: int
    missing: int
    params: CostChange | None
    macs: CostChange | None
    outcome: Outcome | None


@dataclass(frozen=True)
class ResultView:
    """One table. `overall` is the last line of a progressive view against its first; `comparisons` is the size of
    the family that Holm's correction is over (`overall` included); `effects` are those of a factorial."""

    plan: PlanView
    lines: tuple[ResultRow, ...]
    overall: ResultRow | None
    comparisons: int
    effects: tuple[Effect, ...]

    @property
    def outcomes(self) -> tuple[tuple[ResultRow, Outcome], ...]:
        """Every line that is compared with another, the overall one last."""
        lines = (*self.lines, *([self.overall] if self.overall else []))
        return tuple((line, line.outcome) for line in lines if line.outcome is not None)


@dataclass(frozen=True)
class AblationResults:
    """The record, and each of its views computed."""

    record: AblationRecord
    views: tuple[ResultView, ...]


@final
@dataclass(frozen=True)
class ViewResults:
    """One view of an ablation, which the sections of its report are about; `name` begins their files' names."""

    record: AblationRecord
    view: ResultView
    name: str

    @property
    def score(self) -> str:
        """The split and the quality that the scores are of: `test accuracy`."""
        return f"{self.record.score} {self.record.metric.word}"


def compute(record: AblationRecord) -> AblationResults:
    """Compare the rows of every view; each view is one family of comparisons.

    Raises:
        RunError: the rows of a factorial are no two-level design.
        SpecError: scipy is not installed.
    """
    return AblationResults(record, tuple(_view(record, view) for view in record.views))


def cost_change(row: PlanRow, base: PlanRow) -> tuple[CostChange, CostChange]:
    """The change of `row` in params and MACs against `base`."""
    pairs = ((row.params, base.params), (row.macs, base.macs))
    params, macs = (CostChange(a - b, 100 * (a - b) / b) for a, b in pairs)
    return params, macs


def outcomes(record: AblationRecord, view: PlanView) -> dict[tuple[int, int], Outcome]:
    """The outcome of every pair of rows that `view` compares. Pairs of the same two runs are one hypothesis.

    Raises:
        SpecError: scipy is not installed.
    """
    found: dict[tuple[str, str], Comparison] = {}
    if view.family and not record.looks:
        tested = {" against ".join(runs): runs for runs in view.family}
        scores = dict(record.scores) | {name: record.scores[run] for name, (run, _) in tested.items()}
        compared = compare(scores, {name: base for name, (_, base) in tested.items()}, _settings(record))
        found = dict(zip(view.family, compared, strict=True))
    sd = noise(record)
    return {pair: _outcome(record, view, pair, found, sd) for pair in view.compared}


def _view(record: AblationRecord, view: PlanView) -> ResultView:
    found = outcomes(record, view)
    lines = tuple(_line(record, view, (index, row.against), found) for index, row in enumerate(view.rows))
    total = _line(record, view, view.overall, found) if view.overall else None
    return ResultView(view, lines, total, len(view.family), _effects(record, view))


def _line(
    record: AblationRecord,
    view: PlanView,
    pair: tuple[int, int | None],
    found: Mapping[tuple[int, int], Outcome],
) -> ResultRow:
    index, base = pair
    row = view.rows[index]
    outcome = None if base is None else found[index, base]
    params, macs = (None, None) if base is None else cost_change(row, view.rows[base])
    scores, failed = record.scores[row.run], record.failures[row.run]
    planned = set(range(record.first_seed, record.first_seed + record.seeds))
    missing = 0 if _stopped(record, view, row.run, found) else len(planned - scores.keys() - failed.keys())
    return ResultRow(index, row, summarise(scores.values()), len(failed), missing, params, macs, outcome)


def _stopped(record: AblationRecord, view: PlanView, run: str, found: Mapping[tuple[int, int], Outcome]) -> bool:
    """Whether sequential stopping asks for no more seeds of `run`: all that it is compared with is settled."""
    own = [each for pair, each in found.items() if run in view.runs(pair)]
    return bool(record.looks and own) and not any(each.status == "open" for each in own)


def _outcome(
    record: AblationRecord,
    view: PlanView,
    pair: tuple[int, int],
    found: Mapping[tuple[str, str], Comparison],
    sd: float,
) -> Outcome:
    runs = view.runs(pair)
    if runs[0] == runs[1]:
        return Outcome(pair[1], None, "same run", None, None)
    if record.looks:
        return _looked(record, runs, pair, planned=pair != view.overall)
    each = found[runs]
    needed = None if each.decided or each.n < 2 else needed_seeds(each.difference, sd, len(found))
    return Outcome(pair[1], each, each.mark, None, needed)


def _settings(record: AblationRecord) -> Settings:
    return Settings(paired=record.paired)


def _looked(record: AblationRecord, runs: tuple[str, str], pair: tuple[int, int], *, planned: bool) -> Outcome:
    """The outcome under sequential stopping: difference, interval and mark of the pairs that the last look saw.

    The looks spend the level over the planned comparisons, so one that was not planned is shown and not tested.
    """
    ours, theirs = (record.scores[run] for run in runs)
    seeds = shared_seeds(ours, theirs)
    if not planned:
        return Outcome(pair[1], _untested(_of_pairs(record, runs, seeds)), "untested", None, None)
    decision = decide(paired_differences(ours, theirs), record.looks)
    each = replace(_of_pairs(record, runs, seeds[: decision.seeds]), test="paired t", p=decision.p, adjusted=math.nan)
    if decision.state == "continue":
        return Outcome(pair[1], replace(each, mark="untested"), "open", None, None)
    each = replace(each, mark=decision.state)
    early = decision.seeds if decision.seeds < record.looks[-1].seeds else None
    return Outcome(pair[1], each, decision.state, early, None)


def _of_pairs(record: AblationRecord, runs: tuple[str, str], seeds: Sequence[int]) -> Comparison:
    scores = {run: {seed: record.scores[run][seed] for seed in seeds} for run in runs}
    return compare(scores, {runs[0]: runs[1]}, _settings(record))[0]


def _effects(record: AblationRecord, view: PlanView) -> tuple[Effect, ...]:
    """The effects of a factorial: none where nothing is paired, untested where looks have spent the level."""
    if view.type != "factorial" or not record.paired:
        return ()
    scores = {index: record.scores[row.run] for index, row in enumerate(view.rows)}
    try:
        found = effects(view.factors, [row.edits for row in view.rows], scores, _settings(record))
    except FieldError as error:
        raise RunError(f"runs/{record.name}: view {view.name}: {error}") from None
    return tuple(replace(each, comparison=_untested(each.comparison)) for each in found) if record.looks else found


def _untested(found: Comparison) -> Comparison:
    """A comparison that no part of the level is left for: its difference is shown and not marked."""
    return replace(found, p=math.nan, adjusted=math.nan, mark="untested")
