# pyright: reportUnknownMemberType=false
"""The hypervolume of a search after each trained layout, beside that of a random search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.drawing.canvas import BLUE, COLUMN, VERMILLION, keep_within, save, sheet, write_csv
from reports.drawing.units import title, unit
from reports.records.hypervolume_box import HypervolumeBox, scale_of, unit_losses
from reports.records.metrics import QUALITY
from reports.records.search import Record, finished
from reports.search_page.results import SearchResults
from reports.section import FIGURES, Section, SectionContent, picture
from reports.statistics.pareto import hypervolume_history


@dataclass(frozen=True)
class ProgressCurve:
    """Hypervolume after 1, 2, ... trained layouts of one arm, as a share of the box of the scale (0 to 1)."""

    name: str
    trials: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Progress:
    """The arms, how many leading trials of the search were drawn at random, and the scale."""

    scale: HypervolumeBox
    arms: tuple[ProgressCurve, ...]
    startup: int

    @property
    def shared(self) -> int:
        """The number of layouts that every arm has trained: after as many, the arms compare."""
        return min(len(arm.trials) for arm in self.arms)

    @property
    def reached(self) -> tuple[float, ...]:
        """Hypervolume of each arm after `shared` layouts."""
        return tuple(arm.values[self.shared - 1] for arm in self.arms)

    @property
    def result(self) -> str:
        """`reached` in words: `0.512 (search) and 0.498 (random baseline)`."""
        return " and ".join(f"{value:.3f} ({arm.name})" for value, arm in zip(self.reached, self.arms, strict=True))

    @property
    def note(self) -> str:
        """The sentence that a reader needs beside the comparison."""
        if len(self.arms) > 1:
            return (
                f"After {self.shared} trained layouts: {self.result}. One run of each, so the spread between runs is "
                "not known."
            )
        drawn = self.startup
        part = f"; the shaded part, its {drawn} uniformly random start-up trials, is all there is" if drawn else ""
        return f"No random baseline was run, so nothing tells how far chance alone would have come{part}."


def progress(record: Record) -> Progress:
    """Compute the hypervolume history of the search and, where there is one, of the random baseline.

    Layouts count in order of trial number, each once; failed trials and answers from the record do not count.
    """
    search, baseline = finished(record.search), finished(record.baseline)
    both = pd.concat([search, baseline]) if len(baseline) else search
    scale = scale_of(both, record.objectives, record.metrics)
    arms = [_arm("search", search, scale)]
    if len(baseline):
        arms.append(_arm("random baseline", baseline, scale))
    # Workers finish out of order, so the start-up part is as long as the unbroken run of random trials.
    drawn = (search["arm"] == "random").to_numpy()
    startup = int(np.argmin(drawn)) if not drawn.all() else len(drawn)
    return Progress(scale, tuple(arms), startup)


def _arm(name: str, table: pd.DataFrame, scale: HypervolumeBox) -> ProgressCurve:
    values = hypervolume_history(unit_losses(table, scale), np.ones(len(scale.objectives)))
    return ProgressCurve(name, tuple(range(1, len(values) + 1)), tuple(float(value) for value in values))


def draw(info: Progress) -> Figure:
    """Both histories as steps; the random start-up part of the search is shaded."""
    figure = sheet(COLUMN, 2.5)
    axes = figure.subplots()
    if info.startup:
        axes.axvspan(
            0.5,
            info.startup + 0.5,
            facecolor="#EFEFEF",
            edgecolor="#D0D0D0",
            linewidth=0.5,
            zorder=0,
            label="random start-up",
        )
    looks: dict[str, dict[str, Any]] = {
        "search": {"color": BLUE, "linestyle": "-", "linewidth": 1.5},
        "random baseline": {"color": VERMILLION, "linestyle": (0, (4, 1.5)), "linewidth": 1.3},
    }
    for arm in info.arms:
        # One layout is a point: a line to it would be in the legend alone.
        look = looks[arm.name] if len(arm.trials) > 1 else looks[arm.name] | {"linestyle": "none"}
        marks: dict[str, Any] = {"marker": "o", "markersize": 3.5, "markevery": [-1]}
        axes.step(arm.trials, arm.values, where="post", label=arm.name, **look, **marks)
    axes.set_xlim(0.5, max(len(arm.trials) for arm in info.arms) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    keep_within(axes, 0, 1, least=0.01)
    axes.set_xlabel("trained layouts")
    axes.set_ylabel("hypervolume (share of the box)")
    axes.legend(loc="lower right")
    return figure


def write(info: Progress, folder: Path) -> None:
    """Write hypervolume.{png,svg,pdf,csv}."""
    save(draw(info), folder, "hypervolume")
    rows = [
        [arm.name, trial, f"{value:.9g}"]
        for arm in info.arms
        for trial, value in zip(arm.trials, arm.values, strict=True)
    ]
    write_csv(folder / "hypervolume.csv", ["arm", "trained_layouts", "hypervolume"], rows)


def _write(data: tuple[Progress, Record], folder: Path) -> SectionContent:
    info, record = data
    write(info, folder / FIGURES)
    corners = ", ".join(_corner(info.scale, index, record) for index in range(len(record.objectives)))
    caption = (
        f"Share of a box that the front covers. The box is fixed by rule: {_fraction(record)}{_rule(record)}. Here: "
        f"{corners}."
    )
    if record.estimated:
        caption += f" All of it is of {record.metric.word}, an estimate."
    figure = picture(folder, "hypervolume", "Hypervolume of the search after each trained layout", caption)
    return SectionContent("Hypervolume", picture=figure, notes=(info.note,))


def _fraction(record: Record) -> str:
    """The rule for accuracy, where it is one."""
    return "" if record.scored else f"{record.metric.word} from 0 to 1, "


def _rule(record: Record) -> str:
    """The rule for the corners of all objectives but accuracy."""
    goals = [metric for metric in record.goals if metric.name != QUALITY or record.scored]
    if all(metric.direction == "minimize" and metric.unit != "%" for metric in goals):
        return "log10 of each cost from the cheapest trial of either arm to a tenth of the span beyond the dearest"
    fractions = "fractions from 0 to 1" if record.scored else "other fractions likewise"
    return (
        f"{fractions}, any other objective from the best trial of either arm to a tenth of the span beyond "
        "the worst, in log10 where it is above 0"
    )


def _corner(scale: HypervolumeBox, index: int, record: Record) -> str:
    """The reference and the best corner of the box in one objective."""
    metric, ends = record.goals[index], (scale.best[index], scale.reference[index])
    units = unit(metric, ends)
    low, high = sorted(ends)
    return f"{title(metric, record.metric.word)} {units.text(low)} to {units.text(high)} {units.sign}".rstrip()


def _compute(results: SearchResults) -> tuple[Progress, Record]:
    return progress(results.record), results.record


SECTION = Section("hypervolume", of=SearchResults, order=40, compute=_compute, write=_write, narrow=True)
