"""The rank correlation that the noise of seeds leaves a perfect estimate."""

from __future__ import annotations

import math

import numpy as np

from search.estimate.resampling import Floats


def seed_ceiling(trained: Floats) -> float:
    """Kendall's tau of the true means of layouts and the means of their trainings.

    By analysis of variance of layouts and seeds: what a seed does to all layouts alike changes no rank, and is taken
    off first. The reliability of a mean is then 1 - (within / between), its correlation with the truth the root of
    that, and Kendall's tau of a correlation r of normal numbers 2 / pi * arcsin(r) (Greiner).

    Args:
        trained: [layouts, seeds], NaN where there is no training; layouts with one training are left out.

    Returns:
        0 to 1; NaN where fewer than three layouts have two trainings of common seeds, or where all trainings agree.
    """
    counts = np.isfinite(trained).sum(1)
    several = trained[counts > 1]
    if len(several) < 3:
        return math.nan
    several = several[:, np.isfinite(several).any(0)]
    known = np.isfinite(several)
    several = several - np.where(known, several, 0).sum(0) / known.sum(0)
    counts, freedom = known.sum(1), int(known.sum()) - len(several) - several.shape[1] + 1
    filled = np.where(np.isfinite(several), several, 0)
    means = filled.sum(1) / counts
    apart = np.where(np.isfinite(several), several - means[:, None], 0)
    within = float(np.square(apart).sum()) / max(freedom, 1)
    between = float(counts.mean() * means.var(ddof=1))
    if freedom < 1 or not between > 0:
        return math.nan
    return 2 / math.pi * math.asin(math.sqrt(max(0.0, 1 - within / between)))
