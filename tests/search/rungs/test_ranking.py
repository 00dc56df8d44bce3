"""The order of layouts at a rung, against definitions written out."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from search.rungs.ranking import best, contributions, nondomination_ranks, rank, reference_point


def volume(points, reference):
    """The hypervolume by inclusion and exclusion."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for chosen in itertools.combinations(points, size):
            total -= (-1) ** size * np.prod(np.maximum(0, reference - np.max(chosen, axis=0)))
    return total


def test_fronts_are_peeled_off_one_by_one():
    losses = np.array([[1, 4], [2, 2], [4, 1], [3, 3], [2, 2], [5, 5]], float)
    assert nondomination_ranks(losses).tolist() == [0, 0, 0, 1, 0, 2]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_a_contribution_is_the_hypervolume_that_is_lost_without_the_point(objectives, count, seed):
    losses = np.random.default_rng(seed).integers(0, 5, (count, objectives)).astype(float)
    losses = losses[nondomination_ranks(losses) == 0]
    reference = reference_point(losses)
    whole = volume(losses, reference)
    expected = [whole - volume(np.delete(losses, index, axis=0), reference) for index in range(len(losses))]
    np.testing.assert_allclose(contributions(losses, reference), expected, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 12), st.integers(0, 10**6), st.data())
def test_the_best_candidate_is_the_first_of_them_in_the_ranking(objectives, count, seed, data):
    losses = np.random.default_rng(seed).integers(0, 4, (count, objectives)).astype(float)
    candidates = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1)))
    assert best(losses, candidates) == next(index for index in rank(losses) if index in candidates)


def test_of_equal_layouts_the_first_comes_first():
    losses = np.zeros((4, 2))
    assert rank(losses) == [0, 1, 2, 3]
    assert best(losses, [2, 3]) == 2


def test_units_do_not_matter():
    losses = np.random.default_rng(0).random((20, 2))
    assert rank(losses) == rank(losses * np.array([1, 1e9]))
