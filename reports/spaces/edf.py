"""Accuracies of populations drawn at random, as empirical distributions: how two design spaces are compared.

A single best layout says more about luck and effort than about the space it came from; the distribution of many drawn
at random inside the same cost band characterises the space itself. Source: Radosavovic et al., "On Network Design
Spaces for Visual Recognition" (2019), and "Designing Network Design Spaces" (2020), section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import yaml

from archspec.errors import RunError, SpecError
from reports.drawing.units import in_text
from reports.records.search import Record, finished
from reports.statistics.comparison import holm
from reports.statistics.two_samples import Floats, distance, median_interval, permutation_test, superiority

LEVEL = 0.95
"""Confidence of bands and intervals."""
COSTS = ("macs", "params")
"""What must be alike for a comparison of accuracies to be one of spaces."""
OVERLAP = 0.5
"""Two ranges of cost that share less than this part of what either covers are different bands."""
MAX_POPULATIONS = 6
"""More curves than this cannot be told apart."""

Band = tuple[str, int | None, int | None]
"""A cost, the least and the most of it, both inclusive; None is open."""


@dataclass(frozen=True)
class DrawnPopulation:
    """Layouts of a run that were drawn at random, evaluated once each.

    Attributes:
        name: of the run.
        source: which of its trials these are.
        accuracies: [n], percent, ascending.
        costs: [n] each, in the order of `accuracies`.
        failed: layouts drawn at random that could not be trained, which are missing here.
        outside: layouts left out because they break a band that was asked for.
        setting: what else must be alike between populations that are compared, by name.
        word: what `accuracies` are called: `accuracy`, `mIoU`.
    """

    name: str
    source: str
    accuracies: Floats
    costs: Mapping[str, Floats]
    failed: int
    outside: int
    setting: Mapping[str, Any]
    word: str = "accuracy"

    @property
    def n(self) -> int:
        """Number of layouts."""
        return len(self.accuracies)

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """The quartiles, the median in the middle, each by linear interpolation, in percent."""
        low, middle, high = np.quantile(self.accuracies, (0.25, 0.5, 0.75))
        return float(low), float(middle), float(high)

    @property
    def median_interval(self) -> tuple[float, float] | None:
        """Confidence interval of the median at `LEVEL`; None for fewer than six layouts."""
        return median_interval(self.accuracies, LEVEL)

    def span(self, cost: str) -> tuple[float, float]:
        """Smallest and largest cost; NaN where it is unknown."""
        known = self.costs[cost][np.isfinite(self.costs[cost])]
        return (float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan)


@dataclass(frozen=True)
class EdfCurve:
    """An empirical distribution function with its band.

    Attributes:
        name: of the population.
        x: [steps], distinct accuracies in percent, ascending.
        y: [steps], the share of layouts of at most that accuracy.
        low, high: [steps], the band that holds the whole true function with probability `LEVEL`.
    """

    name: str
    x: Floats
    y: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class EdfComparison:
    """Two populations.

    Attributes:
        first, second: their names.
        distance: largest difference between their distribution functions (Kolmogorov and Smirnov).
        at: the accuracy (percent) where it is.
        p: of the permutation test on the distance.
        adjusted: p by Holm's method for all comparisons at once.
        superiority: the chance that a layout of the first is more accurate than one of the second, ties by half.
        shift: median of the first less median of the second, in points.
    """

    first: str
    second: str
    distance: float
    at: float
    p: float
    adjusted: float
    superiority: float
    shift: float


@dataclass(frozen=True)
class Edf:
    """Populations and how they compare.

    Attributes:
        label: what accuracy is: `top-1 accuracy on cluttered_digits`.
        word: the same for an axis: `accuracy`, `mIoU`.
        populations, curves: in the order asked.
        comparisons: of every pair.
        permutations: how many the tests drew.
        warnings: sentences on what may make the comparison unfair.
    """

    label: str
    word: str
    populations: tuple[DrawnPopulation, ...]
    curves: tuple[EdfCurve, ...]
    comparisons: tuple[EdfComparison, ...]
    permutations: int
    warnings: tuple[str, ...]


def population(record: Record, run: Path, bands: Sequence[Band] = ()) -> DrawnPopulation:
    """The layouts of a run that were drawn at random: all of a random search, else the random trials and the baseline.

    Args:
        record: the run's journal.
        run: its folder, whose study.yaml says how layouts were trained.
        bands: leave out layouts that cost less or more.

    Raises:
        RunError: no such layout is left.
    """
    drawn, source = _drawn(record)
    done = finished(drawn)
    done = done[np.isfinite(done["accuracy"])].sort_values("accuracy", kind="stable")
    inside = np.ones(len(done), bool)
    for cost, low, high in bands:
        values = done[cost].to_numpy(np.float64)
        inside &= (values >= (low or 0)) & (values <= (math.inf if high is None else high))
    if not inside.any():
        asked = " inside the band" if len(done) else ""
        rule = f"no finished trial of this run was drawn at random{asked}"
        hint = "" if len(done) else ": an EDF needs a search with sampler random, or a baseline"
        raise RunError(f"{run}: {rule}{hint}")
    kept = done[inside]
    lost = drawn[(drawn["state"] == "FAIL") & ~drawn["requeued"].astype(bool) & drawn["digest"].notna()]
    return DrawnPopulation(
        name=record.name,
        source=source,
        accuracies=100 * kept["accuracy"].to_numpy(np.float64),
        costs={cost: kept[cost].to_numpy(np.float64) for cost in COSTS},
        failed=lost["digest"].nunique(),
        outside=int((~inside).sum()),
        setting=_setting(record, run),
        word=record.metric.word,
    )


def edf(populations: Sequence[DrawnPopulation], *, permutations: int = 10_000, seed: int = 0) -> Edf:
    """Compare populations.

    The band of a curve is that of Dvoretzky, Kiefer, Wolfowitz and Massart: it needs no assumption about the
    distribution. The test permutes which layout belongs to which population: under the hypothesis that both come
    from the same distribution every permutation is as likely.

    Raises:
        SpecError: too many populations.
    """
    if len(populations) > MAX_POPULATIONS:
        raise SpecError(f"at most {MAX_POPULATIONS} runs can be told apart in a figure, not {len(populations)}")
    named = _distinct(populations)
    rng = np.random.default_rng(seed)
    found = [_compare(one, two, permutations, rng) for one, two in combinations(named, 2)]
    adjusted = holm([comparison[3] for comparison in found])
    pairs = combinations(named, 2)
    comparisons = tuple(
        EdfComparison(one.name, two.name, gap, at, p, corrected, better, one.quartiles[1] - two.quartiles[1])
        for (one, two), (gap, at, better, p), corrected in zip(pairs, found, adjusted, strict=True)
    )
    label, word = str(named[0].setting["metric"]), named[0].word
    warnings = (*_lost(named), *_settings(named), *_bands(named))
    return Edf(label, word, named, tuple(map(_curve, named)), comparisons, permutations, warnings)


def _drawn(record: Record) -> tuple[pd.DataFrame, str]:
    settings = record.attributes.get("sampler")
    kind = cast("Mapping[str, Any]", settings).get("type") if isinstance(settings, Mapping) else settings
    own = record.search if kind == "random" else record.search[record.search["arm"] == "random"]
    source = "random search" if kind == "random" else "random start-up trials"
    if not len(record.baseline):
        return own, source
    return pd.concat([own, record.baseline]), source if kind == "random" else "random baseline"


def _setting(record: Record, run: Path) -> dict[str, Any]:
    setting: dict[str, Any] = {
        "metric": f"{record.metric.label} on {record.metric.dataset}",
        "resolution": record.resolution,
    }
    try:
        study = yaml.safe_load((run / "study.yaml").read_text(encoding="utf-8"))
        setting["evaluator"] = study["evaluator"]
        setting["budget"] = (
            " and ".join(f"{cost} {limit}" for cost, limit in (study.get("budget") or {}).items()) or "none"
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        pass  # what is not recorded cannot be compared; the report does not depend on it
    return setting


def _distinct(populations: Sequence[DrawnPopulation]) -> tuple[DrawnPopulation, ...]:
    """The populations with a number behind each name that occurs again."""
    names = [one.name for one in populations]
    again = [names[:index].count(name) for index, name in enumerate(names)]
    return tuple(
        replace(one, name=f"{one.name} ({times + 1})" if times else one.name)
        for one, times in zip(populations, again, strict=True)
    )


def _curve(one: DrawnPopulation) -> EdfCurve:
    x, counts = np.unique(one.accuracies, return_counts=True)
    y = counts.cumsum() / one.n
    half = math.sqrt(math.log(2 / (1 - LEVEL)) / (2 * one.n))
    return EdfCurve(one.name, x, y, np.maximum(y - half, 0), np.minimum(y + half, 1))


def _compare(
    one: DrawnPopulation, two: DrawnPopulation, permutations: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Distance, where it is, superiority, and p."""
    gap, at = distance(one.accuracies, two.accuracies)
    p = permutation_test(one.accuracies, two.accuracies, permutations, rng)
    return gap, at, superiority(one.accuracies, two.accuracies), p


