"""Seed statistics against the standard library and published numbers."""

from __future__ import annotations

import math
import statistics

import pytest

from reports.statistics.summary import Summary, paired_differences, pooled_sd, shared_seeds, summarise


def test_summary_is_mean_and_sample_deviation() -> None:
    values = [0.81, 0.84, 0.9]
    summary = summarise([*values, math.nan])
    assert summary == Summary(statistics.fmean(values), statistics.stdev(values), 3)


def test_one_value_has_no_deviation_and_none_has_no_mean() -> None:
    assert math.isnan(summarise([0.5]).sd)
    assert math.isnan(summarise([]).mean)
    assert summarise([]).n == 0


def test_pairs_are_of_seeds_that_both_finished() -> None:
    ours, theirs = {3: 0.9, 1: 0.5, 2: math.nan, 4: 0.7}, {1: 0.25, 2: 0.4, 3: 0.4, 4: math.inf, 5: 0.6}
    assert shared_seeds(ours, theirs) == [1, 3]
    assert paired_differences(ours, theirs) == [0.25, 0.5]


def test_pooled_deviation_weighs_by_degrees_of_freedom() -> None:
    # Variances 4 (2 degrees) and 1 (1 degree): (4 * 2 + 1 * 1) / 3 = 3.
    groups = [Summary(0, 2, 3), Summary(9, 1, 2), Summary(5, math.nan, 1)]
    assert pooled_sd(groups) == pytest.approx(math.sqrt(3))
    assert math.isnan(pooled_sd([Summary(5, math.nan, 1)]))
