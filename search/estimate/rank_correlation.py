"""Rank correlations of two measurements of the same things, as single numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def kendall(first: Floats, second: Floats) -> float:
    """Kendall's tau b of two rankings [n]; 0 where one of them is all ties."""
    a, b = np.sign(first[:, None] - first), np.sign(second[:, None] - second)
    scale = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / scale if scale else 0.0


def spearman(first: Floats, second: Floats) -> float:
    """Spearman's rho of two rankings [n], ties at their mean rank; 0 where one of them is all ties."""
    a, b = (np.sign(x[:, None] - x).sum(1) for x in (first, second))
    scale = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum()) / scale if scale else 0.0