def _lost(populations: Sequence[DrawnPopulation]) -> list[str]:
    return [
        f"{one.name}: {one.failed} of {one.n + one.failed} layouts drawn could not be trained and are missing: "
        "the curve may flatter."
        for one in populations
        if one.failed
    ]


def _settings(populations: Sequence[DrawnPopulation]) -> list[str]:
    first = populations[0]
    return [
        f"{first.name} and {other.name} differ in {_difference(key, first, other)}."
        for other in populations[1:]
        for key in sorted(first.setting.keys() & other.setting.keys())
        if first.setting[key] != other.setting[key]
    ]


def _difference(key: str, first: DrawnPopulation, other: DrawnPopulation) -> str:
    one, two = first.setting[key], other.setting[key]
    if isinstance(one, dict) and isinstance(two, dict):
        return f"their {key}s: they were not trained alike"
    return f"{key}: {one} against {two}"


def _bands(populations: Sequence[DrawnPopulation]) -> list[str]:
    return [
        f"{one.name} and {two.name} lie in different bands of {in_text(cost)}: part of the difference is one of cost "
        "(limit both to one band with --budget)."
        for one, two in combinations(populations, 2)
        for cost in COSTS
        if _overlap(one.span(cost), two.span(cost)) < OVERLAP
    ]


def _overlap(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Length of the intersection of two ranges over that of their union; 1 where that cannot be said."""
    union = max(one[1], two[1]) - min(one[0], two[0])
    shared = max(0.0, min(one[1], two[1]) - max(one[0], two[0]))
    return shared / union if union > 0 else 1.0
