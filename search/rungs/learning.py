"""A sampler that is shown its study as it should learn from it: with rungs, one complete trial for each layout.

Optuna's samplers pass over trials that end as `PRUNED` (its genetic ones), or count them as bad whatever their values
are where there is more than one objective (TPE). So they are shown another study, with the same storage, in which the
layouts that paused have ended, with their values carried over to whole trainings (`search.rungs.history.as_learned`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Sequence
from typing import Any, final

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.rungs.history import as_learned

Retell = Callable[[Sequence[FrozenTrial]], list[FrozenTrial]]
"""The trials of a study as a sampler should see them: as many, in the same order."""


@final
class LearnedStudy(Study):
    """A study whose trials are those of another one as they are retold, at one moment.

    Args:
        study: that one.
        storage: where it is kept.
        retell: what is done with its trials.
    """

    def __init__(self, study: Study, storage: BaseStorage, retell: Retell = as_learned) -> None:
        super().__init__(study.study_name, storage, sampler=study.sampler)
        self._learned = retell(study.get_trials(deepcopy=False))

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        del use_cache
        found = [one for one in self._learned if states is None or one.state in states]
        return copy.deepcopy(found) if deepcopy else found


@final
class LearningSampler(BaseSampler):
    """A sampler that is shown a `LearnedStudy` in place of the study.

    Args:
        inner: the sampler.
        storage: of the study.
        retell: what is done with the trials.
    """

    def __init__(self, inner: BaseSampler, storage: BaseStorage, retell: Retell = as_learned) -> None:
        self.inner, self._storage, self._retell = inner, storage, retell
        self._seen: tuple[int, Study] | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(self._show(study, trial), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.inner.sample_relative(self._show(study, trial), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.inner.sample_independent(self._show(study, trial), trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._seen = None
        self.inner.before_trial(self._show(study, trial), trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._seen = None
        self.inner.after_trial(self._show(study, trial), trial, state, values)

    def reseed_rng(self) -> None:
        self.inner.reseed_rng()

    def _show(self, study: Study, trial: FrozenTrial) -> Study:
        """The study as it is when a trial is proposed: one for all its parameters."""
        if self._seen is None or self._seen[0] != trial.number:
            self._seen = (trial.number, LearnedStudy(study, self._storage, self._retell))
        return self._seen[1]
