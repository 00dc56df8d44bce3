"""Kendall's tau over bootstrap resamples of layouts, all of them at once.

A resample is a count of each layout. Two copies of one layout are a tie in every ranking, and tau b leaves ties out,
so that with the signs of all pairs in a matrix S (1 where the first layout is above the second) the tau b of a resample
with counts w is (w' (S1 * S2) w) / sqrt((w' S1^2 w) (w' S2^2 w)): matrix products, in place of one sort per resample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.95
FEWEST = 10
"""Layouts below which there is no interval: too few of them differ between resamples."""
BLOCK = 500
"""Resamples at a time, to bound memory."""


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """A statistic with its 95 % bootstrap interval over layouts; the ends are NaN where there is none."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    def __str__(self) -> str:
        known = self.low == self.low
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]" if known else f"{self.value:.2f}"

    @property
    def above_zero(self) -> bool:
        """Whether all of the interval is above zero; False where there is none."""
        return self.low > 0


@final
class ResampledTaus:
    """Kendall's tau b of every two of several rankings of the same layouts, of the layouts and of their resamples.

    Args:
        rankings: [layouts] each, by name.
        resamples: how many; none below `FEWEST` layouts.
        seed: of the resamples.
    """

    def __init__(self, rankings: Mapping[str, Floats], resamples: int, seed: int) -> None:
        self.layouts = len(next(iter(rankings.values())))
        self._signs = {name: np.sign(values[:, None] - values) for name, values in rankings.items()}
        counts = np.ones((1, self.layouts))
        if self.layouts >= FEWEST:
            rng = np.random.default_rng(seed)
            shares = np.full(self.layouts, 1 / self.layouts)
            counts = np.concatenate([counts, rng.multinomial(self.layouts, shares, resamples).astype(float)])
        self._counts = counts
        self._pairs = {name: self._weigh(signs * signs) for name, signs in self._signs.items()}

    def tau(self, first: str, second: str) -> Floats:
        """[1 + resamples]: tau b of two rankings, that of the layouts themselves in front; 0 where one is all ties."""
        scale = np.sqrt(self._pairs[first] * self._pairs[second])
        same = self._weigh(self._signs[first] * self._signs[second])
        return np.divide(same, scale, out=np.zeros_like(same), where=scale > 0)

    def _weigh(self, pairs: Floats) -> Floats:
        """[1 + resamples]: the sum of a matrix over the pairs of each resample."""
        blocks = np.array_split(self._counts, -(-len(self._counts) // BLOCK))
        return np.concatenate([((block @ pairs) * block).sum(1) for block in blocks])


def partial_tau(first: Floats, second: Floats, between: Floats) -> Floats:
    """Partial taus of two rankings given a third one.

    Taus become correlations by Greiner's relation r = sin(pi tau / 2), of these the partial correlation is taken, and
    turned back. That is exactly 0 where two rankings depend on the third one alone and all three are monotone
    functions of normal ones. Kendall's own partial tau, the same formula on the taus themselves, is not: of two noisy
    measurements of cost alone it tends to a positive number (Korn, The Ranges of Limiting Values of Some Partial
    Correlations under Conditional Independence, The American Statistician 38, 1984), and so would let them pass.
    0 where the third ranking is one of the two.

    Args:
        first: taus [...] of the first ranking and the third one.
        second: of the second ranking and the third one.
        between: of the first two.

    Source: Lindskog, McNeil and Schmock, Kendall's Tau for Elliptical Distributions (2003), for the relation.
    """
    x, y, both = (np.sin(np.pi / 2 * tau) for tau in (first, second, between))
    left = (1 - x * x) * (1 - y * y)
    known = left > 1e-9
    part = np.divide(both - x * y, np.sqrt(np.where(known, left, 1)), out=np.zeros_like(left), where=known)
    return 2 / np.pi * np.arcsin(np.clip(part, -1, 1))


def interval(values: Floats, layouts: int) -> Interval:
    """The interval of a statistic [1 + resamples], the first of which is that of the layouts themselves.

    Percentiles, expanded as for few layouts: to the level at which Student's t with one degree of freedom fewer than
    layouts stands, for sqrt(n / (n - 1)) times its deviation.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap (2015), section 4.3.
    """
    if len(values) < 2:
        return Interval(float(values[0]))
    low = NormalDist().cdf(-float(np.sqrt(layouts / (layouts - 1))) * _student(layouts - 1))
    ends = np.quantile(values[1:], [low, 1 - low])
    return Interval(float(values[0]), float(ends[0]), float(ends[1]))


def _student(freedom: int) -> float:
    """The quantile of Student's t for `LEVEL` (Abramowitz and Stegun 26.7.5, to 0.001 from 9 degrees of freedom)."""
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    terms = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
