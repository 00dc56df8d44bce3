"""Styles of Figure 6's curves, and the groups of its legend: all told apart, or few in front of many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.drawing.canvas import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION
from reports.figure6.data import PANELS, SCALES, FamilyCurve, Figure6, Figure6Point
from reports.statistics.pareto import nondominated

_COLORS = (BLUE, GREEN, PURPLE, ORANGE, SKY, GREY)
_MARKERS = ("o", "s", "^", "D", "v", "X")
# Without ORANGE, which is near HIRI-ViT's: olive and violet instead.
_FEW = (BLUE, GREEN, PURPLE, SKY, "#8B8000", "#5B3A9E")
_PALE = "#B4B4B4"
# Light to dark with the resolution; the last is what the paper reports first.
_OWN_COLORS = ("#F2A65A", VERMILLION, BLACK)
_SCALE_MARKERS: dict[str, str] = dict(zip(SCALES, ("o", "s", "^"), strict=True))
# Panels in whose front of the other families a family must take part to have a colour in one column.
_FRONTS = 2

Look = dict[str, Any]
"""Keyword arguments of matplotlib's Line2D."""


@dataclass(frozen=True)
class Group:
    """A titled part of the legend: its labels, each with its look, in so many columns."""

    title: str
    entries: tuple[tuple[str, Look], ...]
    columns: int = 1


@dataclass(frozen=True)
class Looks:
    """Line of each curve, markers of each of its points, and the legend, of one version of the figure."""

    lines: tuple[Look, ...]
    markers: tuple[tuple[Look, ...], ...]
    groups: tuple[Group, ...]


def all_apart(info: Figure6) -> Looks:
    """Every family by its colour and mark, a mark for each column of the legend; grouped by the scales it has."""
    titles = {3: "families with three scales", 2: "with two", 1: "with one"}
    looks: dict[str, Look] = {}
    groups: list[Group] = []
    turn = 0
    for scales, title in titles.items():
        curves = [curve for curve in info.curves if not curve.own and curve.scales == scales]
        height = math.ceil(len(curves) / 2)
        for index, curve in enumerate(curves):
            column, row = divmod(index, height)
            mark = _MARKERS[(turn + column) % len(_MARKERS)]
            looks[curve.family] = _mark(_COLORS[row % len(_COLORS)], mark, 3.0) | {"linewidth": 0.6, "zorder": 3}
        turn += 2
        groups.append(Group(title, tuple((curve.family, looks[curve.family]) for curve in curves), 2))
    looks |= _own_looks(info)
    groups.append(_own_group(info, looks))
    lines = tuple(looks[curve.family] for curve in info.curves)
    markers = tuple((look,) * len(curve.points) for look, curve in zip(lines, info.curves, strict=True))
    return Looks(lines, markers, tuple(groups))


def few_in_front(info: Figure6) -> Looks:
    """HIRI-ViT and its nearest competitors by colour, all others grey; marks tell the scale of a row.

    A competitor is near when at least one of its rows is on the front of all families but HIRI-ViT in two panels or
    more, so that the choice is the data's.
    """
    near = competitors(info)
    own = _own_looks(info)
    lines: list[Look] = []
    markers: list[tuple[Look, ...]] = []
    for curve in info.curves:
        if curve.own:
            lines.append(own[curve.family])
            markers.append((own[curve.family],) * len(curve.points))
            continue
        here = curve.family in near
        color = _FEW[near.index(curve.family) % len(_FEW)] if here else _PALE
        line: Look = {"color": color, "linewidth": 0.9 if here else 0.45, "zorder": 4 if here else 2}
        lines.append(line)
        markers.append(tuple(_scale_mark(point, line, 3.2 if here else 2.4) for point in curve.points))
    found = dict(zip((curve.family for curve in info.curves), lines, strict=True))
    others = sum(not curve.own for curve in info.curves) - len(near)
    scales: list[tuple[str, Look]] = [
        (scale, _mark("#666666", mark, 3.0) | {"linestyle": "none"}) for scale, mark in _SCALE_MARKERS.items()
    ]
    scales.append((f"{others} others", {"color": _PALE, "linewidth": 0.9}))
    groups = (
        _own_group(info, own),
        Group("front of the others", tuple((name, found[name]) for name in near), 2),
        Group("scale", tuple(scales)),
    )
    return Looks(tuple(lines), tuple(markers), groups)


def competitors(info: Figure6) -> list[str]:
    """Families with a row on the front of all but HIRI-ViT's rows in at least two panels, in the table's order."""
    counts: dict[str, int] = {}
    for cost, _ in PANELS:
        others = [point for curve in info.curves if not curve.own for point in curve.points]
        known = [point for point in others if not math.isnan(getattr(point, cost))]
        keep = nondominated(np.array([[getattr(point, cost), -point.top1] for point in known]))
        for family in {point.family for point, kept in zip(known, keep, strict=True) if kept}:
            counts[family] = counts.get(family, 0) + 1
    return [curve.family for curve in info.curves if counts.get(curve.family, 0) >= _FRONTS]


def _own_looks(info: Figure6) -> dict[str, Look]:
    own = [curve for curve in info.curves if curve.own]
    return {
        curve.family: _mark(color, "*", 6.0) | {"linewidth": 1.4, "zorder": 6 + index}
        for index, (curve, color) in enumerate(zip(own, _OWN_COLORS, strict=True))
    }


def _own_group(info: Figure6, looks: dict[str, Look]) -> Group:
    own: list[FamilyCurve] = [curve for curve in info.curves if curve.own]
    entries = [(f"at {curve.points[0].resolution} px", looks[curve.family]) for curve in own]
    return Group("HIRI-ViT", tuple(entries))


def _scale_mark(point: Figure6Point, line: Look, size: float) -> Look:
    return _mark(line["color"], _SCALE_MARKERS[point.scale], size) | {"zorder": line["zorder"]}


def _mark(color: str, marker: str, size: float) -> Look:
    return {
        "color": color,
        "marker": marker,
        "markersize": size,
        "markeredgecolor": "white",
        "markeredgewidth": 0.3,
    }
