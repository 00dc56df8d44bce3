# pyright: reportUnknownMemberType=false
"""A search with rungs beside plain trainings at random, after the same number of epochs of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.drawing.canvas import BLUE, COLUMN, VERMILLION, keep_within, save, sheet, write_csv
from reports.records.hypervolume_box import HypervolumeBox, scale_of, unit_losses
from reports.records.rungs import read_rungs
from reports.records.search import Record, finished
from reports.run_comparison.history import Floats, read_history
from reports.search_page.results import SearchResults
from reports.section import FIGURES, Section, SectionContent, picture
from reports.statistics.pareto import hypervolume_history

NAME = "equal_epochs"


@final
@dataclass(frozen=True)
class SpentCurve:
    """Hypervolume of one arm after so many epochs: a step at the end of each whole training.

    Attributes:
        name: of the arm.
        epochs: [trainings], ascending, with those of trainings that stopped in between.
        values: [trainings], shares of the box.
        total: epochs in all.
        seconds: of all its trainings, as measured; NaN where they were not.
        trainings: that were whole.
    """

    name: str
    epochs: Floats
    values: Floats
    total: float
    seconds: float
    trainings: int

    def at(self, epochs: float) -> float:
        """Hypervolume after so many epochs."""
        return float(np.append(0.0, self.values)[np.searchsorted(self.epochs, epochs, side="right")])


@final
@dataclass(frozen=True)
class EqualEpochs:
    """The search and the plain trainings beside it, in one box."""

    scale: HypervolumeBox
    search: SpentCurve
    plain: SpentCurve

    @property
    def shared(self) -> float:
        """The epochs that both have spent."""
        return min(self.search.total, self.plain.total)

    @property
    def note(self) -> str:
        """The comparison in words."""
        arms = (self.search, self.plain)
        spent = " and ".join(
            f"{arm.total:.0f} ({arm.name}, {arm.trainings} whole trainings{_seconds(arm.seconds)})" for arm in arms
        )
        found = " and ".join(f"{arm.at(self.shared):.3f} ({arm.name})" for arm in arms)
        return (
            f"Epochs in all: {spent}. After {self.shared:.0f} epochs each: hypervolume {found}. One run of each, so "
            "the spread between runs is not known; archspec compare measures it on repeated searches."
        )


def _seconds(seconds: float) -> str:
    return f", {seconds:.0f} s" if np.isfinite(seconds) else ""


def equal_epochs(record: Record) -> EqualEpochs | None:
    """The comparison; None without rungs or without a random baseline."""
    rungs, plain = read_rungs(record.study), finished(record.baseline)
    if rungs is None or not len(plain):
        return None
    scale = scale_of(pd.concat([finished(record.search), plain]), record.objectives, record.metrics)
    history = read_history(record, "epochs", scale, record.name)
    seconds = sum(one.seconds for one in rungs.paused) + _total(finished(record.search))
    search = SpentCurve("search", history.spent, history.values, history.end, seconds, len(history.spent))
    epochs = rungs.rungs[-1].epochs * np.arange(1.0, len(plain) + 1)
    values = hypervolume_history(unit_losses(plain, scale), np.ones(len(scale.objectives)))
    baseline = SpentCurve("plain trainings", epochs, values, float(epochs[-1]), _total(plain), len(plain))
    return EqualEpochs(scale, search, baseline)


def _total(table: pd.DataFrame) -> float:
    return float(table["train_seconds"].sum()) if "train_seconds" in table else float("nan")


def draw(info: EqualEpochs) -> Figure:
    """Both histories as steps against epochs."""
    figure = sheet(COLUMN, 2.5)
    axes = figure.subplots()
    for arm, color, line in ((info.search, BLUE, "-"), (info.plain, VERMILLION, (0, (4, 1.5)))):
        x, y = np.append(arm.epochs, arm.total), np.append(arm.values, arm.values[-1:])
        axes.step(x, y, where="post", color=color, linestyle=line, linewidth=1.4, label=arm.name)
        axes.plot(arm.epochs, arm.values, "o", color=color, markersize=2.5)
    axes.axvline(info.shared, color="#B0B0B0", linewidth=0.6)
    axes.set_xlim(0, 1.03 * max(info.search.total, info.plain.total))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    keep_within(axes, 0, 1, least=0.01)
    axes.set_xlabel("epochs of training")
    axes.set_ylabel("hypervolume (share of the box)")
    axes.legend(loc="lower right")
    return figure


def _compute(results: SearchResults) -> EqualEpochs | None:
    return equal_epochs(results.record)


def _write(info: EqualEpochs, folder: Path) -> SectionContent:
    save(draw(info), folder / FIGURES, NAME)
    rows = [
        [arm.name, f"{spent:.9g}", f"{value:.9g}"]
        for arm in (info.search, info.plain)
        for spent, value in zip(arm.epochs, arm.values, strict=True)
    ]
    write_csv(folder / FIGURES / f"{NAME}.csv", ["arm", "epochs", "hypervolume"], rows)
    caption = (
        "The same hypervolume against the epochs that were trained for it: those of layouts that stopped at a rung "
        "count, too. A point is a training that came to its end."
    )
    shown = picture(folder, NAME, "Hypervolume of search and plain trainings against epochs", caption)
    return SectionContent("At equal epochs", picture=shown, notes=(info.note,))


SECTION = Section("equal_epochs", of=SearchResults, order=41, compute=_compute, write=_write, narrow=True)
