# pyright: reportUnknownMemberType=false
"""Repeated searches compared: quality against trained layouts, as mean and interval over runs that share seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from reports.drawing.canvas import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, SKY, VERMILLION, sheet

Curves = NDArray[np.float64]
"""Quality [runs, trials] after 1, 2, ... trained layouts."""

_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": VERMILLION, "linestyle": "-"},
    {"color": BLUE, "linestyle": (0, (5, 1.5))},
    {"color": GREEN, "linestyle": (0, (3, 1.2, 1, 1.2))},
    {"color": ORANGE, "linestyle": (0, (1.2, 1))},
    {"color": PURPLE, "linestyle": (0, (7, 1.5, 1, 1.5))},
    {"color": SKY, "linestyle": "-"},
)
_BASE: dict[str, Any] = {"color": GREY, "linestyle": "-"}
_CENTRE: dict[str, Any] = {"ha": "center", "va": "top"}


@dataclass(frozen=True)
class Band:
    """Mean over runs and the interval of that mean, each [trials]."""

    mean: Curves
    low: Curves
    high: Curves


def band(curves: Curves, level: float = 0.95) -> Band:
    """Mean of `curves` [runs, trials] and its Student interval at `level`, trial by trial (not simultaneous).

    Raises:
        ValueError: fewer than five runs.
    """
    runs = len(curves)
    if runs < 5:
        raise ValueError(f"an interval over runs needs at least 5 of them, not {runs}")
    mean = curves.mean(axis=0)
    half = t_quantile(0.5 + level / 2, runs - 1) * curves.std(axis=0, ddof=1) / math.sqrt(runs)
    return Band(mean, mean - half, mean + half)


def t_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t distribution; from 4 degrees of freedom on within 0.5 % for shares up to 0.975.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5.
    """
    z = NormalDist().inv_cdf(share)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def trials_to_reach(curves: Curves, value: float) -> Curves:
    """Trained layouts until each run of `curves` [runs, trials] first reaches `value`; infinity where none does."""
    reached = curves >= value
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)


def difference(first: Curves, second: Curves) -> Curves:
    """First less second [runs, trials], of the seeds that both have: of fewer runs those of the first seeds."""
    both = min(len(first), len(second))
    return first[:both] - second[:both]


def draw(curves: Mapping[str, Curves], base: str, *, quality: str, startup: int = 0) -> Figure:
    """Quality against trained layouts, and its difference from `base` run by run, each as mean and 95 % interval.

    Args:
        curves: by name, in order of importance; row by row the same seeds, as many trials each.
        base: name of the curves that the others are compared with.
        quality: what the curves measure, for the axis.
        startup: leading trials that are the same for all, drawn at random.
    """
    others = [name for name in curves if name != base]
    looks = {name: _LOOKS[index % len(_LOOKS)] for index, name in enumerate(others)} | {base: _BASE}
    figure = sheet(PAGE, 3.0)
    rows = max(1, math.ceil(len(others) / 2))
    grid = figure.add_gridspec(rows, 3, width_ratios=(2, 1.05, 1.05))
    left = figure.add_subplot(grid[:, 0])
    trials = np.arange(1, curves[base].shape[1] + 1)
    apart = slice(max(startup - 1, 0), None)
    _plot(left, trials, band(curves[base]), looks[base], base)
    for name in reversed(others):
        _plot(left, trials[apart], band(curves[name][:, apart]), looks[name], name)
    early = min(4, len(trials) - 1)
    left.set_ylim(math.floor(20 * float(curves[base][:, early].mean())) / 20, 1.005)
    left.set_ylabel(quality)
    left.set_title("(a) found so far", loc="left", fontweight="bold")
    handles = {line.get_label(): line for line in left.lines}
    left.legend(handles=[handles[name] for name in curves], loc="lower right", handlelength=2.8)
    panels: list[Axes] = []
    for index, name in enumerate(others):
        place = grid[index // 2, 1 + index % 2]
        axes = figure.add_subplot(place, sharex=panels[0], sharey=panels[0]) if panels else figure.add_subplot(place)
        panels.append(axes)
        axes.axhline(0, linewidth=1.2, zorder=2, **_BASE)
        _plot(axes, trials[apart], band(difference(curves[name], curves[base])[:, apart]), looks[name], name)
        axes.set_title(f"({chr(ord('b') + index)}) {name} − {base}", loc="left", fontweight="bold")
        axes.tick_params(labelleft=index % 2 == 0, labelbottom=index + 2 >= len(others))
    for axes in (left, *panels):
        _frame(axes, len(trials), startup)
    for axes in (left, *panels[-2:]):
        axes.set_xlabel("trained layouts")
    if startup:
        place = left.get_xaxis_transform()
        left.text(startup / 2, 0.985, "random\nstart-up", transform=place, fontsize=6.5, color="#666666", **_CENTRE)
    return figure


def _frame(axes: Axes, trials: int, startup: int) -> None:
    if startup:
        axes.axvspan(0, startup, facecolor="#F1F1F1", edgecolor="none", zorder=0)
    axes.set_xlim(0, trials)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _plot(axes: Axes, trials: NDArray[np.int64], values: Band, look: dict[str, Any], name: str) -> None:
    color = look["color"]
    axes.fill_between(trials, values.low, values.high, color=color, alpha=0.13, linewidth=0, zorder=3)
    for edge in (values.low, values.high):
        axes.plot(trials, edge, color=color, alpha=0.45, linewidth=0.4, zorder=3, label="_edge")
    axes.plot(trials, values.mean, linewidth=1.5, zorder=4, label=name, **look)
