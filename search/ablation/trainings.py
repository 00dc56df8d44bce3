"""Trainings of an ablation: every row of a plan with every seed, as queued trials of one Optuna study."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from archspec.spec.short_code import encode
from search.ablation.rows import Ablation, ResolvedRow
from search.evaluator import Epoch
from search.logger import LoggedTrial
from search.monitor.run_log import trial_folder_name
from search.run.answers import answer_attributes, curve_attributes, report_course, report_epoch
from search.run.journal import MAX_ATTEMPTS, find_trial, note, queued_again, requeue, unfinished, waiting
from search.run.phase import Phase, describe_order
from search.run.worker import GONE, UNFINISHED, Order, Report

Scores = Mapping[str, Mapping[int, float]]
"""Run to seed to score; NaN where a training failed."""
Decide = Callable[[Scores, int], frozenset[str]]
"""From all scores so far and the number of seeds, the runs that need no further seeds."""


@final
class AblationPhase(Phase):
    """Trainings of every distinct row, once per seed, all rows with one seed before any row with the next.

    A trial's parameters are its edits, on or off, and its seed.

    Args:
        study: the Optuna study.
        storage: where it is kept.
        ablation: what is asked.
        root: folder of the run.
        looks: seeds after which rows are looked at; the last one is the number of seeds.
        decide: which rows then stop.
    """

    title, noun = "ablation", "trainings"

    def __init__(
        self,
        study: Study,
        storage: BaseStorage,
        ablation: Ablation,
        root: Path,
        *,
        looks: tuple[int, ...],
        decide: Decide,
    ) -> None:
        super().__init__()
        self.study, self.storage, self.ablation, self.root = study, storage, ablation, root
        self.config = ablation.plan.config
        self.looks, self.decide = looks, decide
        self._flights: dict[tuple[str, int], Trial] = {}
        self._scores: dict[str, dict[int, float]] = {run: {} for run in ablation.runs}
        self._stopped: frozenset[str] = frozenset()
        # Everything that is asked is queued explicitly; the sampler never proposes.
        study.sampler = RandomSampler(seed=self.config.seed)
        again = queued_again(study)
        for trial in study.get_trials(deepcopy=False):
            if trial.number not in again:
                self._remember(trial)
        for trial in unfinished(study):
            self._requeue(trial.number, trial.params, trial.user_attrs, GONE)
        self._stage = 0
        self._queue(self.looks[0])

    def retry_failed(self) -> int:
        """Queue the trainings that failed for good once more; how many. Their trials stay, and count no longer."""
        again, count = queued_again(self.study), 0
        seeds = range(self.config.seed, self.config.seed + self.config.seeds)
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            run, seed = trial.user_attrs["run"], int(trial.user_attrs["seed"])
            known = self._scores.get(run, {}).get(seed, 0.0)
            if trial.number in again or seed not in seeds or not math.isnan(known):
                continue
            del self._scores[run][seed]
            self._enqueue(run, seed, {"requeued_from": trial.number})
            count += 1
        return count

    @property
    def progress(self) -> tuple[int, int]:
        done = sum(len(scores) for scores in self._scores.values())
        last = self.looks[-1]
        wanted = sum(
            len(scores) if run in self._stopped else max(last, len(scores)) for run, scores in self._scores.items()
        )
        return done, wanted

    @property
    def failed(self) -> int:
        """Trainings that failed for good."""
        return sum(math.isnan(score) for scores in self._scores.values() for score in scores.values())

    def next_order(self) -> Order | None:
        while True:
            if not waiting(self.study):
                if self._flights or not self._advance():
                    return None
                continue
            order = self._place(self.study.ask())
            if order is not None:
                return order

    def label(self, order: Order) -> str:
        return f"{self._title(self.ablation.runs[trial_key(order)])}, seed {order.seed}"

    def describe(self, order: Order) -> LoggedTrial:
        trial, row = self._flights[trial_key(order), order.seed], self.ablation.runs[trial_key(order)]
        name = trial_folder_name(self._title(row)[:60], trial_key(order)[:8], f"seed{order.seed}")
        params = {"row": row.label, **trial.params}
        return describe_order(order, self.root, name, self.label(order), self.title, trial.number, params)

    def note_epoch(self, order: Order, epoch: Epoch) -> None:
        if not order.final:  # a curve is of the validation split
            report_epoch(self._flights[trial_key(order), order.seed], epoch, ["accuracy"])

    def finish(self, order: Order, report: Report) -> str:
        trial = self._flights.pop((trial_key(order), order.seed))
        row = self.ablation.runs[trial_key(order)]
        text = f"{self._title(row)}, seed {order.seed}"
        if report.kind == "done" and report.metrics is not None:
            name = "test_accuracy" if order.final else "accuracy"
            score = float(report.metrics.get(name, math.nan))
            if math.isfinite(score):
                attrs = answer_attributes(report.metrics, order.folder(self.root))
                note(trial, attrs)
                if not order.final:  # a curve is of the validation split
                    report_course(trial, attrs, ["accuracy"])
                self.study.tell(trial, score)
                self._remember(find_trial(self.study, trial.number))
                return f"{text}: {self.ablation.quality} {score:.4f}"
            lacking = f"the answer lacks {name}; `score: validation` in the plan compares rows without a test split"
            rule = f"{self.ablation.quality} is not finite: {score}" if name in report.metrics else lacking
            report = Report("failed", rule)
        if report.kind in UNFINISHED:
            again = self._requeue(trial.number, trial.params, trial.user_attrs, report)
            fate = "queued again" if again else f"given up after {MAX_ATTEMPTS} workers"
            return f"{text}, {report.state}: {report.text.removeprefix('interrupted ')}; {fate}"
        note(trial, {"failure": report.text, **curve_attributes(order.folder(self.root))})
        self.study.tell(trial, state=TrialState.FAIL)
        self._remember(find_trial(self.study, trial.number))
        return f"{text}, {report.kind}: {report.text}"

    def _title(self, row: ResolvedRow) -> str:
        """A row's label, with its view where there are several: views may call different rows the same."""
        tables = self.ablation.tables
        name = next(table.name for table in tables if row in table.rows)
        return row.label if len(tables) == 1 else f"{name}: {row.label}"

    def _advance(self) -> bool:
        """Queue the seeds up to the next look, for the rows that this one leaves open."""
        while self._stage + 1 < len(self.looks):
            self._stopped |= self.decide(self._scores, self.looks[self._stage])
            self._stage += 1
            if self._queue(self.looks[self._stage]):
                return True
        return False

    def _queue(self, seeds: int) -> bool:
        """Queue what is not known, under way or queued already, of the first `seeds` seeds of each open row."""
        queued = {(trial.user_attrs["run"], trial.user_attrs["seed"]) for trial in waiting(self.study)}
        before = len(queued)
        for seed in range(self.config.seed, self.config.seed + seeds):
            for run in self.ablation.runs:
                key = (run, seed)
                if run in self._stopped or seed in self._scores[run] or key in queued:
                    continue
                queued.add(key)
                self._enqueue(run, seed, {})
        return len(queued) > before

    def _enqueue(self, run: str, seed: int, more: dict[str, Any]) -> None:
        row = self.ablation.runs[run]
        attrs = {"run": run, "digest": row.spec.digest, "seed": seed, "code": encode(row.spec)}
        self.study.enqueue_trial(self._params(row, seed), user_attrs=attrs | more)

    def _params(self, row: ResolvedRow, seed: int) -> dict[str, Any]:
        return {name: name in row.edits for name in self.ablation.edits} | {"seed": seed}

    def _place(self, trial: Trial) -> Order | None:
        """Turn a queued trial into an order; one that the plan no longer asks for, or knows, is closed."""
        run, seed = trial.user_attrs["run"], trial.user_attrs["seed"]
        row = self.ablation.runs.get(run)
        if row is None or seed in self._scores[run] or (run, seed) in self._flights:
            trial.set_user_attr("failure", "no longer asked for")
            trial.set_user_attr("requeued", True)
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        for name in self.ablation.edits:
            trial.suggest_categorical(name, (False, True))
        trial.suggest_int("seed", 0, 2**32 - 1)
        self._flights[run, seed] = trial
        folder = f"{row.variant}-seed{seed}"
        final_ = self.config.score == "test"
        return Order(row.spec.canonical(), row.spec.digest, seed, folder, row.variant, final_)

    def _remember(self, trial: FrozenTrial) -> None:
        attrs = trial.user_attrs
        scores = self._scores.get(attrs.get("run", ""))
        if scores is None:
            return
        if trial.state == TrialState.COMPLETE:
            scores[attrs["seed"]] = float(trial.values[0])
        elif trial.state == TrialState.FAIL and not attrs.get("requeued"):
            scores.setdefault(attrs["seed"], math.nan)

    def _requeue(self, number: int, params: dict[str, Any], attrs: dict[str, Any], report: Report) -> bool:
        row = self.ablation.runs.get(attrs["run"])
        queued = params if row is None else self._params(row, attrs["seed"])
        kept = {name: attrs[name] for name in ("run", "digest", "seed", "code")}
        again = requeue(self.storage, self.study, number, queued, attrs, kept, report)
        self._remember(find_trial(self.study, number))
        return again


def trial_key(order: Order) -> str:
    """`ResolvedRow.run` of the row that an order trains."""
    return f"{order.digest}-{order.evaluator}"
