# pyright: reportUnknownMemberType=false
"""The figure of a design space: distributions of cost, and a cloud of layouts drawn uniformly from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from reports.drawing.canvas import BLUE, COLUMN, GREEN, ORANGE, PAGE, VERMILLION, save, sheet, write_csv
from reports.drawing.units import Unit, unit

TAIL = 5e-4
"""Axes end where no more than this share of the layouts lies beyond."""
CELLS = 44
"""Cells of the cloud along each axis."""
MARKS = 500
"""Most layouts inside the budget that are marked one by one."""
INSIDE, SHADE, FILL = VERMILLION, "#FBEFE6", "#DCE9F2"
_CLOUD = LinearSegmentedColormap.from_list("cloud", ["#DCE9F2", "#7FB2D3", BLUE, "#00304D"])

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Histogram:
    """An exact distribution of one cost.

    Attributes:
        cost: `macs` or `params`.
        place: what stands behind its name, such as ` at 448 px`.
        edges: [bins + 1]; bin i holds the costs from edges[i] to below edges[i + 1].
        layouts: [bins], exact numbers.
        low, high: the budget's limits, inclusive; None where open.
    """

    cost: str
    place: str
    edges: tuple[int, ...]
    layouts: tuple[int, ...]
    low: int | None = None
    high: int | None = None

    @property
    def cumulative(self) -> NDArray[np.float64]:
        """[bins + 1], the share of layouts below each edge."""
        sums = [sum(self.layouts[:index]) for index in range(len(self.layouts) + 1)]
        return np.array([below / sums[-1] for below in sums])

    @property
    def band(self) -> tuple[int, int]:
        """The part of the whole range that the limits leave."""
        low, high = self.edges[0], self.edges[-1]
        return low if self.low is None else max(low, self.low), high if self.high is None else min(high, self.high)

    @property
    def limited(self) -> bool:
        """Whether the budget limits this cost."""
        return self.low is not None or self.high is not None


@dataclass(frozen=True)
class Frontier:
    """An exact edge of the cloud: `x` and `y` are costs as in the histograms, by increasing x."""

    label: str
    x: Ints
    y: Ints


@dataclass(frozen=True)
class Cloud:
    """The data of the figure of a population.

    Attributes:
        name: of the space.
        layouts: how many it has.
        share: inside the budget; None without one.
        x, y: the two costs.
        sample: [drawn, 2], both costs of layouts drawn uniformly from the whole space, with replacement, or of all
            its layouts where `whole`.
        inside: [drawn], which of them meet every limit of the budget, also those on other costs.
        frontiers: exact edges.
    """

    name: str
    layouts: int
    share: float | None
    x: Histogram
    y: Histogram
    sample: Ints
    inside: NDArray[np.bool_]
    frontiers: tuple[Frontier, ...]
    whole: bool = False

    @property
    def marked(self) -> bool:
        """Whether the budget limits more than the two costs, so that layouts inside must be marked one by one."""
        between = [
            (self.sample[:, index] >= axis.band[0]) & (self.sample[:, index] <= axis.band[1])
            for index, axis in enumerate((self.x, self.y))
        ]
        return not np.array_equal(self.inside, between[0] & between[1])


def draw(info: Cloud, *, column: bool = False) -> Figure:
    """The cloud between its two exact distributions, and the cumulative shares; for one `column` the cloud alone."""
    figure = sheet(COLUMN, 3.6) if column else sheet(PAGE, 3.5)
    outer = figure.add_gridspec(1, 1) if column else figure.add_gridspec(1, 2, width_ratios=(1.45, 1))
    inner = outer[0].subgridspec(2, 2, width_ratios=(4.4, 1), height_ratios=(1, 3.6))
    cloud = figure.add_subplot(inner[1, 0])
    top = figure.add_subplot(inner[0, 0], sharex=cloud)
    side = figure.add_subplot(inner[1, 1], sharey=cloud)
    x, y = _unit(info.x), _unit(info.y)
    _draw_cloud(cloud, info, x, y)
    _draw_bars(top, info.x, x, along="x")
    _draw_bars(side, info.y, y, along="y")
    if not column:
        top.set_title("(a)", loc="left", fontweight="bold")
        places = outer[1].subgridspec(2, 1)
        for place, histogram, scale, letter in ((places[0], info.x, x, "b"), (places[1], info.y, y, "c")):
            axes = figure.add_subplot(place)
            axes.set_title(f"({letter})", loc="left", fontweight="bold")
            _draw_cumulative(axes, histogram, scale)
    handles = _legend(info)
    figure.legend(handles=handles, loc="outside lower center", ncols=1 if column else 2, columnspacing=2.5)
    return figure


def write(info: Cloud, folder: Path) -> None:
    """Write population.{png,svg,pdf}, population-column.* with the cloud alone, and the data behind them as CSV."""
    save(draw(info), folder, "population")
    save(draw(info, column=True), folder, "population-column")
    names = (info.x.cost, info.y.cost)
    for histogram in (info.x, info.y):
        rows = list(zip(histogram.edges[:-1], histogram.edges[1:], histogram.layouts, strict=True))
        write_csv(folder / f"histogram-{histogram.cost}.csv", ["from", "below", "layouts"], rows)
    drawn = [[*costs, int(mark)] for costs, mark in zip(info.sample.tolist(), info.inside.tolist(), strict=True)]
    write_csv(folder / "sample.csv", [*names, "inside"], drawn)
    points = [(edge, pair) for edge in info.frontiers for pair in zip(edge.x.tolist(), edge.y.tolist(), strict=True)]
    write_csv(folder / "fronts.csv", ["front", *names], [[edge.label, *pair] for edge, pair in points])


def _draw_cloud(axes: Axes, info: Cloud, x: Unit, y: Unit) -> None:
    ends = (_ends(info.x), _ends(info.y))
    values = info.sample / (x.divisor, y.divisor)
    spans = [(low / scale.divisor, high / scale.divisor) for (low, high), scale in zip(ends, (x, y), strict=True)]
    cells, across, up = np.histogram2d(values[:, 0], values[:, 1], bins=CELLS, range=spans)
    axes.pcolormesh(across, up, np.ma.masked_equal(cells.T, 0), cmap=_CLOUD, norm=LogNorm(), rasterized=True, zorder=1)
    for frontier, color in zip(info.frontiers, (GREEN, ORANGE), strict=False):
        axes.plot(frontier.x / x.divisor, frontier.y / y.divisor, color=color, linewidth=1.2, zorder=3)
    _mark_box(axes, info, x, y)
    if info.marked:
        chosen = values[info.inside][:MARKS]
        axes.plot(*chosen.T, linestyle="none", marker=".", markersize=1.4, color=INSIDE, zorder=4, rasterized=True)
    axes.set_xlim(*spans[0])
    axes.set_ylim(*spans[1])
    axes.set_xlabel(_label(info.x, x))
    axes.set_ylabel(_label(info.y, y))


def _draw_bars(axes: Axes, histogram: Histogram, scale: Unit, *, along: Literal["x", "y"]) -> None:
    edges = np.array(histogram.edges) / scale.divisor
    shares = 100 * np.diff(histogram.cumulative)
    axes.stairs(shares, edges, fill=True, color=FILL, orientation="vertical" if along == "x" else "horizontal")
    axes.stairs(shares, edges, color=BLUE, linewidth=0.8, orientation="vertical" if along == "x" else "horizontal")
    _shade(axes, histogram, scale, along=along)
    axes.tick_params(labelbottom=along == "y", labelleft=along == "x")
    axes.grid(visible=False)
    if along == "x":
        axes.set_ylabel("Share (%)")
    else:
        axes.set_xlabel("Share (%)")


def _draw_cumulative(axes: Axes, histogram: Histogram, scale: Unit) -> None:
    edges = np.array(histogram.edges) / scale.divisor
    axes.plot(edges, histogram.cumulative, color=BLUE, linewidth=1.3)
    _shade(axes, histogram, scale, along="x")
    axes.set_xlim(*(end / scale.divisor for end in _ends(histogram)))
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    axes.set_xlabel(_label(histogram, scale))
    axes.set_ylabel("Layouts below (%)")


def _shade(axes: Axes, histogram: Histogram, scale: Unit, *, along: Literal["x", "y"]) -> None:
    """The band that the budget leaves, with a line at each of its ends."""
    if not histogram.limited:
        return
    span = axes.axvspan if along == "x" else axes.axhspan
    span(*(end / scale.divisor for end in histogram.band), color=SHADE, linewidth=0, zorder=0)
    line = axes.axvline if along == "x" else axes.axhline
    for end in (histogram.low, histogram.high):
        if end is not None:
            line(end / scale.divisor, color=INSIDE, linewidth=0.7, linestyle=(0, (4, 2)), zorder=2)


def _mark_box(axes: Axes, info: Cloud, x: Unit, y: Unit) -> None:
    """What meets the limits on both costs."""
    if info.share is None:
        return
    (left, right), (low, high) = (_sides(info.x, x), _sides(info.y, y))
    corners = ([left, right, right, left], [low, low, high, high])
    axes.fill(*corners, color=SHADE, linewidth=0, zorder=0)
    axes.fill(*corners, fill=False, edgecolor=INSIDE, linewidth=0.9, linestyle=(0, (4, 2)), zorder=2)


def _sides(histogram: Histogram, scale: Unit) -> tuple[float, float]:
    """The limits; an open one lies beyond the axis."""
    low, high = histogram.edges[0], histogram.edges[-1]
    left = 2 * low - high if histogram.low is None else histogram.low
    return left / scale.divisor, (2 * high - low if histogram.high is None else histogram.high) / scale.divisor


def _legend(info: Cloud) -> list[Line2D | Patch]:
    whole = f"{info.layouts:,}" if info.layouts < 10**6 else re.sub(r"e\+0*", "e", f"{info.layouts:.2e}")
    drawn = f"{len(info.sample):,} layouts drawn uniformly, with replacement, of {whole}"
    count = f"all {whole} layouts" if info.whole else drawn
    handles: list[Line2D | Patch] = [Patch(color="#7FB2D3", label=f"{count} (darker: more)")]
    for frontier, color in zip(info.frontiers, (GREEN, ORANGE), strict=False):
        handles.append(Line2D([], [], color=color, linewidth=1.2, label=frontier.label))
    if info.share is not None:
        label = f"inside the budget ({_percent(info.share)} of all layouts)"
        if info.marked and info.inside.any():
            handles.append(Line2D([], [], color=INSIDE, linestyle="none", marker=".", markersize=3, label=label))
        else:
            handles.append(Patch(facecolor=SHADE, edgecolor=INSIDE, linewidth=0.7, linestyle=(0, (4, 2)), label=label))
    return handles


def _ends(histogram: Histogram) -> tuple[float, float]:
    """Where an axis ends: what little lies beyond would take half of it."""
    below = histogram.cumulative
    low, high = int(np.searchsorted(below, TAIL, side="right")) - 1, int(np.searchsorted(below, 1 - TAIL))
    ends = [histogram.edges[low], histogram.edges[high]]
    ends += [end for end in (histogram.low, histogram.high) if end is not None]
    first, last = max(min(ends), histogram.edges[0]), min(max(ends), histogram.edges[-1])
    pad = 0.02 * (last - first) or 1.0
    return first - pad, last + pad


def _unit(histogram: Histogram) -> Unit:
    below = histogram.cumulative
    return unit(histogram.cost, [histogram.edges[int(np.searchsorted(below, 0.5))]])


def _label(histogram: Histogram, scale: Unit) -> str:
    return f"{scale.title}{histogram.place} ({scale.sign})" if scale.sign else f"{scale.title}{histogram.place}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
