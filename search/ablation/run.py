"""The run of a plan: the rows of its views, trained by the workers of a search and kept in the same kind of journal."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from optuna.study import Study
from optuna.trial import TrialState

from archspec import __version__
from archspec.documents.wording import plural
from archspec.errors import RunError
from archspec.files.journal import RunStorage
from archspec.printing.fitted_table import Column, FittedTable
from search.ablation.plan import PlanConfig
from search.ablation.record import describe
from search.ablation.rows import Ablation
from search.ablation.trainings import AblationPhase, Decide, Scores
from search.evaluator import Evaluator, renew
from search.logger import LoggedMember, LoggedRun
from search.monitor.display import ProgressDisplay, hint
from search.monitor.estimate import RunPart, TimeEstimate
from search.monitor.header import describe_evaluator, epochs_of, fact_lines
from search.monitor.run_log import RunLog
from search.monitor.status import StatusBoard
from search.run.conductor import Conductor
from search.run.journal import lock_run, open_storage, open_study
from search.run.pools.engine import Engine, Workers, clear_dead, open_pool, settle, workers_of
from search.study.recorded import PLAN, Compared, record_asked, take_back
from search.study.recorded_inputs import record_inputs

FIXED = ("base", "evaluator", "seed", "score")
"""What may not change when a plan is continued; views, edits and seeds may."""


def conduct_plan(
    ablation: Ablation,
    runs: Path,
    *,
    workers: Workers = None,
    looks: Sequence[tuple[int, float]] = (),
    decide: Decide | None = None,
    retry_failed: bool = False,
    quiet: bool = False,
    engine: Engine | None = None,
) -> bool:
    """Train every row of a plan that is not known yet.

    Args:
        ablation: what is asked.
        runs: folder of all runs; this one is `runs / name`.
        workers: trainings at a time; None for those that the engine states.
        looks: seeds after which rows are looked at, and the p value at which a comparison then is decided.
        decide: which rows stop at a look; nothing stops without it.
        retry_failed: train once more what failed for good before.
        quiet: say nothing on the way.
        engine: where trainings run; None for processes on this machine.

    Returns:
        whether it came to its end (False: interrupted, to be continued).

    Raises:
        SpecError: the run exists with another base, or another process works on it; the plan has no evaluator.
        RunError: a damaged journal, or no row can be trained at all.
    """
    config = ablation.plan.config
    root = runs / config.name
    evaluators = ablation.evaluators()
    engine, workers = settle(engine, workers, evaluators, config.log)
    with lock_run(root), ProgressDisplay(config.name, quiet=quiet) as screen, StatusBoard(root, engine.type) as board:
        clear_dead(root)
        begun = (root / "journal.log").exists()
        with take_back(root / PLAN):
            _record(config, root)
            screen.show_stage("examining the data")
            said = record_inputs(root, inputs := ablation.inputs(), begun=begun)
        storage = open_storage(root)
        study = _study(storage, ablation, looks)
        stages = tuple(seeds for seeds, _ in looks if seeds < config.seeds) if decide else ()
        arm = AblationPhase(study, storage, ablation, root, looks=(*stages, config.seeds), decide=decide or _never)
        queued = [f"{plural(arm.retry_failed(), 'failed training')} queued again"] if retry_failed else []
        facts = describe_evaluator(config.evaluator, inputs) if config.evaluator else {}
        header = _header(ablation, root, workers_of(engine, workers))
        screen.say(header, *fact_lines(facts), *ablation.plan.notes, *said, *queued)
        screen.show_stage("starting loggers")
        estimate = TimeEstimate(workers, [RunPart(arm.title, arm.progress[1], epochs_of(config.evaluator))])
        about = _describe(ablation, root, facts)
        with RunLog(config.log, about) as log, open_pool(engine, evaluators, root, workers) as pool:
            finished = Conductor(pool, screen, log, estimate, board, storage).run(arm)
            screen.close()
            screen.show_table(_scores_table(study, ablation))
            screen.say(*_closing(arm, root, screen.elapsed, engine, finished=finished, local=_is_local(evaluators)))
            log.close("finished" if finished else "interrupted", "rows", _rows(study, ablation))
        screen.say(*log.take_lines())
        return finished and _trained(arm)


def _is_local(evaluators: Mapping[str, Evaluator]) -> bool:
    return any(evaluator.local for evaluator in evaluators.values())


def _trained(arm: AblationPhase) -> bool:
    """Whether anything was trained; True, or an error.

    Raises:
        RunError: every training failed.
    """
    done, _ = arm.progress
    if done and arm.failed == done:
        raise RunError("no row could be trained; see the reasons above")
    return True


def _closing(arm: AblationPhase, root: Path, elapsed: str, engine: Engine, *, finished: bool, local: bool) -> list[str]:
    """A summary, and what to do next."""
    done, wanted = arm.progress
    failed = f", {arm.failed} of them failed" if arm.failed else ""
    summary = (
        f"{'finished' if finished else 'interrupted'} after {elapsed}: {done} of {plural(wanted, 'training')}{failed}"
    )
    again = f"{hint('ablate', root, '--retry-failed', *engine.option)} (trains once more what failed)"
    if finished:
        return [summary, *([again] if arm.failed else []), hint("report", root)]
    return [summary, "next: the same call again goes on" if local else hint("ablate", root, *engine.option)]


def _header(ablation: Ablation, root: Path, workers: str) -> str:
    config = ablation.plan.config
    kind = config.evaluator.type if config.evaluator else "none"
    what = f"{plural(len(ablation.runs), 'row')} x {plural(config.seeds, 'seed')}"
    by = f"evaluator {kind}, {workers}; {time.strftime('%Y-%m-%d %H:%M:%S')}"
    return f"ablation {config.name} in {root}: {what}; {by}"


def _describe(ablation: Ablation, root: Path, facts: dict[str, str]) -> LoggedRun:
    """The run of a plan as loggers see it."""
    config = ablation.plan.config
    params: dict[str, Sequence[Any]] = {"row": (), **dict.fromkeys(ablation.edits, ()), "seed": (0,)}
    quality = ablation.quality
    return LoggedRun(config.name, "ablation", root, config.dump(), facts, quality, ("accuracy",), params)


def _rows(study: Study, ablation: Ablation) -> list[LoggedMember]:
    """The rows with a score, with their means."""
    found = _scores(study, ablation)
    return [
        LoggedMember(ablation.runs[run].label, {"seeds": len(scores), "mean": fmean(scores)}, "")
        for run, scores in found.items()
        if scores
    ]


def _never(scores: Scores, seeds: int) -> frozenset[str]:
    del scores, seeds
    return frozenset()


def _study(storage: RunStorage, ablation: Ablation, looks: Sequence[tuple[int, float]]) -> Study:
    evaluator = ablation.plan.config.evaluator
    own = evaluator.own_metrics if evaluator else ()
    return open_study(storage, "ablation", ["accuracy"], _attrs(ablation, looks), own)


def _attrs(ablation: Ablation, looks: Sequence[tuple[int, float]]) -> dict[str, Any]:
    config = ablation.plan.config
    evaluator = config.evaluator
    return {
        "metric": evaluator.metric if evaluator else {},
        "objectives": ["accuracy"],
        "score": config.score,
        "seed": config.seed,
        "seeds": config.seeds,
        "paired": True,
        "looks": [list(look) for look in looks] or None,
        "plan": describe(ablation),
        "archspec": __version__,
    }


def _record(config: PlanConfig, root: Path) -> None:
    """Write what is asked to `plan.yaml`, or check that the run was asked the same before, and perhaps less."""
    asked = config.model_dump(mode="json")
    if config.evaluator is not None:
        asked["evaluator"] = config.evaluator.record()

    def compare(recorded: dict[str, Any]) -> Compared:
        recorded["evaluator"] = renew(recorded["evaluator"])
        yield from ((key, recorded[key], asked[key]) for key in FIXED)
        for name, edit in recorded["edits"].items():
            if name in asked["edits"]:
                yield f"edits.{name}.set", edit["set"], asked["edits"][name]["set"]

    record_asked(root / PLAN, config.dump(), "plan", compare)


def _scores(study: Study, ablation: Ablation) -> dict[str, list[float]]:
    """The scores of every distinct row so far."""
    found: dict[str, list[float]] = {run: [] for run in ablation.runs}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        found.get(trial.user_attrs.get("run", ""), []).append(trial.values[0])
    return found


def _scores_table(study: Study, ablation: Ablation) -> FittedTable:
    """Mean and standard deviation of every distinct row so far."""
    found = _scores(study, ablation)
    columns = (Column("row", "words", least=12), *map(Column, ("seeds", "mean", "sd")))
    table = FittedTable(f"rows, {ablation.quality} in percent", columns)
    for run, scores in found.items():
        mean, sd = fmean(scores) if scores else math.nan, stdev(scores) if len(scores) > 1 else math.nan
        texts = ("" if math.isnan(value) else f"{100 * value:.2f}" for value in (mean, sd))
        table.add_row(ablation.runs[run].label, str(len(scores)), *texts)
    return table
