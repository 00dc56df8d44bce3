# pyright: reportUnknownMemberType=false
"""The marks by which figures tell kinds of layouts apart, as keywords of matplotlib's lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from reports.drawing.canvas import BLUE, GREEN, GREY, PALE, PURPLE, VERMILLION

RANDOM: dict[str, Any] = {"marker": "x", "color": PALE, "markersize": 3.2, "markeredgewidth": 0.7}
SEARCH: dict[str, Any] = {
    "marker": "o",
    "color": GREY,
    "markersize": 3.4,
    "markerfacecolor": "none",
    "markeredgewidth": 0.6,
}
FRONT: dict[str, Any] = {
    "marker": "o",
    "color": BLUE,
    "markersize": 3.6,
    "markerfacecolor": "white",
    "markeredgewidth": 0.9,
}
MEMBER: dict[str, Any] = {"marker": "s", "color": VERMILLION, "markersize": 4.2}
ANCHOR: dict[str, Any] = {"marker": "^", "color": GREEN, "markersize": 5.0}
PUBLISHED: dict[str, Any] = {
    "marker": "D",
    "color": PURPLE,
    "markersize": 2.8,
    "markerfacecolor": "none",
    "markeredgewidth": 0.6,
}


def show_whole(axes: Axes) -> None:
    """Draw marks at 0 and 100 percent whole, once the layout is final: what is not clipped would take part in it."""
    low, high = axes.get_ylim()
    for line in axes.lines:
        line.set_clip_on(not all(low <= y <= high for y in np.asarray(line.get_ydata(), float)))
