# pyright: reportUnknownMemberType=false
"""Figure 6 of HIRI-ViT from its Table II: top-1 against multiply-adds, parameters and inference time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from archspec.errors import SpecError
from reports.canvas import (
    BLACK,
    BLUE,
    COLUMN,
    GREEN,
    GREY,
    ORANGE,
    PAGE,
    PURPLE,
    SKY,
    VERMILLION,
    log_axis,
    save,
    sheet,
    style,
    write_csv,
)
from reports.labels import Label, draw_labels
from reports.published import IMAGENET, published

Cost = Literal["gmacs", "params_m", "ms"]
PANELS: tuple[tuple[Cost, str], ...] = (
    ("gmacs", "multiply-adds (10⁹)"),
    ("params_m", "parameters (10⁶)"),
    ("ms", "inference time (ms per image)"),
)
OWN = "HIRI-ViT"
SOURCE = "HIRI-ViT, arXiv 2403.11999"
TABLE = "II"
RECIPE = "HIRI-ViT section 5.1 (300 epochs); EMA distillation is certain for S at 448 only (Table VII)"
# ViTAEv2 of reference 29 is another network; both rows of 47 have VSA.
_NAMES = {47: "ViTAEv2 + VSA"}

_COLORS = (BLUE, GREEN, PURPLE, ORANGE, SKY, GREY)
_MARKERS = ("o", "s", "^", "D", "v", "X")
# Light to dark with the resolution; the last is what the paper reports first.
_OWN_COLORS = ("#F2A65A", VERMILLION, BLACK)


@dataclass(frozen=True)
class Point:
    """One row of the table: top-1 in percent, costs as printed, and where all that comes from.

    `ms` is 1000 / printed images per second, on the paper's unnamed device; NaN where the row prints none.
    """

    family: str
    network: str
    scale: str
    resolution: int
    top1: float
    gmacs: float
    params_m: float
    ms: float
    source: str
    table: str
    recipe: str


@dataclass(frozen=True)
class Curve:
    """One family, cheapest row first; HIRI-ViT has one curve per resolution."""

    family: str
    own: bool
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Figure6:
    """The curves in the table's order, HIRI-ViT's last; `untimed` names rows without an inference time."""

    curves: tuple[Curve, ...]
    untimed: tuple[str, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """All points, curve by curve."""
        return tuple(point for curve in self.curves for point in curve.points)


def figure6() -> Figure6:
    """Group the rows of Table II that print a top-1: by reference, HIRI-ViT's own by resolution."""
    rows = [row for row in published(IMAGENET).to_dict("records") if not math.isnan(float(row["top1"]))]
    groups: dict[tuple[int, int], list[dict[Any, Any]]] = {}
    for row in rows:
        groups.setdefault(_group(row), []).append(row)
    names = {key: _family([str(row["network"]) for row in group]) for key, group in groups.items()}
    curves: list[Curve] = []
    for key, group in groups.items():
        reference, resolution = key
        name = _NAMES.get(reference, names[key]) if reference else f"{OWN} at {resolution}"
        points = sorted((_point(name, reference, row) for row in group), key=lambda point: point.gmacs)
        curves.append(Curve(name, not reference, tuple(points)))
    curves.sort(key=lambda curve: curve.own)
    untimed = tuple(point.network for curve in curves for point in curve.points if math.isnan(point.ms))
    return Figure6(tuple(curves), untimed)


def draw(info: Figure6, *, stacked: bool = False) -> Figure:
    """The panels side by side over two columns of a page, or `stacked` in one column; a legend names the families."""
    figure = sheet(COLUMN, 9.2) if stacked else sheet(PAGE, 4.1)
    grid = figure.subplots(3, 1, squeeze=False) if stacked else figure.subplots(1, 3, squeeze=False, sharey=True)
    axes: list[Axes] = list(grid.flat)
    for index, (place, (cost, label)) in enumerate(zip(axes, PANELS, strict=True)):
        _panel(place, info, cost)
        place.set_xlabel(label)
        place.set_title(f"({chr(ord('a') + index)})", loc="left", fontweight="bold")
        if stacked or index == 0:
            place.set_ylabel("top-1 on ImageNet-1K (%)")
    handles = [Line2D([], [], label=curve.family, **look) for curve, look in _looks(info)]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=3 if stacked else 6,
        fontsize=6 if stacked else 6.5,
        handlelength=2.0,
        columnspacing=1.0,
        labelspacing=0.3,
    )
    # Labels need the final layout, which must then stay.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for place, (cost, _) in zip(axes, PANELS, strict=True):
        _name_own(place, info, cost)
    return figure


