"""The winner's curse: the highest of many noisy means is too high, by more the more there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from archspec.errors import FieldError


@dataclass(frozen=True)
class Winner:
    """The best of k layouts.

    Attributes:
        index: of the highest observed mean.
        naive: that mean.
        corrected: what to expect of it when it is trained again, with its interval `low` ... `high`.
        kept: the share of its lead over the mean of all layouts that is kept: 1 without noise, 0 where noise
            explains all differences.
        between_sd: standard deviation between layouts with the noise of seeds removed, in the scores' unit.
    """

    index: int
    naive: float
    corrected: float
    low: float
    high: float
    kept: float
    between_sd: float


def best_of(means: Sequence[float], seeds: int, sd: float, *, level: float = 0.05) -> Winner:
    """Shrink the highest of `means` towards the mean of all, by as much as noise explains of their spread.

    Empirical Bayes: layouts ~ N(mu, tau^2), means ~ N(layout, sd^2 / seeds); given mu and tau the posterior mean is
    not biased by having chosen the layout for its score. mu is the mean of `means` and the noise's share of the
    spread is (k - 3) sd^2 / seeds / sum (mean - mu)^2, at most 1. Sources: Efron and Morris 1973, Stein's estimation
    rule and its competitors, JASA 68, 117-130 (estimate, towards the grand mean); Efron 2011, Tweedie's formula and
    selection bias, JASA 106, 1602-1614 (choice). The interval is that of the posterior, with mu's error added.
    With ten layouts up to a quarter of the bias is left, because ten hardly tell their own spread from noise.

    Args:
        means: of k >= 4 layouts, each over the same number of seeds, all layouts trained and not only the good ones.
        seeds: trainings in each mean.
        sd: of one training about its layout's mean (`pooled_sd`), in the scores' unit.
        level: one less the interval's coverage.

    Raises:
        FieldError: fewer than four layouts, a mean that is not finite, an unknown or negative noise.
    """
    k = len(means)
    if k < 4:
        raise FieldError("means", f"needs at least 4 layouts to tell their spread from noise, not {k}")
    if not all(map(math.isfinite, means)):
        raise FieldError("means", "must be finite")
    if seeds < 1 or not 0 <= sd < math.inf:
        raise FieldError("sd", f"needs at least 1 seed and a known noise of at least 0, not {seeds} and {sd:g}")
    values = np.array(means, dtype=float)
    centre, noise = float(values.mean()), sd**2 / seeds
    spread = float(((values - centre) ** 2).sum())
    removed = min(1.0, (k - 3) * noise / spread) if spread > 0 else 1.0
    kept = 1 - removed
    index = int(values.argmax())
    corrected = centre + kept * (means[index] - centre)
    # Morris 1983: a posterior's variance, and what estimating mu and the share of noise adds to it.
    doubt = 2 / (k - 3) * removed**2 * (means[index] - centre) ** 2
    error = math.sqrt(noise * (kept + removed / k) + doubt)
    half = NormalDist().inv_cdf(1 - level / 2) * error
    between = math.sqrt(max(0.0, spread / (k - 1) - noise))
    return Winner(index, float(means[index]), corrected, corrected - half, corrected + half, kept, between)
