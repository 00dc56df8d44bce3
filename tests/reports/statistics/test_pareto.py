"""Dominance and hypervolume against brute force, Monte Carlo and Optuna."""

from __future__ import annotations

import itertools

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reports.statistics.pareto import hypervolume, hypervolume_history, nondominated

SIDE = 6


@st.composite
def grids(draw: st.DrawFn) -> np.ndarray:
    """Up to twelve points with whole coordinates from 0 to SIDE + 1, in one to four dimensions."""
    shape = (draw(st.integers(0, 12)), draw(st.integers(1, 4)))
    return draw(hnp.arrays(np.float64, shape, elements=st.integers(0, SIDE + 1).map(float)))


def count_cells(points: np.ndarray) -> int:
    """Unit cells of the grid up to SIDE that some point dominates: the hypervolume, counted."""
    cells = itertools.product(range(SIDE), repeat=points.shape[1])
    return sum(any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points) for cell in cells)


@settings(max_examples=60, deadline=None)
@given(grids())
def test_hypervolume_counts_cells(points: np.ndarray) -> None:
    assert hypervolume(points, np.full(points.shape[1], float(SIDE))) == count_cells(points)


@settings(max_examples=60, deadline=None)
@given(grids())
def test_history_is_the_hypervolume_of_every_prefix(points: np.ndarray) -> None:
    reference = np.full(points.shape[1], float(SIDE))
    expected = [hypervolume(points[: count + 1], reference) for count in range(len(points))]
    assert hypervolume_history(points, reference) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(grids())
def test_nondominated_is_the_definition(points: np.ndarray) -> None:
    dominated = [any((other <= point).all() and (other < point).any() for other in points) for point in points]
    assert nondominated(points).tolist() == [not one for one in dominated]


@pytest.mark.parametrize("dimensions", [2, 3, 4, 5])
def test_hypervolume_agrees_with_monte_carlo(dimensions: int) -> None:
    random = np.random.default_rng(dimensions)
    points = random.random((25, dimensions))
    samples = random.random((200_000, dimensions))
    covered = np.zeros(len(samples), dtype=bool)
    for point in points:
        covered |= (samples >= point).all(axis=1)
    assert hypervolume(points, np.ones(dimensions)) == pytest.approx(covered.mean(), abs=0.005)


@pytest.mark.filterwarnings("ignore")
def test_history_agrees_with_optuna() -> None:
    plots = pytest.importorskip("optuna.visualization.matplotlib")
    random = np.random.default_rng(7)
    values = random.random((40, 3))
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"])
    study.add_trials([optuna.trial.create_trial(values=list(row)) for row in values])
    drawn = plots.plot_hypervolume_history(study, [0.1, 0.95, 1.0]).lines[0].get_ydata()
    turned = values * np.array([-1, 1, 1])
    assert hypervolume_history(turned, np.array([-0.1, 0.95, 1.0])) == pytest.approx(drawn)


def test_large_front_of_five_objectives_is_quick_enough() -> None:
    points = np.random.default_rng(0).random((60, 5))
    history = hypervolume_history(points, np.ones(5))
    assert history[-1] == pytest.approx(hypervolume(points, np.ones(5)))


def test_no_points_and_points_beyond_the_reference_cover_nothing() -> None:
    reference = np.ones(3)
    assert hypervolume(np.empty((0, 3)), reference) == 0
    assert hypervolume(np.array([[0.1, 0.2, 1.0], [2.0, 0.0, 0.0]]), reference) == 0
    assert hypervolume_history(np.array([[0.1, 0.2, 1.5]]), reference).tolist() == [0.0]
