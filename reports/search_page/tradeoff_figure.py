# pyright: reportUnknownMemberType=false
"""The figure of cost against accuracy: validation points of the search hollow, test means of the front solid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from archspec.documents.wording import plural
from reports.drawing.canvas import (
    BLUE,
    COLUMN,
    GREEN,
    GREY,
    PAGE,
    PALE,
    PURPLE,
    VERMILLION,
    log_axis,
    save,
    sheet,
    write_csv,
)
from reports.drawing.labels import Label, draw_labels
from reports.search_page.tradeoff import Panel, Tradeoff

# More ranks than this in one panel would hide what they name.
MAX_LABELS = 12

_RANDOM: dict[str, Any] = {"marker": "x", "color": PALE, "markersize": 3.2, "markeredgewidth": 0.7}
_SEARCH: dict[str, Any] = {
    "marker": "o",
    "color": GREY,
    "markersize": 3.4,
    "markerfacecolor": "none",
    "markeredgewidth": 0.6,
}
_FRONT: dict[str, Any] = {
    "marker": "o",
    "color": BLUE,
    "markersize": 3.6,
    "markerfacecolor": "white",
    "markeredgewidth": 0.9,
}
_MEMBER: dict[str, Any] = {"marker": "s", "color": VERMILLION, "markersize": 4.2}
_ANCHOR: dict[str, Any] = {"marker": "^", "color": GREEN, "markersize": 5.0}
_PUBLISHED: dict[str, Any] = {
    "marker": "D",
    "color": PURPLE,
    "markersize": 2.8,
    "markerfacecolor": "none",
    "markeredgewidth": 0.6,
}


def draw(info: Tradeoff, *, stacked: bool = False) -> Figure:
    """The panels side by side over two columns of a page, or `stacked` in one column."""
    count = len(info.panels)
    figure = sheet(COLUMN, 2.35 * count + 0.7) if stacked else sheet(PAGE / 3 * max(3, count), 3.05)
    grid = (
        figure.subplots(count, 1, squeeze=False) if stacked else figure.subplots(1, count, squeeze=False, sharey=True)
    )
    axes: list[Axes] = list(grid.flat)
    for index, (panel, place) in enumerate(zip(info.panels, axes, strict=True)):
        _draw_points(place, panel)
        _limit(place, panel)
        place.set_xlabel(panel.label)
        place.set_title(f"({chr(ord('a') + index)})", loc="left", fontweight="bold")
        if stacked or index == 0:
            place.set_ylabel(f"{info.metric} (%)")
    handles = _legend(info)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=1 if stacked else min(3, len(handles)),
        handlelength=2.6,
        columnspacing=1.5,
    )
    # Labels need the final layout, which must then stay.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel, place in zip(info.panels, axes, strict=True):
        _draw_labels(place, panel)
    return figure


def write(info: Tradeoff, folder: Path) -> None:
    """Write tradeoff.{png,svg,pdf,csv}, and tradeoff-column.* with the panels stacked for one column."""
    save(draw(info), folder, "tradeoff")
    save(draw(info, stacked=True), folder, "tradeoff-column")
    costs = [panel.cost for panel in info.panels]
    fronts = [f"{kind}_front_{cost}" for cost in costs for kind in ("search", "test")]
    rows: list[list[object]] = []
    for point in info.points:
        row: list[object] = [point.kind, point.label, point.accuracy, point.sd, point.n]
        row += [point.costs.get(cost) for cost in costs]
        for panel in info.panels:
            lines = (panel.search_front, panel.test_front)
            row += [int(any(panel.points[index] is point for index in line)) for line in lines]
        rows.append(row)
    write_csv(folder / "tradeoff.csv", ["kind", "label", "accuracy_percent", "sd", "n", *costs, *fronts], rows)


def _draw_points(axes: Axes, panel: Panel) -> None:
    # A search of thousands of trials would make a vector file that no viewer opens.
    rasterized = len(panel.points) > 1500
    for kind, marker, order in (("published", _PUBLISHED, 2), ("random", _RANDOM, 3), ("search", _SEARCH, 4)):
        x, y = _coordinates(panel, kind)
        axes.plot(x, y, linestyle="none", zorder=order, rasterized=rasterized, **marker)
    axes.plot(*_at(panel, _family(panel)), color=PURPLE, linewidth=1.0, zorder=2)
    line = panel.search_front
    axes.plot(*_at(panel, line), linestyle=(0, (4, 2)), linewidth=0.9, zorder=5, **_FRONT)
    axes.plot(*_at(panel, panel.test_front), color=VERMILLION, linewidth=1.4, zorder=6)
    for kind, marker in (("anchor", _ANCHOR), ("member", _MEMBER)):
        chosen = [index for index, point in enumerate(panel.points) if point.kind == kind]
        bars = [panel.points[index].sd for index in chosen]
        axes.errorbar(
            *_at(panel, chosen),
            yerr=bars,
            linestyle="none",
            zorder=7,
            elinewidth=1.0,
            capsize=2,
            capthick=0.8,
            **marker,
        )


def _limit(axes: Axes, panel: Panel) -> None:
    low, high = min(panel.x), max(panel.x)
    if panel.log:
        pad = (high / low) ** 0.06
        log_axis(axes, low / pad, high * pad)
    else:
        pad = 0.06 * (high - low) or 0.1 * high
        axes.set_xlim(low - pad, high + pad)
    axes.margins(y=0.09)


def _draw_labels(axes: Axes, panel: Panel) -> None:
    labels = [
        Label(panel.x[index], point.accuracy, point.label.split(" @")[0], color, weight)
        for kind, color, weight in (("member", VERMILLION, "bold"), ("anchor", "#00724F", "normal"))
        for index, point in enumerate(panel.points)
        if point.kind == kind and (kind != "member" or index in _labelled(panel))
    ]
    labels += [
        Label(panel.x[index], panel.points[index].accuracy, panel.points[index].label.split(" @")[0], "#8A4F75")
        for index in _family(panel)
    ]
    obstacles = [(x, point.accuracy) for x, point in zip(panel.x, panel.points, strict=True)]
    for x, point in zip(panel.x, panel.points, strict=True):
        if point.n > 1:
            obstacles += [(x, point.accuracy + point.sd * share) for share in (-1, -0.5, 0.5, 1)]
    obstacles += _along(panel, panel.search_front) + _along(panel, panel.test_front)
    draw_labels(axes, labels, obstacles, size=6.5)


def _labelled(panel: Panel) -> set[int]:
    """Members that get their rank beside them: all, or of a large front those on the panel's line, evenly chosen."""
    members = [index for index, point in enumerate(panel.points) if point.kind == "member"]
    if len(members) <= MAX_LABELS:
        return set(members)
    line = panel.test_front
    if len(line) <= MAX_LABELS:
        return set(line)
    return {line[round(step * (len(line) - 1) / (MAX_LABELS - 1))] for step in range(MAX_LABELS)}


