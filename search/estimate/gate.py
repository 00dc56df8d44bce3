"""The gate of cheap estimates: whether one of them tells more about full trainings than the cost of a layout does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, final

import numpy as np

from search.estimate.ceiling import seed_ceiling
from search.estimate.resampling import FEWEST, Floats, Interval, ResampledTaus, interval, partial_tau

RESAMPLES = 4000
COSTS = ("macs", "params")
"""Costs that an estimate has to beat; the partial rank correlation is given the first of them."""
Verdict = Literal["front", "covariate", "refused"]
"""What an estimate may stand for: full trainings where a front is chosen; a covariate beside cost; nothing."""


@final
@dataclass(frozen=True)
class CostAlone:
    """A cost as the estimate that an estimate has to beat: more of it, more accurate.

    Attributes:
        tau: its rank correlation with full trainings.
        difference: that of the estimate less this one, paired.
    """

    tau: Interval
    difference: Interval


@final
@dataclass(frozen=True)
class Gate:
    """An estimate against full trainings of the same layouts.

    Attributes:
        layouts: that were trained in full.
        seeds: trainings of each, at least.
        tau: Kendall's tau b of the estimate and the mean of the trainings.
        partial: the same given the first cost, see `partial_tau`.
        costs: cost alone, by the name of the metric.
        ceiling: the tau that a perfect estimate would reach, as the noise of seeds leaves it; NaN where no layout was
            trained with two seeds.
        restricted: whether only layouts that the estimate itself had promoted were trained in full.
    """

    layouts: int
    seeds: int
    tau: Interval
    partial: Interval
    costs: Mapping[str, CostAlone] = field(default_factory=dict[str, CostAlone])
    ceiling: float = math.nan
    restricted: bool = False

    @property
    def covariate(self) -> bool:
        """Whether the estimate may stand beside cost in a model: it tells of accuracy what cost does not."""
        return self.partial.above_zero

    @property
    def front(self) -> bool:
        """Whether the estimate may stand for full trainings: it ranks better than each cost alone, and than chance."""
        ahead = all(cost.difference.above_zero for cost in self.costs.values())
        return self.tau.above_zero and ahead and bool(self.costs)

    @property
    def verdict(self) -> Verdict:
        """The most that the estimate may be used for."""
        return "front" if self.front else "covariate" if self.covariate else "refused"

    def describe(self, name: str, titles: Mapping[str, str] | None = None) -> str:
        """The numbers in a sentence, without a full stop.

        Args:
            name: of the estimate.
            titles: names of the costs for people.
        """
        shown = titles or {}
        costs = [f"{shown.get(cost, cost)} alone {one.tau}" for cost, one in self.costs.items()]
        ahead = [f"{one.difference} to {shown.get(cost, cost)}" for cost, one in self.costs.items()]
        first = next(iter(self.costs), "cost")
        text = (
            f"over {self.layouts} layouts trained in full, Kendall's tau b of {name} is {self.tau}, "
            f"that of {' and of '.join(costs)}; the difference is {' and '.join(ahead)}; the partial tau given "
            f"{shown.get(first, first)} is {self.partial}"
        )
        if self.ceiling == self.ceiling:
            text += f"; the noise of seeds leaves a perfect estimate about {self.ceiling:.2f}"
        if self.restricted:
            text += "; these are layouts that it had promoted itself, which lowers every one of these numbers"
        return text

    def conclude(self) -> str:
        """The verdict in a sentence, without a full stop."""
        if self.layouts < FEWEST:
            return f"fewer than {FEWEST} layouts were trained in full, which decides nothing"
        if self.front:
            return "it ranks layouts better than cost alone does"
        if self.covariate:
            return "it does not rank better than cost alone, though it tells something that cost does not"
        return "it does not rank better than cost alone, and nothing shows that it tells more than cost"

    def record(self) -> dict[str, Any]:
        """The gate as JSON, numbers that are not known as null, with its verdict."""
        return _plain(asdict(self)) | {"verdict": self.verdict, "conclusion": self.conclude()}


def judge(
    estimate: Floats,
    full: Floats,
    costs: Mapping[str, Floats],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    restricted: bool = False,
) -> Gate:
    """The gate of an estimate, from full trainings of the same layouts.

    Everything is of ranks, so that the logarithm of a cost gives what the cost gives.

    Args:
        estimate: [layouts], more is better.
        full: [layouts] or [layouts, seeds], what full trainings gave; NaN for a training that is missing.
        costs: [layouts] each, by name: that which the partial tau is given stands first.
        seed: of the resamples.
        resamples: of layouts, for the intervals.
        restricted: whether the estimate decided which layouts were trained in full, as rungs do.
    """
    trained = np.atleast_2d(full.T).T.astype(np.float64)
    counts = np.isfinite(trained).sum(1)
    known = np.isfinite(estimate) & (counts > 0)
    trained, counts = trained[known], counts[known]
    layouts = int(known.sum())
    if layouts < 2:
        nothing = Interval(0.0)
        alone = dict.fromkeys(costs, CostAlone(nothing, nothing))
        return Gate(layouts, int(counts.min(initial=0)), nothing, nothing, alone, math.nan, restricted)
    means = np.where(np.isfinite(trained), trained, 0).sum(1) / counts
    kept = {name: np.asarray(values, np.float64)[known] for name, values in costs.items()}
    taus = ResampledTaus({"": np.asarray(estimate, np.float64)[known], "full": means, **kept}, resamples, seed)
    own = taus.tau("", "full")
    alone: dict[str, CostAlone] = {}
    partial = own
    for index, name in enumerate(kept):
        tau = taus.tau("full", name)
        if index == 0:
            partial = partial_tau(taus.tau("", name), tau, own)
        alone[name] = CostAlone(interval(tau, layouts), interval(own - tau, layouts))
    intervals = interval(own, layouts), interval(partial, layouts)
    return Gate(layouts, int(counts.min()), *intervals, alone, seed_ceiling(trained), restricted)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
