"""Spending against published boundaries, decisions that do not depend on when one asks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.errors import FieldError
from reports.statistics.sequential import Look, boundaries, decide, normal_boundaries, outlook, smallest_effect

PLAN = (Look(3, 0.001, 0.001), Look(5, 0.02, 0.02))


@pytest.mark.parametrize(
    ("spending", "expected"),
    [  # Reboussin et al. 2000 (the program ld98): five equal looks, two-sided 5 %
        ("obrien-fleming", (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        ("pocock", (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_boundaries_of_a_normal_statistic_are_the_published_ones(spending, expected) -> None:
    assert normal_boundaries((10, 20, 30, 40, 50), 0.05, spending) == pytest.approx(expected, abs=2e-4)


def test_one_look_is_a_fixed_test() -> None:
    assert normal_boundaries((8,), 0.05) == pytest.approx([1.95996], abs=1e-4)


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_t_tests_keep_the_level_where_seeds_are_few(spending) -> None:
    plan = boundaries((2, 3, 4, 5), 0.05, 1, spending)
    null = outlook(plan, 0.0, paths=200_000, seed=7).marked  # other draws than those that set the boundaries
    assert 0.047 < null < 0.0525
    assert plan[-1].spent <= 0.05


def test_a_wanted_power_is_reached() -> None:
    plan = boundaries((5, 10), 0.05, 3)
    effect = smallest_effect(plan, 0.3)
    found = outlook(plan, effect / 0.3, seed=9)
    assert found.right == pytest.approx(0.8, abs=0.015)
    assert 5 <= found.mean_seeds <= 10
    assert outlook(plan, -effect / 0.3, seed=9).right == pytest.approx(0.8, abs=0.015)


def test_decisions() -> None:
    assert decide([1.0, 1.1], PLAN).state == "continue"
    assert decide([1.0, 1.1], PLAN).seeds == 3
    assert decide([1.0, 1.001, 0.999], PLAN).state == "better"
    assert decide([1.0, 1.001, 0.999], PLAN, higher=False).state == "worse"
    assert decide([1.0, -1.0, 0.3], PLAN).seeds == 5
    assert decide([1.0, -1.0, 0.3, 0.1, -0.4], PLAN).state == "within noise"
    assert decide([1.0, math.nan, 1.001, 0.999], PLAN).state == "better"


def test_equal_differences_do_not_stop_a_row() -> None:
    assert decide([0.01, 0.01, 0.01], PLAN).state == "continue"
    assert decide([0.0, 0.0, 0.0, 0.0, 0.0], PLAN).state == "within noise"


@pytest.mark.parametrize("step", [0.0001, 0.00001])
def test_equal_differences_are_seen_through_rounding(step: float) -> None:
    """The trainings are told in fractions and the tables are in percent: neither may find what the other does not."""
    differences = [100 * round(score + step, 7) - 100 * score for score in (0.9123, 0.8456, 0.8891)]
    assert len(set(differences)) > 1
    assert decide(differences, PLAN).state == "continue"


@given(st.lists(st.floats(-1, 3), min_size=5, max_size=9))
@settings(max_examples=50, deadline=None)
def test_once_decided_stays_decided(differences: list[float]) -> None:
    states = [decide(differences[:n], PLAN) for n in range(len(differences) + 1)]
    final = [state for state in states if state.state != "continue"]
    assert final
    assert all(state == final[0] for state in final)


def test_simulation_and_decide_agree() -> None:
    rng = np.random.default_rng(3)
    marked = np.mean([decide(rng.normal(2, 1, 5), PLAN).state == "better" for _ in range(400)])
    assert outlook(PLAN, 2.0).right == pytest.approx(marked, abs=0.08)


@pytest.mark.parametrize("looks", [(), (1, 3), (3, 3), (5, 3), (3, 10_000)])
def test_refused_looks(looks) -> None:
    with pytest.raises(FieldError, match="increase from at least 2"):
        normal_boundaries(looks, 0.05)


def test_refused_rule_and_level() -> None:
    with pytest.raises(FieldError, match="obrien-fleming or pocock"):
        normal_boundaries((3, 5), 0.05, "all at once")  # pyright: ignore
    with pytest.raises(FieldError, match="between 0 and 1"):
        boundaries((3, 5), 1.5)
