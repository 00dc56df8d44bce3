"""The run of a study: hands orders to workers, notes answers, survives interruption."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, final

from optuna.storages import JournalStorage
from optuna.study import Study

from archspec import __version__
from archspec.documents.output import clear_partial
from archspec.errors import FieldError, RunError, SpecError
from archspec.loader import load
from search.evaluator import Evaluator
from search.processes.signals import heard_signals
from search.run.finalists import FinalPhase, front_specs
from search.run.in_process import InProcessPool
from search.run.journal import lock_run, open_storage, open_study
from search.run.pool import Pool
from search.run.progress import ProgressDisplay, front_table
from search.run.proposals import FINAL, SEARCH, Phase, SearchPhase, copy_start_up
from search.run.worker import Order, Report
from search.run.workers import ProcessPool
from search.sampler import parse_sampler
from search.space.space import Space
from search.study.config import EXTENDABLE, StudyConfig
from search.study.recorded import STUDY, Compared, record_asked
from search.study.recorded_inputs import record_inputs

MAX_FAILURES_FIRST = 5


def conduct(config: StudyConfig, runs: Path, *, workers: int = 1, timeout: float | None = None) -> bool:
    """Run or continue a study until its budget is spent.

    Args:
        config: what is asked.
        runs: folder of all runs; this one is `runs / config.name`.
        workers: processes on this machine.
        timeout: seconds after which the search proposes no further layout; its finalists are still trained. None for
            no limit.

    Returns:
        whether it came to its end (False: interrupted, to be continued).

    Raises:
        SpecError: the run exists with another configuration, or another process works on it; the evaluator cannot
            start; the sampler needs a package that is not installed.
        RunError: a damaged journal, no layout can be evaluated at all, or a worker meets a full disk.
        OSError: this process does.
    """
    config.sampler.check_installed()
    root = runs / config.name
    space = config.open_space()
    evaluators = {SEARCH: config.evaluator, FINAL: config.final_evaluator()}
    check_ready(evaluators, workers)
    with lock_run(root):
        clear_partial(root)
        begun = (root / "journal.log").exists()
        _record(config, root)
        said = record_inputs(root, config.inputs(), begun=begun)
        storage = open_storage(root)
        summarize = partial(front_table, objectives=config.titles)
        with (
            open_pool(workers, evaluators, root) as pool,
            ProgressDisplay(f"{config.name} in {root}", summarize) as screen,
        ):
            for line in (*config.notes, *said):
                screen.say(line)
            finished = _run_arms(Conductor(pool, screen), config, space, storage, root, timeout)
            screen.say(f"archspec report {root}" if finished else f"interrupted; archspec search {root} continues")
            return finished


def check_ready(evaluators: Mapping[str, Evaluator], workers: int) -> None:
    """Refuse evaluators that cannot answer, before anything is written.

    Raises:
        SpecError: one lacks what its configuration cannot say, or belongs to this process and several are asked for.
    """
    for evaluator in evaluators.values():
        evaluator.check_ready(workers)


def open_pool(workers: int, evaluators: Mapping[str, Evaluator], root: Path) -> Pool:
    """Whoever answers: processes, or this one for evaluators that no other has."""
    if not any(evaluator.local for evaluator in evaluators.values()):
        return ProcessPool(workers, {name: one.model_dump(mode="json") for name, one in evaluators.items()}, root)
    return InProcessPool(evaluators, root) if workers == 1 else ProcessPool(workers, evaluators, root)


def _run_arms(
    conductor: Conductor,
    config: StudyConfig,
    space: Space,
    storage: JournalStorage,
    root: Path,
    timeout: float | None,
) -> bool:
    search = _study(storage, "search", config)
    if not conductor.run(SearchPhase(search, storage, config, space, root, trials=config.trials), search, timeout):
        return False
    if config.baseline:
        baseline = _study(storage, "baseline", config)
        copy_start_up(search, baseline, config.baseline)
        if not conductor.run(
            SearchPhase(baseline, storage, config, space, root, trials=config.baseline, random=True), search
        ):
            return False
    if config.final.seeds and search.best_trials:
        final_study = open_study(storage, "final", ["accuracy"], _attrs(config), config.evaluator.own_metrics)
        anchors = {name: config.evaluator.prepare(load(name)) for name in config.final.anchors}
        specs = front_specs(search, config, space)
        return conductor.run(FinalPhase(final_study, config, specs, anchors, root), search)
    return True


@final
class Conductor:
    """The loop of a run: keep the workers busy, note what they say, listen for Ctrl-C."""

    def __init__(self, pool: Pool, screen: ProgressDisplay) -> None:
        self.pool, self.screen = pool, screen
        self.stopping = False

    def run(self, arm: Phase, search: Study, timeout: float | None = None) -> bool:
        """Bring one arm to its end, or to the end of its time; False when interrupted.

        Raises:
            SpecError: an evaluator cannot start, such as for want of its data.
            RunError: no layout can be evaluated at all, or the disk is full.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        previous = {number: signal.signal(number, self._interrupt) for number in heard_signals()}
        failures, successes = 0, 0
        try:
            while True:
                late = deadline is not None and time.monotonic() >= deadline
                while not (self.stopping or late) and self.pool.idle and (order := arm.next_order()):
                    self.pool.submit(order)
                if not self.pool.busy:
                    return not self.stopping
                for order, report in self.pool.reports(timeout=0.5):
                    if report.kind in ("unready", "unwritable"):  # the next start queues its trial again
                        raise (SpecError if report.kind == "unready" else RunError)(report.text)
                    failures += report.kind == "failed"
                    successes += report.kind == "done"
                    self._note(arm, order, report, search)
                    if failures >= MAX_FAILURES_FIRST and not successes:
                        raise RunError(f"the first {failures} layouts all failed; the last one: {report.text}")
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _note(self, arm: Phase, order: Order, report: Report, search: Study) -> None:
        if report.kind == "progress":
            self.screen.show_progress(order, report.text)
            return
        line = arm.finish(order, report)
        self.screen.show_answer(line, arm.progress, order, search)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self.pool.stop()
        with suppress(OSError):  # the terminal may be gone
            self.screen.say(
                "stopping: trials under way save their last epoch; the same command continues (Ctrl-C again: now)"
            )


def _study(storage: JournalStorage, name: str, config: StudyConfig) -> Study:
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
    asked = config.model_dump(mode="json")

    def compare(recorded: dict[str, Any]) -> Compared:
        recorded.setdefault("budget", {})  # runs of a version that knew no budgets
        recorded["sampler"] = _current(recorded.get("sampler"))
        yield from ((key, recorded.get(key), asked[key]) for key in asked if key not in EXTENDABLE)
        yield "final.changes", recorded["final"]["changes"], asked["final"]["changes"]

    record_asked(root / STUDY, config.dump(), "run", compare)


def _current(recorded: Any) -> Any:
    """A recorded sampler as this version writes it: without options that meant nothing, with those that are new."""
    try:
        return parse_sampler(recorded).model_dump(mode="json")
    except FieldError:
        return recorded
