"""The noise of trainings: a guess without repetitions, an estimate with them, and what an answer then counts for."""

import numpy as np
import pytest

from search.surrogate.noise import TrainingNoise, estimate_noise


def test_without_repeated_trainings_half_of_an_answer_counts_exactly():
    ones = np.ones(30, np.int64)
    noise = estimate_noise(ones, 0.0, 0.0371)
    assert noise.reliability(ones).tolist() == [0.5] * 30
    assert noise.weights(ones).tolist() == [1.0] * 30


@pytest.mark.parametrize(("own", "seed"), [(0.01, 0.03), (0.03, 0.01), (0.02, 0.02)])
def test_repeated_trainings_tell_the_two_variances_apart(own, seed):
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 6, 400)
    layouts = rng.normal(0, own, 400)
    trained = [layout + rng.normal(0, seed, count) for layout, count in zip(layouts, counts, strict=True)]
    within = sum(float(np.square(one - one.mean()).sum()) for one in trained)
    error = float(np.sqrt(np.mean([one.mean() ** 2 for one in trained])))
    noise = estimate_noise(counts, within, error)
    assert noise.seed**0.5 == pytest.approx(seed, rel=0.1)
    assert noise.own**0.5 == pytest.approx(own, rel=0.25)


def test_the_own_share_is_never_lost_and_more_trainings_count_for_more():
    noise = estimate_noise(np.array([3, 3, 3, 3]), 10.0, 0.1)
    assert noise.own > 0
    shares = TrainingNoise(0.03**2, 0.02**2).reliability(np.array([1, 2, 3, 100]))
    assert (np.diff(shares) > 0).all()
    assert shares[1] == pytest.approx(0.02**2 / (0.02**2 + 0.03**2 / 2))
    assert TrainingNoise(1.0, 1.0).weights(np.array([1, 3])).tolist() == pytest.approx([1, 2 / (1 + 1 / 3)])
    assert estimate_noise(np.ones(3, np.int64), 0.0, 0.0).reliability(np.ones(3, np.int64)).tolist() == [0.0] * 3