def _family(panel: Panel) -> list[int]:
    """HIRI-ViT's own published rows at 448, small to large."""
    own = [index for index, point in enumerate(panel.points) if point.kind == "published"]
    own = [index for index in own if re.fullmatch(r"HIRI-ViT-. @448", panel.points[index].label)]
    return sorted(own, key=lambda index: panel.x[index])


def _along(panel: Panel, line: Sequence[int]) -> list[tuple[float, float]]:
    """Points on a drawn line, so that labels keep off it."""
    found: list[tuple[float, float]] = []
    for start, end in pairwise(line):
        for share in (0.2, 0.4, 0.6, 0.8):
            one, two = panel.points[start].accuracy, panel.points[end].accuracy
            x = (
                panel.x[start] * (panel.x[end] / panel.x[start]) ** share
                if panel.log
                else (panel.x[start] + share * (panel.x[end] - panel.x[start]))
            )
            found.append((x, one + share * (two - one)))
    return found


def _coordinates(panel: Panel, kind: str) -> tuple[list[float], list[float]]:
    return _at(panel, [index for index, point in enumerate(panel.points) if point.kind == kind])


def _at(panel: Panel, chosen: Sequence[int]) -> tuple[list[float], list[float]]:
    return [panel.x[index] for index in chosen], [panel.points[index].accuracy for index in chosen]


def _legend(info: Tradeoff) -> list[Line2D]:
    kinds = {point.kind for point in info.points}
    several = [point.n for point in info.points if point.kind in ("member", "anchor")]
    spread = f"test, mean ± sd, {_seeds(several)}" if max(several, default=0) > 1 else "test, 1 seed"
    none: dict[str, Any] = {"linestyle": "none"}
    entries: list[tuple[bool, Line2D]] = [
        (True, Line2D([], [], label="search trial (validation, 1 seed)", **none, **_SEARCH)),
        (
            True,
            Line2D([], [], label="front of the search (validation)", linestyle=(0, (4, 2)), linewidth=0.9, **_FRONT),
        ),
        ("random" in kinds, Line2D([], [], label="random baseline (validation, 1 seed)", **none, **_RANDOM)),
        ("member" in kinds, Line2D([], [], label=f"front re-trained ({spread})", linewidth=1.4, **_MEMBER)),
        ("anchor" in kinds, Line2D([], [], label=f"preset ({spread})", **none, **_ANCHOR)),
        (
            "published" in kinds,
            Line2D([], [], label="published (Table II; line: HIRI-ViT at 448)", **none, **_PUBLISHED),
        ),
    ]
    return [line for shown, line in entries if shown]


def _seeds(counts: Sequence[int]) -> str:
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    return plural(low, "seed") if low == high else f"{low} to {high} seeds"
