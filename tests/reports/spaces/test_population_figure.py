"""The figure of a population: its values, and that it can be drawn."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.drawing.canvas import FORMATS, style
from reports.spaces.population_figure import Cloud, Frontier, Histogram, draw, write

EDGES = tuple(range(0, 1_100_000, 100_000))
LAYOUTS = (1, 100_000, 200_000, 300_000, 200_000, 100_000, 99_990, 9, 0, 1)


def make(low: int | None = None, high: int | None = None, **changes: Any) -> Cloud:
    rng = np.random.default_rng(0)
    sample = rng.integers(100_000, 700_000, (500, 2))
    x = Histogram("macs", " at 64 px", EDGES, LAYOUTS, low, high)
    y = Histogram("params", "", EDGES, LAYOUTS)
    within = (sample[:, 0] >= x.band[0]) & (sample[:, 0] <= x.band[1])
    line = np.arange(100_000, 700_000, 1000)
    options: dict[str, Any] = {"share": None if low is high is None else 0.3, "inside": within}
    options |= {"sample": sample, "frontiers": (Frontier("one", line, line + 5), Frontier("two", line, line // 2))}
    return Cloud("toy", sum(LAYOUTS), x=x, y=y, **(options | changes))


def labels(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_cumulative_shares_are_exact_and_end_at_one():
    below = make().x.cumulative
    assert below[0] == 0
    assert below[1] == LAYOUTS[0] / sum(LAYOUTS)
    assert below[-1] == 1
    huge = Histogram("macs", "", (0, 1, 2), (10**30, 3 * 10**30))
    assert huge.cumulative.tolist() == [0, 0.25, 1]


@pytest.mark.parametrize(
    ("low", "high", "band"),
    [(None, None, (0, 10**6)), (5, None, (5, 10**6)), (None, 7, (0, 7)), (2, 4, (2, 4)), (-5, 10**9, (0, 10**6))],
)
def test_the_band_is_what_the_limits_leave(low, high, band):
    assert Histogram("macs", "", EDGES, LAYOUTS, low, high).band == band


def test_axes_leave_out_the_last_layouts():
    with style():
        (cloud, *_) = draw(make()).axes
    assert cloud.get_xlabel() == "MACs at 64 px (k)"
    assert cloud.get_ylabel() == "Parameters (k)"
    left, right = cloud.get_xlim()
    assert 80 < left < 100
    assert 700 < right < 720
    with style():
        (cloud, *_) = draw(make(high=950_000)).axes
    assert cloud.get_xlim()[1] > 950  # a limit is in sight


def test_the_legend_says_what_is_exact_and_what_is_inside():
    with style():
        drawn = "500 layouts drawn uniformly, with replacement, of 1.00e6 (darker: more)"
        assert labels(draw(make())) == [drawn, "one", "two"]
        assert labels(draw(make(high=300_000)))[-1] == "inside the budget (30 % of all layouts)"


def test_layouts_are_marked_where_the_band_does_not_tell():
    info = make(high=300_000)
    assert not info.marked
    other = make(high=300_000, inside=info.inside & (np.arange(500) % 2 == 0))
    assert other.marked
    with style():
        assert len(draw(other).axes[0].lines) == len(draw(info).axes[0].lines) + 1


def test_files_hold_the_numbers(tmp_path: Path):
    info = make(high=300_000)
    with style():
        write(info, tmp_path)
    assert all(
        (tmp_path / f"{name}.{suffix}").stat().st_size
        for name in ("population", "population-column")
        for suffix in FORMATS
    )
    with (tmp_path / "histogram-macs.csv").open() as file:
        assert [int(row["layouts"]) for row in csv.DictReader(file)] == list(LAYOUTS)
    with (tmp_path / "sample.csv").open() as file:
        assert sum(int(row["inside"]) for row in csv.DictReader(file)) == info.inside.sum()
    with (tmp_path / "fronts.csv").open() as file:
        assert [row["front"] for row in csv.DictReader(file)] == ["one"] * 600 + ["two"] * 600