def write(info: Figure6, folder: Path) -> None:
    """Write figure6.{pdf,png,svg,csv}, and figure6-column.* with the panels stacked for one column.

    Raises:
        SpecError: `folder` cannot be made or written.
    """
    header = ["family", "network", "scale", "resolution", "top1_percent", "gmacs", "params_m", "ms_per_image"]
    rows = [list(vars(point).values()) for point in info.points]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with style():
            save(draw(info), folder, "figure6")
            save(draw(info, stacked=True), folder, "figure6-column")
        write_csv(folder / "figure6.csv", [*header, "source", "table", "recipe"], rows)
    except OSError as error:
        raise SpecError(f"cannot be written: {error.strerror}", field="--out", source=str(folder)) from error


def write_figure6(folder: Path) -> str:
    """Compute and write the figure; two lines on what was written.

    Raises:
        SpecError: `folder` cannot be made or written.
    """
    info = figure6()
    write(info, folder)
    return f"wrote {folder / 'figure6'}.pdf, .svg, .png and .csv, {len(info.points)} points\n{note(info)}"


def note(info: Figure6) -> str:
    """What the panel of inference time lacks, in one line."""
    timed = len(info.points) - len(info.untimed)
    lacking = f"; not printed for {', '.join(info.untimed)}" if info.untimed else ""
    return f"inference time is 1000 / images per second, {timed} of {len(info.points)} rows{lacking}"


def _group(row: dict[Any, Any]) -> tuple[int, int]:
    """Reference and 0, or for HIRI-ViT, which has no reference, 0 and the resolution."""
    reference = float(row["reference"])
    return (0, int(row["resolution"])) if math.isnan(reference) else (int(reference), 0)


def _family(names: Sequence[str]) -> str:
    """What the names share, up to a hyphen: PVTv2 of PVTv2-B2 and PVTv2-B3; a name that is alone stays whole."""
    if len(names) == 1:
        return names[0]
    shared = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in shared).rpartition("-")[0]


def _point(family: str, reference: int, row: dict[Any, Any]) -> Point:
    speed = float(row["throughput_img_s"])
    return Point(
        family=family,
        network=str(row["network"]),
        scale=str(row["group"]),
        resolution=int(row["resolution"]),
        top1=float(row["top1"]),
        gmacs=float(row["gmacs"]),
        params_m=float(row["params_m"]),
        ms=1000 / speed,
        source=SOURCE,
        table=TABLE,
        # Table II prints no recipe of the others: each figure is that of its own publication.
        recipe=f"its authors', reference [{reference}] of HIRI-ViT" if reference else RECIPE,
    )


def _looks(info: Figure6) -> list[tuple[Curve, dict[str, Any]]]:
    """Every curve with its line and mark: another colour for each family, another mark for each round of colours."""
    looks: list[tuple[Curve, dict[str, Any]]] = []
    own = 0
    for index, curve in enumerate(info.curves):
        if curve.own:
            look = {"color": _OWN_COLORS[own], "marker": "*", "markersize": 6.5, "linewidth": 1.5, "zorder": 6 + own}
            own += 1
        else:
            turn, color = divmod(index, len(_COLORS))
            look = {"color": _COLORS[color], "marker": _MARKERS[turn], "markersize": 3.2, "linewidth": 0.7, "zorder": 3}
        looks.append((curve, {**look, "markeredgecolor": "white", "markeredgewidth": 0.3}))
    return looks


def _line(curve: Curve, cost: Cost) -> tuple[list[float], list[float]]:
    known = [(float(getattr(point, cost)), point.top1) for point in curve.points]
    known = sorted(pair for pair in known if not math.isnan(pair[0]))
    return [x for x, _ in known], [y for _, y in known]


def _panel(axes: Axes, info: Figure6, cost: Cost) -> None:
    for curve, look in _looks(info):
        axes.plot(*_line(curve, cost), **look)
    every = [x for curve in info.curves for x in _line(curve, cost)[0]]
    pad = (max(every) / min(every)) ** 0.06
    log_axis(axes, min(every) / pad, max(every) * pad)
    axes.margins(y=0.09)


def _name_own(axes: Axes, info: Figure6, cost: Cost) -> None:
    """The size beside each point of HIRI-ViT's curve at the highest resolution."""
    top = info.curves[-1]
    labels = [Label(float(getattr(point, cost)), point.top1, point.network, BLACK, "bold") for point in top.points]
    obstacles = [spot for curve in info.curves for spot in zip(*_line(curve, cost), strict=True)]
    for curve in info.curves:
        if curve.own:
            obstacles += _along(curve, cost)
    draw_labels(axes, labels, obstacles, size=6.5)


def _along(curve: Curve, cost: Cost) -> list[tuple[float, float]]:
    """Spots on a drawn line, so that labels keep off it."""
    ends = list(zip(*_line(curve, cost), strict=True))
    return [
        (x * (other_x / x) ** (step / 10), y + (other_y - y) * step / 10)
        for (x, y), (other_x, other_y) in pairwise(ends)
        for step in range(1, 10)
    ]
