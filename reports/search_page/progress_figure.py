# pyright: reportUnknownMemberType=false
"""The figure of a search's progress: the hypervolume of both arms after each trained layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.drawing.canvas import BLUE, COLUMN, VERMILLION, save, sheet, write_csv
from reports.search_page.progress import Progress


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
        axes.step(arm.trials, arm.values, where="post", label=arm.name, **looks[arm.name])
        axes.plot(arm.trials[-1], arm.values[-1], marker="o", markersize=3.5, color=looks[arm.name]["color"])
    axes.set_xlim(0.5, max(len(arm.trials) for arm in info.arms) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
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
