"""`sampler: gp`: Bayesian optimisation with a Gaussian process for each objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, final

from search.sampler import Problem, Sampler, SamplerSession


@final
class GP(Sampler):
    """Gaussian processes of the objectives; proposes the layout of the largest expected improvement.

    It models what it proposed itself, so a proposal outside a budget is repaired after it was made.
    """

    packages: ClassVar[Mapping[str, str]] = {"scipy": "archspec-vision[data]"}
    former: ClassVar[frozenset[str]] = frozenset({"population"})
    rungs: ClassVar[bool] = True

    type: Literal["gp"] = "gp"

    def open(self, problem: Problem) -> SamplerSession:
        from optuna.samplers import GPSampler

        return SamplerSession(GPSampler(seed=problem.seed, n_startup_trials=self.startup))
