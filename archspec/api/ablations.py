"""Ablations from Python: plans as data, rows as tables, recorded as those of the command line are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, final

from archspec.api.recorded import RecordedRun
from archspec.api.stopping import conduct_with_looks
from archspec.documents.html import html_table
from archspec.documents.reader import Document
from archspec.loader import plain_data
from search.ablation.plan import Plan, load_plan, parse_plan
from search.ablation.rows import Ablation
from search.evaluators.function import Function, FunctionEvaluator
from search.run.pools.engine import EngineSource, Workers, load_engine
from search.run.pools.workers import end_nested_start

if TYPE_CHECKING:
    import pandas as pd

    from reports.records.ablation import AblationRecord
    from search.evaluator import Evaluator


class PlanOptions(TypedDict, total=False):
    """Fields of a plan that `archspec.ablate` takes over those of the plan."""

    name: str
    seeds: int
    seed: int
    log: str | Sequence[str | Mapping[str, Any]]


@final
class RecordedAblation(RecordedRun):
    """An ablation and its record on disk, which is read anew whenever something is asked."""

    @property
    def trials(self) -> pd.DataFrame:
        """The finished trainings, one row each: key of the plan's row, seed, and the score as a fraction.

        Raises:
            RunError: a damaged journal.
        """
        import pandas as pd

        rows = [
            {"run": run, "seed": seed, "score": _fraction(score)}
            for run, scores in self._record().scores.items()
            for seed, score in scores.items()
        ]
        return pd.DataFrame(rows, columns=["run", "seed", "score"])

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of all views: label, edits, mean and deviation of the score over `n` seeds, and costs.

        Raises:
            RunError: a damaged journal.
        """
        import pandas as pd

        record, found = self._record(), list[dict[str, Any]]()
        for view in record.views:
            for row in view.rows:
                scores = pd.Series([_fraction(score) for score in record.scores[row.run].values()], dtype="float64")
                numbers = {"n": len(scores), "mean": scores.mean(), "sd": scores.std()}
                found.append({"view": view.name, "label": row.label, "edits": list(row.edits), **numbers, **row.costs})
        return pd.DataFrame(found)

    def report(self, out: str | Path | None = None, *, force: bool = False) -> Path:
        """Write the report, with the corrected tests of every view, and return the path of its index.html.

        Args:
            out: folder to write; `report` in the run's folder when None.
            force: replace files of these names that no report wrote, or that were changed since.

        Raises:
            RunError: a damaged journal.
            SpecError: `out` holds something else, or a file in it would be lost.
        """
        from reports.ablation_page.write import write_ablation

        return write_ablation(self.root, None if out is None else Path(out), force=force)

    def _record(self) -> AblationRecord:
        from reports.records.ablation import read_ablation

        return read_ablation(self.root)

    def _repr_html_(self) -> str:
        table = self.rows
        columns = [str(name) for name in table.columns]
        rows = [[row[name] for name in columns] for row in table.to_dict("records")]
        return html_table(f"ablation {self.name}", columns, rows)


def ablate(
    plan: str | Path | Mapping[str, Any],
    accuracy: Function | None = None,
    *,
    runs: str | Path = "runs",
    workers: Workers = None,
    retry_failed: bool = False,
    quiet: bool = False,
    engine: EngineSource = None,
    **changes: Unpack[PlanOptions],
) -> RecordedAblation:
    """Train the rows of a plan with several seeds, or go on with an ablation of the same name.

    Everything is recorded in `runs/NAME` as by `archspec ablate`: the same call again continues it.

    Args:
        plan: a file, the name of a shipped plan, a run, or a mapping that holds what a file would.
        accuracy: in place of the plan's evaluator, any function `f(spec, seed)`, as `archspec.search` takes; rows are
            scored by the accuracy that it returns.
        runs: folder of all runs.
        workers: trainings at a time; those that the engine states when None, and 1 where it states none;
            `auto` for as many as this machine has GPUs for, or else cores.
        retry_failed: train once more what failed for good before.
        quiet: write nothing to standard error on the way.
        engine: where rows are trained, as `archspec.search` takes it.
        changes: fields of the plan.

    Raises:
        SpecError: a field that breaks a rule, or a run of this name that was asked something else.
        RunError: no row can be trained at all.
    """
    end_nested_start()
    asked: dict[str, Any] = dict(changes)
    if accuracy is not None:
        bound: Evaluator = FunctionEvaluator().bind(accuracy)
        asked |= {"evaluator": bound, "score": "validation"}
    ablation = Ablation(_plan(plan, Path(runs), asked))
    found = load_engine(engine)
    conduct_with_looks(ablation, Path(runs), workers=workers, retry_failed=retry_failed, quiet=quiet, engine=found)
    return RecordedAblation(Path(runs) / ablation.plan.config.name)


def _plan(source: str | Path | Mapping[str, Any], runs: Path, asked: dict[str, Any]) -> Plan:
    if isinstance(source, Mapping):
        return parse_plan(Document({**plain_data(source), **asked}, ""))
    return load_plan(str(source), runs, asked)


def _fraction(percent: float) -> float:
    return round(percent / 100, 12)
