"""The best of a search: shrunk by what noise explains, and not biased in simulation where the naive mean is."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.errors import FieldError
from reports.statistics.winners_curse import best_of


@pytest.mark.parametrize(("layouts", "seeds", "between"), [(10, 1, 0.5), (50, 1, 1.0), (200, 3, 0.3), (50, 1, 3.0)])
def test_corrected_is_nearly_unbiased_and_naive_is_not(layouts: int, seeds: int, between: float) -> None:
    rng = np.random.default_rng(0)
    naive, corrected, covered = [], [], []
    for _ in range(2000):
        true = rng.normal(70, between, layouts)
        seen = true + rng.normal(0, 1 / np.sqrt(seeds), layouts)
        best = best_of([float(x) for x in seen], seeds, 1.0)
        naive.append(best.naive - true[best.index])
        corrected.append(best.corrected - true[best.index])
        covered.append(best.low <= true[best.index] <= best.high)
    assert np.mean(naive) > 0.2
    assert abs(np.mean(corrected)) < 0.25 * np.mean(naive)
    if layouts >= 50:  # ten layouts hardly tell their own spread from noise: some of the bias stays
        assert abs(np.mean(corrected)) < 0.1
    assert np.mean(covered) > 0.9


def test_noise_that_explains_all_leaves_the_mean() -> None:
    best = best_of([1.0, 1.1, 0.9, 1.0, 1.0], 1, 5.0)
    assert (best.kept, best.between_sd) == (0, 0)
    assert best.corrected == pytest.approx(1.0)


def test_no_noise_keeps_the_lead() -> None:
    best = best_of([1.0, 4.0, 2.0, 3.0], 3, 0.0)
    assert (best.index, best.corrected, best.kept) == (1, 4.0, 1.0)


def test_share_by_hand() -> None:
    # Mean 2, spread 4 + 1 + 0 + 1 + 4 = 10, noise 1: removed (5 - 3) 1 / 10 = 0.2.
    best = best_of([0.0, 1.0, 2.0, 3.0, 4.0], 4, 2.0)
    assert best.kept == pytest.approx(0.8)
    assert best.corrected == pytest.approx(3.6)


@pytest.mark.parametrize(
    ("means", "sd"),
    [([1.0, 2.0, 3.0], 1.0), ([1.0, 2.0, 3.0, float("nan")], 1.0), ([1.0, 2.0, 3.0, 4.0], float("nan"))],
)
def test_refusals(means: list[float], sd: float) -> None:
    with pytest.raises(FieldError):
        best_of(means, 1, sd)
