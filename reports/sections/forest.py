# pyright: reportUnknownMemberType=false
"""Forest plot of an ablation: every row's difference with its interval, beside what the row changes in cost."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from archspec.documents.safe_text import printable
from reports.ablation_page.results import ResultRow, ResultView, ViewResults
from reports.ablation_page.text import reference
from reports.drawing.canvas import (
    BLACK,
    BLUE,
    COLUMN,
    GREY,
    ORANGE,
    PAGE,
    PURPLE,
    VERMILLION,
    folded,
    save,
    sheet,
    write_csv,
)
from reports.section import FIGURES, Section, SectionContent, picture

_COLORS = {"better": BLUE, "worse": VERMILLION}
# What stands in place of a point.
_WORDS = {"same run": "same run", "untested": "not tested"}


@dataclass(frozen=True)
class Bar:
    """One row of the plot: its difference in points with the ends of its interval, and changes of cost in percent.

    `mark` is the row's status, `reference` where it is compared with none; numbers that are not known are NaN.
    """

    label: str
    against: int | None
    difference: float
    low: float
    high: float
    mark: str
    params: float
    macs: float
    overall: bool

    @property
    def decided(self) -> bool:
        return self.mark in _COLORS


@dataclass(frozen=True)
class Forest:
    """The rows of one view from top to bottom; `reference` says in words what they are compared with.

    `score` is what differs: `test accuracy`.
    """

    name: str
    reference: str
    score: str
    bars: tuple[Bar, ...]

    @property
    def drawn(self) -> bool:
        """Whether there is any difference to draw."""
        return any(math.isfinite(bar.difference) for bar in self.bars)


def forest(view: ResultView, name: str, score: str) -> Forest:
    """The data of the figure of `view`; `score` names the split and the quality."""
    bars = [_bar(line, f"{line.index + 1}  {line.row.label}") for line in view.lines]
    if view.overall and view.overall.outcome:
        first = view.overall.outcome.against + 1
        bars.append(_bar(view.overall, f"{view.overall.index + 1}–{first}  last against first", overall=True))
    return Forest(name, reference(view.plan), score, tuple(bars))


def draw(info: Forest, *, column: bool = False) -> Figure:
    """Differences on the left, changes of cost on the right; over a page, or in one `column`."""
    # 0.3 inches hold two lines of a label.
    figure = sheet(COLUMN if column else PAGE, 0.3 * len(info.bars) + 1.0)
    axes: list[Axes] = list(figure.subplots(1, 2, sharey=True, width_ratios=[1.7, 1.0]))
    for place in axes:
        _rows(place, info)
        place.axvline(0, color="#444444", linewidth=0.8, zorder=2)
    for height, bar in enumerate(info.bars):
        _difference(axes[0], height, bar)
        _costs(axes[1], height, bar)
    _words(axes[0], info)
    _label(axes, info, width=18 if column else 40)
    handles = _legend(info)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=2 if column else len(handles),
        fontsize=6.5,
        handlelength=1.8,
        columnspacing=1.2,
        labelspacing=0.3,
    )
    return figure


def write(info: Forest, folder: Path) -> None:
    """Write NAME.{png,svg,pdf} and NAME-column.*, and what they show as NAME.csv."""
    save(draw(info), folder, info.name)
    save(draw(info, column=True), folder, f"{info.name}-column")
    header = ["label", "against", "difference", "low", "high", "mark", "params_change_percent", "macs_change_percent"]
    rows = [[b.label, b.against, b.difference, b.low, b.high, b.mark, b.params, b.macs] for b in info.bars]
    write_csv(folder / f"{info.name}.csv", header, rows)


def _bar(line: ResultRow, label: str, *, overall: bool = False) -> Bar:
    outcome = line.outcome
    found = outcome.comparison if outcome else None
    difference, low, high = (found.difference, found.low, found.high) if found else (math.nan,) * 3
    params, macs = (one.percent if one else math.nan for one in (line.params, line.macs))
    against = outcome.against + 1 if outcome else None
    return Bar(label, against, difference, low, high, outcome.status if outcome else "reference", params, macs, overall)


def _rows(axes: Axes, info: Forest) -> None:
    axes.set_ylim(len(info.bars) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.08)
    for height, bar in enumerate(info.bars):
        if height % 2:
            axes.axhspan(height - 0.5, height + 0.5, color="#F6F6F6", linewidth=0, zorder=0)
        if bar.overall:
            axes.axhline(height - 0.5, color=GREY, linewidth=0.6, zorder=1)


def _difference(axes: Axes, height: int, bar: Bar) -> None:
    if not math.isfinite(bar.difference):
        return
    color = _COLORS.get(bar.mark, GREY)
    if math.isfinite(bar.low) and math.isfinite(bar.high):
        width = 1.9 if bar.decided else 1.0
        axes.plot([bar.low, bar.high], [height] * 2, color=color, linewidth=width, solid_capstyle="butt", zorder=4)
    fill = color if bar.decided else "white"
    axes.plot([bar.difference], [height], "o", color=color, markerfacecolor=fill, markersize=4.5, zorder=5)


def _words(axes: Axes, info: Forest) -> None:
    """Say why a row has no point, on the side of 0 with more room."""
    low, high = axes.get_xlim()
    shift, align = (4, "left") if high >= -low else (-4, "right")
    for height, bar in enumerate(info.bars):
        if not math.isfinite(bar.difference):
            axes.annotate(
                _WORDS.get(bar.mark, bar.mark),
                (0, height),
                (shift, 0),
                textcoords="offset points",
                ha=align,
                va="center",
                fontsize=6,
                color=GREY,
            )


def _costs(axes: Axes, height: int, bar: Bar) -> None:
    """Parameters above, multiply-adds below the middle of the row."""
    for value, shift, color in ((bar.params, -0.16, PURPLE), (bar.macs, 0.16, ORANGE)):
        if math.isfinite(value):
            axes.barh(height + shift, value, 0.28, color=color, linewidth=0, zorder=3)


def _label(axes: Sequence[Axes], info: Forest, width: int) -> None:
    axes[0].set_yticks(range(len(info.bars)), [_wrapped(bar.label, width) for bar in info.bars])
    axes[0].tick_params(axis="y", labelcolor=BLACK, labelsize=6.5)
    for text, bar in zip(axes[0].get_yticklabels(), info.bars, strict=True):
        text.set_fontweight("bold" if bar.decided else "normal")
    axes[0].set_xlabel(folded(f"{info.score} against", 50) + f"\n{info.reference} (points)")
    axes[1].set_xlabel("change of\ncost (%)")
    for place, letter in zip(axes, "ab", strict=True):
        place.set_title(f"({letter})", loc="left", fontweight="bold")


def _wrapped(label: str, width: int) -> str:
    lines = textwrap.wrap(printable(label), width)
    if len(lines) > 2:
        lines = [lines[0], textwrap.shorten(" ".join(lines[1:]), width, placeholder=" …")]
    return "\n".join(lines)


def _legend(info: Forest) -> list[Line2D]:
    """What is drawn; the first kind of row says what the lines are."""
    shown = [bar for bar in info.bars if math.isfinite(bar.difference)]
    marks = [(BLUE, BLUE, 1.9, "better"), (VERMILLION, VERMILLION, 1.9, "worse"), (GREY, "white", 1.0, "not decided")]
    kinds = [("better", "worse").index(bar.mark) if bar.decided else 2 for bar in shown]
    handles: list[Line2D] = []
    for kind in sorted(set(kinds)):
        color, fill, width, label = marks[kind]
        lines = any(math.isfinite(bar.low) for bar, its in zip(shown, kinds, strict=True) if its == kind)
        named = (
            f"{label}, 95 % interval" if lines and not any("interval" in str(h.get_label()) for h in handles) else label
        )
        style = "-" if lines else "none"
        handles.append(
            Line2D([], [], color=color, marker="o", markerfacecolor=fill, markersize=4.5, linewidth=width,
                   linestyle=style, label=named)
        )  # fmt: skip
    costs = (("parameters", PURPLE, "params"), ("multiply-adds", ORANGE, "macs"))
    return handles + [
        Line2D([], [], color=color, linewidth=4, label=label)
        for label, color, name in costs
        if any(math.isfinite(value) and value for value in (getattr(bar, name) for bar in info.bars))
    ]


def _compute(results: ViewResults) -> Forest | None:
    info = forest(results.view, results.name, results.score)
    return info if info.drawn else None


def _write(info: Forest, folder: Path) -> SectionContent:
    write(info, folder / FIGURES)
    alt = f"Difference of each row to {info.reference}, beside its change of cost"
    caption = (
        "(a) Difference with its 95 % interval, which is of each row alone: where it excludes 0 and the row is grey, "
        "the correction for all comparisons of the table left it undecided. (b) Parameters and multiply-adds against "
        "the same row."
    )
    return SectionContent(picture=picture(folder, info.name, alt, caption))


SECTION = Section("forest", of=ViewResults, order=20, compute=_compute, write=_write)
