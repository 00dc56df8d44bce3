"""A cheap estimate as a covariate of the surrogate: its own additive fit, in force while it tells more than cost does.

An estimate is no sum over components, and the exact front needs one. So some layouts are drawn at random, the estimate
is computed of each, and an additive surrogate is fitted to these numbers: a sum over components that stands for the
estimate everywhere in the space. It enters the fit to accuracies as a column that is not penalised, and only where
`search.estimate.gate` finds, over the search's own trainings, that given cost it tells something of accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain
from search.estimate.gate import Gate, judge
from search.surrogate.features import Features, Floats
from search.surrogate.model import fit_surrogate

Ints = NDArray[np.int64]

RESAMPLES = 1000
"""Of the gate, which is asked at every proposal."""


@final
class Covariate:
    """An estimate as a sum over components.

    Args:
        name: of the estimate.
        chain: the tables of the space; the first metric is the cost among the objectives.
        features: what surrogates of the space see.
        choices: [layouts, components] that the estimate is known of.
        values: [layouts], more is better.

    Attributes:
        kendall: rank correlation of the fit's leave-one-out predictions with the values, Kendall's tau b.

    Raises:
        ValueError: fewer than two layouts.
    """

    def __init__(self, name: str, chain: Chain, features: Features, choices: Ints, values: Floats) -> None:
        self.name, self._chain = name, chain
        self._fit = fit_surrogate(features, choices, values, costs=chain.price(choices)[:, 0])
        self.kendall = self._fit.kendall

    @property
    def terms(self) -> Sequence[Floats]:
        """Per component [options]; the share of log cost, which has a column of its own, apart."""
        return self._fit.scores

    def judge(self, choices: Ints, values: Floats, seed: int) -> Gate:
        """The gate of the fitted estimate.

        Args:
            choices: [layouts, components] that were trained.
            values: [layouts], the accuracy of each.
            seed: of the resamples.
        """
        costs = self._chain.price(choices)[:, 0]
        estimate = self._fit.predict(choices, costs)
        name = self._chain.metrics[0].name
        return judge(estimate, values, {name: costs.astype(np.float64)}, seed=seed, resamples=RESAMPLES)


def describe_gate(gate: Gate) -> dict[str, Any]:
    """The gate of a covariate as a trial notes it: the partial tau with its interval, and whether it is in the fit."""
    partial = gate.partial
    known = partial.low == partial.low
    note: dict[str, Any] = {"partial": partial.value, "layouts": gate.layouts, "used": gate.covariate}
    return note | ({"low": partial.low, "high": partial.high} if known else {})
