"""The waterfall of Table VII: its numbers, and that the drawing shows them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from reports.drawing.canvas import FORMATS, style
from reports.paper.tables import compute, paper
from reports.paper.waterfall import Waterfall, change_text, draw, waterfall, write


@pytest.fixture(scope="module")
def steps() -> Waterfall:
    return waterfall(paper("hiri-vit"))


def test_changes_add_up(steps: Waterfall) -> None:
    assert [step.number for step in steps.steps] == list(range(1, 12))
    for name in ("params", "gmacs"):
        levels = [getattr(step, name) for step in steps.steps]
        assert levels[0].change == 0
        assert levels[0].computed + sum(level.change for level in levels) == pytest.approx(levels[-1].computed)
    assert steps.steps[6].gmacs.change == pytest.approx(16.765, abs=5e-4)
    assert steps.steps[10].params.change == 0
    assert [step.number for step in steps.steps if step.inferred] == [1, 3, 4, 5, 6, 8, 9]


@pytest.mark.parametrize(
    ("change", "text"), [(0.264, "+0.26"), (-0.937, "−0.94"), (0.0012, "+0.001"), (0.0, "±0"), (-0.0004, "±0")]
)
def test_change_text(change: float, text: str) -> None:
    assert change_text(change) == text


def test_the_figure_shows_every_step_and_breaks_the_axis(steps: Waterfall) -> None:
    with style():
        figure = draw(steps)
        figure.draw_without_rendering()
    left, middle, right = figure.axes
    shown = [label.get_text() for label in left.get_yticklabels()]
    assert shown == [f"{step.label}  {step.number:>2}" for step in steps.steps]
    assert middle.get_xlim()[1] < 7 < 20 < right.get_xlim()[0]
    texts = {text.get_text() for text in (*middle.texts, *right.texts)}
    assert texts == {"4.36", *(change_text(step.gmacs.change) for step in steps.steps[1:])}


def test_without_an_outlier_the_axis_is_whole(steps: Waterfall) -> None:
    with style():
        assert len(draw(Waterfall("", "W", steps.steps[:6])).axes) == 2


def test_files_are_written(steps: Waterfall, tmp_path: Path) -> None:
    with style():
        write(steps, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"waterfall.{suffix}" for suffix in (*FORMATS, "csv")}
    with (tmp_path / "waterfall.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["gmacs_published"]) for line in lines][:3] == [4.4, 4.4, 4.3]


def test_a_paper_without_the_table_is_refused() -> None:
    text = "title: t\nfamilies: {W: {description: d}}\nrows: [{table: I, row: 1, label: x, at: 64, base: tiny}]\n"
    with pytest.raises(SpecError, match="has no Table VII to draw"):
        waterfall(compute(parse_document(text, "t.yaml"), "t"))
