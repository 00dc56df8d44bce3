"""Labels keep apart from one another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from reports.drawing.canvas import sheet, style
from reports.drawing.labels import Label, draw_labels


@pytest.mark.parametrize("seed", range(5))
def test_labels_do_not_overlap(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = [Label(x, y, str(number), "black", "bold") for number, (x, y) in enumerate(random.random((12, 2)), 1)]
    labels.append(Label(0.5, 0.5, "hiri-vit-s", "black"))
    with style():
        figure = sheet(2.4, 2.4)
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        draw_labels(axes, labels, [(x, y) for x, y in random.random((30, 2))], 6.5)
        renderer = figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
        boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert len(boxes) == 13
    for one, two in itertools.combinations(boxes, 2):
        width = min(one.x1, two.x1) - max(one.x0, two.x0)
        height = min(one.y1, two.y1) - max(one.y0, two.y0)
        assert width <= 0.5 or height <= 0.5


def test_no_labels_and_no_obstacles() -> None:
    figure = sheet(2, 2)
    axes = figure.subplots()
    draw_labels(axes, [], [], 6)
    draw_labels(axes, [Label(0.5, 0.5, "1", "black")], [], 6)
    assert [text.get_text() for text in axes.texts] == ["1"]
