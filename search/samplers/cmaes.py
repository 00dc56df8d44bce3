"""`sampler: cmaes`: an evolution strategy with covariance adaptation, for one objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, final

from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from pydantic import Field

from archspec.errors import FieldError
from search.budget.confined_samplers import distribution
from search.sampler import Problem, Sampler, SamplerSession, open_genetic
from search.space.holes import steps_by
from search.space.space import Space


@final
class CMAES(Sampler):
    """CMA-ES with margin over the ranges of integers that every layout has; TPE, hole by hole, for all else.

    The margin keeps every value of a range possible, however narrow the distribution has become. Inside a budget,
    candidates outside are drawn again; if none of them comes inside, the last one is moved to the nearest layout.

    Source: Hamano et al., CMA-ES with Margin: Lower-Bounding Marginal Probability for Mixed-Integer Black-Box
    Optimization, GECCO 2022.
    """

    most_objectives: ClassVar[int | None] = 1
    packages: ClassVar[Mapping[str, str]] = {"cmaes": "archspec-vision[cmaes]"}

    type: Literal["cmaes"] = "cmaes"
    population: int | None = Field(
        default=None,
        ge=4,
        le=10_000,
        strict=True,
        description="layouts of a generation; null for 4 + floor(3 ln(number of ranges))",
    )

    def check_space(self, space: Space) -> None:
        if not find_ranges(space):
            rule = "cmaes needs a range of integers that every layout has, such as depth: {range: [1, 4]}"
            raise FieldError("", f"{rule}; {space.name} has none")

    def open(self, problem: Problem) -> SamplerSession:
        others = TPESampler(n_startup_trials=self.startup, seed=problem.seed)
        inner = RangeCmaEsSampler(find_ranges(problem.space), others, self.startup, self.population, problem.seed)
        return open_genetic(problem, inner)


@final
class RangeCmaEsSampler(CmaEsSampler):
    """Optuna's CMA-ES with margin, over the same parameters from the first trial to the last.

    Optuna's own rule, the parameters that all trials so far share, changes as long as trials come in that lack one;
    candidates of before would then be told to a distribution of other dimensions.

    Args:
        ranges: the parameters of the distribution, which every trial has.
        others: proposes all other parameters.
        startup: complete trials before the distribution proposes.
        population: candidates of a generation; None for the default of the package `cmaes`.
        seed: of the candidates.
    """

    def __init__(
        self, ranges: dict[str, BaseDistribution], others: TPESampler, startup: int, population: int | None, seed: int
    ) -> None:
        super().__init__(
            n_startup_trials=startup,
            independent_sampler=others,
            warn_independent_sampling=False,
            popsize=population,
            with_margin=True,
            seed=seed,
        )
        self.ranges = ranges

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.ranges


def find_ranges(space: Space) -> dict[str, BaseDistribution]:
    """The ranges of more than one integer that every layout of a space has, by the path of their hole, sorted."""
    open_always = sorted(space.holes, key=lambda hole: hole.path)
    return {hole.path: distribution(hole) for hole in open_always if len(hole.options) > 1 and steps_by(hole)}
