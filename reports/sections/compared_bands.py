# pyright: reportUnknownMemberType=false
"""Hypervolume of repeated searches along what they spent: the median, and the band of the middle half."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from archspec.documents.wording import plural
from reports.drawing.canvas import (
    BLACK,
    BLUE,
    COLUMN,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    folded,
    keep_within,
    save,
    sheet,
    write_csv,
)
from reports.run_comparison.comparison import RunComparison
from reports.run_comparison.text import reference_point, seen
from reports.section import FIGURES, Section, SectionContent, picture

COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), "-", (0, (4, 1.5)), (0, (1, 1)), "-")
NAME = "hypervolume"
EARLY = 0.1
"""Part of the axis whose steep rise may begin below the figure: what arms differ in comes later."""


def draw(info: RunComparison) -> Figure:
    """The bands as steps, the medians over them."""
    figure = sheet(COLUMN, 2.7)
    axes = figure.subplots()
    for arm, band, color, line in zip(info.arms, info.bands, COLORS, LINES, strict=False):
        axes.fill_between(band.x, band.low, band.high, step="post", color=color, alpha=0.16, linewidth=0)
        label = folded(f"{arm.name} ({plural(len(arm.runs), 'run')})", 44)
        axes.step(band.x, band.middle, where="post", color=color, linestyle=line, linewidth=1.4, label=label)
    first = min((band.x[band.low > 0][0] for band in info.bands if (band.low > 0).any()), default=0.0)
    axes.set_xlim(float(first), max(float(band.x[-1]) for band in info.bands))
    if info.by != "seconds":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=6))
    settled = [np.stack([band.low, band.high])[:, band.x >= max(first, EARLY * band.x[-1])] for band in info.bands]
    inside = np.concatenate([values.ravel() for values in settled])
    pad = 0.06 * float(np.ptp(inside)) or 0.01
    axes.set_ylim(float(inside.min()) - pad, float(inside.max()) + pad)
    keep_within(axes, 0, 1, least=0.01)
    axes.set_xlabel(info.unit)
    axes.set_ylabel("hypervolume (share of the box)")
    figure.legend(loc="outside lower center", ncols=1 if len(info.arms) < 4 else 2, handlelength=2.8)
    return figure


def _compute(info: RunComparison) -> RunComparison:
    return info


def _write(info: RunComparison, folder: Path) -> SectionContent:
    save(draw(info), folder / FIGURES, NAME)
    rows = [
        [arm.name, f"{x:.9g}", *(f"{value:.9g}" for value in values)]
        for arm, band in zip(info.arms, info.bands, strict=True)
        for x, *values in zip(band.x, band.low, band.middle, band.high, strict=True)
    ]
    write_csv(folder / FIGURES / f"{NAME}.csv", ["arm", info.by, "low_quartile", "median", "high_quartile"], rows)
    caption = (
        f"Median over the runs of each arm, and the band between their quartiles, as far as all of them come, against "
        f"{info.unit}. {_sentence(reference_point(info))} {_sentence(seen())}"
    )
    shown = picture(folder, NAME, f"Bands of hypervolume against {info.unit}", caption)
    return SectionContent("Hypervolume", picture=shown)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


SECTION = Section("compared_bands", of=RunComparison, order=10, compute=_compute, write=_write, narrow=True)
