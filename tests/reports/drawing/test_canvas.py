"""Figures are the same bytes every time, readable in print, and leave no trace in matplotlib's settings."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
import pytest
from matplotlib.axes import Axes

from reports.drawing.canvas import FORMATS, log_axis, save, sheet, style, write_csv


def plot(folder: Path) -> None:
    with style():
        figure = sheet(3.5, 2.5)
        axes = figure.subplots()
        axes.plot([1, 2, 3], [3, 1, 2], marker="o")
        axes.set_xlabel("± MACs")
        save(figure, folder, "plot")


def test_equal_figures_are_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        plot(tmp_path / name)
    for suffix in FORMATS:
        one, two = ((tmp_path / name / f"plot.{suffix}").read_bytes() for name in ("one", "two"))
        assert one == two
        assert len(one) > 1000


def test_png_has_at_least_200_dpi(tmp_path: Path) -> None:
    plot(tmp_path)
    image = pytest.importorskip("PIL.Image")
    with image.open(tmp_path / "plot.png") as picture:
        assert picture.size == (1050, 750)
        assert picture.info["dpi"][0] >= 200


def test_style_is_undone() -> None:
    before = dict(matplotlib.rcParams)
    with style():
        assert matplotlib.rcParams["svg.hashsalt"] == "archspec"
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.7, 8.4, [2, 3, 5, 7]),
        (180, 680, [200, 300, 500]),
        (0.02, 70, [0.1, 1, 10]),
        (3, 50, [3, 10, 30]),
        (4.1, 5.2, [5]),
    ],
)
def test_log_axis_has_plain_ticks(low: float, high: float, ticks: list[float]) -> None:
    axes: Axes = sheet(2, 2).subplots()
    log_axis(axes, low, high)
    assert list(axes.get_xticks()) == pytest.approx(ticks)
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"{tick:g}" for tick in ticks]


def test_csv_leaves_missing_numbers_empty(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["a", "b"], [[1, math.nan], [None, "x,y"]])
    assert (tmp_path / "a.csv").read_text() == 'a,b\n1,\n,"x,y"\n'
