"""Weighted dominance counting against comparison of all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.counting import dominance_count
from search.counting.dominance_count import weigh_below


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 300), st.integers(0, 60))
@settings(max_examples=150, deadline=None)
def test_weights_below(seed: int, dimensions: int, size: int, asked: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.stack([rng.permutation(size) for _ in range(dimensions)]).astype(np.int32)
    weights = rng.integers(0, 2**50, size)
    queries = rng.integers(0, size + 1, (dimensions, asked)).astype(np.int32)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("TABLE", 8), ("DIRECT", 5), ("GROUPS", 7), ("FEW_GROUPS", 3)):
            patch.setattr(dominance_count, name, value)
        found = weigh_below(points, weights, queries)
    below = (points[:, :, None] < queries[:, None, :]).all(0)
    assert found.tolist() == [int(weights[mask].sum()) for mask in below.T]


def test_the_sizes_in_use() -> None:
    rng = np.random.default_rng(0)
    for dimensions in (2, 3):
        points = np.stack([rng.permutation(3000) for _ in range(dimensions)]).astype(np.int32)
        weights = rng.integers(0, 100, 3000)
        queries = rng.integers(0, 3001, (dimensions, 500)).astype(np.int32)
        below = (points[:, :, None] < queries[:, None, :]).all(0)
        assert weigh_below(points, weights, queries).tolist() == (weights @ below).tolist()
