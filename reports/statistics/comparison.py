"""Rows of an ablation against a reference row: differences, intervals, tests, Holm's correction, marks.

What is decided here is decided by sizes alone (seeds, comparisons), never by the scores: a test chosen after seeing
what it says would not keep its level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archspec.errors import FieldError
from reports.statistics.summary import LEVEL, scipy_stats, shared_seeds

Scores = Mapping[str, Mapping[int, float]]
"""Row to seed to score; a score that is not finite stands for a training that failed."""
Mark = Literal["better", "worse", "within noise", "untested"]
Floats = NDArray[np.float64]

# All 2^15 sign flips (or regroupings) are enumerated; beyond, as many are drawn.
EXACT = 2**15
# Below 20 values, BCa intervals of a mean cover less than they state; Student's do not when noise is about normal.
BOOTSTRAP_FROM = 20
# A permutation test must be able to reach a tenth of Holm's strictest level, or it decides next to nothing.
HEADROOM = 10


@dataclass(frozen=True)
class Comparison:
    """One row against its reference.

    Attributes:
        n: pairs of seeds; unpaired, the number of seeds of the row that has fewer.
        difference: mean of row less mean of reference, in the unit of the scores.
        sd: of the paired differences; unpaired, the root of the sum of both rows' variances.
        low, high: interval of the difference for this row alone, not corrected for the other rows.
        interval: `t`, `Welch`, `BCa` or `none`.
        test: `paired t`, `sign flips`, `Welch t`, `permutation` or `none`.
        p: two-sided; `adjusted` by Holm over the rows compared. NaN where nothing could be tested.
        mark: `better` and `worse` only where `adjusted` is below the level.
    """

    row: str
    reference: str
    n: int
    difference: float
    sd: float
    low: float
    high: float
    interval: str
    test: str
    p: float
    adjusted: float
    mark: Mark

    @property
    def decided(self) -> bool:
        return self.mark in ("better", "worse")


@dataclass(frozen=True)
class Settings:
    """The settings of a comparison of rows.

    Attributes:
        paired: by seed, on the seeds that both rows finished.
        level: the chance that any row is marked when none differs.
        higher: whether a higher score is better.
        seed: of drawn flips and bootstrap samples, where not all can be enumerated.
    """

    paired: bool = True
    level: float = LEVEL
    higher: bool = True
    seed: int = 0


DEFAULT = Settings()


def compare(scores: Scores, reference: str | Mapping[str, str], settings: Settings = DEFAULT) -> tuple[Comparison, ...]:
    """Each row against its reference, as one family.

    `reference` is one row for all others, or names the reference of each row that is compared (in a progressive plan,
    the row before). Rows that cannot be tested (fewer than two finished seeds) still count in the family, whose size
    is the plan's and not the outcome's.

    Raises:
        FieldError: a row that has no scores, a row compared with itself, a level outside (0, 1).
        SpecError: scipy is not installed.
    """
    pairs = _pairs(scores, reference)
    if not 0 < settings.level < 1:
        raise FieldError("level", f"must lie between 0 and 1, not {settings.level:g}")
    single = _paired if settings.paired else _unpaired
    found = [single(scores, row, base, len(pairs), settings) for row, base in pairs.items()]
    adjusted = holm([each.p for each in found])
    return tuple(
        replace(each, adjusted=p, mark=_mark(each, p, settings)) for each, p in zip(found, adjusted, strict=True)
    )


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of p values; NaN stays NaN, and counts in the family as if it were 1.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 65-70.
    """
    adjusted, highest = list(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=lambda i: (math.isnan(values[i]), values[i]))):
        if not math.isnan(values[index]):
            highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
            adjusted[index] = highest
    return adjusted


def enumerable(arrangements: int, comparisons: int, level: float = LEVEL) -> bool:
    """Whether a permutation test over so many arrangements can decide; its smallest two-sided p is 2 / arrangements.

    Five seeds have 32 sign flips, so p is never below 1/16 and no row could ever be marked.
    """
    return 2 / arrangements <= level / comparisons / HEADROOM


def _pairs(scores: Scores, reference: str | Mapping[str, str]) -> dict[str, str]:
    pairs = {row: reference for row in scores if row != reference} if isinstance(reference, str) else dict(reference)
    for row in {*pairs, *pairs.values()} | ({reference} if isinstance(reference, str) else set()):
        if row not in scores:
            raise FieldError(row, f"no such row; there are {', '.join(scores)}")
    for row, base in pairs.items():
        if row == base:
            raise FieldError(row, "cannot be compared with itself")
    return pairs


def _mark(found: Comparison, adjusted: float, settings: Settings) -> Mark:
    if math.isnan(adjusted):
        return "untested"
    if adjusted >= settings.level:
        return "within noise"
    return "better" if (found.difference > 0) == settings.higher else "worse"


