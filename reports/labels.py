# pyright: reportUnknownMemberType=false
"""Places labels beside their points so that they overlap neither one another nor what is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

# Up and left first: above and before a rising front lies the empty half of the panel.
_ANGLES = (135, 90, 180, 45, 315, 270, 0, 225, 112, 158, 68, 292, 338, 22, 202, 248)
_RADII = (7.0, 11.0, 16.0, 23.0, 31.0)
_NEAR = 11.0


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
    points = axes.get_figure(root=True)
    scale = (points.dpi if points else 72.0) / 72.0
    frame = axes.get_window_extent(canvas.get_renderer())
    spots = [_pixel(axes, x, y) for x, y in (*obstacles, *((label.x, label.y) for label in labels))]
    marks = [_around(x, y, 2.6 * scale) for x, y in spots]
    taken: list[Bbox] = []
    for label in labels:
        text = axes.text(0, 0, label.text, fontsize=size, fontweight=label.weight)
        extent = text.get_window_extent(canvas.get_renderer())
        text.remove()
        x, y = _pixel(axes, label.x, label.y)
        options = [
            _offset(angle, radius * scale, extent.width, extent.height) for radius in _RADII for angle in _ANGLES
        ]
        costs = [
            _cost(_around(x + dx, y + dy, extent.width / 2, extent.height / 2), frame, taken, marks) + 0.3 * index
            for index, (dx, dy) in enumerate(options)
        ]
        best = costs.index(min(costs))
        dx, dy = options[best]
        taken.append(_around(x + dx, y + dy, extent.width / 2 + scale, extent.height / 2 + 0.5 * scale))
        far = _RADII[best // len(_ANGLES)] > _NEAR
        line = {"arrowstyle": "-", "color": label.color, "linewidth": 0.4, "shrinkA": 0.5, "shrinkB": 2.5}
        note = axes.annotate(
            label.text,
            (label.x, label.y),
            xytext=(dx / scale, dy / scale),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            fontweight=label.weight,
            color=label.color,
            zorder=10,
            arrowprops=line if far else None,
        )
        note.set_in_layout(False)


def _pixel(axes: Axes, x: float, y: float) -> tuple[float, float]:
    across, up = axes.transData.transform((x, y))
    return float(across), float(up)


def _around(x: float, y: float, half_width: float, half_height: float | None = None) -> Bbox:
    half_height = half_width if half_height is None else half_height
    return Bbox([[x - half_width, y - half_height], [x + half_width, y + half_height]])


def _offset(angle: float, radius: float, width: float, height: float) -> tuple[float, float]:
    """Centre of a text of that size whose near edge lies `radius` from the point in direction `angle`."""
    across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return across * (radius + width / 2 - 3), up * (radius + height / 2 - 3)


def _cost(box: Bbox, frame: Bbox, taken: Sequence[Bbox], marks: Sequence[Bbox]) -> float:
    """Pixels of other labels (dear), of points, and outside the axes that `box` covers."""
    outside = box.width * box.height - _shared(box, frame)
    return (
        20 * sum(_shared(box, other) for other in taken) + 4 * sum(_shared(box, mark) for mark in marks) + 20 * outside
    )


def _shared(one: Bbox, two: Bbox) -> float:
    width = min(one.x1, two.x1) - max(one.x0, two.x0)
    height = min(one.y1, two.y1) - max(one.y0, two.y0)
    return max(width, 0.0) * max(height, 0.0)
