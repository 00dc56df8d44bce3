"""Statistical power: the seeds that a difference needs, and the effect that a given number of seeds can show.

One convention everywhere (pages, `archspec power`, `archspec review`): the paired t test, two-sided, at Holm's
strictest level, `level / comparisons`, with the standard deviation of paired differences pooled over what is compared,
and a chance of 80 %. Holm marks a row at least as often as a test at that level does, so the promise holds whether the
other rows differ or not. What is rounded or left unsaid is decided by `needed_seeds` and `visible_effect` alone.
"""

from __future__ import annotations

import math

from archspec.errors import FieldError
from reports.statistics.summary import LEVEL, scipy_stats

POWER = 0.8
POINTS = 100.0
"""The largest difference that two scores in percent can have."""
# More seeds per row than anyone trains; the search for a number of seeds ends here.
MAX_SEEDS = 100_000
LEAST_LEVEL = 1e-12
"""The smallest level whose quantiles are known to be right."""


def power(seeds: int, effect: float, sd: float, comparisons: int = 1, *, level: float = LEVEL) -> float:
    """Chance that a row whose true difference is `effect` is marked, and on its true side.

    Source: noncentral t distribution (`scipy.stats.nct`) with seeds - 1 degrees of freedom.

    Args:
        seeds: pairs, at least 2.
        effect: true difference to the reference, in the scores' unit; its sign is of no matter.
        sd: of the paired differences (rows of equal noise that share nothing: root 2 times the noise of one row).
        comparisons: rows compared with the reference.
        level: of the whole family, two-sided.

    Raises:
        FieldError: a number out of range.
        SpecError: scipy is not installed.
    """
    _check(sd, comparisons, level)
    if not 2 <= seeds <= MAX_SEEDS:
        raise FieldError("seeds", f"must lie between 2, as one shows no noise, and {MAX_SEEDS:,}, not {seeds}")
    if not math.isfinite(effect):
        raise FieldError("effect", f"must be finite, not {effect:g}")
    stats = scipy_stats("power")
    critical = stats.t.isf(level / comparisons / 2, seeds - 1)
    return float(stats.nct.sf(critical, seeds - 1, abs(effect) / sd * math.sqrt(seeds)))


def smallest_effect(
    seeds: int, sd: float, comparisons: int = 1, *, level: float = LEVEL, wanted: float = POWER
) -> float:
    """The smallest true difference that `seeds` per row mark with probability `wanted`, in the unit of `sd`.

    Raises:
        FieldError: a number out of range.
        SpecError: scipy is not installed.
    """
    _check_wanted(wanted)
    power(seeds, 0.0, sd, comparisons, level=level)
    from scipy.optimize import brentq

    high = 1.0
    while power(seeds, high, 1.0, comparisons, level=level) < wanted:
        high *= 2

    def lacking(effect: float) -> float:
        return power(seeds, effect, 1.0, comparisons, level=level) - wanted

    return sd * float(brentq(lacking, 0.0, high))  # pyright: ignore[reportArgumentType]


def seeds_for(effect: float, sd: float, comparisons: int = 1, *, level: float = LEVEL, wanted: float = POWER) -> int:
    """The fewest seeds per row that mark a true difference of `effect` with probability `wanted`.

    Raises:
        FieldError: a number out of range, an effect of 0, or one that needs more than half of `MAX_SEEDS`.
        SpecError: scipy is not installed.
    """
    _check_wanted(wanted)
    if effect == 0 or not math.isfinite(effect):
        raise FieldError("effect", f"must be finite and not 0, which no number of seeds can show; not {effect:g}")
    low, high = 1, 2  # `low` is known not to suffice
    while power(high, effect, sd, comparisons, level=level) < wanted:
        low, high = high, 2 * high
        if high > MAX_SEEDS // 2:
            rule = f"{effect:g} needs more than {MAX_SEEDS // 2:,} seeds per row at a standard deviation of {sd:g}"
            raise FieldError("effect", rule)
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(middle, effect, sd, comparisons, level=level) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def needed_seeds(
    difference: float, sd: float, comparisons: int = 1, *, level: float = LEVEL, wanted: float = POWER
) -> int | None:
    """As `seeds_for`; None where no number is known (no noise, no difference) or it is more than anyone trains.

    Raises:
        FieldError: no comparison, or a level or power out of range.
        SpecError: scipy is not installed.
    """
    if not (0 < sd < math.inf and math.isfinite(difference) and difference):
        return None
    _check(sd, comparisons, level)
    _check_wanted(wanted)
    try:
        return seeds_for(difference, sd, comparisons, level=level, wanted=wanted)
    except FieldError:
        return None


def visible_effect(
    seeds: int,
    sd: float,
    comparisons: int = 1,
    *,
    most: float = math.inf,
    level: float = LEVEL,
    wanted: float = POWER,
) -> float | None:
    """As `smallest_effect`; None where it is not below `most`, which no true difference exceeds.

    Raises:
        FieldError: a number out of range.
        SpecError: scipy is not installed.
    """
    effect = smallest_effect(seeds, sd, comparisons, level=level, wanted=wanted)
    return effect if effect < most else None


def independent_sd(sd: float) -> float:
    """Standard deviation of the difference of two trainings that share no noise, each of which has `sd`."""
    return math.sqrt(2) * sd


def upper_sd(sd: float, freedom: int, confidence: float = 0.8) -> float:
    """The standard deviation that the true one stays below with probability `confidence`, given a pilot's.

    Source: the chi-square interval of a normal sample's variance, its upper end.

    Args:
        sd: seen in the pilot.
        freedom: its degrees of freedom: seeds - 1, or the sum of that over rows whose variances were pooled.
        confidence: one-sided.

    Raises:
        FieldError: no degree of freedom, or a number out of range.
        SpecError: scipy is not installed.
    """
    if freedom < 1:
        raise FieldError("pilot", "needs at least 2 seeds: one shows no noise")
    if not 0 < confidence < 1:
        raise FieldError("confidence", f"must lie between 0 and 1, not {confidence:g}")
    _check(sd, 1, LEVEL)
    return sd * math.sqrt(freedom / float(scipy_stats("power").chi2.ppf(1 - confidence, freedom)))


def _check(sd: float, comparisons: int, level: float) -> None:
    if not 0 < sd < math.inf:
        raise FieldError("sd", f"must be finite and above 0, not {sd:g}")
    if comparisons < 1:
        raise FieldError("rows", "needs at least 2, one of them the reference")
    if not LEAST_LEVEL <= level < 1:
        raise FieldError("level", f"must lie between {LEAST_LEVEL:g} and 1, not {level:g}")


def _check_wanted(wanted: float) -> None:
    if not LEVEL < wanted < 1:
        raise FieldError("power", f"must lie between {LEVEL:g} and 1, not {wanted:g}")
