"""`sampler: tpe`: a tree-structured Parzen estimator, of all parameters together."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from search.sampler import Problem, Sampler, SamplerSession


@final
class TPE(Sampler):
    """Multivariate TPE, grouped so that parameters that depend on a choice are modelled together.

    It is told of trials under way, so that parallel workers do not all get the same proposal. It models what it
    proposed itself, so a proposal outside a budget is repaired after it was made.

    Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011.
    """

    former: ClassVar[frozenset[str]] = frozenset({"population"})
    rungs: ClassVar[bool] = True

    type: Literal["tpe"] = "tpe"

    def open(self, problem: Problem) -> SamplerSession:
        from optuna.samplers import TPESampler

        return SamplerSession(
            TPESampler(
                n_startup_trials=self.startup, multivariate=True, group=True, constant_liar=True, seed=problem.seed
            )
        )
