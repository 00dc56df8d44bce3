"""Two-level designs against textbook facts, and against their own columns by brute force."""

from __future__ import annotations

import itertools
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.errors import FieldError
from search.ablation.fractional import DesignEffect, FractionalDesign, describe, design


def column(found: FractionalDesign, factors: tuple[str, ...]) -> list[int]:
    """The product of the columns of `factors`, from the runs alone."""
    signs = np.where(np.array(found.runs), 1, -1)
    chosen = [found.factors.index(name) for name in factors]
    return [int(sign) for sign in signs[:, chosen].prod(axis=1)]


def subsets(factors: tuple[str, ...], order: int) -> list[tuple[str, ...]]:
    return [chosen for size in range(order + 1) for chosen in itertools.combinations(factors, size)]


@st.composite
def designs(draw: st.DrawFn) -> FractionalDesign:
    base = draw(st.integers(2, 5))
    words = [chosen for chosen in subsets(tuple(string.ascii_lowercase[:base]), base) if len(chosen) > 1]
    parents = draw(st.lists(st.sampled_from(words), max_size=4, unique=True))
    names = draw(st.permutations(string.ascii_lowercase[: base + len(parents)]))
    generators = dict(zip(string.ascii_lowercase[base:], parents, strict=False))
    return design(names, len(parents), generators)


@given(designs())
@settings(max_examples=60, deadline=None)
def test_aliases_are_the_columns_that_are_equal_up_to_sign(found: FractionalDesign) -> None:
    expected: list[tuple[DesignEffect, ...]] = []
    left = subsets(found.factors, 2)
    while left:
        first = column(found, left[0])
        same = [factors for factors in left if column(found, factors) in (first, [-sign for sign in first])]
        signs = [1 if column(found, factors) == first else -1 for factors in same]
        if same != [()]:
            expected.append(tuple(DesignEffect(sign, factors) for sign, factors in zip(signs, same, strict=True)))
        left = [factors for factors in left if factors not in same]
    assert set(found.aliases()) == set(expected)
    assert len(found.aliases()) == len(expected)


@given(designs())
@settings(max_examples=60, deadline=None)
def test_defining_relation_is_every_product_that_is_constant(found: FractionalDesign) -> None:
    constant = {
        DesignEffect(signs[0], factors)
        for factors in subsets(found.factors, len(found.factors))[1:]
        if len(set(signs := column(found, factors))) == 1
    }
    assert set(found.defining) == constant
    assert len(found.defining) == 2**found.fraction - 1
    assert found.resolution == min((len(word.factors) for word in constant), default=None)
    for generator in found.generators:
        assert column(found, (generator.factor,)) == [generator.sign * x for x in column(found, generator.parents)]


@given(designs())
@settings(max_examples=60, deadline=None)
def test_runs_begin_with_the_base_and_are_balanced(found: FractionalDesign) -> None:
    k, p = len(found.factors), found.fraction
    assert not any(found.runs[0])
    assert len(set(found.runs)) == len(found.runs) == 2 ** (k - p)
    assert all(sum(column(found, (name,))) == 0 for name in found.factors)
    for one, other in itertools.combinations(found.factors, 2):
        assert sum(column(found, (one, other))) == 0


def test_full_design_is_in_standard_order() -> None:
    found = design(("a", "b"))
    assert found.runs == ((False, False), (True, False), (False, True), (True, True))
    assert (found.fraction, found.resolution, found.defining, found.pattern) == (0, None, (), ())
    assert [str(members[0]) for members in found.aliases()] == ["a", "b", "a:b"]
    assert describe(found) == ("2^2 full factorial design: all 4 runs",)


# Box, Hunter and Hunter 2005, chapter 6: the greatest resolution of k factors in a given number of runs.
@pytest.mark.parametrize(
    ("runs", "resolutions"),
    [
        (4, {3: 3}),
        (8, {4: 4, 5: 3, 6: 3, 7: 3}),
        (16, {5: 5, 6: 4, 7: 4, 8: 4, 9: 3, 10: 3, 11: 3}),
        (32, {6: 6, 7: 4, 8: 4, 9: 4, 10: 4, 11: 4}),
        (64, {7: 7, 8: 5, 9: 4, 10: 4, 11: 4}),
        (128, {8: 8, 9: 6, 10: 5, 11: 5}),
    ],
)
def test_greatest_resolution(runs: int, resolutions: dict[int, int]) -> None:
    for k, resolution in resolutions.items():
        found = design(string.ascii_lowercase[:k], k - runs.bit_length() + 1)
        assert (len(found.runs), found.resolution) == (runs, resolution)


