"""Phases of a run: proposals of layouts, and the record of their answers. Only this process writes the journal."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, final

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.spec.short_code import encode
from search.attributes import metric_attributes, recorded_metrics
from search.budget.confined_samplers import tell_placed
from search.evaluator import Epoch, Metrics
from search.logger import LoggedTrial
from search.monitor.run_log import trial_folder_name
from search.repeats import REPEAT_OF, count_repeats, repeat_seed
from search.run.answers import (
    answer_attributes,
    curve_attributes,
    describe_values,
    foreseen_attributes,
    objective_values,
    report_course,
    report_epoch,
    untested_note,
)
from search.run.journal import (
    MAX_ATTEMPTS,
    failed_for_good,
    find_trial,
    first_number,
    held,
    note,
    queued_again,
    requeue,
    unfinished,
    waiting,
)
from search.run.phase import Phase, describe_order, encode_order, pose_problem, search_order
from search.run.promotions import PromotionQueue
from search.run.worker import GONE, UNFINISHED, Order, Report
from search.rungs.learning import LearningSampler
from search.sampler import Problem, SamplerSession, open_start_up
from search.space.holes import Hole, Scalar, steps_by
from search.space.space import Layout, Space
from search.study.config import StudyConfig

MAX_FRUITLESS = 200


@final
@dataclass(slots=True)
class _Flight:
    """An order under way: the trial that it answers, and later trials that proposed the same layout."""

    trial: Trial
    twins: list[Trial] = field(default_factory=list[Trial])


@final
class SearchPhase(Phase):
    """Proposals of a sampler, each distinct layout evaluated once.

    Args:
        study: the Optuna study.
        storage: where it is kept.
        config: what was asked.
        space: the parsed space.
        root: folder of the run.
        trials: evaluated trials wanted, duplicates apart.
        random: draw everything at random: the baseline.
    """

    def __init__(
        self,
        study: Study,
        storage: BaseStorage,
        config: StudyConfig,
        space: Space,
        root: Path,
        *,
        trials: int,
        random: bool = False,
    ) -> None:
        super().__init__()
        self.study, self.storage, self.config, self.space, self.root = study, storage, config, space, root
        self.wanted, self.random = trials, random
        self.title, self.noun = ("random baseline", "layouts of the baseline") if random else ("search", "layouts")
        self._flights: dict[str, _Flight] = {}
        self._records: dict[str, FrozenTrial] = {}
        self._done = 0
        self._exhausted = False
        self._rungs = PromotionQueue(study, config, space, root) if config.rungs is not None and not random else None
        again = queued_again(study)
        for trial in study.get_trials(deepcopy=False):
            if trial.number not in again or trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._remember(trial)
        with held(storage):
            for trial in unfinished(study):
                self._requeue(trial.number, trial.params, trial.user_attrs, GONE)
        self._retries = sum(self._is_retry(trial) for trial in waiting(study))
        self._inside = config.confinement
        problem = pose_problem(config, space, config.seed + len(study.get_trials(deepcopy=False)), study.user_attrs)
        self._start_up = open_start_up(problem)
        self._model = self._start_up if random else self._open(problem)
        self._session = self._start_up
        self._layouts = space.count() if self._inside is None else self._inside.count()

    @property
    def progress(self) -> tuple[int, int]:
        """Layouts evaluated, and wanted; no more than there are."""
        wanted = max(self._done, self._known if self.exhausted else self.wanted)
        return (self._done, wanted) if self._rungs is None else self._rungs.steps(self._done, wanted)

    @property
    def _known(self) -> int:
        """Layouts that were evaluated, or cannot be."""
        return len(self._records)

    @property
    def exhausted(self) -> bool:
        """Whether the space has no further layout, as far as proposals find."""
        return not self._flights and (self._exhausted or self._known >= self._layouts) and self._done < self.wanted

    def closing(self) -> list[str]:
        if not self.exhausted:
            return []
        failed = sum(one.state == TrialState.FAIL for one in self._records.values())
        counts = f"{self._known - failed:,} of {plural(self._layouts, 'layout')} evaluated" + (
            f", {failed} failed" * bool(failed)
        )
        why = "" if self._known >= self._layouts else f"; the last {MAX_FRUITLESS} proposals were all known"
        text = f"{self.title}: the space is exhausted ({counts}{why}), before the {self.wanted:,} trials asked for"
        if self.random:
            text += ". Search and baseline saw the same layouts: comparing them says nothing of the sampler"
        elif self.config.baseline:
            text += ". The random baseline can draw no others, so that comparing with it says nothing of the sampler"
        return [text]

    def retry_failed(self) -> int:
        """Queue the layouts that failed for good once more; how many. Their trials stay, and count no longer.

        What comes of them is evaluated beyond the trials wanted where those are there already.
        """
        known = {one.number for one in self._records.values()}
        failed = [one for one in failed_for_good(self.study) if one.number in known]
        for trial in failed:
            attrs = trial.user_attrs
            queued = attrs.get("queued", trial.params)
            kept = {"queued": queued, "requeued_from": trial.number}
            kept |= {"arm": attrs["arm"]} if "arm" in attrs else {}
            self.study.enqueue_trial(queued, user_attrs=kept)
            del self._records[attrs["digest"]]
        self._retries += len(failed)
        return len(failed) + (self._rungs.retry_failed() if self._rungs is not None else 0)

    def next_order(self) -> Order | None:
        if self._rungs is None:
            return self._propose()
        promoted = self._rungs.next_order(closed=False)
        order = self._propose() if promoted is None else promoted
        return order if order is not None or self._flights else self._rungs.next_order(closed=True)

    def _propose(self) -> Order | None:
        if self._exhausted or (self._done + len(self._flights) >= self.wanted and not self._retries):
            return None
        if self._known + len(self._flights) >= self._layouts and len(self._records | self._flights) >= self._layouts:
            return None  # every layout is known or under way
        for _ in range(MAX_FRUITLESS):
            trial = self._ask()
            self._retries -= self._is_retry(trial)
            order = self._place(trial)
            if order is not None:
                return order
        self._exhausted = True
        return None

    def label(self, order: Order) -> str:
        if self._rungs is not None and self._rungs.holds(order):
            return self._rungs.label(order)
        name = self._name(self._flights[order.digest].trial)
        return name if self._rungs is None else f"{name}, {self._rungs.place(0)}"

    def describe(self, order: Order) -> LoggedTrial:
        promoted = self._rungs is not None and self._rungs.holds(order)
        trial = self._rungs.began(order) if self._rungs is not None and promoted else self._flights[order.digest].trial
        first = f"{first_number(self.study, trial.number):04d}"
        name = trial_folder_name("baseline" if self.random else "search", first, order.digest[:8])
        params = trial.user_attrs.get("placed", trial.params)
        return describe_order(order, self.root, name, self._name(trial), self.title, trial.number, params)

    def note_epoch(self, order: Order, epoch: Epoch) -> None:
        if order.digest in self._flights:
            report_epoch(self._flights[order.digest].trial, epoch, self.config.objectives)

    def finish(self, order: Order, report: Report) -> str:
        if self._rungs is not None and self._rungs.holds(order):
            return self._finish_promotion(self._rungs, order, report)
        flight = self._flights.pop(order.digest)
        number = flight.trial.number
        if report.kind == "done" and report.metrics is not None:
            values = objective_values(self.config.objectives, report.metrics)
            if all(math.isfinite(value) for value in values):
                if not self._done and not self.random and (said := untested_note(self.config, report.metrics)):
                    self._said.append(said)
                return self._answer(flight, order, report.metrics, values)
            report = self._refuse(report.metrics, values)
        interrupted = report.kind in UNFINISHED
        for twin in flight.twins:
            self._said.append(f"{self._name(twin)} {report.state}: the same layout as trial {number}")
            twin.set_user_attr("failure", report.text)
            if interrupted:  # the layout is queued again below: its failure here says nothing about it
                twin.set_user_attr("requeued", True)
            self.study.tell(twin, state=TrialState.FAIL)
        if interrupted:
            again = self._requeue(number, flight.trial.params, flight.trial.user_attrs, report)
            fate = "queued again" if again else f"given up after {MAX_ATTEMPTS} workers"
            return f"{self._name(flight.trial)} {report.state}: {report.text.removeprefix('interrupted ')}; {fate}"
        note(flight.trial, {"failure": report.text, **curve_attributes(order.folder(self.root))})
        self.study.tell(flight.trial, state=TrialState.FAIL)
        self._remember(find_trial(self.study, number))
        return f"{self._name(flight.trial)} {report.kind}: {report.text}"

    def _answer(self, flight: _Flight, order: Order, metrics: Metrics, values: list[float]) -> str:
        """Record an answer with the trial and its twins; one line about it for people."""
        name, said = self._name(flight.trial), f"{describe_values(self.config, values)}  {encode_order(order)}"
        if self._rungs is None:
            self._complete(flight.trial, order, metrics, values)
        else:
            note(flight.trial, self._rungs.pause(flight.trial.number, order, metrics, values))
            self.study.tell(flight.trial, state=TrialState.PRUNED)
            self._remember(find_trial(self.study, flight.trial.number))
            said = f"{self._rungs.place(0)}: {said}; paused"
        for twin in flight.twins:
            self._answer_from(self._records[order.digest], twin)
        return f"{name}: {said}"

    def _refuse(self, metrics: Metrics, values: Sequence[float]) -> Report:
        """The failure of an answer whose objectives are not finite."""
        lacking = [name for name in self.config.objectives if name not in metrics]
        rule = f"the answer lacks {', '.join(lacking)}" if lacking else "objectives are not finite"
        return Report("failed", f"{rule}: {describe_values(self.config, values)}")

    def _finish_promotion(self, rungs: PromotionQueue, order: Order, report: Report) -> str:
        if report.kind == "done" and report.metrics is not None:
            values = objective_values(self.config.objectives, report.metrics)
            if all(math.isfinite(value) for value in values):
                said = f"{describe_values(self.config, values)}  {encode_order(order)}"
                line, trial = rungs.finish(order, report.metrics, values, said)
                self._remember(trial)
                return line
            report = self._refuse(report.metrics, values)
        return rungs.fail(order, report)

    def _name(self, trial: Trial | FrozenTrial) -> str:
        again = f" (trial {trial.user_attrs[REPEAT_OF]} again)" if REPEAT_OF in trial.user_attrs else ""
        return f"{'random baseline trial' if self.random else 'trial'} {trial.number}{again}"

    def _is_retry(self, trial: Trial | FrozenTrial) -> bool:
        """Whether a trial tries once more what failed for good, beyond the trials that are wanted."""
        while (before := trial.user_attrs.get("requeued_from")) is not None:
            trial = find_trial(self.study, before)
            if not trial.user_attrs.get("requeued"):
                return True
        return False

    def _open(self, problem: Problem) -> SamplerSession:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # as Optuna marks some samplers and options of others
            session = self.config.sampler.open(problem)
        told = tell_placed(session.sampler, self._inside, self.storage)
        return replace(session, sampler=told if self._rungs is None else LearningSampler(told, self.storage))

    def _ask(self) -> Trial:
        queued = waiting(self.study)
        start_up = self.random or self._done < self.config.sampler.startup
        self._session = self._start_up if start_up else self._model
        self.study.sampler = self._session.sampler
        trial = self.study.ask()
        if not queued:
            trial.set_user_attr("arm", "random" if start_up else "model")
        return trial

    def _fill(self, trial: Trial) -> Layout:
        """The layout that a trial proposes, or the nearest one that is possible and inside the budget."""

        def choose(hole: Hole) -> Scalar:
            return suggest_option(trial, hole)

        if self._inside is None:
            return self.space.fill(choose)
        layout = self._inside.admit(self.space.choose(choose), (self._records, self._flights))
        if moved := self._session.moved(trial.number, layout.params):
            trial.set_user_attr("moved", list(moved))
        return layout

    def _place(self, trial: Trial) -> Order | None:
        """Turn a proposal into an order, or answer it at once."""
        try:
            layout = self._fill(trial)
            spec = self.config.evaluator.prepare(layout.spec)
        except (SpecError, FieldError) as error:
            trial.set_user_attr("failure", f"impossible layout: {error}")
            self.study.tell(trial, state=TrialState.FAIL)
            self._said.append(f"{self._name(trial)} failed: impossible layout: {error}")
            return None
        attrs: dict[str, Any] = {"digest": spec.digest, "code": encode(spec), "seed": self.config.seed}
        attrs |= self._session.notes(trial.number)
        if self._rungs is None:
            attrs |= foreseen_attributes(self.config.evaluator, spec)
        if layout.repaired:
            attrs |= {"repaired": list(layout.repaired), "repaired_because": layout.reason, "placed": layout.params}
        note(trial, attrs)
        if spec.digest in self._flights:
            self._flights[spec.digest].twins.append(trial)
            return None
        record, seed = self._records.get(spec.digest), self.config.seed
        if record is not None and not self._trains_again(trial, record):
            self._answer_from(record, trial)
            return None
        if record is not None:
            repeat = 1 + count_repeats(self.study.get_trials(deepcopy=False), record.number)
            seed = repeat_seed(seed, repeat)
            note(trial, {REPEAT_OF: record.number, "seed": seed})
        self._flights[spec.digest] = _Flight(trial)
        order = search_order(spec, seed)
        return order if self._rungs is None else self._rungs.pausing(order)

    def _trains_again(self, trial: Trial, record: FrozenTrial) -> bool:
        asked = REPEAT_OF in trial.user_attrs or self._session.repeats(trial.number)
        return asked and record.state == TrialState.COMPLETE and self._rungs is None

    def _answer_from(self, record: FrozenTrial, trial: Trial) -> None:
        if record.state == TrialState.COMPLETE:
            self._copy(trial, record.number, recorded_metrics(record.user_attrs), list(record.values))
            return
        if record.state == TrialState.PRUNED:
            began = int(record.user_attrs.get("promoted_from", record.number))
            trial.set_user_attr("duplicate_of", began)
            self.study.tell(trial, state=TrialState.PRUNED)
            self._said.append(f"{self._name(trial)}: duplicate of trial {began}, which is paused")
            return
        trial.set_user_attr("failure", f"the same layout failed in trial {record.number}")
        self.study.tell(trial, state=TrialState.FAIL)
        self._said.append(f"{self._name(trial)} failed: the same layout failed in trial {record.number}")

    def _complete(self, trial: Trial, order: Order, metrics: Metrics, values: list[float]) -> None:
        attrs = answer_attributes(metrics, order.folder(self.root)) | {"audited": "audited_macs" in metrics}
        note(trial, attrs)
        report_course(trial, attrs, self.config.objectives)
        self.study.tell(trial, values)
        self._remember(find_trial(self.study, trial.number))

    def _copy(self, trial: Trial, number: int, metrics: Metrics, values: list[float]) -> None:
        note(trial, {**metric_attributes(metrics), "duplicate_of": number})
        self.study.tell(trial, values)
        self._said.append(f"{self._name(trial)}: duplicate of trial {number}: {describe_values(self.config, values)}")

    def _remember(self, trial: FrozenTrial) -> None:
        attrs = trial.user_attrs
        if "digest" not in attrs or "duplicate_of" in attrs:
            return
        if REPEAT_OF in attrs:
            self._done += trial.state == TrialState.COMPLETE
            return
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            self._done += "promoted_from" not in attrs
            self._records[attrs["digest"]] = trial
        elif trial.state == TrialState.FAIL and not attrs.get("requeued"):
            self._records.setdefault(attrs["digest"], trial)

    def _requeue(self, number: int, params: dict[str, Any], attrs: dict[str, Any], report: Report) -> bool:
        """Record a trial as failed and queue its parameters again, unless it keeps killing its worker.

        A trial that ended while it was being proposed has not all its parameters; if it was queued, those that it
        was queued with count, and otherwise nothing is lost.
        """
        queued: dict[str, Any] = attrs.get("queued", params if "digest" in attrs else {})
        kept = {"queued": queued} | {key: attrs[key] for key in ("arm", REPEAT_OF) if key in attrs}
        again = requeue(self.storage, self.study, number, queued, attrs, kept, report)
        self._remember(find_trial(self.study, number))
        return again


def suggest_option(trial: Trial, hole: Hole) -> Scalar:
    """Ask `trial` for the value of a hole: integers in a range as such, everything else as a category."""
    step = steps_by(hole)
    if step is None:
        return trial.suggest_categorical(hole.path, hole.options)
    low, high = cast("tuple[int, int]", (hole.options[0], hole.options[-1]))
    return trial.suggest_int(hole.path, low, high, step=step)
