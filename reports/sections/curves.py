# pyright: reportUnknownMemberType=false
"""The course of the front's trainings: validation accuracy by epoch, and whether it still rose at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from archspec.documents.wording import plural
from reports.drawing.canvas import COLUMN, keep_within, save, sheet, write_csv
from reports.records.curves import FEWEST, TrainingCurve, mean_curve, read_curves
from reports.records.front import FrontMember
from reports.records.rungs import read_rungs
from reports.records.search import Record
from reports.search_page.results import SearchResults
from reports.section import FIGURES, Section, SectionContent, picture
from reports.statistics.summary import pooled_sd

NAMED = 6
"""Members that the legend names one by one; of more, the cheapest and the dearest."""


@final
@dataclass(frozen=True)
class MemberCurve:
    """The course of one member's trainings.

    Attributes:
        member: of the front.
        mean: over `seeds` trainings.
        seeds: those of the finalists, which the table's test figures are of; 0 where only the search trained it.
        curves: each training's own.
    """

    member: FrontMember
    mean: TrainingCurve
    seeds: int
    curves: tuple[TrainingCurve, ...]


@final
@dataclass(frozen=True)
class FrontCurves:
    """The curves of the members that have one, and how many have none.

    `noise` is that of seeds (sd of a fraction; NaN where not known); `paused` are the curves of layouts that stopped at
    a rung.
    """

    members: tuple[MemberCurve, ...]
    noise: float
    record: Record
    lacking: int = 0
    paused: tuple[TrainingCurve, ...] = ()

    @property
    def rising(self) -> tuple[MemberCurve, ...]:
        """Members whose accuracy rose by more than seeds differ over the last third of the epochs."""
        return tuple(one for one in self.members if one.mean.rise > self.noise)

    @property
    def note(self) -> str:
        """A sentence on what the ends of the curves mean for the comparison."""
        word, rises = self.record.metric.word, [one.mean.rise for one in self.members if one.mean.rise > -math.inf]
        if not rises:
            return f"With fewer than {FEWEST} epochs nothing tells whether training was long enough."
        if not math.isfinite(self.noise):
            span = f"{100 * min(rises):+.2f} to {100 * max(rises):+.2f}" if len(rises) > 1 else f"{100 * rises[0]:+.2f}"
            return (
                f"Over the last third of the epochs {word} moved by {span} points. No layout was trained with two "
                "seeds, so what of it is noise is not known."
            )
        seeds = f"the noise of seeds (sd {100 * self.noise:.2f} points)"
        if not self.rising:
            return f"Over the last third of the epochs no member's {word} rose by more than {seeds}."
        return (
            f"{len(self.rising)} of {plural(len(rises), 'member')} still rose at the end: by up to "
            f"{100 * max(rises):.2f} points over the last third of the epochs, more than {seeds}. With more epochs "
            "their order may be another one."
        )


def front_curves(results: SearchResults) -> FrontCurves | None:
    """The curves of the front of `results`; None where no training recorded one."""
    record = results.record
    searched, retrained = read_curves(record.study), read_curves(record.final_study)
    found: list[MemberCurve] = []
    for member in results.front.members:
        again = retrained.get(member.digest, ())
        curves = again or searched.get(member.digest, ())
        if curves:
            mean = mean_curve(curves)
            found += [MemberCurve(member, mean, len(again), curves)] if mean.epochs else []
    if not found:
        return None
    members, rungs = results.front.members, read_rungs(record.study)
    paused = tuple(one.curve for one in rungs.paused if one.curve is not None) if rungs is not None else ()
    noise = pooled_sd([one.again for one in members])
    return FrontCurves(tuple(found), noise, record, len(members) - len(found), paused)


def draw(info: FrontCurves) -> Figure:
    """A line for each member, coloured by its place between the cheapest and the dearest."""
    figure = sheet(COLUMN, 2.5)
    axes = figure.subplots()
    colours = colormaps["viridis"]
    count = len(info.members)
    for index, curve in enumerate(info.paused):
        axes.plot(
            curve.epochs,
            [100 * value for value in curve.accuracies],
            color="0.75",
            linewidth=0.6,
            marker="|",
            markevery=[-1],
            markersize=4.0,
            label=f"stopped at a rung ({len(info.paused)})" if index == 0 else None,
        )
    for index, one in enumerate(info.members):
        share = index / (count - 1) if count > 1 else 1.0
        named = count <= NAMED or index in (0, count - 1)
        end = "" if count <= NAMED else " (cheapest)" if index == 0 else " (dearest)"
        axes.plot(
            one.mean.epochs,
            [100 * value for value in one.mean.accuracies],
            color=colours(0.9 * (1 - share)),  # its yellow end cannot be seen on white
            linewidth=1.1,
            marker="o" if len(one.mean.epochs) == 1 else "",
            markersize=3.0,
            label=f"member {one.member.rank}{end}" if named else None,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    keep_within(axes, 0, 100, least=1)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"validation {info.record.metric.word} (%)")
    axes.legend(loc="lower right")
    return figure


def write(info: FrontCurves, folder: Path) -> None:
    """Write curves.{png,svg,pdf} of the means, and curves.csv of every training."""
    save(draw(info), folder, "curves")
    rows = [
        [one.member.rank, one.member.digest, "final" if one.seeds else "search", number, epoch, accuracy, loss]
        for one in info.members
        for number, curve in enumerate(one.curves, 1)
        for epoch, accuracy, loss in zip(curve.epochs, curve.accuracies, curve.losses, strict=True)
    ]
    rows += [
        ["", "", "stopped", number, epoch, accuracy, loss]
        for number, curve in enumerate(info.paused, 1)
        for epoch, accuracy, loss in zip(curve.epochs, curve.accuracies, curve.losses, strict=True)
    ]
    write_csv(folder / "curves.csv", ["rank", "digest", "study", "training", "epoch", "accuracy", "train_loss"], rows)


def _write(info: FrontCurves, folder: Path) -> SectionContent:
    write(info, folder / FIGURES)
    caption = f"Validation {info.record.metric.word} by epoch of the front's members, {_trainings(info.members)}."
    caption += " Grey: layouts that stopped at a rung." if info.paused else ""
    figure = picture(folder, "curves", "Validation accuracy of the front's members by epoch", caption)
    missing = (f"{plural(info.lacking, 'member')} recorded no curve.",) if info.lacking else ()
    return SectionContent("Trainings", picture=figure, notes=(info.note,), missing=missing)


def _trainings(members: Sequence[MemberCurve]) -> str:
    """Which trainings the lines are of."""
    seeds = sorted({one.seeds for one in members})
    if seeds == [0]:
        return "as the search trained them, one seed each"
    again = [count for count in seeds if count]
    many = plural(again[-1], "seed") if len(again) == 1 else f"{again[0]} to {again[-1]} seeds"
    rest = "; of members that were not re-trained, the training of the search" if 0 in seeds else ""
    return f"re-trained: means of {many}{rest}"


SECTION = Section("curves", of=SearchResults, order=35, compute=front_curves, write=_write, narrow=True)
