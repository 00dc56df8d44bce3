"""Comparisons of rows against worked examples, enumeration by hand, and refusals."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.errors import FieldError, SpecError
from reports.statistics.comparison import Settings, compare, enumerable, holm

# Student 1908 (Cushny and Peebles): hours of sleep gained by ten patients under two drugs; t = 4.0621, p = 0.002833.
DRUG_1 = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
DRUG_2 = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)


def table(**rows: tuple[float, ...]) -> dict[str, dict[int, float]]:
    return {name: dict(enumerate(scores)) for name, scores in rows.items()}


def noise(n: int, seed: int = 0) -> tuple[float, ...]:
    return tuple(map(float, np.random.default_rng(seed).normal(size=n)))


def test_holm_against_a_worked_example() -> None:
    # Sorted: 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 raised to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_counts_what_could_not_be_tested() -> None:
    adjusted = holm([math.nan, 0.01])
    assert math.isnan(adjusted[0])
    assert adjusted[1] == pytest.approx(0.02)
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=50)
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(values: list[float]) -> None:
    adjusted = holm(values)
    for p, a in zip(values, adjusted, strict=True):
        assert p <= a <= min(1.0, len(values) * p)
    for (p, a), (q, b) in itertools.combinations(zip(values, adjusted, strict=True), 2):
        assert (p - q) * (a - b) >= 0


def test_paired_t_on_published_data() -> None:
    (found,) = compare(table(base=DRUG_1[:], drug=DRUG_2), "base", Settings(level=0.01))
    # At level 0.01 ten seeds' 1,024 sign flips decide too coarsely, so this is the t test.
    assert found.test == "paired t"
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert (found.difference, found.sd) == pytest.approx((1.58, 1.22995), abs=1e-4)
    assert (found.low, found.high) == pytest.approx((0.3160, 2.8440), abs=1e-3)  # 1.58 +- 3.2498 * 0.3889
    assert found.mark == "better"


def test_sign_flips_are_all_enumerated() -> None:
    differences = [b - a for a, b in zip(DRUG_1, DRUG_2, strict=True)]
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in itertools.product((1, -1), repeat=10)
    ]
    expected = 2 * sum(total >= sum(differences) - 1e-9 for total in sums) / 1024
    (found,) = compare(table(base=DRUG_1, drug=DRUG_2), "base")
    assert found.test == "sign flips"
    assert found.p == pytest.approx(expected)


def test_unpaired_enumerates_regroupings_where_they_decide() -> None:
    # Complete separation of 6 and 6: 2 of the 924 regroupings are as extreme.
    rows = table(base=(1, 2, 3, 4, 5, 6.5), other=(11, 12, 13, 14, 15, 16))
    (found,) = compare(rows, "base", Settings(paired=False))
    assert (found.test, found.p) == ("permutation", pytest.approx(2 / 924))
    (few,) = compare(table(base=(1, 2, 3), other=(11, 12, 14)), "base", Settings(paired=False))
    assert (few.test, few.interval) == ("Welch t", "Welch")


def test_five_seeds_take_the_test_that_can_decide() -> None:
    assert not enumerable(2**5, 1)
    assert not enumerable(2**8, 1)  # reaches 0.0078, above a tenth of 0.05
    assert enumerable(2**9, 1)
    assert not enumerable(2**9, 3)
    base = (0.1, -0.2, 0.3, 0.0, -0.1)
    (found,) = compare(table(base=base, up=tuple(x + 1 + i / 50 for i, x in enumerate(base))), "base")
    assert (found.test, found.mark) == ("paired t", "better")


def test_equal_differences_of_coarse_scores_are_not_certainty() -> None:
    rows = table(base=(0.5, 0.6, 0.7), up=(0.51, 0.61, 0.71), same=(0.5, 0.6, 0.7))
    up, same = compare(rows, "base")
    assert (up.test, up.p, up.mark) == ("sign flips", pytest.approx(0.25), "within noise")
    assert math.isnan(up.low)
    assert same.p == 1


def test_pairing_takes_common_finished_seeds_only() -> None:
    rows = {"base": {0: 1.0, 1: 2.0, 2: 4.0, 3: 9.0}, "row": {0: 2.0, 1: 3.5, 2: math.nan, 4: 0.0, 3: 9.5}}
    (found,) = compare(rows, "base")
    assert found.n == 3
    assert found.difference == pytest.approx(1.0)


def test_one_pair_is_untested_but_counts_in_the_family() -> None:
    rows = {"base": dict(enumerate(noise(5))), "lone": {0: 9.0}, "row": dict(enumerate(noise(5, 1)))}
    lone, row = compare(rows, "base")
    assert (lone.mark, lone.test, lone.decided) == ("untested", "none", False)
    assert row.adjusted == pytest.approx(min(1, 2 * row.p))


def test_lower_is_better_turns_the_mark() -> None:
    rows = table(base=DRUG_1, drug=DRUG_2)
    assert compare(rows, "base")[0].mark == "better"
    assert compare(rows, "base", Settings(higher=False))[0].mark == "worse"


def test_a_progressive_plan_names_each_rows_reference() -> None:
    rows = table(a=noise(5), b=noise(5, 1), c=noise(5, 2))
    found = compare(rows, {"b": "a", "c": "b"})
    assert [(each.row, each.reference) for each in found] == [("b", "a"), ("c", "b")]


def test_many_seeds_have_bootstrap_intervals_and_drawn_flips() -> None:
    rows = table(base=noise(30), row=tuple(x + 1 for x in noise(30, 1)))
    (found,) = compare(rows, "base")
    assert (found.interval, found.test, found.mark) == ("BCa", "sign flips", "better")
    assert found.low < found.difference < found.high
    assert compare(rows, "base") == (found,)  # drawn with a fixed seed


@pytest.mark.parametrize(
    ("reference", "level", "words"),
    [
        ("nothing", 0.05, "no such row; there are a, b"),
        ({"a": "a"}, 0.05, "with itself"),
        ("a", 0.0, "between 0 and 1"),
    ],
)
def test_refusals(reference: str | dict[str, str], level: float, words: str) -> None:
    with pytest.raises(FieldError, match=words):
        compare(table(a=noise(3), b=noise(3, 1)), reference, Settings(level=level))


def test_without_scipy_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(SpecError, match=r"needs scipy: pip install 'archspec-vision\[data\]'"):
        compare(table(a=noise(3), b=noise(3, 1)), "a")
