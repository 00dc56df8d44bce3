"""Rank correlation of two measurements of the same things."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau b of two rankings, NaN where one of them is all ties, and how many of the `pairs` they turn."""

    tau: float
    turned: int
    pairs: int


def rank_agreement(first: Sequence[float], second: Sequence[float]) -> RankAgreement:
    """The agreement of two rankings of the same things.

    Source: Kendall, The Treatment of Ties in Ranking Problems, Biometrika 33 (1945).
    """
    alike = turned = first_ties = second_ties = 0
    for (a, b), (c, d) in combinations(zip(first, second, strict=True), 2):
        one, two = (a > c) - (a < c), (b > d) - (b < d)
        alike += one * two > 0
        turned += one * two < 0
        first_ties += one == 0
        second_ties += two == 0
    pairs = len(first) * (len(first) - 1) // 2
    scale = math.sqrt((pairs - first_ties) * (pairs - second_ties))
    return RankAgreement((alike - turned) / scale if scale else math.nan, turned, pairs)
