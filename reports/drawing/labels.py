# pyright: reportUnknownMemberType=false
"""Placement of labels beside their points so that they overlap neither one another nor what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

from archspec.documents.safe_text import printable

Boxes = NDArray[np.float64]
"""Rectangles (n, 4) in pixels: left, bottom, right, top."""

# Up and left first: above and before a rising front lies the empty half of the panel.
_ANGLES = (135, 90, 180, 45, 315, 270, 0, 225, 112, 158, 68, 292, 338, 22, 202, 248)
_RADII = (2.5, 6.0, 11.0, 18.0, 27.0)
# Farther away than this, in points, a label needs a line to its point.
_NEAR = 6.0
_MARK = 2.6
# Where a line is sampled on its way from the point to its label.
_STEPS = np.linspace(0.15, 0.75, 9)


@dataclass(frozen=True)
class Label:
    """A text for the point (x, y), in data coordinates."""

    x: float
    y: float
    text: str
    color: str
    weight: str = "normal"


def draw_labels(axes: Axes, labels: Sequence[Label], obstacles: Sequence[tuple[float, float]], size: float) -> None:
    """Write `labels` at `size` points, each where it covers least; one far from its point gets a thin line to it.

    `obstacles` are the data coordinates of everything else that is drawn. The figure's layout must be final.
    """
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    point = float(axes.figure.dpi) / 72
    frame = np.array(axes.get_window_extent(canvas.get_renderer()).extents)
    spots = [*obstacles, *((label.x, label.y) for label in labels)]
    marks = _around(np.array([axes.transData.transform(spot) for spot in spots]).reshape(-1, 2), _MARK * point)
    taken = np.empty((0, 4))
    for label in (replace(label, text=printable(label.text)) for label in labels):
        half = _half_size(axes, label, size, canvas)
        shifts, radii = _candidates(half, point)
        spot = np.asarray(axes.transData.transform((label.x, label.y)))
        boxes = _around(spot + shifts, half)
        lines = spot + shifts[:, None] * np.where(radii > _NEAR, 1.0, 0.0)[:, None, None] * _STEPS[None, :, None]
        best = int(np.argmin(_costs(boxes, frame, taken, marks) + _crossings(lines, taken)))
        marks = np.vstack([marks, _around(lines[best], 0.7 * point)])
        taken = np.vstack([taken, boxes[best] + np.array([-1.0, -0.5, 1.0, 0.5]) * point])
        line = {"arrowstyle": "-", "color": label.color, "linewidth": 0.4, "shrinkA": 0.5, "shrinkB": 2.5}
        note = axes.annotate(
            label.text,
            (label.x, label.y),
            xytext=(shifts[best, 0] / point, shifts[best, 1] / point),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            fontweight=label.weight,
            color=label.color,
            zorder=10,
            arrowprops=line if radii[best] > _NEAR else None,
        )
        note.set_in_layout(False)


def along(points: Sequence[tuple[float, float]], *, log: bool) -> list[tuple[float, float]]:
    """Points on the line through `points`, so that labels keep off it; on an x axis that is logarithmic if `log`."""
    found: list[tuple[float, float]] = []
    for (left, one), (right, two) in pairwise(points):
        for share in (0.2, 0.4, 0.6, 0.8):
            x = left * (right / left) ** share if log else left + share * (right - left)
            found.append((x, one + share * (two - one)))
    return found


def _half_size(axes: Axes, label: Label, size: float, canvas: FigureCanvasAgg) -> NDArray[np.float64]:
    text = axes.text(0, 0, label.text, fontsize=size, fontweight=label.weight)
    extent = text.get_window_extent(canvas.get_renderer())
    text.remove()
    return np.array([extent.width / 2, extent.height / 2])


def _candidates(half: NDArray[np.float64], point: float) -> tuple[Boxes, NDArray[np.float64]]:
    """Centres (n, 2) in pixels to try, relative to the point, and their radii (n,) in points, best first."""
    angles = np.radians(np.tile(_ANGLES, len(_RADII)))
    radii = np.repeat(_RADII, len(_ANGLES))
    away = np.column_stack([np.cos(angles), np.sin(angles)])
    return away * (radii[:, None] * point + half), radii


def _costs(boxes: Boxes, frame: Boxes, taken: Boxes, marks: Boxes) -> NDArray[np.float64]:
    """Pixels of other labels and outside the axes (dear) and of points that each box covers; earlier ones win ties."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    outside = area - _shared(boxes, frame[None]).sum(axis=1)
    covered = 20 * _shared(boxes, taken).sum(axis=1) + 4 * _shared(boxes, marks).sum(axis=1)
    return covered + 20 * outside + 0.3 * np.arange(len(boxes))


def _crossings(lines: NDArray[np.float64], taken: Boxes) -> NDArray[np.float64]:
    """Cost (n,) of running the lines (n, steps, 2) through labels that stand already."""
    points = lines[:, :, None]
    inside = (points > taken[:, :2]) & (points < taken[:, 2:])
    return 400.0 * inside.all(axis=3).sum(axis=(1, 2))


def _shared(one: Boxes, two: Boxes) -> Boxes:
    """Area (n, m) that each of `one` (n, 4) shares with each of `two` (m, 4)."""
    low = np.maximum(one[:, None, :2], two[None, :, :2])
    high = np.minimum(one[:, None, 2:], two[None, :, 2:])
    return np.maximum(high - low, 0.0).prod(axis=2)


def _around(centres: Boxes, half: NDArray[np.float64] | float) -> Boxes:
    return np.hstack([centres - half, centres + half])
