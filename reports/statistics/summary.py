"""Summaries of repeated seeds: mean, sample standard deviation, seed noise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from statistics import fmean, stdev
from typing import Any

from archspec.errors import SpecError

LEVEL = 0.05
"""Of all tests: the chance that anything is marked in a family of rows that do not differ."""


@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation (n - 1 in the denominator) and number of values."""

    mean: float
    sd: float
    n: int


def summarise(values: Iterable[float]) -> Summary:
    """Summary of the finite values; the mean of none and the deviation of fewer than two are NaN, never zero."""
    finite = [value for value in values if math.isfinite(value)]
    mean = fmean(finite) if finite else math.nan
    sd = stdev(finite) if len(finite) > 1 else math.nan
    return Summary(mean=mean, sd=sd, n=len(finite))


def shared_seeds(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[int]:
    """The seeds, in order, that both rows have a finite score of: those that a paired comparison is over."""
    return sorted(seed for seed in ours.keys() & theirs.keys() if math.isfinite(ours[seed] - theirs[seed]))


def paired_differences(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """One row less another, in the order of `shared_seeds`."""
    return [ours[seed] - theirs[seed] for seed in shared_seeds(ours, theirs)]


def pooled_sd(groups: Sequence[Summary]) -> float:
    """Seed noise: the root of the variances' mean, weighted by n - 1; NaN when no group was repeated.

    Pooling assumes that every layout has the same noise; with three seeds each, one layout's own deviation is
    known only to within a factor of about two, the pooled one much better.
    """
    freedom = pooled_freedom(groups)
    if freedom == 0:
        return math.nan
    return math.sqrt(sum(group.sd**2 * (group.n - 1) for group in groups if group.n > 1) / freedom)


def pooled_freedom(groups: Sequence[Summary]) -> int:
    """Degrees of freedom of `pooled_sd`."""
    return sum(group.n - 1 for group in groups if group.n > 1)


def student_p(t: float, freedom: float, purpose: str) -> float:
    """Two-sided p of Student's t.

    Raises:
        SpecError: scipy is not installed; it says that `purpose` needs it.
    """
    # As in scipy.stats, which takes half a second more to import.
    return float(2 * _scipy("special", purpose).stdtr(freedom, -abs(t)))


def scipy_stats(purpose: str) -> Any:
    """The module scipy.stats, imported only by what needs it: scipy is no dependency of archspec itself.

    Raises:
        SpecError: scipy is not installed.
    """
    return _scipy("stats", purpose)


def _scipy(module: str, purpose: str) -> Any:
    try:
        return import_module(f"scipy.{module}")
    except ImportError:
        raise SpecError(f"{purpose} needs scipy: pip install 'archspec-vision[data]'") from None
