"""`sampler: qmc`: layouts that fill the space evenly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, final

from search.sampler import Problem, Sampler, SamplerSession


@final
class QMC(Sampler):
    """Scrambled Sobol points; inside a budget, carried over to the layouts inside."""

    packages: ClassVar[Mapping[str, str]] = {"scipy": "archspec-vision[data]"}
    former: ClassVar[frozenset[str]] = frozenset({"population"})
    rungs: ClassVar[bool] = True

    type: Literal["qmc"] = "qmc"

    def open(self, problem: Problem) -> SamplerSession:
        from optuna.samplers import QMCSampler

        from search.budget.confined_samplers import QuasiRandomSampler

        if problem.confinement is None:
            return SamplerSession(QMCSampler(seed=problem.seed, scramble=True, warn_independent_sampling=False))
        return SamplerSession(QuasiRandomSampler(problem.confinement, problem.study_seed))
