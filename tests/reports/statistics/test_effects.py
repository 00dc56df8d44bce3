"""Effects of factorial views: a hand-computed example, least squares as the oracle, aliases, failed runs, refusals."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.errors import FieldError
from reports.statistics.comparison import Settings, holm
from reports.statistics.effects import effects
from search.ablation.fractional import design

SQUARE = [[], ["a"], ["b"], ["a", "b"]]


def full(factors: str) -> list[list[str]]:
    return [
        [f for f, on in zip(factors, run, strict=True) if on] for run in itertools.product((0, 1), repeat=len(factors))
    ]


def halved(base: str, generated: dict[str, str]) -> list[list[str]]:
    """Rows where a generated factor is made with an odd number of its parents, as the base demands."""
    return [
        run + [name for name, parents in generated.items() if sum(p in run for p in parents) % 2] for run in full(base)
    ]


def table(values: object) -> dict[int, dict[int, float]]:
    """[rows, seeds] as scores."""
    return {row: dict(enumerate(seeds)) for row, seeds in enumerate(np.asarray(values, float).tolist())}


def test_two_factors_by_hand() -> None:
    # Seed 0: a = (4 + 8 - 1 - 3) / 2 = 4, b = (3 + 8 - 1 - 4) / 2 = 3, a:b = (1 + 8 - 4 - 3) / 2 = 1.
    # Seed 1: a = (5 + 10 - 2 - 3) / 2 = 5, b = (3 + 10 - 2 - 5) / 2 = 3, a:b = (2 + 10 - 5 - 3) / 2 = 2.
    # Seed 2: a = (3 + 7 - 0 - 4) / 2 = 3, b = (4 + 7 - 0 - 3) / 2 = 4, a:b = (0 + 7 - 3 - 4) / 2 = 0.
    found = effects(["a", "b"], SQUARE, table([[1, 2, 0], [4, 5, 3], [3, 3, 4], [8, 10, 7]]))
    assert [each.name for each in found] == ["a", "b", "a:b"]
    assert [each.comparison.difference for each in found] == pytest.approx([4, 10 / 3, 1])
    assert [each.comparison.sd for each in found] == pytest.approx([1, 1 / math.sqrt(3), 1])
    a, b, ab = (each.comparison for each in found)
    # t = 4 sqrt(3) with 2 degrees of freedom, distributed as 1/2 + t / (2 sqrt(t^2 + 2)): p = 1 - t / sqrt(t^2 + 2).
    assert a.p == pytest.approx(1 - math.sqrt(48 / 50))
    assert b.p == pytest.approx(1 - math.sqrt(100 / 102))  # t = 10
    assert ab.p == pytest.approx(1 - math.sqrt(3 / 5))
    assert [each.adjusted for each in (a, b, ab)] == pytest.approx([2 * a.p, 3 * b.p, ab.p])
    # t(0.975, 2) = 4.302653.
    assert (a.low, a.high) == pytest.approx((4 - 4.302653 / math.sqrt(3), 4 + 4.302653 / math.sqrt(3)))
    assert (a.mark, b.mark, ab.mark) == ("better", "better", "within noise")  # 0.0404, 0.0296, 0.2254
    assert (a.test, a.interval, a.n, found[0].left_out) == ("paired t", "t", 3, ())
    assert [each.order for each in found] == [1, 1, 2]


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_full_designs_agree_with_least_squares(seed: int, factors: int, seeds: int) -> None:
    names = "abcd"[:factors]
    rows = full(names)
    scores = np.random.default_rng(seed).normal(size=(len(rows), seeds))
    signs = {name: np.array([1.0 if name in row else -1.0 for row in rows]) for name in names}
    terms = [*itertools.combinations(names, 1), *itertools.combinations(names, 2)]
    columns = [np.ones(len(rows))] + [math.prod(signs[name] for name in term) for term in terms]
    # A coefficient moves from -1 to 1, so an effect is twice a coefficient.
    oracle = 2 * scipy.linalg.lstsq(np.stack(columns, axis=1), scores)[0][1:]
    found = effects(names, rows, table(scores))
    assert [each.name for each in found] == [":".join(term) for term in terms]
    for each, values in zip(found, oracle, strict=True):
        expected = scipy.stats.ttest_1samp(values, 0)
        assert each.comparison.difference == pytest.approx(values.mean(), abs=1e-12)
        assert each.comparison.sd == pytest.approx(values.std(ddof=1))
        assert each.comparison.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert [each.comparison.adjusted for each in found] == pytest.approx(holm([each.comparison.p for each in found]))


def test_known_effects_are_recovered_whatever_the_seed_adds() -> None:
    rng = np.random.default_rng(0)
    rows = full("abc")
    true = {"a": 2.0, "b": 0.0, "c": -1.0, "a:b": 0.0, "a:c": 1.5, "b:c": 0.0}
    effect = [
        sum(v / 2 * math.prod(1 if f in row else -1 for f in name.split(":")) for name, v in true.items())
        for row in rows
    ]
    level = rng.normal(70, 5, size=6)  # of the seed, the same in all its rows: pairing removes it
    scores = np.array(effect)[:, None] + level + rng.normal(0, 0.1, size=(len(rows), 6))
    found = {each.name: each.comparison for each in effects("abc", rows, table(scores))}
    for name, value in true.items():
        assert found[name].difference == pytest.approx(value, abs=0.15)
        assert found[name].mark == ("within noise" if value == 0 else "better" if value > 0 else "worse")


def test_lower_is_better_turns_the_marks() -> None:
    scores = table([[1, 2, 0], [4, 5, 3], [3, 3, 4], [8, 10, 7]])
    assert effects(["a", "b"], SQUARE, scores, Settings(higher=False))[1].comparison.mark == "worse"


def test_marks_are_rare_where_there_is_no_effect() -> None:
    rng = np.random.default_rng(1)
    views = 300
    marked = sum(
        any(each.comparison.decided for each in effects("ab", SQUARE, table(rng.normal(size=(4, 5)))))
        for _ in range(views)
    )
    assert marked <= 0.05 * views + 3 * math.sqrt(0.05 * 0.95 * views)


def test_aliases_of_a_half_are_named_with_their_signs() -> None:
    rows = halved("ab", {"c": "ab"})
    true = {"a": 1.0, "b:c": 0.25}
    scores = [
        sum(v / 2 * math.prod(1 if f in row else -1 for f in name.split(":")) for name, v in true.items())
        for row in rows
    ]
    found = effects("abc", rows, table([[score, score + 1, score + 2] for score in scores]))
    assert [each.name for each in found] == ["a - b:c", "b - a:c", "c - a:b"]
    assert [each.comparison.difference for each in found] == pytest.approx([0.75, 0, 0], abs=1e-12)
    assert [each.order for each in found] == [1, 1, 1]


def test_aliases_of_pairs_with_pairs() -> None:
    found = effects("abcd", halved("abc", {"d": "abc"}), {})
    assert [each.name for each in found] == ["a", "b", "c", "d", "a:b + c:d", "a:c + b:d", "a:d + b:c"]
    assert [each.order for each in found] == [1, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("factors", "fraction"), [("abc", 0), ("abcde", 1), ("abcde", 2), ("abcdefg", 4), ("abcdefgh", 4)]
)
def test_aliases_are_those_that_the_design_states(factors: str, fraction: int) -> None:
    planned = design(factors, fraction)
    rows = [[name for name, on in zip(factors, run, strict=True) if on] for run in planned.runs]
    stated = [[(effect.sign, effect.factors) for effect in members] for members in planned.aliases()]
    assert [[(m.sign, m.factors) for m in each.members] for each in effects(factors, rows, {})] == stated


def test_a_pair_that_never_changes_has_no_contrast() -> None:
    assert [each.name for each in effects("ab", [[], ["a", "b"]], {})] == ["a + b"]


def test_a_seed_that_lacks_a_row_is_left_out() -> None:
    scores = table([[1, 2, 0, 9], [4, 5, 3, 9], [3, 3, 4, math.nan], [8, 10, 7, 9]])
    scores[0][7] = 100.0
    found = effects(["a", "b"], SQUARE, scores)
    assert [each.left_out for each in found] == [(3, 7)] * 3
    assert [each.comparison.n for each in found] == [3, 3, 3]
    assert [each.comparison.difference for each in found] == pytest.approx([4, 10 / 3, 1])


@pytest.mark.parametrize("scores", [{}, {0: {0: 1.0}}, table([[1], [2], [3], [4]])])
def test_fewer_than_two_whole_seeds_are_untested(scores: dict[int, dict[int, float]]) -> None:
    found = effects(["a", "b"], SQUARE, scores)
    assert [each.comparison.mark for each in found] == ["untested"] * 3


def test_equal_effects_of_coarse_scores_are_not_certainty() -> None:
    found = effects(["a", "b"], SQUARE, table([[0.5, 0.6, 0.7], [0.51, 0.61, 0.71]] * 2))
    assert [each.comparison.test for each in found] == ["sign flips"] * 3
    assert [each.comparison.p for each in found] == pytest.approx([0.25, 1, 1])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[], ["a"], ["b"], ["a", "x"]], r"rows\[3\]\.edits: x is no factor of the view: a, b"),
        ([[], ["a"], ["b"], ["b"]], "rows: a must be made in half of the 4 rows, not in 1"),
        ([], "a must be made in half of the 0 rows"),
        ([[], [], ["b"], ["a"], ["a", "b"], ["a", "b"]], "b and a are neither aliased nor independent"),
    ],
)
def test_rows_that_are_no_design_are_refused(rows: list[list[str]], words: str) -> None:
    with pytest.raises(FieldError, match=words):
        effects(["a", "b"], rows, {})


def test_other_refusals() -> None:
    with pytest.raises(FieldError, match="there is no row 4; the view has 4 rows"):
        effects(["a", "b"], SQUARE, {4: {0: 1.0}})
    with pytest.raises(FieldError, match="needs pairing"):
        effects(["a", "b"], SQUARE, {}, Settings(paired=False))
