"""Generators against published minimum aberration designs and against every choice there is."""

from __future__ import annotations

import itertools

import pytest

from search.ablation.aberration import minimum_aberration


def pattern(base: int, masks: tuple[int, ...]) -> tuple[int, ...]:
    """The number of words of 1, 2, ..., k factors, from all products of generators."""
    lengths: list[int] = []
    for size in range(1, len(masks) + 1):
        for chosen in itertools.combinations(masks, size):
            word = 0
            for mask in chosen:
                word ^= mask
            lengths.append(word.bit_count() + size)
    return tuple(lengths.count(length) for length in range(1, base + len(masks) + 1))


# Per design the words of length 3, 4, ...; zeros at the end left out. Up to 8 runs: Box, Hunter and Hunter 2005,
# chapter 6; 16, 32 and 64 runs: Chen, Sun and Wu 1993, A catalogue of two-level and three-level fractional factorial
# designs with small runs, Int. Statist. Rev. 61, 131-145.
PUBLISHED = {
    (3, 1): (1,),
    (4, 1): (0, 1),
    (5, 1): (0, 0, 1),
    (5, 2): (2, 1),
    (6, 3): (4, 3),
    (7, 4): (7, 7, 0, 0, 1),
    (6, 2): (0, 3),
    (7, 3): (0, 7),
    (8, 4): (0, 14, 0, 0, 0, 1),
    (9, 5): (4, 14, 8, 0, 4, 1),
    (10, 6): (8, 18, 16, 8, 8, 5),
    (7, 2): (0, 1, 2),
    (8, 3): (0, 3, 4),
    (9, 4): (0, 6, 8, 0, 0, 1),
    (10, 5): (0, 10, 16, 0, 0, 5),
    (11, 6): (0, 25, 0, 27, 0, 10, 0, 1),
    (8, 2): (0, 0, 2, 1),
    (9, 3): (0, 1, 4, 2),
    (10, 4): (0, 2, 8, 4, 0, 1),
}


@pytest.mark.parametrize(("size", "expected"), PUBLISHED.items())
def test_published_word_length_patterns(size: tuple[int, int], expected: tuple[int, ...]) -> None:
    k, p = size
    found = pattern(k - p, minimum_aberration(k - p, p))
    assert found == (0, 0, *expected, *[0] * (k - 2 - len(expected)))


@pytest.mark.parametrize(
    ("base", "fraction"), [(3, 2), (3, 3), (3, 4), (4, 2), (4, 3), (4, 4), (4, 5), (5, 2), (5, 3), (6, 2)]
)
def test_no_choice_of_generators_has_less_aberration(base: int, fraction: int) -> None:
    least = min(pattern(base, masks) for masks in itertools.combinations(range(1, 2**base), fraction))
    assert pattern(base, minimum_aberration(base, fraction)) == least


def test_none_where_the_factors_outnumber_the_columns() -> None:
    assert minimum_aberration(3, 5) == ()
    assert len(minimum_aberration(4, 11)) == 11
