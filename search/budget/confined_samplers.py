"""Optuna samplers whose every proposal lies inside a budget."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.budget.confinement import Confinement
from search.budget.nearest import changed
from search.budget.quasi_random import QuasiRandom
from search.rungs.learning import LearningSampler
from search.space.holes import Hole, Params, Scalar, steps_by
from search.space.space import Space

Ints = NDArray[np.int64]

MAX_CHILDREN = 16
"""Children that a genetic sampler may make in a row before the last one is moved inside."""


class ConfinedSampler(BaseSampler):
    """A sampler that decides on a whole layout before the trial asks for its first parameter, and answers from that."""

    def __init__(self, confinement: Confinement) -> None:
        self.confinement = confinement
        self._params: dict[int, Params] = {}

    @abstractmethod
    def propose(self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution]) -> Ints:
        """The choices [components] of a layout inside."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._params = {trial.number: self.confinement.encoding.params(self.propose(study, trial, search_space))}
        return {}  # every parameter is answered alone: a relative space holds only those that all trials have

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._params[trial.number][param_name]


@final
class UniformSampler(ConfinedSampler):
    """Uniform draws: every layout inside with the same probability."""

    def __init__(self, confinement: Confinement, seed: int) -> None:
        super().__init__(confinement)
        self._rng = np.random.default_rng(seed)

    def propose(self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution]) -> Ints:
        return self.confinement.draw(self._rng)[0]


@final
class QuasiRandomSampler(ConfinedSampler):
    """Layouts inside that fill the budget evenly: trial n gets point n, whatever became of the others."""

    def __init__(self, confinement: Confinement, seed: int) -> None:
        super().__init__(confinement)
        self._points = QuasiRandom(confinement, seed)

    def propose(self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution]) -> Ints:
        return self._points.point(trial.number)


@final
class GeneticSampler(ConfinedSampler):
    """A genetic algorithm or an evolution strategy inside a budget: the first layouts are uniform, children outside are
    made again.

    After MAX_CHILDREN tries the last child is moved to the nearest layout inside; so the parameters on record, and
    with them the next generation's parents, are those of the layout that was evaluated.

    Args:
        confinement: the budget.
        inner: the sampler that makes children.
        seed: of the first population.
    """

    def __init__(self, confinement: Confinement, inner: BaseSampler, seed: int) -> None:
        super().__init__(confinement)
        self.inner = inner
        self._rng = np.random.default_rng(seed)
        self._moved: tuple[str, ...] = ()

    def moved(self, number: int, params: Params) -> tuple[str, ...]:
        """The changes that brought a child inside, `path: old -> new`, if `params` are what became of it."""
        return self._moved if self._params.get(number) == params else ()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(study, trial)

    def propose(self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution]) -> Ints:
        encoding = self.confinement.encoding
        params: Params = {}
        self._moved = ()
        for _ in range(MAX_CHILDREN):
            child = self.inner.sample_relative(study, trial, space)
            if not child:  # the first generation
                return self.confinement.draw(self._rng)[0]
            params = self._complete(study, trial, child)
            row = encoding.encode(params)
            if self.confinement.inside(row[None])[0]:
                return row
        near = self.confinement.bring(encoding.encode(params))
        self._moved = changed(params, encoding.params(near))
        return near

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self.inner.after_trial(study, trial, state, values)

    def _complete(self, study: Study, trial: FrozenTrial, child: dict[str, Any]) -> Params:
        """A child with the parameters that it leaves open: mutated ones, and those that not all trials have."""

        def choose(hole: Hole) -> Scalar:
            if hole.path in child:
                return child[hole.path]
            return self.inner.sample_independent(study, trial, hole.path, distribution(hole))

        return self.confinement.encoding.space.choose(choose)


def distribution(hole: Hole) -> BaseDistribution:
    """The distribution of a trial's parameter: integers in a range as such, everything else as a category."""
    step = steps_by(hole)
    if step is None:
        return CategoricalDistribution(hole.options)
    low, high = hole.options[0], hole.options[-1]
    assert isinstance(low, int)
    assert isinstance(high, int)
    return IntDistribution(low, high, step=step)


def tell_placed(sampler: BaseSampler, confinement: Confinement | None, storage: BaseStorage) -> BaseSampler:
    """The sampler, shown trials `as_placed` where a search keeps to a list and it does not know of the list itself.

    Args:
        sampler: that proposes.
        confinement: of the search.
        storage: of its study.
    """
    if confinement is None or confinement.listed is None or isinstance(sampler, ConfinedSampler):
        return sampler
    return LearningSampler(sampler, storage, partial(as_placed, confinement.encoding.space))


def as_placed(space: Space, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials with the parameters of the layouts that were evaluated, where these took the place of those proposed.

    Where a search keeps to a list of layouts, most proposals are moved; a sampler that were told the answer to another
    layout than it asked for would learn little, and take what it learnt for the layout that it proposed.

    Args:
        space: whose layouts they are.
        trials: of a search.
    """
    return [_placed(space, one) for one in trials]


def _placed(space: Space, trial: FrozenTrial) -> FrozenTrial:
    params: Params | None = trial.user_attrs.get("placed")
    if params is None or not trial.state.is_finished():
        return trial
    distributions: dict[str, BaseDistribution] = {}

    def choose(hole: Hole) -> Scalar:
        distributions[hole.path] = distribution(hole)
        return params[hole.path]

    chosen = space.choose(choose)
    told = copy.copy(trial)
    told.params, told.distributions = chosen, distributions
    return told
