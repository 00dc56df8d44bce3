# pyright: reportUnknownMemberType=false
"""Cost against accuracy (MACs, parameters, inference time): what the analogue of HIRI-ViT's Figure 6 shows.

Validation points of the search are hollow, test means of the re-trained front solid.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from archspec.cost.metrics import Metric
from archspec.documents.wording import plural
from reports.drawing.canvas import (
    COLUMN,
    PAGE,
    PURPLE,
    VERMILLION,
    clean,
    folded,
    keep_within,
    log_axis,
    save,
    sheet,
    write_csv,
)
from reports.drawing.labels import Label, along, draw_labels
from reports.drawing.marks import ANCHOR, FRONT, MEMBER, PUBLISHED, RANDOM, SEARCH, show_whole
from reports.drawing.units import in_text, title, unit
from reports.records.devices import device_sentences
from reports.records.front import FrontRecord
from reports.records.metrics import QUALITY, USUAL, shown, usual_first
from reports.records.published import BENCHMARK
from reports.records.search import Record, finished
from reports.search_page.points import Kind, TradeoffPoint, tradeoff_points
from reports.search_page.results import SearchResults
from reports.section import FIGURES, Section, SectionContent, picture
from reports.statistics.pareto import nondominated

LATENCY = "latency_ms"
"""The metric whose axis says what was timed."""
# Wider than this ratio of the dearest to the cheapest layout, an axis is logarithmic.
LOG_RATIO = 4.0
# More panels than this do not stand in one row.
MAX_BESIDE = 5
# More ranks than this in one panel would hide what they name.
MAX_LABELS = 12


OWN = ("search", "random", "member")
"""Kinds of points of the run itself: a panel has at least one of them."""
RANDOM_DRAWN, CHECK_DRAWN = "random baseline (validation, 1 seed)", "layouts at random, trained in full (validation)"


@dataclass(frozen=True)
class Panel:
    """One cost: its points in units of the axis, and the front of the search and of the re-trained layouts in it.

    The fronts are indices into `points`, in order of `x`: layouts that no other of their kind beats on this cost and
    accuracy at once (validation accuracy for the search, mean test accuracy for the re-trained).
    """

    cost: str
    label: str
    log: bool
    points: tuple[TradeoffPoint, ...]
    x: tuple[float, ...]
    search_front: tuple[int, ...]
    test_front: tuple[int, ...]


@dataclass(frozen=True)
class Tradeoff:
    """The panels of the figure; `notes` are the sentences under it, `word` what they call the metric.

    `drawn` says what layouts at random are, and `estimated` that those of the search are estimates, which are left out.
    """

    metric: str
    panels: tuple[Panel, ...]
    points: tuple[TradeoffPoint, ...]
    notes: tuple[str, ...]
    word: str = "accuracy"
    drawn: str = RANDOM_DRAWN
    estimated: bool = False


def tradeoff(record: Record, front: FrontRecord) -> Tradeoff:
    """Compute the figure: every trial, the front per panel, the re-trained members, anchors and published rows."""
    points = tradeoff_points(record, front)
    # Behind the usual costs what was measured, and last what is here for being an objective.
    wanted = usual_first(shown(record.metrics, record.objectives))
    wanted = sorted(wanted, key=lambda metric: metric.exact and metric.name not in USUAL)
    panels = {
        metric: found for metric in wanted if (found := _panel(metric, points, _timed(record, metric))) is not None
    }
    notes = tuple(_notes(record, front, list(panels)))
    drawn = CHECK_DRAWN if record.estimated else RANDOM_DRAWN
    quality, found = record.full, tuple(panels.values())
    return Tradeoff(quality.label, found, tuple(points), notes, quality.word, drawn, record.estimated)


def _timed(record: Record, metric: Metric) -> str:
    """What was timed, on which device; empty for what is no inference time."""
    if metric.name == LATENCY:
        return record.latency
    return next((one.short for one in record.timings if one.metric.name == metric.name), "")


def _panel(metric: Metric, points: Sequence[TradeoffPoint], timed: str) -> Panel | None:
    name = metric.name
    known = tuple(point for point in points if math.isfinite(point.costs.get(name, math.nan)))
    if not any(point.kind in OWN for point in known):
        return None
    scale = unit(metric, [point.costs[name] for point in known])
    x = tuple(point.costs[name] / scale.divisor for point in known)
    return Panel(
        cost=name,
        label="\n".join([folded(scale.label, 36), *([folded(timed, 32)] if timed else [])]),
        log=max(x) > LOG_RATIO * min(x) > 0,
        points=known,
        x=x,
        search_front=_front(known, x, "search", metric),
        test_front=_front(known, x, "member", metric),
    )


def _front(points: Sequence[TradeoffPoint], x: Sequence[float], kind: Kind, metric: Metric) -> tuple[int, ...]:
    """Indices of the points of one kind that none of that kind beats, in order of `x`."""
    own = [index for index, point in enumerate(points) if point.kind == kind and math.isfinite(point.accuracy)]
    sign = -1 if metric.direction == "maximize" else 1
    keep = nondominated(np.array([[sign * x[index], -points[index].accuracy] for index in own]).reshape(-1, 2))
    return tuple(sorted((index for index, kept in zip(own, keep, strict=True) if kept), key=lambda index: x[index]))


def _notes(record: Record, front: FrontRecord, panels: Sequence[Metric]) -> list[str]:
    notes = [
        f"More is better of {in_text(metric)}: the good layouts are at the upper right of its panel."
        for metric in panels
        if metric.direction == "maximize"
    ]
    if all(metric.name != LATENCY for metric in panels):
        notes.append("Inference time was not measured in this run, so its panel is missing.")
    elif noisy := int((finished(record.search)["latency_noisy"] > 0).sum()):
        notes.append(f"{noisy} of the search's inference times were taken while something else kept the machine busy.")
    drawn = {metric.name for metric in panels}
    notes += device_sentences(one for one in record.timings if one.unlike and one.metric.name in drawn)
    if record.metric.benchmark == BENCHMARK:
        notes.append(
            "Published rows are Table II of HIRI-ViT: top-1 on ImageNet-1K's validation set, each by its authors' "
            "recipe and count of multiply-adds. They were timed on other hardware, so inference time is not drawn."
        )
    if front.untested:
        notes.append(f"Members were re-trained, but without a test {record.full.word}: there is none to show.")
    elif not any(member.test.n for member in front.members):
        notes.append(f"No member of the front has been re-trained yet, so there is no test {record.full.word} to show.")
    elif lacking := [str(member.rank) for member in front.members if not member.test.n]:
        notes.append(f"Members without final trainings: {', '.join(lacking)}.")
    if front.former:
        notes.append(f"{len(front.former)} re-trained layouts have left the front since and are not drawn.")
    return notes


def draw(info: Tradeoff, *, stacked: bool = False) -> Figure:
    """The panels side by side over two columns of a page, in rows where there are many, or `stacked` in one column."""
    count = len(info.panels)
    rows = 1 if count <= MAX_BESIDE else math.ceil(count / 4)
    columns = 1 if stacked else math.ceil(count / rows)
    if stacked:
        figure = sheet(COLUMN, 2.35 * count + 0.7)
        grid = figure.subplots(count, 1, squeeze=False)
    else:
        figure = sheet(PAGE / 3 * max(3, columns), 2.45 * rows + 0.6)
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    axes: list[Axes] = list(grid.flat)[:count]
    for spare in list(grid.flat)[count:]:
        spare.remove()
    for index, (panel, place) in enumerate(zip(info.panels, axes, strict=True)):
        _draw_points(place, panel)
        _limit(place, panel)
        place.set_xlabel(panel.label)
        place.set_title(f"({chr(ord('a') + index)})", loc="left", fontweight="bold")
        if index % columns == 0:
            place.set_ylabel(folded(f"{info.metric} (%)", 36))
    for place in axes:
        keep_within(place, 0, 100, least=0.5)
    handles = _legend(info)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=1 if stacked else min(3, len(handles)),
        handlelength=2.6,
        columnspacing=1.5,
    )
    # Labels need the final layout, which must then stay.
    clean(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel, place in zip(info.panels, axes, strict=True):
        show_whole(place)
        _draw_labels(place, panel)
    return figure


def write(info: Tradeoff, folder: Path) -> None:
    """Write tradeoff.{png,svg,pdf,csv}, and tradeoff-column.* with the panels stacked for one column."""
    save(draw(info), folder, "tradeoff")
    save(draw(info, stacked=True), folder, "tradeoff-column")
    costs = [panel.cost for panel in info.panels]
    timed = [cost for cost in costs if any(cost in point.devices for point in info.points)]
    fronts = [f"{kind}_front_{cost}" for cost in costs for kind in ("search", "test")]
    rows: list[list[object]] = []
    for point in info.points:
        row: list[object] = [point.kind, point.label, point.accuracy, point.sd, point.n]
        row += [point.costs.get(cost) for cost in costs]
        for panel in info.panels:
            lines = (panel.search_front, panel.test_front)
            row += [int(any(panel.points[index] is point for index in line)) for line in lines]
        row += [point.devices.get(name) for name in timed]
        rows.append(row)
    header = ["kind", "label", "accuracy_percent", "sd", "n", *costs, *fronts, *(f"{name}_device" for name in timed)]
    write_csv(folder / "tradeoff.csv", header, rows)


def _draw_points(axes: Axes, panel: Panel) -> None:
    # A search of thousands of trials would make a vector file that no viewer opens.
    rasterized = len(panel.points) > 1500
    for kind, marker, order in (("published", PUBLISHED, 2), ("random", RANDOM, 3), ("search", SEARCH, 4)):
        x, y = _coordinates(panel, kind)
        axes.plot(x, y, linestyle="none", zorder=order, rasterized=rasterized, **marker)
    axes.plot(*_at(panel, _family(panel)), color=PURPLE, linewidth=1.0, zorder=2)
    line = panel.search_front
    axes.plot(*_at(panel, line), linestyle=(0, (4, 2)), linewidth=0.9, zorder=5, **FRONT)
    axes.plot(*_at(panel, panel.test_front), color=VERMILLION, linewidth=1.4, zorder=6)
    for kind, marker in (("anchor", ANCHOR), ("member", MEMBER)):
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
        pad = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
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
    for line in (panel.search_front, panel.test_front):
        obstacles += along(list(zip(*_at(panel, line), strict=True)), log=panel.log)
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


def _coordinates(panel: Panel, kind: str) -> tuple[list[float], list[float]]:
    return _at(panel, [index for index, point in enumerate(panel.points) if point.kind == kind])


def _at(panel: Panel, chosen: Sequence[int]) -> tuple[list[float], list[float]]:
    return [panel.x[index] for index in chosen], [panel.points[index].accuracy for index in chosen]


def _legend(info: Tradeoff) -> list[Line2D]:
    """What is drawn in any panel; a line only where one is, and marks only where no others cover them all."""
    drawn = {point.kind for panel in info.panels for point in panel.points}
    several = [point.n for point in info.points if point.kind in ("member", "anchor")]
    spread = f"test, mean ± sd, {_seeds(several)}" if max(several, default=0) > 1 else "test, 1 seed"
    none: dict[str, Any] = {"linestyle": "none"}
    dashed: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 0.9}
    searched = dashed if any(len(panel.search_front) > 1 for panel in info.panels) else none
    tested: dict[str, Any] = {"linewidth": 1.4} if any(len(panel.test_front) > 1 for panel in info.panels) else none
    family = "; line: HIRI-ViT at 448" if any(len(_family(panel)) > 1 for panel in info.panels) else ""
    entries: list[tuple[bool, Line2D]] = [
        (
            any(not _covered(panel) for panel in info.panels),
            Line2D([], [], label="search trial (validation, 1 seed)", **none, **SEARCH),
        ),
        ("search" in drawn, Line2D([], [], label="front of the search (validation)", **searched, **FRONT)),
        ("random" in drawn, Line2D([], [], label=info.drawn, **none, **RANDOM)),
        ("member" in drawn, Line2D([], [], label=f"front re-trained ({spread})", **tested, **MEMBER)),
        ("anchor" in drawn, Line2D([], [], label=f"preset ({spread})", **none, **ANCHOR)),
        ("published" in drawn, Line2D([], [], label=f"published (Table II{family})", **none, **PUBLISHED)),
    ]
    return [line for shown, line in entries if shown]


def _covered(panel: Panel) -> bool:
    """Whether every trial of the search lies on its front, whose marks are drawn over those of trials."""
    front = {(panel.x[index], panel.points[index].accuracy) for index in panel.search_front}
    trials = [index for index, point in enumerate(panel.points) if point.kind == "search"]
    return all((panel.x[index], panel.points[index].accuracy) in front for index in trials)


def _seeds(counts: Sequence[int]) -> str:
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    return plural(low, "seed") if low == high else f"{low} to {high} seeds"


def _write(info: Tradeoff, folder: Path) -> SectionContent:
    write(info, folder / FIGURES)
    alt = f"{title(QUALITY, info.word)} against cost of all trials, with the front"
    caption = (
        f"Crosses: layouts of the check, validation {info.word}. Solid: the members of the front over the study's "
        f"objectives, re-trained, test {info.word}, mean and sample standard deviation over seeds. What the search "
        "itself saw were estimates, which stand in another figure."
        if info.estimated
        else f"Hollow: trials of the search, validation {info.word}, one seed; dashed, those that no other trial beats "
        f"on this cost and {info.word}. Solid: the members of the front over the study's objectives, re-trained, test "
        f"{info.word}, mean and sample standard deviation over seeds; the line joins those that no other member beats "
        "in this panel. Validation points were selected for being high, so compare test with test only."
    )
    figure = picture(folder, "tradeoff", alt, caption)
    return SectionContent(f"Cost against {info.word}", picture=figure, notes=info.notes)


def _compute(results: SearchResults) -> Tradeoff | None:
    found = tradeoff(results.record, results.front)
    return found if found.panels else None


SECTION = Section("tradeoff", of=SearchResults, order=10, compute=_compute, write=_write)
