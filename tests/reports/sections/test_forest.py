"""The forest plot of an ablation: what it shows, and that nothing is cut off or overlaps."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from reports.ablation_page.results import ResultView, compute
from reports.drawing.canvas import style
from reports.records.ablation import read_ablation
from reports.sections.forest import draw, forest, write

BASE = [84.1, 83.6, 84.4, 83.9, 84.2]
SCORES = {
    "base": BASE,
    "+ a high-resolution stem in place of the patches": [85.3, 84.9, 85.6, 85.2, 85.3],
    "+ EMA distillation": [85.1, 84.1, 86.3, 85.4, 85.0],
    "+ nothing": [],
    "+ expansion 6": [84.0, 83.7],
}


@pytest.fixture
def view(make_ablation: Callable[..., Path]) -> ResultView:
    return compute(read_ablation(make_ablation(SCORES, same={"+ nothing": "+ EMA distillation"}))).views[0]


def test_bars(view: ResultView) -> None:
    info = forest(view, "1-progressive", "test")
    assert info.drawn
    assert info.reference == "the row before"
    assert [bar.mark for bar in info.bars[:4]] == ["reference", "better", "within noise", "same run"]
    assert [bar.against for bar in info.bars] == [None, 1, 2, 3, 4, 1]
    assert [bar.overall for bar in info.bars] == [False] * 5 + [True]
    assert info.bars[1].difference == pytest.approx(1.22)
    assert info.bars[1].low < 1.22 < info.bars[1].high
    assert math.isnan(info.bars[3].difference)
    assert info.bars[1].params == pytest.approx(5.0)
    assert info.bars[5].label == "5–1  last against first"


@pytest.mark.parametrize("column", [False, True])
def test_nothing_is_cut_off_and_labels_do_not_overlap(view: ResultView, column: bool) -> None:
    with style():
        figure = draw(forest(view, "x", "test"), column=column)
        canvas = figure.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        canvas.draw()
    renderer = canvas.get_renderer()
    texts = [text for axes in figure.axes for text in [*axes.get_yticklabels(), axes.xaxis.label, *axes.texts]]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text() and text.get_visible()]
    width, height = figure.bbox.width, figure.bbox.height
    assert all(box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1 for box in boxes)
    labels = [text.get_window_extent(renderer) for text in figure.axes[0].get_yticklabels()]
    assert all(one.y0 >= two.y1 - 1 for one, two in pairwise(labels))
    axis_labels = [axes.xaxis.label.get_window_extent(renderer) for axes in figure.axes]
    assert axis_labels[0].x1 < axis_labels[1].x0


def test_decided_rows_are_bold(view: ResultView) -> None:
    axes = draw(forest(view, "x", "test")).axes[0]
    weights = [text.get_fontweight() for text in axes.get_yticklabels()]
    assert weights[:4] == ["normal", "bold", "normal", "normal"]
    assert [text.get_text() for text in axes.texts] == ["reference", "same run"]


def test_files(view: ResultView, tmp_path: Path) -> None:
    tmp_path = tmp_path / "figures"
    tmp_path.mkdir()
    write(forest(view, "1-progressive", "test"), tmp_path)
    suffixes = ("png", "svg", "pdf")
    expected = {f"1-progressive{kind}.{suffix}" for kind in ("", "-column") for suffix in suffixes}
    assert {path.name for path in tmp_path.iterdir()} == expected | {"1-progressive.csv"}
    with (tmp_path / "1-progressive.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert float(rows[1]["difference"]) == pytest.approx(1.22)
    assert rows[3]["difference"] == ""


def test_nothing_to_draw(make_ablation: Callable[..., Path]) -> None:
    view = compute(read_ablation(make_ablation({"base": [], "+ a": []}))).views[0]
    assert not forest(view, "x", "test").drawn
