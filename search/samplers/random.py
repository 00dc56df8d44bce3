"""`sampler: random`: every layout by chance alone."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from search.sampler import Problem, Sampler, SamplerSession


@final
class Random(Sampler):
    """Holes filled one by one at random; inside a budget, every layout with the same probability."""

    former: ClassVar[frozenset[str]] = frozenset({"population"})
    rungs: ClassVar[bool] = True

    type: Literal["random"] = "random"

    def open(self, problem: Problem) -> SamplerSession:
        from optuna.samplers import RandomSampler

        from search.budget.confined_samplers import UniformSampler
        from search.seeding import mix

        seed = mix(problem.seed, "random")  # the start-up trials, drawn from the problem's own, would come again
        if problem.confinement is None:
            return SamplerSession(RandomSampler(seed=seed % 2**32))
        return SamplerSession(UniformSampler(problem.confinement, seed))
