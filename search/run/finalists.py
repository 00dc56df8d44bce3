"""Finalists: the front of a search, trained again with fresh seeds and scored on the test split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from optuna.study import Study
from optuna.trial import TrialState, create_trial

from archspec.spec.schema import ArchSpec
from search.run.answers import answer_attributes, curve_attributes, intermediate_values, spread
from search.run.proposals import FINAL, Phase, encode_order, write_spec
from search.run.worker import Order, Report
from search.space.holes import Params
from search.space.space import Space
from search.study.config import StudyConfig


@final
class FinalPhase(Phase):
    """Finalists and anchors, each re-trained with fresh seeds and scored on the test split.

    Args:
        study: the Optuna study `final`, which receives finished evaluations only.
        config: what was asked.
        finalists: canonical specs of the front, in order.
        anchors: specs to compare with, by name.
        root: folder of the run.
    """

    def __init__(
        self,
        study: Study,
        config: StudyConfig,
        finalists: Sequence[ArchSpec],
        anchors: dict[str, ArchSpec],
        root: Path,
    ) -> None:
        self.study, self.config, self.root = study, config, root
        self._roles: dict[str, dict[str, str]] = {}
        self._orders: list[Order] = []
        known = {(t.user_attrs["digest"], t.user_attrs["seed"]) for t in study.get_trials(deepcopy=False)}
        specs = [(spec, {"role": "front"}) for spec in finalists]
        specs += [(spec, {"role": "anchor", "anchor": name}) for name, spec in anchors.items()]
        self._total = 0
        for seed in (config.seed + 1 + index for index in range(config.final.seeds)):
            for spec, role in specs:
                if self._roles.setdefault(spec.digest, role) is not role and role["role"] == "anchor":
                    continue  # an anchor that is on the front is trained once
                self._total += 1
                if (spec.digest, seed) not in known:
                    write_spec(spec, root)
                    run = f"final-seed{seed}"
                    self._orders.append(Order(spec.canonical(), spec.digest, seed, run, FINAL, final=True))
        self._orders.reverse()
        self._left = len(self._orders)

    @property
    def progress(self) -> tuple[int, int]:
        return self._total - self._left, self._total

    def next_order(self) -> Order | None:
        return self._orders.pop() if self._orders else None

    def finish(self, order: Order, report: Report) -> str:
        self._left -= 1
        attrs: dict[str, Any] = {"digest": order.digest, "seed": order.seed, "code": encode_order(order)}
        attrs |= self._roles[order.digest]
        if report.kind == "done" and report.metrics is not None:
            attrs |= answer_attributes(report.metrics, order.folder(self.root))
            value = float(report.metrics["accuracy"])
            course = intermediate_values(attrs, ["accuracy"])
            self.study.add_trial(create_trial(value=value, user_attrs=attrs, intermediate_values=course))
            test = report.metrics.get("test_accuracy", math.nan)
            return f"finalist, seed {order.seed}: test {self.config.evaluator.quality} {test:.4f}  {attrs['code']}"
        if report.kind == "failed":
            attrs |= {"failure": report.text, **curve_attributes(order.folder(self.root))}
            self.study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=attrs))
        return f"finalist, seed {order.seed}, {report.kind}: {report.text}"


def front_specs(study: Study, config: StudyConfig, space: Space) -> list[ArchSpec]:
    """The specs of the study's Pareto front by ascending cost, thinned to `final.members`."""
    trials = sorted(study.best_trials, key=lambda trial: tuple(reversed(trial.values)))
    distinct = {trial.user_attrs["digest"]: trial for trial in trials if "digest" in trial.user_attrs}
    chosen = spread(list(distinct.values()), config.final.members)
    # A proposal that was repaired was evaluated as the layout that it became, which a budget may have moved far.
    placed: list[Params] = [trial.user_attrs.get("placed", trial.params) for trial in chosen]
    return [config.evaluator.prepare(space.fill(lambda hole, p=params: p[hole.path]).spec) for params in placed]
