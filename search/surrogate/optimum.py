"""The layout that an additive surrogate holds for the most promising of a whole space, exactly.

`search.surrogate.model` is fitted to the trials so far, and `search.front.front` solves for the exact front of cost
against the upper confidence bound. Of it, the layout is taken that promises the largest gain of hypervolume over the
front of the trials, each between its answer and its prediction, as `search.surrogate.noise` has it. A gain grows with
the score and falls with the cost, so no layout of the space promises more. Where layouts may be trained again, one that
was is taken in its place if `search.surrogate.repetition` finds that this is worth more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from archspec.cost.tables import Chain
from archspec.errors import SpecError
from search.front.front import solve_front
from search.space.limits import Limit
from search.surrogate.features import Features
from search.surrogate.model import Surrogate, fit_surrogate
from search.surrogate.noise import TrainingNoise, estimate_noise
from search.surrogate.repetition import best_repeat, worth_of_new
from search.surrogate.staircase import Staircase

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KAPPA = 0.3
"""Deviations that are added to a prediction. Their sum over components is several times that of the prediction: on the
table of `benchmarks/samplers.py` and on simulated studies 0.3 found between 1 % less and 2 % more than 1 did.
"""
EACH = 512
"""Answers up to which the surrogate is fitted to every one of them."""
LAG = 1 / 32
"""Share of the answers beyond that by which the surrogate may lag behind: so the cost of fitting, over the trials, does
not grow with their number."""
GRAIN = 0.05
"""Of the error of prediction: by so much a proposal may miss the best score where nearly every cost is on the front."""
AROUND = 16
"""The most promising layouts of the front whose neighbours are looked at where they are known themselves."""
PAYS = 2.0
"""How many times the worth of a new layout that of another training of a known one must be. A new layout is worth more
than the gain of its own answer, since the surrogate learns more from it (`benchmarks/repeats.py`).
"""


@final
@dataclass(frozen=True, slots=True)
class Known:
    """The knowledge of a space so far.

    Attributes:
        choices: [layouts, components] with an answer.
        values: [layouts], their accuracy: the mean over trainings.
        pending: [layouts, components] under way: taken for what the surrogate predicts, unless they have an answer.
        closed: [layouts, components] not to be proposed, nor trained again, for other reasons.
        trainings: [layouts], of each with an answer; None for one of each.
        within: sum of squares of the trainings about the mean of their layout.
        covariates: those in force, each as its terms [options] per component.
        order: [layouts], place of each in the order in which the answers came; None for that in which they stand.
    """

    choices: Ints
    values: Floats
    pending: Ints
    closed: Ints
    trainings: Ints | None = None
    within: float = 0.0
    covariates: Sequence[Sequence[Floats]] = ()
    order: Ints | None = None

    def settled(self) -> Known:
        """This with the answers alone that a surrogate is fitted to: all of some, of many those that came first."""
        count = len(self.values)
        if count <= EACH:
            return self
        step = int(EACH * LAG) << ((count // EACH).bit_length() - 1)
        first = count // step * step
        order = np.arange(count) if self.order is None else self.order
        kept = order < first
        return replace(self, choices=self.choices[kept], values=self.values[kept], trainings=self.counts[kept])

    @property
    def counts(self) -> Ints:
        """[layouts]: trainings of each."""
        return np.ones(len(self.values), np.int64) if self.trainings is None else self.trainings

    def noise(self, surrogate: Surrogate) -> TrainingNoise:
        """The noise of trainings, by a surrogate that was fitted to these."""
        return estimate_noise(self.counts, self.within, surrogate.loo_error)


@final
class Optimizer:
    """The search for the most promising layout.

    Args:
        chain: the tables of the space; the first metric is the cost among the objectives.
        features: what the surrogate sees.
        limits: that every proposal must keep, on metrics of the chain.
        kappa: how many deviations are added to a prediction.
        listed: [layouts, components], the only ones that may be proposed; None for all within the limits.
    """

    def __init__(
        self,
        chain: Chain,
        features: Features,
        limits: Sequence[Limit] = (),
        *,
        kappa: float = KAPPA,
        listed: Ints | None = None,
    ) -> None:
        self.listed = listed
        self._fitted: tuple[bytes, Surrogate, TrainingNoise] | None = None
        self._solved: tuple[Surrogate, Ints] | None = None
        self.chain, self.features, self.limits, self.kappa = chain, features, limits, kappa

    def propose(self, known: Known, most: int = 1) -> tuple[Ints | None, Surrogate]:
        """The most promising layout [components], and the surrogate that says so.

        Where the best of the front is known, so may be the next best of the space, though not on the front: then the
        layouts that differ from it in one component count, too. None where all of these are known or outside.

        Args:
            known: so far.
            most: trainings of one layout; from 2 on the layout may be one of those with an answer, to be trained again.
        """
        done = len(known.values)
        taken = {row.tobytes() for row in known.choices}
        fresh = [row.tobytes() not in taken for row in known.pending]
        layouts = np.concatenate([known.choices, known.pending[fresh]])
        costs = self.chain.price(layouts)[:, 0]
        surrogate, noise = self._fit(known.settled(), priced=bool((costs >= 0).all()))
        scores = surrogate.optimistic(self.kappa)
        values = surrogate.predict(layouts, costs)
        # The best of noisy answers are lucky ones. Where no layout was trained twice, how much of what the surrogate
        # misses is noise nothing says, and the share is a half.
        share = noise.reliability(known.counts)
        values[:done] = share * known.values + (1 - share) * values[:done]
        seen = Staircase.of(costs[costs >= 0], values[costs >= 0])
        found = self._new(known, layouts, surrogate, scores, seen)
        if most > 1 and bool((costs >= 0).all()):
            worth = 0.0
            if found is not None:
                price = self.chain.price(found[None])[:, 0]
                score = surrogate.total(scores, found[None], price)
                worth = worth_of_new(seen, int(price[0]), float(score[0]), noise)
            again = self._again(known, costs[:done], values[:done], noise, most)
            if again[0] >= 0 and again[1] > PAYS * worth:
                return known.choices[again[0]], surrogate
        return found, surrogate

    def _fit(self, known: Known, *, priced: bool) -> tuple[Surrogate, TrainingNoise]:
        """The surrogate, means of several trainings with their weights, and the noise that it leaves.

        That of the same answers as before is the same.
        """
        costs = self.chain.price(known.choices)[:, 0]
        parts = [known.choices, known.values, known.counts, *(one for terms in known.covariates for one in terms)]
        digest = hashlib.sha256(b"".join(part.tobytes() for part in parts))
        digest.update(repr((known.within, priced)).encode())
        if self._fitted is not None and self._fitted[0] == digest.digest():
            return self._fitted[1:]

        def fit(weights: Floats | None) -> Surrogate:
            line, more = costs if priced else None, known.covariates
            rows, values = known.choices, known.values
            return fit_surrogate(self.features, rows, values, costs=line, weights=weights, covariates=more)

        surrogate = fit(None)
        noise = known.noise(surrogate)
        if (known.counts > 1).any():
            surrogate = fit(noise.weights(known.counts))
            noise = known.noise(surrogate)
        self._fitted = (digest.digest(), surrogate, noise)
        return surrogate, noise

    def _new(
        self, known: Known, layouts: Ints, surrogate: Surrogate, scores: list[Floats], seen: Staircase
    ) -> Ints | None:
        """The most promising layout that is neither among `layouts` nor closed."""
        shut = {row.tobytes() for row in (*layouts, *known.closed)}
        rows = self._front(scores, surrogate)
        for last in (False, True):
            prices = self.chain.price(rows)[:, 0]
            order = seen.order(prices, surrogate.total(scores, rows, prices))
            outside = ~self._inside(rows)
            order = order[np.argsort(outside[order], kind="stable")]
            places = (i for i, row in enumerate(order) if not outside[row] and rows[row].tobytes() not in shut)
            first = next(places, len(order))
            if first == 0 or last or self.listed is not None:
                break
            rows = np.concatenate([rows, _around(rows[order[: min(first, AROUND)]], self.chain)])
        return rows[order[first]] if first < len(order) else None

    def _again(self, known: Known, costs: Ints, means: Floats, noise: TrainingNoise, most: int) -> tuple[int, float]:
        """Which of the layouts with an answer to train again, and what that is worth; -1 for none."""
        shut = {row.tobytes() for row in (*known.pending, *known.closed)}
        free = np.array([row.tobytes() not in shut for row in known.choices], bool)
        return best_repeat(costs, means, known.counts, free & (known.counts < most), noise)

    def _front(self, scores: list[Floats], surrogate: Surrogate) -> Ints:
        """Choices of the front inside, exactly if no lower limit and no more than a few upper ones bind.

        A range is taken for its upper limit, and a lower limit on the cost for none. That still gives every layout
        of the front inside that costs at least as much as one of the front that is inside, and takes no minutes.
        """
        if self.listed is not None:
            return self.listed
        if self._solved is None or self._solved[0] is not surrogate:
            self._solved = (surrogate, self._solve(scores, surrogate))
        return self._solved[1]

    def _solve(self, scores: list[Floats], surrogate: Surrogate) -> Ints:
        cost, slope = self.chain.metrics[0], surrogate.slope
        grain = GRAIN * surrogate.loo_error / len(self.chain.components)
        sides = [
            Limit(limit.metric, limit.low if limit.high is None else None, limit.high)
            for limit in self.limits
            if limit.high is not None or limit.metric != cost
        ]
        try:
            return solve_front(self.chain, 0, scores, sides, slope=slope, grain=grain).choices
        except SpecError:  # too many layouts to compare: what is outside is left out afterwards
            alone = [limit for limit in sides if limit.metric == cost]
            return solve_front(self.chain, 0, scores, alone, slope=slope, grain=grain).choices

    def _inside(self, rows: Ints) -> NDArray[np.bool_]:
        costs = self.chain.price(rows)
        keep = costs[:, 0] >= 0
        for limit in self.limits:
            own = costs[:, self.chain.metrics.index(limit.metric)]
            keep &= own >= (limit.low or 0)
            keep &= own <= (own if limit.high is None else limit.high)
        return keep


def _around(rows: Ints, chain: Chain) -> Ints:
    """The layouts that differ from one of some [layouts, components] in one component."""
    parts: list[Ints] = []
    for index, count in enumerate(chain.options):
        changed = np.repeat(rows, count, axis=0)
        changed[:, index] = np.tile(np.arange(count), len(rows))
        parts.append(changed)
    return np.concatenate(parts)