def _paired(scores: Scores, row: str, base: str, comparisons: int, settings: Settings) -> Comparison:
    seeds = shared_seeds(scores[row], scores[base])
    a, b = (np.array([scores[name][seed] for seed in seeds]) for name in (row, base))
    differences = a - b
    n = len(seeds)
    if n < 2:
        return _untested(row, base, n, float(differences.mean()) if n else math.nan)
    low, high, interval = _interval((a, b), settings)
    test, p = _paired_p(a, b, comparisons, settings)
    sd = float(differences.std(ddof=1))
    return Comparison(row, base, n, float(differences.mean()), sd, low, high, interval, test, p, p, "untested")


def _paired_p(a: Floats, b: Floats, comparisons: int, settings: Settings) -> tuple[str, float]:
    stats = scipy_stats("comparing rows")
    differences = a - b
    # Scores of a small test set are coarse: equal differences do happen, and a t test would call them certain.
    flat = _constant(differences, a)
    if not flat and not enumerable(2 ** len(a), comparisons, settings.level):
        return "paired t", float(stats.ttest_rel(a, b).pvalue)
    if flat and abs(differences[0]) <= _rounding(a):
        return "sign flips", 1.0
    result = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=EXACT,
        random_state=np.random.default_rng(settings.seed),
    )
    return "sign flips", float(result.pvalue)


def _unpaired(scores: Scores, row: str, base: str, comparisons: int, settings: Settings) -> Comparison:
    a, b = (np.array([score for score in scores[name].values() if math.isfinite(score)]) for name in (row, base))
    n = min(len(a), len(b))
    difference = float(a.mean() - b.mean()) if n else math.nan
    if n < 2:
        return _untested(row, base, n, difference)
    low, high, interval = _interval((a, b), settings, paired=False)
    test, p = _unpaired_p(a, b, comparisons, settings)
    sd = math.sqrt(float(a.var(ddof=1) + b.var(ddof=1)))
    return Comparison(row, base, n, difference, sd, low, high, interval, test, p, p, "untested")


def _unpaired_p(a: Floats, b: Floats, comparisons: int, settings: Settings) -> tuple[str, float]:
    stats = scipy_stats("comparing rows")
    flat = _constant(a, a) and _constant(b, a)
    if not flat and not enumerable(math.comb(len(a) + len(b), len(a)), comparisons, settings.level):
        return "Welch t", float(stats.ttest_ind(a, b, equal_var=False).pvalue)
    if flat and abs(a[0] - b[0]) <= _rounding(a):
        return "permutation", 1.0
    result = stats.permutation_test(
        (a, b),
        _mean_difference,
        vectorized=True,
        n_resamples=EXACT,
        random_state=np.random.default_rng(settings.seed),
    )
    return "permutation", float(result.pvalue)


def _mean_difference(a: Floats, b: Floats, axis: int = -1) -> Any:
    return a.mean(axis=axis) - b.mean(axis=axis)


def _interval(samples: tuple[Floats, Floats], settings: Settings, *, paired: bool = True) -> tuple[float, float, str]:
    """Interval of the mean difference of `samples`, two arrays of [n] scores (paired: in the same order of seeds)."""
    stats = scipy_stats("comparing rows")
    a, b = samples
    confidence = 1 - settings.level
    flat = _constant(a - b, a) if paired else _constant(a, a) and _constant(b, a)
    if flat:  # no noise seen, so none known: an interval of no width would state a certainty that nobody has
        return math.nan, math.nan, "none"
    if min(len(a), len(b)) >= BOOTSTRAP_FROM:
        rng = np.random.default_rng(settings.seed)
        data, statistic = ((a - b,), np.mean) if paired else (samples, _mean_difference)
        found = stats.bootstrap(data, statistic, confidence_level=confidence, method="BCa", random_state=rng)
        return float(found.confidence_interval.low), float(found.confidence_interval.high), "BCa"
    result = stats.ttest_rel(a, b) if paired else stats.ttest_ind(a, b, equal_var=False)
    interval = result.confidence_interval(confidence)
    return float(interval.low), float(interval.high), "t" if paired else "Welch"


def _untested(row: str, base: str, n: int, difference: float) -> Comparison:
    nan = math.nan
    return Comparison(row, base, n, difference, nan, nan, nan, "none", "none", nan, nan, "untested")


def _constant(values: Floats, scale: Floats) -> bool:
    return float(np.ptp(values)) <= _rounding(scale)


def _rounding(scale: Floats) -> float:
    """What the subtraction of two equal decimals may leave: some units in the last place of the scores."""
    return 1e-12 * float(np.abs(scale).max())
