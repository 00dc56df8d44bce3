"""Figures of one trial, of two, of equal values: legends list what is drawn, and axes stay within what can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.drawing.canvas import keep_within, sheet, style
from reports.records.front import front
from reports.records.search import read
from reports.sections import hypervolume, tradeoff
from reports.sections.forest import Bar, Forest
from reports.sections.forest import draw as draw_forest
from reports.sections.importances import Importance
from reports.sections.importances import draw as draw_importances
from reports.spaces.population_figure import Cloud, Histogram
from reports.spaces.population_figure import draw as draw_population

ONE: dict[str, Any] = {"trials": 1, "baseline": 0, "startup": 0, "final": False, "failures": (), "duplicates": 0}


def labels(figure: Figure) -> list[str]:
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def test_one_trial(make_run):
    record = read(make_run(**ONE))
    with style():
        figure = tradeoff.draw(tradeoff.tradeoff(record, front(record)))
        curve = hypervolume.draw(hypervolume.progress(record))
    assert labels(figure) == ["front of the search (validation)"]  # whose mark covers that of the trial
    assert figure.legends[0].get_lines()[0].get_linestyle() == "None"  # no line joins one point
    assert labels(curve) == ["search"]
    assert all(float(tick).is_integer() for tick in curve.axes[0].get_xticks())


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
@pytest.mark.parametrize("trials", [1, 2])
def test_axes_stay_within_what_can_be(make_run, accuracy, trials):
    record = read(make_run(**ONE | {"trials": trials}))
    record.search["accuracy"] = accuracy
    with style():
        figures = [
            tradeoff.draw(tradeoff.tradeoff(record, front(record)), stacked=stacked) for stacked in (False, True)
        ]
        curve = hypervolume.draw(hypervolume.progress(record))
    for axes in (axes for figure in figures for axes in figure.axes):
        low, high = axes.get_ylim()
        assert 0 <= low < high <= 100
        assert low <= 100 * accuracy <= high
    low, high = curve.axes[0].get_ylim()
    assert 0 <= low < high <= 1


@pytest.mark.parametrize(
    ("ends", "kept"), [((-0.04, 0.04), (0, 0.08)), ((60, 70), (60, 70)), ((99, 104), (95, 100)), ((-5, 105), (0, 100))]
)
def test_an_axis_keeps_its_span_where_it_can(ends, kept):
    axes = sheet(2, 2).subplots()
    axes.set_ylim(*ends)
    keep_within(axes, 0, 100)
    assert axes.get_ylim() == pytest.approx(kept)


def bar(mark: str, difference: float, params: float = 0.0, macs: float = 0.0) -> Bar:
    return Bar(mark, 0, difference, difference - 1, difference + 1, mark, params, macs, overall=False)


def test_a_forest_lists_the_marks_that_it_has():
    with style():
        worse = draw_forest(Forest("f", "row 1", "test accuracy", (bar("worse", -3.0, params=2.0),)))
        both = draw_forest(
            Forest("f", "row 1", "test accuracy", (bar("better", 3.0), bar("within noise", 0.1, macs=1)))
        )
    assert labels(worse) == ["worse, 95 % interval", "parameters"]
    assert labels(both) == ["better, 95 % interval", "not decided", "multiply-adds"]


def test_importances_list_the_bars_that_they_have():
    one = Importance("macs", 20, 10, {"a": 1.0}, {"a": 0.5}, title="MACs")
    with style():
        figure = draw_importances((one,))
    assert figure
    assert labels(figure) == ["above chance", "largest of 20 shuffles"]
    assert figure.axes[0].get_xlim()[1] <= 1


def test_a_small_space_is_drawn_whole():
    axis = Histogram("macs", "", (0, 10, 20), (600, 552))
    sample = np.arange(2 * 1152).reshape(-1, 2) % 20
    inside = np.zeros(1152, bool)
    cloud = Cloud("s", 1152, 0.1, axis, axis, sample, inside, (), whole=True)
    with style():
        assert labels(draw_population(cloud))[0] == "all 1,152 layouts (darker: more)"
        drawn = Cloud("s", 10**9, None, axis, axis, sample, inside, ())
        assert "1,152 layouts drawn uniformly, with replacement, of 1.00e9" in labels(draw_population(drawn))[0]
