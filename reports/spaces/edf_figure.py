# pyright: reportUnknownMemberType=false
"""The figure of populations: the distribution functions with their bands, and the layouts behind them against cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from reports.drawing.canvas import (
    BLUE,
    COLUMN,
    GREEN,
    GREY,
    ORANGE,
    PAGE,
    PURPLE,
    SKY,
    VERMILLION,
    folded,
    keep_within,
    save,
    sheet,
    write_csv,
)
from reports.drawing.units import title, unit
from reports.spaces.edf import COSTS, LEVEL, Edf, EdfCurve
from reports.statistics.two_samples import Floats

COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
LINES = ("solid", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = "osD^vP"


def draw(info: Edf, *, column: bool = False) -> Figure:
    """The distributions, and beside them accuracy against MACs; for one `column` the distributions alone."""
    figure = sheet(COLUMN, 2.6) if column else sheet(PAGE, 2.7)
    grid: Sequence[Axes] = [figure.subplots()] if column else list(figure.subplots(1, 2, width_ratios=(1.15, 1)))
    _draw_curves(grid[0], info)
    if not column:
        for place, letter in zip(grid, "ab", strict=True):
            place.set_title(f"({letter})", loc="left", fontweight="bold")
        _draw_layouts(grid[1], info)
    figure.legend(
        handles=_legend(info, points=not column),
        loc="outside lower center",
        ncols=1 if column else min(3, len(info.curves)),
        handlelength=2.8,
        columnspacing=1.8,
    )
    return figure


def write(info: Edf, folder: Path, name: str) -> None:
    """Write NAME.{png,svg,pdf}, NAME-column.* without the panel of costs, and NAME.csv with every layout."""
    save(draw(info), folder, name)
    save(draw(info, column=True), folder, f"{name}-column")
    rows: list[list[object]] = []
    for one, curve in zip(info.populations, info.curves, strict=True):
        places = np.searchsorted(curve.x, one.accuracies)
        for index, place in enumerate(places):
            costs = [one.costs[cost][index] for cost in COSTS]
            band = (curve.y[place], curve.low[place], curve.high[place])
            rows.append([one.name, one.source, one.accuracies[index], *costs, *band])
    share = f"{LEVEL:.0%}".replace("%", "_percent")
    header = ["population", "source", "accuracy_percent", *COSTS, "cumulative_share"]
    write_csv(folder / f"{name}.csv", [*header, f"low_{share}", f"high_{share}"], rows)


def _draw_curves(axes: Axes, info: Edf) -> None:
    low = min(float(curve.x[0]) for curve in info.curves)
    high = max(float(curve.x[-1]) for curve in info.curves)
    pad = 0.05 * (high - low) or 1.0
    ends = (max(0.0, low - pad), min(100.0, high + pad))
    for curve, color, line in zip(info.curves, COLORS, LINES, strict=False):
        x, y, under, over = _steps(curve, ends)
        axes.fill_between(x, under, over, step="post", color=color, alpha=0.13, linewidth=0)
        axes.step(x, y, where="post", color=color, linestyle=line, linewidth=1.3)
    for one, color in zip(info.populations, COLORS, strict=False):
        median = one.quartiles[1]
        axes.plot([median, median], [0, 0.5], color=color, linewidth=0.6, linestyle=(0, (2, 2)))
        axes.plot(median, 0.5, marker="o", markersize=3.0, color=color, markeredgecolor="white", markeredgewidth=0.5)
    axes.axhline(0.5, color=GREY, linewidth=0.5, linestyle=(0, (1, 2)), zorder=1)
    axes.set_xlim(*ends)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    axes.set_ylabel("Cumulative share (%)")
    axes.set_xlabel(folded(f"{_capital(info)} (%)", 44))


def _draw_layouts(axes: Axes, info: Edf) -> None:
    macs = np.concatenate([one.costs["macs"] for one in info.populations])
    scale = unit("macs", macs)
    for one, color, marker in zip(info.populations, COLORS, MARKERS, strict=False):
        axes.plot(
            one.costs["macs"] / scale.divisor,
            one.accuracies,
            linestyle="none",
            marker=marker,
            markersize=2.8,
            markerfacecolor="none",
            markeredgewidth=0.6,
            color=color,
            rasterized=one.n > 1500,
        )
    axes.set_xlabel(scale.label)
    axes.set_ylabel(folded(f"{title('accuracy', info.word)} (%)", 36))
    axes.margins(0.06)
    keep_within(axes, 0, 100, least=0.5)


def _legend(info: Edf, *, points: bool) -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            color=color,
            linestyle=line,
            linewidth=1.3,
            marker=marker if points else "",
            markersize=2.8,
            markerfacecolor="white",
            markeredgewidth=0.6,
            label=f"{one.name} ({one.n} layouts, median {one.quartiles[1]:.1f} %)",
        )
        for one, color, line, marker in zip(info.populations, COLORS, LINES, MARKERS, strict=False)
    ]


def _steps(curve: EdfCurve, ends: tuple[float, float]) -> tuple[Floats, Floats, Floats, Floats]:
    """The curve from one end of the axis to the other: 0 before its first step, 1 after its last."""
    x = np.concatenate([[ends[0]], curve.x, [ends[1]]])
    half = float(curve.high[0] - curve.y[0]) if curve.high[0] < 1 else 1.0
    y = np.concatenate([[0.0], curve.y, [1.0]])
    low = np.concatenate([[0.0], curve.low, curve.low[-1:]])
    high = np.concatenate([[min(1.0, half)], curve.high, [1.0]])
    return x, y, low, high


def _capital(info: Edf) -> str:
    """The label at the beginning of an axis; a name that begins small, such as mIoU, stays so."""
    return info.label if info.label.startswith(info.word) else info.label[:1].upper() + info.label[1:]
