"""Power against simulation and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from archspec.errors import FieldError
from reports.statistics.power import (
    POINTS,
    independent_sd,
    needed_seeds,
    power,
    seeds_for,
    smallest_effect,
    upper_sd,
    visible_effect,
)


def test_textbook_sample_size() -> None:
    # Standardised effect 0.5, two-sided 5 %, 80 % power, one sample: 34 (G*Power's manual, and R's power.t.test).
    assert seeds_for(0.5, 1.0) == 34
    assert seeds_for(-0.5, 1.0) == 34


@pytest.mark.parametrize(("seeds", "effect", "comparisons"), [(5, 2.3, 3), (3, 4.0, 1), (12, 1.0, 11)])
def test_power_is_what_simulation_finds(seeds: int, effect: float, comparisons: int) -> None:
    draws = np.random.default_rng(0).normal(effect, 1, (40_000, seeds))
    result = stats.ttest_1samp(draws, 0, axis=1)
    marked = np.mean((result.pvalue < 0.05 / comparisons) & (result.statistic > 0))
    assert power(seeds, effect, 1.0, comparisons) == pytest.approx(float(marked), abs=0.01)


@given(st.integers(2, 60), st.floats(0.01, 100), st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_effect_and_seeds_invert_each_other(seeds: int, sd: float, comparisons: int) -> None:
    effect = smallest_effect(seeds, sd, comparisons)
    assert power(seeds, effect, sd, comparisons) == pytest.approx(0.8, abs=1e-6)
    assert seeds_for(effect * 1.0001, sd, comparisons) <= seeds
    assert seeds_for(effect * 0.999, sd, comparisons) > seeds


def test_upper_deviation_of_a_pilot() -> None:
    # chi-square with 4 degrees of freedom has its lower 20 % point at 1.6488: sqrt(4 / 1.6488) = 1.5576.
    assert upper_sd(0.3, 4) == pytest.approx(0.3 * 1.5576, abs=1e-4)
    rng = np.random.default_rng(0)
    seen = rng.normal(0, 2, (20_000, 5)).std(axis=1, ddof=1)
    assert np.mean(seen * upper_sd(1.0, 4) > 2) == pytest.approx(0.8, abs=0.01)


def test_what_no_number_says_is_none() -> None:
    assert needed_seeds(-0.5, 1.0) == seeds_for(0.5, 1.0) == 34
    assert needed_seeds(0.5, math.nan) is needed_seeds(0.0, 1.0) is needed_seeds(0.5, 0.0) is None
    assert needed_seeds(1e-6, 1.0) is None  # more than anyone trains
    assert visible_effect(5, 1.0, 3) == visible_effect(5, 1.0, 3, most=POINTS) == smallest_effect(5, 1.0, 3)
    assert smallest_effect(2, 9.0) > POINTS
    assert visible_effect(2, 9.0, most=POINTS) is None
    assert independent_sd(1.0) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize(
    "call",
    [
        lambda: power(1, 1.0, 1.0),
        lambda: power(5, math.nan, 1.0),
        lambda: power(5, 1.0, 0.0),
        lambda: power(5, 1.0, 1.0, 0),
        lambda: seeds_for(0.0, 1.0),
        lambda: seeds_for(1e-6, 1.0),
        lambda: smallest_effect(5, 1.0, wanted=1.0),
        lambda: upper_sd(1.0, 0),
    ],
)
def test_refusals(call) -> None:
    with pytest.raises(FieldError):
        call()
