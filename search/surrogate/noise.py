"""The two reasons why a training lies off its prediction: the luck of its seed, and what is the layout's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TINY = 1e-300
"""In place of zero, to divide by."""
PRIOR = 4.0
"""Degrees of freedom that the guess counts for by which half of what one training misses is luck."""
OWN = 0.05
"""Of the squared error of prediction: the layouts' own share is never taken for less."""


@final
@dataclass(frozen=True, slots=True)
class TrainingNoise:
    """Variances of what a surrogate misses.

    Attributes:
        seed: between trainings of one layout.
        own: between layouts that the surrogate takes for the same.
    """

    seed: float
    own: float

    def reliability(self, trainings: Ints) -> Floats:
        """The share of the layout's own in the variance of means of so many trainings: what an answer counts for."""
        return self.own / np.maximum(self.own + self.seed / trainings, TINY)

    def weights(self, trainings: Ints) -> Floats:
        """The weights of means of so many trainings in a fit; 1 for one training."""
        whole = max(self.own + self.seed, TINY)
        return whole / np.maximum(self.own + self.seed / trainings, TINY)


def estimate_noise(trainings: Ints, within: float, error: float) -> TrainingNoise:
    """The noise of trainings, from those that repeat one another and from the error of prediction.

    The squared leave-one-out error is that of both together, so it bounds either. Without repeated trainings nothing
    tells them apart, and half of it is taken for each; each pair of trainings of one layout adds a degree of freedom to
    the `PRIOR` ones of that guess (a scaled inverse chi-square prior).

    Args:
        trainings: [layouts], of each.
        within: sum of squares of the trainings about the mean of their layout.
        error: root mean square of the leave-one-out errors of the means.
    """
    share = float((1 / trainings).mean())  # of the seed's variance that is left in the means
    total = error * error
    guess = total / (1 + share)
    freedom = float((trainings - 1).sum())
    seed = min((PRIOR * guess + within) / (PRIOR + freedom), (1 - OWN) * total / share)
    return TrainingNoise(seed, total - share * seed)
