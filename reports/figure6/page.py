"""Figure 6 as one HTML file without outside parts: the drawing, and over it every point with its provenance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.drawing.page import template
from reports.figure6.data import Figure6, Figure6Point, notes, sentence

CAPTION = (
    "Top-1 on ImageNet-1K against multiply-adds, parameters and inference time, the rows of Table II of HIRI-ViT "
    "(arXiv 2403.11999). A curve is a family, or HIRI-ViT at one resolution. The rows are published results by "
    "different recipes, not networks trained alike."
)


@dataclass(frozen=True)
class Hit:
    """The lines about one point on the page, and its place in each panel that has it, in points."""

    lines: tuple[str, ...]
    spots: tuple[tuple[float, float], ...]


def render(info: Figure6, image: str, size: tuple[float, float], spots: Sequence[Sequence[tuple[float, float]]]) -> str:
    """The page as HTML: `image` is the drawing as a data URI, `size` its width and height in points.

    `spots` are those of `figure6_drawing.spots`. The page works without scripts, by the browser's own tooltips; with
    them, the nearest point answers to the pointer, and the arrow keys walk through all points.
    """
    hits = [
        Hit(tuple(lines_of(point)), tuple((round(x, 2), round(y, 2)) for x, y in places))
        for point, places in zip(info.points, spots, strict=True)
    ]
    return template("figure6.html.j2").render(
        caption=CAPTION,
        notes=[sentence(note) for note in notes(info)],
        image=image,
        width=size[0],
        height=size[1],
        hits=hits,
    )


def lines_of(point: Figure6Point) -> list[str]:
    """Network, costs, accuracy and provenance of a point, a line each."""
    scale = f" ({point.scale})" if point.scale else ""
    side = "resolution unknown" if point.resolution is None else f"{point.resolution} px"
    return [
        f"{point.network}{scale}, {side}",
        f"{accuracy(point)} top-1",
        f"{_count(point.gmacs)} G multiply-adds, {_count(point.params_m)} M parameters",
        _time(point),
        f"source: {point.source}" + (f", Table {point.table}" if point.table else ""),
        f"recipe: {point.recipe}",
    ]


def accuracy(point: Figure6Point) -> str:
    """`84.3 %`, of an own point with its deviation and what it is: `80.1 ± 0.3 %, test, 3 seeds,`."""
    if point.kind == "published":
        return f"{point.top1:.1f} %"
    spread = "" if math.isnan(point.sd) else f" ± {point.sd:.1f}"
    return f"{point.top1:.1f}{spread} %, {point.training},"


def _count(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.3g}"


def _time(point: Figure6Point) -> str:
    if not math.isnan(point.images_per_second):
        return f"{point.images_per_second:.0f} images per second, {point.ms:.3g} ms per image"
    return "no inference time printed" if point.kind == "published" else "no comparable inference time"
