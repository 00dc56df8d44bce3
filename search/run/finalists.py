"""Finalists: the front of a search, trained again with fresh seeds and scored on the test split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from archspec.documents.wording import plural
from archspec.spec.schema import ArchSpec
from search.attributes import recorded_metrics
from search.evaluator import Metrics
from search.logger import LoggedTrial
from search.monitor.run_log import trial_folder_name
from search.repeats import find_front
from search.run.answers import answer_attributes, curve_attributes, intermediate_values, spread
from search.run.journal import MAX_ATTEMPTS, failed_for_good
from search.run.phase import FINAL, Phase, describe_order, encode_order, recorded_spec
from search.run.worker import Order, Report
from search.space.space import Space
from search.study.config import StudyConfig

Key = tuple[str, int]
"""Digest and seed of a final training."""


@final
@dataclass(frozen=True)
class Purpose:
    """The purpose of full trainings: the finalists of a run, or the check of an estimate.

    Attributes:
        study: the Optuna study that receives them, and their part of the run for people.
        noun: one of them for people.
        role: of their layouts, in the records.
        tested: whether their figures on the test split are recorded. Of the same layout and seed either purpose finds
            what the other one has trained, since both train and score in the same way.
        about: further attributes of the trials of a layout, by digest.
    """

    study: str = "final"
    title: str = "finalists"
    noun: str = "finalist"
    role: str = "front"
    tested: bool = True
    about: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])


FINALISTS = Purpose()


@final
class FinalPhase(Phase):
    """Finalists and anchors, each re-trained with fresh seeds and scored on the test split.

    One that ends with its worker is trained again, up to `MAX_ATTEMPTS` workers, over restarts too; one that was
    interrupted, or whose place is gone, as often as that happens.

    Args:
        study: the Optuna study `final`, which receives finished evaluations only.
        config: what was asked.
        finalists: canonical specs of the front, in order.
        anchors: specs to compare with, by name.
        root: folder of the run.
        retry_failed: train once more what failed for good before.
        purpose: of the trainings.
        seeds: of each layout; None for those of finalists.
    """

    def __init__(
        self,
        study: Study,
        config: StudyConfig,
        finalists: Sequence[ArchSpec],
        anchors: dict[str, ArchSpec],
        root: Path,
        *,
        retry_failed: bool = False,
        purpose: Purpose = FINALISTS,
        seeds: int | None = None,
    ) -> None:
        super().__init__()
        self.study, self.config, self.root, self.purpose = study, config, root, purpose
        self.title, self.noun = purpose.title, f"{purpose.noun}s"
        self._roles: dict[str, dict[str, Any]] = {}
        self._orders: list[Order] = []
        self._asked: list[Key] = []
        trials = study.get_trials(deepcopy=False)
        self._done = {_key(trial) for trial in trials if trial.state == TrialState.COMPLETE}
        self._failures = {_key(trial): trial for trial in failed_for_good(study) if _key(trial) not in self._done}
        self._workers: dict[Key, int] = {}
        """Workers that each training has ended with, since it was tried anew."""
        for trial in trials:
            if trial.user_attrs.get("requeued"):
                self._workers[_key(trial)] = int(trial.user_attrs.get("attempt", 1))
        self._reasons = {key: str(trial.user_attrs.get("failure", "")) for key, trial in self._failures.items()}
        specs = [(spec, {"role": purpose.role, **purpose.about.get(spec.digest, {})}) for spec in finalists]
        specs += [(spec, {"role": "anchor", "anchor": name}) for name, spec in anchors.items()]
        for seed in (config.seed + 1 + index for index in range(config.final.seeds if seeds is None else seeds)):
            for spec, role in specs:
                if self._roles.setdefault(spec.digest, role) is not role and role["role"] == "anchor":
                    continue  # an anchor that is on the front is trained once
                key = (spec.digest, seed)
                self._asked.append(key)
                if key not in self._done and (retry_failed or key not in self._failures):
                    run = f"final-seed{seed}"
                    self._orders.append(Order(spec.canonical(), spec.digest, seed, run, FINAL, final=True))
        self.retried = sum((order.digest, order.seed) in self._failures for order in self._orders)
        self._orders.reverse()

    @property
    def progress(self) -> tuple[int, int]:
        """Trainings recorded, and wanted."""
        return sum(key in self._done for key in self._asked), len(self._asked)

    def next_order(self) -> Order | None:
        return self._orders.pop() if self._orders else None

    def label(self, order: Order) -> str:
        return f"{self.purpose.noun} {order.digest[:8]}, seed {order.seed}"

    def describe(self, order: Order) -> LoggedTrial:
        name = trial_folder_name(self.purpose.study, order.digest[:8], f"seed{order.seed}")
        return describe_order(order, self.root, name, self.label(order), self.title, None, self._roles[order.digest])

    def finish(self, order: Order, report: Report) -> str:
        key = (order.digest, order.seed)
        attrs: dict[str, Any] = {"digest": order.digest, "seed": order.seed, "code": encode_order(order)}
        attrs |= self._roles[order.digest]
        if key in self._failures:
            attrs |= {"requeued_from": self._failures[key].number}
        name = f"{self.purpose.noun}, seed {order.seed}"
        if report.kind == "done" and report.metrics is not None:
            metrics = report.metrics if self.purpose.tested else _untested(report.metrics)
            attrs |= answer_attributes(metrics, order.folder(self.root))
            value = float(metrics["accuracy"])
            course = intermediate_values(attrs, ["accuracy"])
            self.study.add_trial(create_trial(value=value, user_attrs=attrs, intermediate_values=course))
            self._done.add(key)
            self._reasons.pop(key, None)
            test, quality = metrics.get("test_accuracy", math.nan), self.config.final_evaluator().quality
            score = f"{quality} {value:.4f}" + (", no test figure" if self.purpose.tested else "")
            return f"{name}: {score if math.isnan(test) else f'test {quality} {test:.4f}'}  {attrs['code']}"
        if report.kind in ("failed", "died"):
            self._reasons[key] = report.text
        fate = ""
        if report.kind == "failed":
            self._fail(order, attrs, report.text)
        elif report.kind in ("interrupted", "lost"):
            self._orders.insert(0, order)
            fate = "; queued again"
        elif report.kind == "died":
            count = self._workers[key] = (self._workers.get(key, 0) if key not in self._failures else 0) + 1
            again = count < MAX_ATTEMPTS
            self._fail(order, attrs | {"attempt": count} | ({"requeued": True} if again else {}), report.text)
            fate = (
                f"; tried again (attempt {count + 1} of {MAX_ATTEMPTS})"
                if again
                else f"; given up after {count} workers"
            )
            if again:
                self._failures.pop(key, None)
                self._orders.insert(0, order)  # behind the others, which may not end like this one
        return f"{name}, {report.state}: {report.text}{fate}  {attrs['code']}"

    def closing(self) -> list[str]:
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        metrics = [recorded_metrics(trial.user_attrs) for trial in trials if _key(trial) in self._asked]
        untested = sum("test_accuracy" not in one for one in metrics)
        if not untested or not self.purpose.tested:
            return []
        count = "1 finalist has" if untested == 1 else f"{untested} finalists have"
        return [f"note: {count} no test figure (no test_accuracy in the answer): reports show validation alone"]

    def missing(self) -> str:
        """The number of finalists that are not recorded, and the reason; empty where all are."""
        keys = [key for key in self._asked if key not in self._done]
        if not keys:
            return ""
        reasons = [self._reasons[key] for key in keys if key in self._reasons]
        failed = f", {len(reasons)} failed; the last: {reasons[-1]}" if reasons else ""
        return f"{len(keys)} of {plural(len(self._asked), self.purpose.noun)} not recorded{failed}"

    def _fail(self, order: Order, attrs: dict[str, Any], reason: str) -> None:
        attrs |= {"failure": reason, **curve_attributes(order.folder(self.root))}
        self.study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=attrs))


def front_specs(
    study: Study, config: StudyConfig, space: Space, recorded: Sequence[str] = (), place: str = "journal.log"
) -> list[ArchSpec]:
    """The specs of the study's Pareto front that are re-trained, by ascending cost; see `choose_members`.

    Args:
        study: the search.
        config: what was asked.
        space: the parsed space.
        recorded: digests of layouts that were re-trained before.
        place: the journal, for messages.

    Raises:
        RunError: a trial whose parameters are not those of its layout.
    """
    return [recorded_spec(one, config, space, place) for one in choose_members(study, config.final.members, recorded)]


def choose_members(study: Study, count: int, recorded: Sequence[str] = ()) -> list[FrozenTrial]:
    """At most `count` trials of the front, one per layout, by ascending cost.

    Always among them: the best of each objective, in the order of the objectives; then layouts that were re-trained
    before. The rest are spread evenly over the front, both ends among them.

    Args:
        study: the search.
        count: most members.
        recorded: digests of layouts that were re-trained before.
    """
    trials = sorted(find_front(study), key=lambda trial: tuple(reversed(trial.values)))
    front = list({trial.user_attrs["digest"]: trial for trial in trials if "digest" in trial.user_attrs}.values())
    if len(front) <= count:
        return front
    signs = [-1 if one == StudyDirection.MAXIMIZE else 1 for one in study.directions]
    losses = [[sign * value for sign, value in zip(signs, trial.values, strict=True)] for trial in front]
    places = range(len(front))
    best = [min(places, key=lambda at, k=k: (losses[at][k], losses[at])) for k in range(len(signs))]
    known = [at for at in places if front[at].user_attrs["digest"] in recorded]
    wanted = list(dict.fromkeys([*best, *known]))[:count]
    chosen = set(spread(places, count))
    for place in wanted:
        if place not in chosen:  # in place of the nearest that nothing speaks for
            chosen.remove(min(sorted(chosen.difference(wanted)), key=lambda at, p=place: abs(at - p)))
            chosen.add(place)
    return [front[at] for at in sorted(chosen)]


def _untested(metrics: Metrics) -> Metrics:
    return {name: value for name, value in metrics.items() if not name.startswith("test_")}


def _key(trial: FrozenTrial) -> Key:
    return str(trial.user_attrs.get("digest", "")), int(trial.user_attrs.get("seed", -1))
