"""`sampler: nsga2`: the genetic algorithm NSGA-II."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field

from search.sampler import Problem, Sampler, SamplerSession, open_genetic


@final
class NSGA2(Sampler):
    """NSGA-II; inside a budget, children outside are made again.

    Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002.
    """

    rungs: ClassVar[bool] = True

    type: Literal["nsga2"] = "nsga2"
    population: int = Field(default=20, ge=2, le=10_000, strict=True, description="layouts of a generation")

    def open(self, problem: Problem) -> SamplerSession:
        from optuna.samplers import NSGAIISampler

        inner = NSGAIISampler(population_size=self.population, seed=problem.seed)
        return open_genetic(problem, inner)
