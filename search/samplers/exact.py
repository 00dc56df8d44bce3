"""`sampler: exact`: every proposal is the true optimum of an additive surrogate, over all layouts of the space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field, model_validator

from archspec.cost.metrics import Metric, additive_names
from archspec.cost.tables import MetricAt
from archspec.documents.paths import PlaceError
from archspec.errors import FieldError, SpecError
from search.budget.confined_samplers import ConfinedSampler
from search.budget.confinement import Confinement
from search.estimate.gate import Gate
from search.estimate.resampling import FEWEST
from search.evaluator import AnyEvaluator, Evaluator
from search.repeats import REPEAT_OF
from search.sampler import CovariatesAsked, CovariateScores, Problem, Sampler, SamplerSession, list_names
from search.seeding import mix
from search.space.encoding import Encoding
from search.space.holes import Params
from search.space.limits import Limit
from search.space.space import Space
from search.surrogate.covariate import Covariate, describe_gate
from search.surrogate.features import Features
from search.surrogate.optimum import Known, Optimizer

Ints = NDArray[np.int64]

MANY = 1_000_000
"""Trainings of one layout where nothing limits them."""
DRAWS = 64
"""Layouts that are drawn in search of one that has not been tried."""


@final
class Exact(Sampler):
    """The layout of the largest gain of hypervolume by an additive surrogate, out of all layouts of the space."""

    former: ClassVar[frozenset[str]] = frozenset({"population"})
    rungs: ClassVar[bool] = True

    type: Literal["exact"] = "exact"
    repeats: bool = Field(
        default=False,
        description="train a layout of the front again, with another seed, where that is worth more than a new one",
    )

    covariates: tuple[AnyEvaluator, ...] = Field(
        default=(),
        max_length=8,
        description="cheap estimates (naswot, synflow, zico, cost) that stand beside cost while their gate says so",
    )
    covariate_layouts: int = Field(
        default=64,
        ge=FEWEST,
        le=10_000,
        strict=True,
        description="layouts at random that the covariates are computed of",
    )

    @model_validator(mode="after")
    def _check_covariates(self) -> Exact:
        for index, one in enumerate(self.covariates):
            if not one.estimates or one.pretrains:
                why = "is trained for the space of a study: make it the evaluator" if one.pretrains else "trains"
                rule = f"must be an estimate that takes no training (naswot, synflow, zico, cost); {one.type} {why}"
                raise PlaceError(("covariates", index), rule)
            if getattr(one, "full", None) is not None:
                rule = "must be left out of a covariate: it estimates what the study's evaluator gives"
                raise PlaceError(("covariates", index, "full"), rule)
        return self

    @property
    def estimates(self) -> CovariatesAsked | None:
        if not self.covariates:
            return None
        names: dict[str, Evaluator] = {}
        for one in self.covariates:
            same = sum(name.split(" ")[0] == one.type for name in names)
            names[f"{one.type} {same + 1}" if same else str(one.type)] = one
        return CovariatesAsked(names, self.covariate_layouts)

    @property
    def trains_again(self) -> bool:
        return self.repeats

    def over(self, evaluator: Evaluator) -> Exact:
        data = getattr(evaluator, "data", None)
        found: list[Evaluator] = []
        for index, one in enumerate(self.covariates):
            stated = "data" in one.model_fields_set or "data" not in type(one).model_fields
            if not stated and data is None:
                rule = f"is required: evaluator {evaluator.type} states no data that {one.type} could take"
                raise FieldError(f"covariates[{index}].data", rule)
            found.append(one if stated else one.model_copy(update={"data": data}))
        return self.model_copy(update={"covariates": tuple(found)})

    def check(self, objectives: Sequence[Metric], *, budget: bool) -> None:
        super().check(objectives, budget=budget)
        _split(objectives)

    def check_space(self, space: Space) -> None:
        Encoding(space)

    def open(self, problem: Problem) -> SamplerSession:
        cost, quality = _split(problem.objectives)
        metric = MetricAt(cost, problem.resolution)
        confinement = problem.confinement or Confinement(problem.space, (Limit(metric, 0, None),))
        most = (problem.trainings or MANY) if self.repeats else 1
        sampler = ExactSampler(confinement, metric, quality, startup=self.startup, seed=problem.study_seed, most=most)
        sampler.learn(problem.covariates)
        return SamplerSession(sampler, notes=sampler.notes, repeats=sampler.repeats)


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
        most: trainings of one layout; 1 for no repetition.
    """

    def __init__(
        self, confinement: Confinement, metric: MetricAt, accuracy: int, *, startup: int, seed: int, most: int = 1
    ) -> None:
        super().__init__(confinement)
        self.most = most
        self._repeated: int | None = None
        self.accuracy, self.startup, self.seed = accuracy, max(2, startup), seed
        self._notes: dict[int, dict[str, Any]] = {}
        metrics = dict.fromkeys([metric, *(limit.metric for limit in confinement.box)])
        encoding = confinement.encoding
        chain = encoding.chain(tuple(metrics))
        self._optimizer = Optimizer(chain, Features(encoding), confinement.box, listed=confinement.listed)
        self._rows: dict[tuple[str, int], Ints] = {}
        self._chain, self._features = chain, self._optimizer.features
        self._covariates: list[Covariate] = []
        self._gates: tuple[bytes, dict[str, Gate]] = (b"", {})

    def learn(self, scores: Sequence[CovariateScores]) -> None:
        """Take estimates of layouts as covariates; those of too few layouts are left out."""
        for one in scores:
            if len(one.values) >= FEWEST:
                choices, values = np.array(one.choices, np.int64), np.array(one.values, np.float64)
                self._covariates.append(Covariate(one.name, self._chain, self._features, choices, values))

    def propose(self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution]) -> Ints:
        known = self._known(study, trial.number)
        found = None
        if len(known.values) >= self.startup:
            known, gates = self._admit(known)
            found, surrogate = self._optimizer.propose(known, self.most)
            note = {"loo_rmse": surrogate.loo_error, "kendall": surrogate.kendall, "spearman": surrogate.spearman}
            note["trials"] = len(known.values)
            if self.most > 1:
                noise = known.noise(surrogate)
                note |= {"seed_sd": noise.seed**0.5, "own_sd": noise.own**0.5}
                repeated = found is not None and bool((known.choices == found).all(axis=1).any())
                self._repeated = trial.number if repeated else None
            self._notes = {trial.number: {"surrogate": note} | ({"covariates": gates} if gates else {})}
        return self._draw(known, trial.number) if found is None else found

    def _admit(self, known: Known) -> tuple[Known, dict[str, Any]]:
        """What is known with the covariates that pass their gate, and what the trial notes of each."""
        if not self._covariates:
            return known, {}
        told = known.settled()
        key = told.choices.tobytes() + told.values.tobytes()
        if self._gates[0] != key:
            seeds = {one.name: mix(self.seed, one.name) for one in self._covariates}
            found = {one.name: one.judge(told.choices, told.values, seeds[one.name]) for one in self._covariates}
            self._gates = (key, found)
        gates = self._gates[1]
        terms = tuple(one.terms for one in self._covariates if gates[one.name].covariate)
        noted = {one.name: describe_gate(gates[one.name]) | {"fit": one.kendall} for one in self._covariates}
        return replace(known, covariates=terms), noted

    def notes(self, number: int) -> dict[str, Any]:
        """The quality of the surrogate behind a trial, as the trial's attributes; empty where it was not asked.

        `surrogate` holds the root mean square error of its leave-one-out predictions, their rank correlations with
        the accuracies, and the number of layouts; where layouts may be trained again, also the standard deviations of
        seeds and of what is the layouts' own. `covariates` holds of each covariate its partial rank correlation with
        the accuracies given cost and the interval, how well its additive fit predicts it, and whether it was used.
        """
        return self._notes.get(number, {})

    def repeats(self, number: int) -> bool:
        """Whether the layout that a trial was proposed is one to train again."""
        return self._repeated == number

    def _known(self, study: Study, current: int) -> Known:
        rows: dict[str, list[Ints]] = {"done": [], "pending": [], "closed": []}
        values: dict[int, list[float]] = {}
        ended: list[float] = []
        for trial in study.get_trials(deepcopy=False):
            row = None if trial.number == current else self._row(study, trial)
            if row is None or "duplicate_of" in trial.user_attrs:
                continue
            first = trial.user_attrs.get(REPEAT_OF)
            if trial.state == TrialState.COMPLETE:
                if first is None:
                    rows["done"].append(row)
                    ended.append(trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0)
                values.setdefault(trial.number if first is None else first, []).append(trial.values[self.accuracy])
            elif first is None or not trial.user_attrs.get("requeued"):
                rows["pending" if trial.state == TrialState.RUNNING else "closed"].append(row)
        shape = (-1, len(self.confinement.encoding.names))
        done, pending, closed = (np.array(part, np.int64).reshape(shape) for part in rows.values())
        found = [np.array(own, np.float64) for own in values.values()]
        means = np.array([own.mean() for own in found], np.float64)
        within = sum(float(np.square(own - own.mean()).sum()) for own in found)
        counts = np.array([len(own) for own in found], np.int64)
        order = np.argsort(np.argsort(np.array(ended), kind="stable"), kind="stable")
        return Known(done, means, pending, closed, counts, within, order=order)

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
