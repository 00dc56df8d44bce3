# pyright: reportUnknownMemberType=false
"""Empirical attainment of the fronts of repeated searches: what a quarter, half and three quarters of them reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from reports.drawing.canvas import COLUMN, folded, keep_within, log_axis, save, sheet, write_csv
from reports.drawing.units import title, unit
from reports.run_comparison.comparison import RunComparison
from reports.section import FIGURES, Section, SectionContent, picture
from reports.sections.compared_bands import COLORS, LINES

NAME = "attainment"


def draw(info: RunComparison) -> Figure:
    """The surfaces of half of the runs as steps, and the bands between those of a quarter and of three quarters."""
    figure = sheet(COLUMN, 2.7)
    axes = figure.subplots()
    scale = unit(info.record.goals[1], info.attainments[0].costs)
    ends = [float(info.attainments[0].costs[place]) / scale.divisor for place in (0, -1)]
    for arm, one, color, line in zip(info.arms, info.attainments, COLORS, LINES, strict=False):
        x = np.append(one.costs / scale.divisor, ends[1] * 1.05)
        few, half, most = (100 * np.append(one.surfaces[share], one.surfaces[share][-1]) for share in (0.25, 0.5, 0.75))
        axes.fill_between(x, most, few, step="post", color=color, alpha=0.16, linewidth=0)
        axes.step(x, half, where="post", color=color, linestyle=line, linewidth=1.4, label=folded(arm.name, 44))
    log_axis(axes, ends[0] / 1.05, ends[1] * 1.05)
    keep_within(axes, 0, 100, least=0.5)
    axes.set_xlabel(scale.label)
    axes.set_ylabel(f"{title('accuracy', info.record.metric.word)} (%)")
    figure.legend(loc="outside lower center", ncols=1 if len(info.arms) < 4 else 2, handlelength=2.8)
    return figure


def _compute(info: RunComparison) -> RunComparison:
    return info


def _write(info: RunComparison, folder: Path) -> SectionContent:
    heading = "Attainment of the fronts"
    if not info.attainments:
        reason = "Attainment is drawn of searches for accuracy and one cost; these have other objectives."
        return SectionContent(heading, missing=(reason,))
    save(draw(info), folder / FIGURES, NAME)
    rows = [
        [arm.name, f"{cost:.9g}", *(f"{value:.9g}" if np.isfinite(value) else float("nan") for value in values)]
        for arm, one in zip(info.arms, info.attainments, strict=True)
        for cost, *values in zip(one.costs, *(one.surfaces[share] for share in (0.25, 0.5, 0.75)), strict=True)
    ]
    cost = info.record.objectives[1]
    write_csv(folder / FIGURES / f"{NAME}.csv", ["arm", cost, "quarter", "half", "three_quarters"], rows)
    caption = (
        f"What the runs reach at a cost or below, once each has spent {info.end:,.6g} {info.unit}: the line is reached "
        "by half of an arm's runs, the band lies between what three quarters and a quarter of them reach."
    )
    alt = "Attainment surfaces of the fronts of each arm"
    return SectionContent(heading, picture=picture(folder, NAME, alt, caption))


SECTION = Section("compared_fronts", of=RunComparison, order=20, compute=_compute, write=_write, narrow=True)
