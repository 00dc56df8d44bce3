"""`sampler: random`: every layout by chance alone."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from search.sampler import Problem, Sampler, SamplerSession


@final
class Random(Sampler):
    """Holes filled one by one at random; inside a budget, every layout with the same probability."""

    former: ClassVar[frozenset[str]] = frozenset({"population"})

    type: Literal["random"] = "random"

    def open(self, problem: Problem) -> SamplerSession:
        from optuna.samplers import RandomSampler

        from search.budget.confined_samplers import UniformSampler

        if problem.confinement is None:
            return SamplerSession(RandomSampler(seed=problem.seed))
        return SamplerSession(UniformSampler(problem.confinement, problem.seed))
