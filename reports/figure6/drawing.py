# pyright: reportUnknownMemberType=false
"""The drawing of Figure 6: three panels side by side over a page, or stacked in one column, with a legend in groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from reports.drawing.canvas import BLACK, COLUMN, PAGE, clean, keep_within, log_axis, sheet
from reports.drawing.labels import Label, draw_labels
from reports.figure6.data import PANELS, Cost, FamilyCurve, Figure6, Figure6Point, Kind
from reports.figure6.overlay import accuracy_of
from reports.figure6.styles import Group, Look, Looks, all_apart, few_in_front

OVERLAY = "#0A2A66"
_TEST: Look = {"color": OVERLAY, "marker": "P", "markersize": 5.5, "markeredgecolor": "white", "markeredgewidth": 0.4}
_VALIDATION: Look = _TEST | {"markerfacecolor": "white", "markeredgecolor": OVERLAY, "markeredgewidth": 0.9}
_OVERLAY_LOOKS: dict[Kind, Look] = {"test": _TEST, "validation": _VALIDATION}
# More ranks than this would hide what they name.
_MAX_RANKS = 8
# Text of the legend and of labels, in points: no text of the figure is smaller.
SMALL = 6.2
_LABEL = 6.5
# Inches, without the legend.
_PAGE_HEIGHT, _STACKED_HEIGHT = 3.45, 7.5
# Between the rows of the legend, in points.
_MARGIN = 4.0


def draw(info: Figure6, *, stacked: bool = False) -> Figure:
    """The panels over two columns of a page with every family told apart, or `stacked` in one column with few."""
    looks = few_in_front(info) if stacked else all_apart(info)
    figure = sheet(COLUMN, _STACKED_HEIGHT) if stacked else sheet(PAGE, _PAGE_HEIGHT)
    _legends(figure, [*looks.groups, *_overlay_group(info, columns=1 if stacked else 2)], row=3 if stacked else 4)
    grid = figure.subplots(3, 1, squeeze=False) if stacked else figure.subplots(1, 3, squeeze=False, sharey=True)
    axes: list[Axes] = list(grid.flat)
    for index, (place, (cost, label)) in enumerate(zip(axes, PANELS, strict=True)):
        _panel(place, info, looks, cost)
        place.set_xlabel(f"{label}\nown times are not comparable" if cost == "ms" and info.overlay else label)
        place.set_title(f"({chr(ord('a') + index)})", loc="left", fontweight="bold")
        if stacked or index == 0:
            place.set_ylabel("top-1 on ImageNet-1K (%)")
    for place in axes:
        keep_within(place, 0, 100)
    # Labels need the final layout, which must then stay.
    clean(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for place, (cost, _) in zip(axes, PANELS, strict=True):
        _name_points(place, info, cost)
    return figure


def shortened(name: str, most: int = 24) -> str:
    """`name`, cut to `most` characters, the last an ellipsis."""
    return name if len(name) <= most else name[: most - 1] + "…"


def spots(figure: Figure, info: Figure6) -> list[list[tuple[float, float]]]:
    """The place of each point of `info` in each panel that has it: (x, y) in points from the figure's upper left."""
    scale = 72 / figure.dpi
    height = figure.bbox.height
    found: list[list[tuple[float, float]]] = []
    for point in info.points:
        places: list[tuple[float, float]] = []
        for axes, (cost, _) in zip(figure.axes, PANELS, strict=True):
            if not math.isnan(value := float(getattr(point, cost))):
                x, y = axes.transData.transform((value, point.top1))
                places.append((float(x) * scale, (height - float(y)) * scale))
        found.append(places)
    return found


def _panel(axes: Axes, info: Figure6, looks: Looks, cost: Cost) -> None:
    for curve, line, marks in zip(info.curves, looks.lines, looks.markers, strict=True):
        plain = {key: value for key, value in line.items() if not key.startswith("marker")}
        axes.plot(*_places(curve.points, cost), **plain, alpha=1 if curve.own else 0.65)
        for mark in {str(mark): mark for mark in marks}.values():
            alike = [point for point, its in zip(curve.points, marks, strict=True) if its == mark]
            alone: Look = mark | {"linestyle": "none", "zorder": mark["zorder"] + 0.5}
            axes.plot(*_places(alike, cost), **alone)
    own = _own(info, cost)
    for kind, look in _OVERLAY_LOOKS.items():
        chosen = sorted((point for point in own if point.kind == kind), key=lambda point: getattr(point, cost))
        if chosen:
            bars: Look = {"elinewidth": 0.9, "capsize": 2, "capthick": 0.8, "linestyle": "none", "zorder": 9}
            axes.errorbar(*_places(chosen, cost), yerr=[point.sd for point in chosen], **bars, **look)
    every = [x for curve in info.curves for x in _places(curve.points, cost)[0]]
    every += [float(getattr(point, cost)) for point in own]
    span = max(every) / min(every)
    # More room to the left, for the label of the smallest network.
    log_axis(axes, min(every) / span**0.09, max(every) * span**0.05)
    axes.margins(y=0.12)


