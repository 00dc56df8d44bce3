"""The run of a study: hands orders to workers, notes answers, survives interruption."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from archspec import __version__
from archspec.documents.wording import plural
from archspec.errors import FieldError, RunError
from archspec.files.journal import RunStorage
from archspec.loader import load
from search.evaluator import Evaluator, renew
from search.logger import LoggedMember, LoggedRun, RunEnd
from search.monitor.display import ProgressDisplay, device_lines, front_table, front_trials, hint
from search.monitor.estimate import TimeEstimate
from search.monitor.header import describe_search, fact_lines, search_parts
from search.monitor.run_log import RunLog
from search.monitor.status import StatusBoard
from search.repeats import REPEAT_OF
from search.run.check import run_check
from search.run.conductor import Conductor
from search.run.estimates.covariates import CovariatePhase, covariate_evaluators
from search.run.finalists import FinalPhase, front_specs
from search.run.journal import copy_start_up, failed_for_good, lock_run, open_storage, open_study
from search.run.phase import FINAL, SEARCH
from search.run.pools.engine import Engine, Workers, clear_dead, open_pool, settle, workers_of
from search.run.pools.pool import Pool
from search.run.pools.simulated import VIRTUAL
from search.run.pretraining import PretrainingPhase
from search.run.proposals import SearchPhase
from search.rungs.gate import note_gate
from search.rungs.history import describe_rungs
from search.sampler import parse_sampler
from search.space.space import Space
from search.study.config import EXTENDABLE, StudyConfig
from search.study.recorded import STUDY, Compared, record_asked, take_back
from search.study.recorded_inputs import record_inputs


def conduct(
    config: StudyConfig,
    runs: Path,
    *,
    workers: Workers = None,
    timeout: float | None = None,
    retry_failed: bool = False,
    anyway: bool = False,
    quiet: bool = False,
    engine: Engine | None = None,
) -> bool:
    """Run or continue a study until its budget is spent.

    Args:
        config: what is asked.
        runs: folder of all runs; this one is `runs / config.name`.
        workers: trainings at a time; None for those that the engine states.
        timeout: seconds after which the search proposes no further layout, and goes on to its finalists; or None.
        retry_failed: evaluate once more the layouts, and train once more the finalists, that failed for good before.
        anyway: train the finalists even where the evaluator is an estimate that does not rank better than cost alone.
        quiet: say nothing on the way.
        engine: where trainings run; None for processes on this machine. A run may go on with another one.

    Returns:
        whether it came to its end (False: interrupted, to be continued).

    Raises:
        SpecError: the run exists with another configuration, or another process works on it; evaluator, sampler or
            engine cannot start.
        RunError: a damaged journal, no layout can be evaluated, a worker meets a broken disk, an estimate does not pass
            its check, or finalists are not recorded in the end.
        OSError: this process meets a broken disk, or a full one before its first order.
    """
    config.sampler.check_installed()
    root = runs / config.name
    space = config.open_space()
    evaluators = {SEARCH: config.evaluator, FINAL: config.final_evaluator(), **covariate_evaluators(config)}
    engine, workers = settle(engine, workers, evaluators, config.log)
    with lock_run(root), ProgressDisplay(config.name, quiet=quiet) as screen, StatusBoard(root, engine.type) as board:
        clear_dead(root)
        begun = (root / "journal.log").exists()
        with take_back(root / STUDY):
            _record(config, root)
            screen.show_stage("examining the data")
            said = record_inputs(root, inputs := config.inputs(), begun=begun)
        storage = open_storage(root)
        run = _Run(config, space, storage, root, timeout, retry_failed, anyway)
        facts = describe_search(config, space, inputs)
        screen.say(run.header(workers, engine), *fact_lines(facts), *config.notes, *said)
        screen.show_stage("starting loggers")
        estimate = TimeEstimate(workers, search_parts(config, space))
        with RunLog(config.log, run.describe(facts)) as log, run.open_pool(engine, workers, evaluators) as pool:
            finished = run.conduct(Conductor(pool, screen, log, estimate, board, storage))
            screen.close()
            run.close(screen, finished=finished)
            log.close(run.state(finished=finished), "front", run.front())
        screen.say(*log.take_lines())
        if finished and run.missing:
            raise RunError(f"{root}: not finished: {run.missing}. {_remedy(config, root, refused=run.refused)}")
        return finished


def _remedy(config: StudyConfig, root: Path, *, refused: bool) -> str:
    """A sentence on what to do about a run that came to no end, without a full stop."""
    local = any(one.local for one in (config.evaluator, config.final_evaluator()))

    def say(option: str, argument: str) -> str:
        command = shlex.join(["archspec", "search", str(root), option])
        return f"The same call with {argument}=True" if local else f"`{command}`"

    if not refused:
        return f"{say('--retry-failed', 'retry_failed')} tries again what failed"
    return (
        f"{say('--anyway', 'anyway')} trains the finalists all the same; more check.layouts narrow the intervals; and "
        f"evaluator {config.final_evaluator().type} needs no estimate"
    )


@final
class _Run:
    """The parts of a run, in their order: search, random baseline, finalists."""

    def __init__(
        self,
        config: StudyConfig,
        space: Space,
        storage: RunStorage,
        root: Path,
        timeout: float | None,
        retry_failed: bool,
        anyway: bool,
    ) -> None:
        self.config, self.space, self.storage, self.root = config, space, storage, root
        self.timeout, self.retry_failed, self.anyway = timeout, retry_failed, anyway
        self.search = _study(storage, "search", config)
        self.missing = ""
        self.refused = False
        self._finals = ""
        self.engine_option: list[str] = []

    def header(self, workers: int, engine: Engine) -> str:
        """One line on what begins, or goes on."""
        config = self.config
        known = len(_answered(self.search))
        what = f"{config.trials:,} {'trial' if config.trials == 1 else 'trials'}"
        what += f", {known:,} of them evaluated before" if known else ""
        virtual = config.evaluator.simulated_workers
        who = plural(virtual, "virtual worker") if virtual else workers_of(engine, workers)
        by = f"evaluator {config.evaluator.type}, sampler {config.sampler.type}, {who}"
        return f"search {config.name} in {self.root}: {what}; {by}; {time.strftime('%Y-%m-%d %H:%M:%S')}"

    def describe(self, facts: Mapping[str, str]) -> LoggedRun:
        """This run as loggers see it; `facts` are those of the header."""
        config = self.config
        about = {**facts, "evaluator": str(config.evaluator.type), "sampler": str(config.sampler.type)}
        quality, aims = config.evaluator.quality, config.objectives
        params = {hole.path: hole.options for hole in self.space.holes}
        return LoggedRun(config.name, "search", self.root, config.dump(), about, quality, aims, params)

    def open_pool(self, engine: Engine, workers: int, evaluators: Mapping[str, Evaluator]) -> Pool:
        """Whoever answers; virtual time goes on from the last answer on record."""
        self.engine_option = engine.option
        names = [study.study_name for study in self.storage.get_all_studies()]
        found = [self.storage.get_all_trials(self.storage.get_study_id_from_name(name)) for name in names]
        times = [float(trial.user_attrs.get(VIRTUAL, 0)) for trials in found for trial in trials]
        return open_pool(engine, evaluators, self.root, workers, max(times, default=0.0))

    def state(self, *, finished: bool) -> RunEnd:
        """How this start of the run ended."""
        return "interrupted" if not finished else "failed" if self.missing else "finished"

    def front(self) -> list[LoggedMember]:
        """The front so far, cheapest first."""
        titles = self.config.titles
        return [
            LoggedMember(f"trial {one.number}", dict(zip(titles, one.values, strict=True)), one.user_attrs["code"])
            for one in front_trials(self.search)
            if "code" in one.user_attrs
        ]

    def conduct(self, conductor: Conductor) -> bool:
        """Bring all parts to their ends; False when interrupted."""
        config = self.config
        before = config.evaluator.pretraining(self.space, config.budget, config.seed)
        if before and not conductor.run(PretrainingPhase(before, SEARCH, self.root, config.seed)):
            return False
        if config.sampler.estimates and not conductor.run(CovariatePhase(config, self.search, self.root)):
            return False
        if not conductor.run(self._phase(self.search, config.trials, conductor), self.timeout):
            return False
        if config.rungs is not None:
            conductor.write(lambda: note_gate(self.search, config.objectives, config.evaluator.quality))
        lost = failed_for_good(self.search)
        if lost and not _evaluated(self.search):
            reasons = [str(trial.user_attrs.get("failure", "no reason recorded")) for trial in lost]
            own = [one for one in reasons if not one.startswith("the same layout")] or reasons
            self.missing = f"no layout could be evaluated, {_count(lost)} failed; the last: {own[-1]}"
            return True
        if config.baseline:
            baseline = conductor.write(lambda: _study(self.storage, "baseline", config))
            before = len(_evaluated(baseline))
            conductor.write(lambda: copy_start_up(self.search, baseline, config.baseline))
            if copied := len(_evaluated(baseline)) - before:
                shared = (
                    f"{copied} of {plural(config.baseline, 'trial')} shared with the search, which drew them at random"
                )
                conductor.screen.say(f"random baseline: {shared}")
            if not conductor.run(self._phase(baseline, config.baseline, conductor, random=True)):
                return False
        if config.evaluator.estimates and not self._check(conductor):
            return False
        if self.refused or not (config.final.seeds and _evaluated(self.search)):
            return True
        return self._train_finalists(conductor)

    def _check(self, conductor: Conductor) -> bool:
        """Check an evaluator that estimates; False when interrupted."""
        again = self.retry_failed
        found = run_check(conductor, self.storage, self.search, self.config, self.root, retry_failed=again)
        conductor.screen.say(*found.lines)
        if not (found.finished and found.refusal and self.config.final.seeds):
            return found.finished
        if self.anyway:
            conductor.screen.say("check: the finalists are trained all the same, as was asked for")
        else:
            self.refused, self.missing = True, f"stopped before its finalists: {found.refusal}"
        return True

    def _train_finalists(self, conductor: Conductor) -> bool:
        """Train the front again; False when interrupted."""
        config, full = self.config, self.config.final_evaluator()
        attrs = _attrs(config) | {"metric": full.metric}
        study = conductor.write(lambda: open_study(self.storage, "final", ["accuracy"], attrs, full.own_metrics))
        anchors = {name: config.evaluator.prepare(load(name)) for name in config.final.anchors}
        place = str(self.root / "journal.log")
        specs = front_specs(self.search, config, self.space, _digests(study), place)
        finals = FinalPhase(study, config, specs, anchors, self.root, retry_failed=self.retry_failed)
        if finals.retried:
            conductor.screen.say(f"finalists: {plural(finals.retried, 'failed training')} tried again")
        finished = conductor.run(finals)
        done, wanted = finals.progress
        self._finals = f"finalists {done} of {wanted}"
        self.missing = finals.missing()
        return finished

    def close(self, screen: ProgressDisplay, *, finished: bool) -> None:
        """Say what came of it: the front, a summary, and what to do next."""
        known = _evaluated(self.search)
        if known:
            screen.show_table(front_table(self.search, self.config.titles))
            screen.say(*device_lines(self.search, self.config.objectives))
        repeated = sum("duplicate_of" in trial.user_attrs for trial in self.search.get_trials(deepcopy=False))
        failed = _count(failed_for_good(self.search))
        answered = _answered(self.search)
        again = sum(REPEAT_OF in one.user_attrs for one in answered)
        begun = len(answered) - again
        done = plural(begun, "layout") if finished or again else f"{begun:,} of {plural(self.config.trials, 'layout')}"
        counts = [f"{done} evaluated", f"{failed} failed" if failed else ""]
        counts += [
            f"{again} of them again" if again else "",
            plural(repeated, "duplicate") if repeated else "",
            self._finals,
        ]
        state = "interrupted" if not finished else "not finished" if self.missing else "finished"
        screen.say(f"{state} after {screen.elapsed}: {', '.join(filter(None, counts))}")
        if self.config.rungs is not None:
            screen.say(*describe_rungs(self.search.get_trials(deepcopy=False), self.config.rung_epochs))
        if finished and self.missing:
            return  # the error says what to do
        if finished:
            screen.say(*([hint("report", self.root)] if self.config.reported else []))
        elif self.config.evaluator.local:
            screen.say("next: the same call again goes on")
        else:
            screen.say(hint("search", self.root, *self.engine_option))

    def _phase(self, study: Study, trials: int, conductor: Conductor, *, random: bool = False) -> SearchPhase:
        asked = (study, self.storage, self.config, self.space, self.root)
        phase = conductor.write(lambda: SearchPhase(*asked, trials=trials, random=random))
        again = conductor.write(phase.retry_failed) if self.retry_failed else 0
        if again:
            conductor.screen.say(f"{phase.title}: {plural(again, 'failed layout')} queued again")
        return phase


def _evaluated(study: Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if "duplicate_of" not in trial.user_attrs]


def _answered(study: Study) -> list[FrozenTrial]:
    """The trials with a training that came to its end, or that began a layout and came to a rung."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [one for one in trials if not {"duplicate_of", "promoted_from"} & one.user_attrs.keys()]


