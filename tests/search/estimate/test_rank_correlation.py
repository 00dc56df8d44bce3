"""Rank correlations of many things are those of all their pairs."""

import numpy as np
import pytest

from search.estimate import rank_correlation
from search.estimate.rank_correlation import kendall, spearman


def of_all_pairs(first, second):
    a, b = np.sign(first[:, None] - first), np.sign(second[:, None] - second)
    tau = float((a * b).sum()) / float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    a, b = a.sum(1), b.sum(1)
    return tau, float((a * b).sum()) / float(np.sqrt(np.square(a).sum() * np.square(b).sum()))


@pytest.mark.parametrize(("count", "kinds"), [(2, 2), (5, 9), (64, 7), (257, 300), (300, 5)])
def test_both_ways_to_count_pairs_give_the_same_number(count, kinds, monkeypatch):
    rng = np.random.default_rng(count)
    first, second = rng.integers(0, kinds, count) / 7, rng.integers(0, kinds, count) * 0.3
    first[:2], second[:2] = (0, 1), (0, 1)
    wanted = of_all_pairs(first, second)
    assert (kendall(first, second), spearman(first, second)) == wanted
    monkeypatch.setattr(rank_correlation, "SMALL", 0)
    assert (kendall(first, second), spearman(first, second)) == wanted


def test_all_ties_have_no_correlation(monkeypatch):
    for small in (0, 256):
        monkeypatch.setattr(rank_correlation, "SMALL", small)
        assert kendall(np.ones(9), np.arange(9.0)) == spearman(np.ones(9), np.arange(9.0)) == 0
        assert kendall(np.zeros(0), np.zeros(0)) == 0