def _places(points: Sequence[Figure6Point], cost: Cost) -> tuple[list[float], list[float]]:
    """Cost and accuracy of the `points` whose cost is known, cheapest first."""
    known = [(float(getattr(point, cost)), point.top1) for point in points]
    known = sorted(pair for pair in known if not math.isnan(pair[0]))
    return [x for x, _ in known], [y for _, y in known]


def _own(info: Figure6, cost: Cost) -> list[Figure6Point]:
    points = info.overlay.points if info.overlay else ()
    return [point for point in points if not math.isnan(getattr(point, cost))]


def _name_points(axes: Axes, info: Figure6, cost: Cost) -> None:
    """The size beside each point of HIRI-ViT's curve at the highest resolution, the rank beside own points."""
    top = info.curves[-1]
    # Beside a study far away, HIRI-ViT's points are close together.
    names = [point.network if info.overlay is None else point.network[-1] for point in top.points]
    labels = [
        Label(float(getattr(point, cost)), point.top1, name, BLACK, "bold")
        for point, name in zip(top.points, names, strict=True)
    ]
    own = _own(info, cost)
    if len(own) <= _MAX_RANKS:
        labels += [
            Label(float(getattr(point, cost)), point.top1, point.network.rpartition(" ")[2], OVERLAY, "bold")
            for point in own
        ]
    obstacles = [spot for curve in info.curves for spot in zip(*_places(curve.points, cost), strict=True)]
    for point in own:
        reach = 0.0 if math.isnan(point.sd) else point.sd
        obstacles += [(float(getattr(point, cost)), point.top1 + reach * share) for share in (-1, -0.5, 0, 0.5, 1)]
    for curve in info.curves:
        if curve.own:
            obstacles += _along(curve, cost)
    draw_labels(axes, labels, obstacles, size=_LABEL)


def _along(curve: FamilyCurve, cost: Cost) -> list[tuple[float, float]]:
    """Spots on a drawn line, so that labels keep off it."""
    ends = list(zip(*_places(curve.points, cost), strict=True))
    return [
        (x * (other_x / x) ** (step / 10), y + (other_y - y) * step / 10)
        for (x, y), (other_x, other_y) in pairwise(ends)
        for step in range(1, 10)
    ]


def _overlay_group(info: Figure6, columns: int) -> list[Group]:
    if info.overlay is None:
        return []
    entries: list[tuple[str, Look]] = []
    for kind, look in _OVERLAY_LOOKS.items():
        if chosen := [point for point in info.overlay.points if point.kind == kind]:
            entries.append((accuracy_of(chosen), look | {"linestyle": "none"}))
    return [Group(shortened(info.overlay.name), tuple(entries), min(columns, len(entries)))]


def _legends(figure: Figure, groups: Sequence[Group], row: int) -> None:
    """The groups in rows of `row` from left to right, below what `figure` has, which grows by as much."""
    legends = [_legend(figure, group) for group in groups]
    canvas = cast(FigureCanvasAgg, figure.canvas)
    boxes = [legend.get_window_extent(canvas.get_renderer()) for legend in legends]
    starts = range(0, len(groups), row)
    heights = [max(box.height for box in boxes[start : start + row]) for start in starts]
    width, margin = float(figure.bbox.width), _MARGIN * float(figure.dpi) / 72
    below = sum(heights) + margin * (len(heights) + 1)
    whole = float(figure.bbox.height) + below
    y, gap = below - margin, 0.0
    for start, height in zip(starts, heights, strict=True):
        part = list(zip(legends, boxes, strict=True))[start : start + row]
        # A row that follows starts where the first did.
        gap = gap or (width - sum(box.width for _, box in part)) / (len(part) + 1)
        x = gap
        for legend, box in part:
            legend.set_bbox_to_anchor((x / width, y / whole))
            x += box.width + gap
        y -= height + margin
    figure.set_size_inches(width / figure.dpi, whole / figure.dpi)
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, below / whole, 1, 1 - below / whole))


def _legend(figure: Figure, group: Group) -> Legend:
    return figure.legend(
        handles=[Line2D([], [], label=name, **look) for name, look in group.entries],
        title=group.title,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        ncols=group.columns,
        fontsize=SMALL,
        title_fontproperties={"size": SMALL, "weight": "bold"},
        alignment="left",
        borderaxespad=0.0,
        borderpad=0.2,
        handlelength=1.7,
        handletextpad=0.5,
        columnspacing=0.9,
        labelspacing=0.3,
    )