def test_five_factors_in_eight_runs_as_the_textbook_has_it() -> None:
    # d = ab, e = ac, with signs so that the base is a run; then I = abd = ace = bcde, and a is aliased with bd and ce.
    found = design("abcde", 2)
    assert found.pattern == (2, 1, 0)
    assert describe(found) == (
        "2^(5-2) design of resolution III: 8 of 32 runs",
        "generators: d = -a b, e = -a c",
        "defining relation: I = -a b d = -a c e = b c d e",
        "aliases: a = -b:d = -c:e",
        "aliases: b = -a:d",
        "aliases: c = -a:e",
        "aliases: d = -a:b",
        "aliases: e = -a:c",
        "aliases: b:c = d:e",
        "aliases: b:e = c:d",
    )


def test_resolution_four_leaves_main_effects_clear() -> None:
    assert describe(design("abcd", 1))[1:] == (
        "generators: d = a b c",
        "defining relation: I = a b c d",
        "aliases: a:b = c:d",
        "aliases: a:c = b:d",
        "aliases: a:d = b:c",
        "not aliased: a, b, c, d",
    )


def test_resolution_five_tells_all_pairs_apart() -> None:
    lines = describe(design("abcde", 1))
    assert lines[0] == "2^(5-1) design of resolution V: 16 of 32 runs"
    assert lines[-1] == "aliases: none among main effects and two-factor interactions"


def test_effects_of_the_order_of_the_resolution_alias_the_mean() -> None:
    first = design("abc", 1).aliases(3)[0]
    assert [str(effect) for effect in first] == ["I", "-a:b:c"]


def test_given_generators_keep_the_order_of_the_factors() -> None:
    found = design(("x", "a", "b", "c"), 1, {"x": ["c", "a"]})
    assert str(found.generators[0]) == "x = -a c"
    assert [run[0] for run in found.runs] == [run[1] != run[3] for run in found.runs]
    assert [run[1:] for run in found.runs[:3]] == [(False, False, False), (True, False, False), (False, True, False)]


@pytest.mark.parametrize(
    ("factors", "fraction", "generators", "words"),
    [
        ("", 0, None, "factors: a factorial design takes 1 to 12 factors, not 0"),
        (string.ascii_lowercase[:13], 1, None, "1 to 12 factors, not 13"),
        ("aba", 0, None, "factors: names must differ and not be empty; 'a' is one too many"),
        (["a", ""], 0, None, "'' is one too many"),
        ("abc", -1, None, "fraction: must not be negative, not -1"),
        ("ab", 1, None, "2 factors are told apart by at least 4 runs, so the fraction is at most 0, not 1"),
        ("abcdefgh", 5, None, "8 factors are told apart by at least 16 runs, so the fraction is at most 4, not 5"),
        ("abcd", 1, {}, "generators: a fraction of 1 takes 1 generators, not 0"),
        ("abcd", 0, {"d": "ab"}, "a fraction of 0 takes 0 generators, not 1"),
        ("abcd", 1, {"e": "ab"}, r"generators\.e: no factor e; there are a, b, c, d"),
        ("abcd", 1, {"d": "ax"}, r"generators\.d: no factor x"),
        ("abcd", 1, {"d": "ad"}, "d is generated itself; name base factors only"),
        ("abcde", 2, {"d": "ab", "e": "ad"}, r"generators\.e: d is generated itself"),
        ("abcd", 1, {"d": ""}, "two or more different base factors, not none"),
        ("abcd", 1, {"d": "a"}, "two or more different base factors, not a$"),
        ("abcd", 1, {"d": "aab"}, "different base factors, not a a b"),
        ("abcde", 2, {"d": "ab", "e": "ba"}, r"generators\.e: .* d and e would always be made together"),
    ],
)
def test_refusals(factors: list[str], fraction: int, generators: dict[str, list[str]] | None, words: str) -> None:
    with pytest.raises(FieldError, match=words):
        design(factors, fraction, generators)


@pytest.mark.parametrize("order", [0, 5])
def test_order_of_aliases_is_checked(order: int) -> None:
    with pytest.raises(FieldError, match="order: must be between 1 and 4 factors"):
        design("abcd", 1).aliases(order)
