# pyright: reportUnknownMemberType=false
"""The ablation table of a paper as a waterfall: what each step does to parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from reports.drawing.canvas import BLACK, BLUE, GREY, PAGE, PALE, PURPLE, VERMILLION, save, sheet, write_csv
from reports.drawing.units import signed
from reports.paper.tables import Paper

TABLE = "VII"
# Half of the last decimal that the paper prints.
WINDOW = 0.05
# Where the axis of multiply-adds leaves out what lies between one row and all others.
BREAK = 2.0


@dataclass(frozen=True)
class Level:
    """One quantity after a step: computed and published, in millions of parameters or 10⁹ multiply-adds."""

    computed: float
    published: float
    change: float
    """Against the step before; 0 for the first."""


@dataclass(frozen=True)
class WaterfallStep:
    """One row of the table."""

    number: int
    label: str
    inferred: bool
    params: Level
    gmacs: Level


@dataclass(frozen=True)
class Waterfall:
    """The steps in order, under one family of the reconstruction."""

    title: str
    family: str
    steps: tuple[WaterfallStep, ...]


def waterfall(info: Paper) -> Waterfall:
    """The steps of the ablation table in `info`.

    Raises:
        SpecError: the paper has no such table.
    """
    rows = [row for row in info.rows if row.table == TABLE]
    if not rows:
        raise SpecError(f"has no Table {TABLE} to draw", field="--plot", source=info.name)
    steps: list[WaterfallStep] = []
    for number, row in enumerate(rows, 1):
        levels: list[Level] = []
        for cell in row.cells:
            last = getattr(steps[-1], cell.quantity.lower()).computed if steps else cell.computed
            levels.append(Level(cell.computed, cell.published, cell.computed - last))
        steps.append(WaterfallStep(number, row.label, bool(row.inferred), *levels))
    return Waterfall(info.title, info.family, tuple(steps))


def draw(info: Waterfall) -> Figure:
    """Parameters on the left, multiply-adds on the right with the axis broken; over two columns of a page."""
    figure = sheet(PAGE, 0.26 * len(info.steps) + 1.0)
    low, high = _split([step.gmacs.computed for step in info.steps])
    shares = [3.0, 3.4, 1.0] if high else [3.0, 4.4]
    grid = figure.subplots(1, len(shares), sharey=True, width_ratios=shares)
    axes: list[Axes] = list(grid)
    _panel(axes[0], info, [step.params for step in info.steps], _limits([step.params for step in info.steps]))
    gmacs = [step.gmacs for step in info.steps]
    _panel(axes[1], info, gmacs, _limits([level for level in gmacs if level.computed in low]))
    if high:
        _panel(axes[2], info, gmacs, _limits([level for level in gmacs if level.computed in high], least=1.0))
        _broken(axes[1], axes[2])
    _label(axes, info)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=5, handlelength=1.6, columnspacing=1.4)
    return figure


def write(info: Waterfall, folder: Path) -> None:
    """Write waterfall.{png,svg,pdf}, and what they show as waterfall.csv."""
    save(draw(info), folder, "waterfall")
    header = ["row", "label", "construction"]
    for name in ("params_m", "gmacs"):
        header += [name, f"{name}_published", f"{name}_change"]
    rows: list[list[object]] = []
    for step in info.steps:
        numbers = [f"{x:.6f}" for one in (step.params, step.gmacs) for x in (one.computed, one.published, one.change)]
        rows.append([step.number, step.label, "inferred" if step.inferred else "stated", *numbers])
    write_csv(folder / "waterfall.csv", header, rows)


def change_text(change: float) -> str:
    """`+0.26`, `−0.94`; three decimals where two would be zero, and `±0` where three would."""
    text = signed(change, 2 if abs(change) >= 0.005 else 3)
    return "±0" if text.startswith("±") else text


def _split(values: Sequence[float]) -> tuple[set[float], set[float]]:
    """The values below and above the widest gap, if it is wider than `BREAK` times what lies below it."""
    ordered = sorted(values)
    gaps = [(upper - lower, index) for index, (lower, upper) in enumerate(pairwise(ordered), 1)]
    widest, index = max(gaps, default=(0.0, 0))
    if widest <= BREAK * (ordered[max(index - 1, 0)] - ordered[0] + WINDOW):
        return set(values), set()
    return set(ordered[:index]), set(ordered[index:])


def _limits(levels: Sequence[Level], least: float = 0.0) -> tuple[float, float]:
    ends = [x for level in levels for x in (level.computed, level.published - WINDOW, level.published + WINDOW)]
    pad = max(0.17 * (max(ends) - min(ends)), least / 2)
    return min(ends) - pad, max(ends) + pad


def _panel(axes: Axes, info: Waterfall, levels: Sequence[Level], limits: tuple[float, float]) -> None:
    axes.set_xlim(*limits)
    axes.set_ylim(len(levels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    for place, (step, level) in enumerate(zip(info.steps, levels, strict=True)):
        if place % 2:
            axes.axhspan(place - 0.5, place + 0.5, color="#F6F6F6", linewidth=0, zorder=0)
        _bar(axes, place, step, level, first=place == 0)
        if place + 1 < len(levels):
            axes.plot([level.computed] * 2, [place, place + 1], color=GREY, linewidth=0.6, zorder=3)
        window = [level.published - WINDOW, level.published + WINDOW]
        axes.plot(window, [place + 0.33] * 2, color=PURPLE, linewidth=2.2, solid_capstyle="butt", zorder=4)
    _changes(axes, levels, limits)


def _bar(axes: Axes, place: int, step: WaterfallStep, level: Level, *, first: bool) -> None:
    color = VERMILLION if level.change > 0 else BLUE
    fill = "white" if step.inferred else color
    if not first and change_text(level.change) != "±0":
        start = level.computed - level.change
        axes.barh(place - 0.05, level.change, 0.42, start, color=fill, edgecolor=color, linewidth=0.9, zorder=5)
    axes.plot([level.computed] * 2, [place - 0.32, place + 0.22], color=BLACK, linewidth=1.3, zorder=6)


def _changes(axes: Axes, levels: Sequence[Level], limits: tuple[float, float]) -> None:
    """Write each change on the outer side of its bar, where that lies in the panel."""
    for place, level in enumerate(levels):
        start = level.computed - level.change
        ends = sorted((start, level.computed))
        if not limits[0] <= level.computed <= limits[1]:
            continue
        text = f"{level.computed:.2f}" if place == 0 else change_text(level.change)
        span = limits[1] - limits[0]
        left = ends[1] > limits[1] - 0.14 * span
        x, shift, align = (max(ends[0], limits[0]), -3.5, "right") if left else (min(ends[1], limits[1]), 3.5, "left")
        color = "#444444" if place == 0 or text == "±0" else VERMILLION if level.change > 0 else BLUE
        axes.annotate(
            text,
            (x, place - 0.05),
            (shift, 0),
            textcoords="offset points",
            ha=align,
            va="center",
            fontsize=6.5,
            color=color,
            zorder=8,
        )


def _broken(left: Axes, right: Axes) -> None:
    """Mark that between the two panels the axis leaves values out."""
    right.spines["left"].set_visible(False)
    mark: dict[str, Any] = {
        "marker": [(-0.6, -1.0), (0.6, 1.0)],
        "markersize": 6,
        "linestyle": "none",
        "color": "#444444",
        "mew": 0.8,
    }
    left.plot([1], [0], transform=left.transAxes, clip_on=False, **mark)
    right.plot([0], [0], transform=right.transAxes, clip_on=False, **mark)


def _label(axes: Sequence[Axes], info: Waterfall) -> None:
    axes[0].set_yticks(range(len(info.steps)), [f"{printable(step.label)}  {step.number:>2}" for step in info.steps])
    axes[0].tick_params(axis="y", labelcolor=BLACK, labelsize=7.5)
    axes[0].set_xlabel("parameters (M)")
    axes[1].set_xlabel("multiply-adds (10⁹)")
    for place, name in zip(axes, "ab", strict=False):
        place.set_title(f"({name})", loc="left", fontweight="bold")


def _legend() -> list[Line2D | Patch]:
    return [
        Patch(facecolor=VERMILLION, edgecolor=VERMILLION, label="more"),
        Patch(facecolor=BLUE, edgecolor=BLUE, label="less"),
        Patch(facecolor="white", edgecolor=PALE, label="hollow: step in part inferred"),
        Line2D([], [], color=BLACK, linewidth=1.3, label="computed"),
        Line2D([], [], color=PURPLE, linewidth=2.2, label="published, as wide as its rounding"),
    ]
