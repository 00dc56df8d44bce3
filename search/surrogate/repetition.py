"""The worth of training a layout again: the hypervolume that is expected of knowing it better.

A further training of a layout with n of them moves its posterior mean by a normal number of known variance,
v^2 / (v + seed), where v = own * seed / (n * own + seed) is the variance of what is not known of it. The hypervolume of
the front of posterior means is convex in each mean, so in expectation it grows, and by so much the further training is
worth (the knowledge gradient). A layout that was never trained is worth the same expectation, of what it would add.

Source: Frazier, Powell and Dayanik, A Knowledge-Gradient Policy for Sequential Information Collection (2008).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.surrogate.noise import TINY, Floats, Ints, TrainingNoise
from search.surrogate.staircase import Staircase

NODES = 9
"""Of the Gauss-Hermite quadrature of a normal number."""
NEAR = 2.0
"""Deviations by which a mean may move for its layout to count as one that could be on the front."""
MOST = 32
"""Layouts that are looked at, those nearest to the front or above it."""


def moves(noise: TrainingNoise, trainings: Ints) -> Floats:
    """[layouts]: standard deviation of how far one more training moves each posterior mean; 0 trainings are allowed."""
    unknown = noise.own / (1 + trainings * noise.own / max(noise.seed, TINY))
    return unknown / np.sqrt(np.maximum(unknown + noise.seed, TINY))


def worth_of_new(seen: Staircase, cost: int, score: float, noise: TrainingNoise) -> float:
    """The expected gain of training a layout of some cost and predicted score for the first time."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    gains = seen.gain(np.full(NODES, cost), score + moves(noise, np.zeros(1, np.int64)) * nodes)
    return float(gains @ weights / weights.sum())


def best_repeat(
    costs: Ints, means: Floats, trainings: Ints, allowed: NDArray[np.bool_], noise: TrainingNoise
) -> tuple[int, float]:
    """The layout that is most worth another training, and what that is worth; -1 where none is allowed.

    Args:
        costs, means, trainings: [layouts] that were trained: cost, posterior mean, number of trainings.
        allowed: [layouts], which of them may be trained again.
        noise: of trainings.
    """
    seen = Staircase.of(costs, means)
    spread = moves(noise, trainings)
    lead = means + NEAR * spread - seen.below(costs)
    near = [index for index in np.argsort(-lead, kind="stable") if allowed[index] and lead[index] > 0][:MOST]
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    best, most = -1, 0.0
    for index in near:
        others = np.arange(len(means)) != index
        rest = Staircase.among(costs[others], means[others], float(seen.value[0]), seen.end)
        scores = means[index] + spread[index] * np.append(0.0, nodes)
        gains = rest.gain(np.full(len(scores), costs[index]), scores)
        worth = float(gains[1:] @ weights / weights.sum() - gains[0])
        if worth > most:
            best, most = int(index), worth
    return best, most
