"""`sampler: exact`: every proposal is the true optimum of an additive surrogate, over all layouts of the space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from archspec.cost.metrics import Metric, additive_names
from archspec.cost.tables import MetricAt
from archspec.errors import FieldError, SpecError
from search.budget.confined_samplers import ConfinedSampler
from search.budget.confinement import Confinement
from search.sampler import Problem, Sampler, SamplerSession, list_names
from search.seeding import mix
from search.space.encoding import Encoding
from search.space.holes import Params
from search.space.limits import Limit
from search.space.space import Space
from search.surrogate.features import Features
from search.surrogate.optimum import Known, Optimizer

Ints = NDArray[np.int64]

DRAWS = 64
"""Layouts that are drawn in search of one that has not been tried."""


@final
class Exact(Sampler):
    """The layout of the largest gain of hypervolume by an additive surrogate, out of all layouts of the space."""

    former: ClassVar[frozenset[str]] = frozenset({"population"})
    rungs: ClassVar[bool] = True

    type: Literal["exact"] = "exact"

    def check(self, objectives: Sequence[Metric], *, budget: bool) -> None:
        super().check(objectives, budget=budget)
        _split(objectives)

    def check_space(self, space: Space) -> None:
        Encoding(space)

    def open(self, problem: Problem) -> SamplerSession:
        cost, quality = _split(problem.objectives)
        metric = MetricAt(cost, problem.resolution)
        confinement = problem.confinement or Confinement(problem.space, (Limit(metric, 0, None),))
        sampler = ExactSampler(confinement, metric, quality, startup=self.startup, seed=problem.study_seed)
        return SamplerSession(sampler, notes=sampler.notes)


@final
class ExactSampler(ConfinedSampler):
    """A sampler of the optima that `search.surrogate.optimum` finds, after some trials at random.

    Trials under way count as tried, and as if they had given what the surrogate predicts, so workers that run at the
    same time get different layouts. A proposal depends on nothing but the trials, and where it is drawn at random on
    the seed and the trial's number: a study that is continued goes on as if it had not been interrupted.

    Args:
        confinement: the layouts that may be proposed.
        metric: the cost among the objectives, at the resolution of the evaluator.
        accuracy: index of accuracy among the objectives.
        startup: trials with an answer before the surrogate proposes, at least 2.
        seed: of the study.
    """

    def __init__(self, confinement: Confinement, metric: MetricAt, accuracy: int, *, startup: int, seed: int) -> None:
        super().__init__(confinement)
        self.accuracy, self.startup, self.seed = accuracy, max(2, startup), seed
        self._notes: dict[int, dict[str, Any]] = {}
        metrics = dict.fromkeys([metric, *(limit.metric for limit in confinement.box)])
        encoding = confinement.encoding
        chain = encoding.chain(tuple(metrics))
        self._optimizer = Optimizer(chain, Features(encoding), confinement.box, listed=confinement.listed)
        self._rows: dict[tuple[str, int], Ints] = {}

    def propose(self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution]) -> Ints:
        known = self._known(study, trial.number)
        found = None
        if len(known.values) >= self.startup:
            found, surrogate = self._optimizer.propose(known)
            note = {"loo_rmse": surrogate.loo_error, "kendall": surrogate.kendall, "spearman": surrogate.spearman}
            self._notes = {trial.number: {"surrogate": {**note, "trials": len(known.values)}}}
        return self._draw(known, trial.number) if found is None else found

    def notes(self, number: int) -> dict[str, Any]:
        """The quality of the surrogate behind a trial, as the trial's attributes; empty where it was not asked.

        `surrogate` holds the root mean square error of its leave-one-out predictions, their rank correlations with
        the accuracies, and the number of trials.
        """
        return self._notes.get(number, {})

    def _known(self, study: Study, current: int) -> Known:
        rows: dict[str, list[Ints]] = {"done": [], "pending": [], "closed": []}
        values: list[float] = []
        for trial in study.get_trials(deepcopy=False):
            row = None if trial.number == current else self._row(study, trial)
            if row is None or "duplicate_of" in trial.user_attrs:
                continue
            if trial.state == TrialState.COMPLETE:
                rows["done"].append(row)
                values.append(trial.values[self.accuracy])
            else:
                rows["pending" if trial.state == TrialState.RUNNING else "closed"].append(row)
        shape = (-1, len(self.confinement.encoding.names))
        done, pending, closed = (np.array(part, np.int64).reshape(shape) for part in rows.values())
        return Known(done, np.array(values, np.float64), pending, closed)

    def _row(self, study: Study, trial: FrozenTrial) -> Ints | None:
        """The layout of a trial as it was evaluated; None where the trial has no complete one."""
        key = (study.study_name, trial.number)
        if key not in self._rows:
            params: Params = trial.user_attrs.get("placed", trial.params)
            try:
                row = self.confinement.encoding.encode(params)
            except SpecError:
                return None
            if not trial.state.is_finished():
                return row
            self._rows[key] = row
        return self._rows[key]

    def _draw(self, known: Known, number: int) -> Ints:
        """A layout that is inside, at random, and if possible one that has not been tried."""
        rng = np.random.default_rng(mix(self.seed, "exact", number))
        rows = self.confinement.draw(rng, DRAWS)
        tried = {row.tobytes() for part in (known.choices, known.pending, known.closed) for row in part}
        return next((row for row in rows if row.tobytes() not in tried), rows[0])


def _split(objectives: Sequence[Metric]) -> tuple[str, int]:
    """The cost among the objectives, and the index of what the surrogate predicts.

    Raises:
        FieldError: they are not one metric to be maximised and one cost that adds up over the parts of a layout.
    """
    known = additive_names()
    costs = [one.name for one in objectives if one.name in known]
    gains = [index for index, one in enumerate(objectives) if one.direction == "maximize"]
    if len(objectives) != 2 or len(costs) != 1 or len(gains) != 1:
        rule = f"exact takes an objective to maximise such as accuracy and one of {', '.join(known)}"
        raise FieldError("sampler", f"{rule}, not {list_names(objectives)}")
    return costs[0], gains[0]
