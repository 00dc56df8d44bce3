"""Searches from Python: started over any function or evaluator, recorded as those of the command line are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast, final

from archspec.api.fronts import ParetoFront, ParetoMember
from archspec.api.recorded import RecordedRun
from archspec.api.spaces import Budget, DesignSpace, read_budget
from archspec.api.spaces import space as open_space
from archspec.cost.metrics import exact_metrics
from archspec.documents.reader import Document
from archspec.errors import FieldError, SpecError
from archspec.loader import load
from search.evaluator import Evaluator, parse_evaluator
from search.evaluators.function import Function, FunctionEvaluator
from search.run.pools.engine import EngineSource, Workers, load_engine
from search.run.pools.workers import end_nested_start
from search.run.run import conduct
from search.space.limits import format_budget
from search.space.space import Space
from search.study.config import StudyConfig
from search.study.reading import load_study, parse_study

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from reports.records.search import Record

SpaceSource = str | Path | Mapping[str, Any] | Space | DesignSpace
"""What `archspec.space` takes, or a study: its file, its name, a mapping with `space`, or the folder of a run."""


class StudyOptions(TypedDict, total=False):
    """Fields of a study (docs, the page on searching), as `archspec.search` takes them, and how it is run.

    `retry_failed` evaluates once more what failed for good before, layouts and finalists; `anyway` trains the finalists
    of an estimate that did not pass its check; `quiet` writes nothing to standard error on the way; `engine` is where
    layouts are evaluated: the name of an engine such as `slurm`, a file, or a mapping with `type`.
    """

    name: str
    objectives: Sequence[str]
    sampler: str | Mapping[str, Any]
    budget: Budget
    rungs: Mapping[str, Any]
    trials: int
    seed: int
    baseline: int
    final: Mapping[str, Any]
    check: Mapping[str, Any]
    log: str | Sequence[str | Mapping[str, Any]]
    retry_failed: bool
    anyway: bool
    quiet: bool
    engine: EngineSource


HOW = ("retry_failed", "anyway", "quiet", "engine")
"""Options that are no fields of a study."""


@final
class RecordedSearch(RecordedRun):
    """A search and its record on disk, which is read anew whenever something is asked.

    Args:
        root: folder of the run.
        evaluator: what the search was started with, where only this process has it.
    """

    def __init__(self, root: Path, evaluator: Evaluator | None = None) -> None:
        super().__init__(root)
        self._evaluator = evaluator

    @property
    def trials(self) -> pd.DataFrame:
        """The trials of the search, one row each: state, layout, metrics; columns without a value are left out.

        Raises:
            RunError: a damaged journal, or no trial is finished.
        """
        table = self._record().search.dropna(axis=1, how="all")
        counts = [metric.name for metric in exact_metrics() if metric.name in table]
        return table.astype(dict.fromkeys(counts, "Int64"))

    @property
    def study(self) -> optuna.Study:
        """The search as Optuna has it, to be read."""
        return self._record().study

    @property
    def front(self) -> ParetoFront:
        """The layouts that no other one beats in all objectives, cheapest first.

        Raises:
            RunError: a damaged journal, or no trial is finished.
        """
        from reports.records.front import front

        found = front(self._record())
        members: list[ParetoMember] = []
        for one in found.members:
            numbers = {"accuracy": one.accuracy, **one.costs}
            if one.test.n:
                numbers |= {"test_accuracy": one.test.mean, "test_sd": one.test.sd}
            metrics = {name: _plain(value) for name, value in numbers.items() if value == value}
            folder = self.root / "artifacts" / one.digest
            members.append(ParetoMember(load(folder / "spec.yaml"), metrics, one.trial, folder, one.devices))
        return ParetoFront(members, found.objectives)

    def report(self, out: str | Path | None = None, *, force: bool = False) -> Path:
        """Write the report, page, figures and tables, and return the path of its index.html.

        Args:
            out: folder to write; `report` in the run's folder when None.
            force: replace files of these names that no report wrote, or that were changed since.

        Raises:
            RunError: nothing to report.
            SpecError: `out` holds something else, or a file in it would be lost.
        """
        from reports.search_page.write import write_report

        return write_report(self.root, None if out is None else Path(out), force=force)

    def extend(
        self,
        *,
        trials: int | None = None,
        accuracy: Function | None = None,
        workers: Workers = None,
        timeout: float | None = None,
        retry_failed: bool = False,
        anyway: bool = False,
        quiet: bool = False,
        engine: EngineSource = None,
    ) -> RecordedSearch:
        """Go on with the search.

        Args:
            trials: trained trials in all, those there are included; as many as before when None, which brings an
                interrupted search to its end.
            accuracy: the function, where the run was opened from its folder.
            workers: processes; see `search`.
            timeout: seconds after which no further layout is proposed.
            retry_failed: evaluate once more what failed for good before, layouts and finalists.
            anyway: train the finalists of an estimate that did not pass its check.
            quiet: write nothing to standard error on the way.
            engine: where layouts are evaluated from here on; see `StudyOptions`.

        Raises:
            RunError: no layout can be evaluated at all, or finalists are not recorded in the end.
            SpecError: the run needs a function, or another process works on it.
        """
        end_nested_start()
        asked: dict[str, Any] = {} if trials is None else {"trials": trials}
        config = load_study(str(self.root), self.root.parent, asked)
        evaluator = self._evaluator
        if accuracy is not None:
            if not isinstance(config.evaluator, FunctionEvaluator):
                raise SpecError(f"goes with a run over a function, not {config.evaluator.type}", field="accuracy")
            evaluator = config.evaluator.bind(accuracy)
        if evaluator is not None:
            config = config.model_copy(update={"evaluator": evaluator})
        conduct(
            _named(config, self.root),
            self.root.parent,
            workers=workers,
            timeout=timeout,
            retry_failed=retry_failed,
            anyway=anyway,
            quiet=quiet,
            engine=load_engine(engine),
        )
        return RecordedSearch(self.root, evaluator)

    def _record(self) -> Record:
        from reports.records.search import read

        return read(self.root)

    def _repr_html_(self) -> str:
        return self.front.to_html()


def search(
    space: SpaceSource,
    accuracy: Function | None = None,
    *,
    evaluator: Evaluator | Mapping[str, Any] | str | None = None,
    metrics: Mapping[str, Any] | None = None,
    runs: str | Path = "runs",
    workers: Workers = None,
    timeout: float | None = None,
    **study: Unpack[StudyOptions],
) -> RecordedSearch:
    """Search layouts for accuracy against cost, or go on with a search of the same name.

    Everything is recorded in `runs/NAME` as by `archspec search`: the same call again continues it.

    Args:
        space: what `archspec.space` takes; or a study, by its file, its shipped name, its run or as a mapping.
        accuracy: any function `f(spec, seed)` that returns an accuracy from 0 to 1, or a mapping of metrics with
            `accuracy` among them. It is called in this process, one layout at a time, unless it stands at the top
            level of a module and `workers` asks for processes.
        evaluator: in place of a function, as in a study file: a tag, a mapping with `type`, or an evaluator. A search
            over a space trains on the shipped digits without either.
        metrics: what the function returns beside accuracy, for objectives: `{"energy_j": {"unit": "J"}}`.
        runs: folder of all runs.
        workers: layouts evaluated at a time; those that the engine states when None, and 1 where it states none;
            `auto` for as many as this machine has GPUs for, or else cores.
        timeout: seconds after which no further layout is proposed.
        study: fields of a study, over those of `space`; and `retry_failed`, `anyway`, `quiet` and `engine`, see
            `StudyOptions`. Finalists of a function are not evaluated again unless `final={"seeds": 3}` says so: then
            it should return `test_accuracy` too.

    Raises:
        SpecError: a field that breaks a rule, or a run of this name that was asked something else.
        RunError: no layout can be evaluated at all, or finalists are not recorded in the end; what is, is on disk,
            and `archspec.open_run` reads it.
    """
    end_nested_start()
    asked: dict[str, Any] = {key: value for key, value in study.items() if key not in ("budget", *HOW)}
    if accuracy is not None:
        if evaluator is not None:
            raise SpecError("takes the place of a function: give one of the two", field="evaluator")
        evaluator = _function(metrics or {}).bind(accuracy)
        asked.setdefault("final", {"seeds": 0})
    elif metrics is not None:
        raise SpecError("go with a function; an evaluator states its own", field="metrics")
    if evaluator is not None:
        asked["evaluator"] = evaluator
    config = _config(space, Path(runs), asked, study.get("budget"))
    conduct(
        config,
        Path(runs),
        workers=workers,
        timeout=timeout,
        retry_failed=study.get("retry_failed", False),
        anyway=study.get("anyway", False),
        quiet=study.get("quiet", False),
        engine=load_engine(study.get("engine")),
    )
    return RecordedSearch(Path(runs) / config.name, config.evaluator if config.evaluator.local else None)


def _function(metrics: Mapping[str, Any]) -> FunctionEvaluator:
    try:
        return cast("FunctionEvaluator", parse_evaluator({"type": "function", "metrics": dict(metrics)}))
    except FieldError as error:
        raise SpecError(error.rule, field=error.field) from None


def _config(source: SpaceSource, runs: Path, asked: dict[str, Any], budget: Budget | None) -> StudyConfig:
    if budget is not None:
        asked["budget"] = dict(budget) if isinstance(budget, Mapping) else format_budget(read_budget(budget))
    if isinstance(source, str | Path):
        return load_study(str(source), runs, asked)
    if isinstance(source, Mapping) and "space" in source:
        return parse_study(Document({**source, **asked}, ""))
    opened = open_space(source)
    if budget is not None:
        opened = opened.within(budget)
    data = {"space": opened.parsed.template, "name": re.sub(r"[^A-Za-z0-9._-]", "-", opened.name)[:100]}
    return parse_study(Document({**data, **asked, "budget": opened.budget}, ""))


def _named(config: StudyConfig, root: Path) -> StudyConfig:
    """The study under the name of its folder, which may have been moved."""
    return config.model_copy(update={"name": root.name})


def _plain(value: float) -> float:
    """A count as an integer."""
    return int(value) if value >= 1 and value == int(value) else value
