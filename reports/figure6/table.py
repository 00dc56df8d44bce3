"""The points of Figure 6 as tables, one per scale so that each fits a page, for LaTeX (booktabs) and Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from reports.drawing.units import unit
from reports.figure6.data import SCALES, Figure6, Figure6Point, sentence
from reports.search_page.table import FrontTable, latex, markdown, spread
from reports.statistics.summary import Summary

HEADER = ("Network", "px", "Params (M)", "MACs (G)", "Images/s", "Top-1 (%)", "Published")


def tables(info: Figure6) -> list[FrontTable]:
    """The published rows by scale, HIRI-ViT's after a rule; last those of an own study, if there is one.

    A number is printed as the source prints it, to one place; what is not known is a dash.
    """
    found: list[FrontTable] = []
    for scale in SCALES:
        others = [point for curve in info.curves if not curve.own for point in curve.points if point.scale == scale]
        own = [point for curve in info.curves if curve.own for point in curve.points if point.scale == scale]
        others.sort(key=lambda point: point.top1)  # as Table II has them
        caption = f"Rows of Figure 6, {scale} scale: HIRI-ViT (arXiv 2403.11999), Table II, ImageNet-1K."
        found.append(_table(others, own, caption))
    if info.overlay is not None:
        found.append(_table(info.overlay.points, (), sentence(info.overlay.notes[0])))
    return found


def write(info: Figure6, folder: Path) -> None:
    """Write figure6.tex and figure6.md."""
    found = tables(info)
    (folder / "figure6.tex").write_text("\n".join(latex(one, wide=True) for one in found), encoding="utf-8")
    (folder / "figure6.md").write_text("\n".join(markdown(one) for one in found), encoding="utf-8")


def _table(rows: Sequence[Figure6Point], others: Sequence[Figure6Point], caption: str) -> FrontTable:
    # Decimals by all rows of the table, since a column is read downwards.
    smallest = min(point.gmacs for point in (*rows, *others)), min(point.params_m for point in (*rows, *others))
    places = tuple(min(4, max(1, 2 - math.floor(math.log10(value)))) if value < 1 else 1 for value in smallest)
    lines = tuple(_row(point, places) for point in (*rows, *others))
    return FrontTable(HEADER, lines, len(rows), caption, left=(0, 6))


def _row(point: Figure6Point, places: Sequence[int]) -> tuple[str, ...]:
    accuracy = Summary(point.top1 / 100, point.sd / 100, point.seeds or 1)
    speed = point.images_per_second
    return (
        point.network,
        "–" if point.resolution is None else str(point.resolution),
        f"{point.params_m:.{places[1]}f}",
        f"{point.gmacs:.{places[0]}f}",
        "–" if math.isnan(speed) else f"{speed:.0f}",
        spread(accuracy, unit("accuracy", [])),
        _published(point),
    )


def _published(point: Figure6Point) -> str:
    if point.kind == "published":
        return f"Table {point.table}" + (f", [{point.reference}]" if point.reference else "")
    return f"own: {point.training}"