def _count(trials: Sequence[FrozenTrial]) -> int:
    """Layouts among trials; an impossible one has no digest."""
    return len({trial.user_attrs.get("digest", trial.number) for trial in trials})


def _digests(study: Study) -> list[str]:
    """The layouts that were re-trained before."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial.user_attrs.get("digest", "") for trial in trials]


def _study(storage: RunStorage, name: str, config: StudyConfig) -> Study:
    objectives = list(config.objectives)
    attrs = _attrs(config) | {"objectives": objectives}
    return open_study(storage, name, objectives, attrs, config.evaluator.own_metrics)


def _attrs(config: StudyConfig) -> dict[str, Any]:
    spec = config.evaluator.prepare(config.open_space().fill(lambda hole: hole.options[0]).spec)
    return {
        "metric": config.evaluator.metric,
        "resolution": spec.resolution,
        "sampler": config.sampler.model_dump(mode="json"),
        "seed": config.seed,
        "archspec": __version__,
    }


def _record(config: StudyConfig, root: Path) -> None:
    """Write what is asked to `study.yaml`, or check that the run was asked the same."""
    asked = config.model_dump(mode="json") | {"evaluator": config.evaluator.record()}

    def compare(recorded: dict[str, Any]) -> Compared:
        recorded.setdefault("budget", {})  # runs of a version that knew no budgets
        recorded["sampler"] = _current(recorded.get("sampler"))
        recorded["evaluator"] = renew(recorded.get("evaluator"))
        yield from ((key, recorded.get(key), asked[key]) for key in asked if key not in EXTENDABLE)
        yield "final.changes", recorded["final"]["changes"], asked["final"]["changes"]
        yield "final.from", recorded["final"].get("from", "scratch"), asked["final"]["from"]

    record_asked(root / STUDY, config.dump(), "run", compare)


def _current(recorded: Any) -> Any:
    """A recorded sampler as this version writes it: without options that meant nothing, with those that are new."""
    try:
        return parse_sampler(recorded).model_dump(mode="json")
    except FieldError:
        return recorded
