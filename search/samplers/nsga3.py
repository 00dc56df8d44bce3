"""`sampler: nsga3`: the genetic algorithm NSGA-III."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field

from search.sampler import Problem, Sampler, SamplerSession, open_genetic


@final
class NSGA3(Sampler):
    """NSGA-III; inside a budget, children outside are made again.

    Source: Deb and Jain, An Evolutionary Many-Objective Optimization Algorithm Using Reference-Point-Based Nondominated
    Sorting Approach, 2014.
    """

    rungs: ClassVar[bool] = True

    type: Literal["nsga3"] = "nsga3"
    population: int = Field(default=20, ge=2, le=10_000, strict=True, description="layouts of a generation")

    def open(self, problem: Problem) -> SamplerSession:
        from optuna.samplers import NSGAIIISampler

        inner = NSGAIIISampler(population_size=self.population, seed=problem.seed)
        return open_genetic(problem, inner)
