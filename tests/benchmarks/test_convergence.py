"""Repeated searches compared: intervals, trials to reach a value, and the figure's content."""

import math

import numpy as np
import pytest
from convergence import band, difference, draw, t_quantile, trials_to_reach
from scipy import stats

from reports.drawing.canvas import style


def test_student_quantiles_agree_with_scipy():
    for freedom in (4, 5, 9, 19, 99, 1000):
        for share in (0.5, 0.9, 0.95, 0.975):
            assert t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=5e-3, abs=1e-12)
    assert t_quantile(0.975, 19) == pytest.approx(stats.t.ppf(0.975, 19), rel=1e-5)


def test_the_interval_is_students():
    curves = np.random.default_rng(0).normal(size=(20, 7))
    result = band(curves)
    low, high = stats.t.interval(0.95, 19, loc=curves.mean(axis=0), scale=stats.sem(curves, axis=0))
    np.testing.assert_allclose(result.mean, curves.mean(axis=0))
    np.testing.assert_allclose(result.low, low, rtol=1e-4)
    np.testing.assert_allclose(result.high, high, rtol=1e-4)
    with pytest.raises(ValueError, match="needs at least 5 of them, not 4"):
        band(curves[:4])


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    result = band(rng.normal(loc=2.0, size=(6, 4000)))
    share = np.mean((result.low <= 2) & (result.high >= 2))
    assert abs(share - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_trials_to_reach_counts_from_one_and_never_is_infinite():
    curves = np.array([[0.9, 0.9, 1.0], [0.1, 0.5, 0.9], [0.0, 0.1, 0.2]])
    assert trials_to_reach(curves, 0.9).tolist() == [1, 3, math.inf]
    assert trials_to_reach(curves, 0.5).tolist() == [1, 2, math.inf]


def test_the_figure_shows_each_mean_and_each_paired_difference():
    rng = np.random.default_rng(2)
    base = np.cumsum(rng.random((8, 12)), axis=1) / 12
    curves = {"good": base + 0.1, "bad": base - 0.1, "plain": base}
    with style():
        figure = draw(curves, "plain", quality="share", startup=4)
    left, *panels = figure.axes
    shown = {line.get_label(): np.asarray(line.get_ydata(), float) for line in left.lines}
    np.testing.assert_allclose(shown["plain"], base.mean(axis=0))
    for name in ("good", "bad"):  # until the fourth trial they are all the same
        np.testing.assert_allclose(shown[name], curves[name].mean(axis=0)[3:])
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["good", "bad", "plain"]
    assert left.get_ylabel() == "share"
    assert [axes.get_title(loc="left") for axes in panels] == ["(b) good − plain", "(c) bad − plain"]
    for axes, name, gain in zip(panels, ("good", "bad"), (0.1, -0.1), strict=True):
        gains = {line.get_label(): np.asarray(line.get_ydata(), float) for line in axes.lines}
        np.testing.assert_allclose(gains[name], [gain] * 9)


@pytest.mark.parametrize("names", [("plain",), ("one", "plain"), ("plain", "a", "b", "c")])
def test_any_number_of_curves_can_be_drawn(names):
    rng = np.random.default_rng(3)
    with style():
        figure = draw({name: rng.random((5, 3)) for name in names}, "plain", quality="share")
        figure.draw_without_rendering()
    assert len(figure.axes) == len(names)


def test_differences_are_of_the_seeds_that_both_have():
    many, few = np.arange(12.0).reshape(6, 2), np.ones((4, 2))
    np.testing.assert_array_equal(difference(many, few), many[:4] - 1)
    np.testing.assert_array_equal(difference(few, many), 1 - many[:4])
