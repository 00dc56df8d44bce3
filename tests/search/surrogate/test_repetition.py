"""The worth of another training, against simulating it."""

import numpy as np
import pytest
from scipy.special import erfinv

from search.surrogate.noise import TrainingNoise
from search.surrogate.repetition import best_repeat, moves, worth_of_new
from search.surrogate.staircase import Staircase

COSTS = np.array([100, 200, 400, 800, 900])
MEANS = np.array([0.50, 0.58, 0.57, 0.63, 0.40])
COUNTS = np.array([1, 2, 1, 1, 1])
NOISE = TrainingNoise(seed=0.03**2, own=0.02**2)
ALL = np.ones(5, bool)


def hypervolume(means: np.ndarray) -> float:
    """Above the worst mean and below the highest cost, step by step along the cost."""
    best = np.maximum.accumulate(means)  # the costs ascend
    return float((np.diff(np.log(COSTS)) * np.maximum(best[:-1] - MEANS.min(), 0)).sum())


def simulate(index: int, draws: int = 400) -> float:
    """The mean gain of hypervolume when a layout is trained again, over draws of its posterior."""
    own = NOISE.own / (1 + COUNTS[index] * NOISE.own / NOISE.seed)
    quantiles = (np.arange(draws) + 0.5) / draws
    normal = np.sqrt(2) * erfinv(2 * quantiles - 1)
    moved = MEANS[index] + own / np.sqrt(own + NOISE.seed) * normal
    gains = [hypervolume(np.where(np.arange(5) == index, mean, MEANS)) for mean in moved]
    return float(np.mean(gains) - hypervolume(MEANS))


def test_the_best_repetition_is_the_one_that_simulations_find():
    worth = [simulate(index) for index in range(5)]
    best, found = best_repeat(COSTS, MEANS, COUNTS, ALL, NOISE)
    assert best == int(np.argmax(worth))
    assert found == pytest.approx(max(worth), rel=0.1)


def test_only_what_is_allowed_is_repeated_and_nothing_where_seeds_are_alike():
    best, _ = best_repeat(COSTS, MEANS, COUNTS, ALL, NOISE)
    other, _ = best_repeat(COSTS, MEANS, COUNTS, np.arange(5) != best, NOISE)
    assert other not in (best, -1)
    assert best_repeat(COSTS, MEANS, COUNTS, ~ALL, NOISE) == (-1, 0.0)
    assert best_repeat(COSTS, MEANS, COUNTS, ALL, TrainingNoise(0.0, 0.01))[1] == pytest.approx(0, abs=1e-12)


def test_a_new_layout_is_worth_what_it_may_add_and_the_first_training_moves_most():
    seen = Staircase.of(COSTS, MEANS)
    certain = worth_of_new(seen, 150, 0.55, TrainingNoise(0.0, 0.0))
    assert certain == pytest.approx(float(seen.gain(np.array([150]), np.array([0.55]))[0]))
    assert worth_of_new(seen, 150, 0.55, NOISE) > certain
    assert worth_of_new(seen, 800, 0.50, NOISE) < certain
    steps = moves(NOISE, np.arange(4))
    assert (np.diff(steps) < 0).all()
    assert moves(TrainingNoise(0.0, 0.04), np.array([0, 1])) == pytest.approx([0.2, 0.0])
