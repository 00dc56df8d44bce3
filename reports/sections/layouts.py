# pyright: reportUnknownMemberType=false
"""The layouts of a front's members: their stages drawn to scale, one layout per row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from archspec.cost.measure import NetworkCost, measure
from archspec.cost.metrics import find_metric
from archspec.spec.schema import ArchSpec
from archspec.spec.schema_parallel import ParallelStage
from blocks.catalog import tag
from blocks.component import Block
from blocks.layers.layer import Shape
from reports.drawing.canvas import BLUE, COLUMN, GREEN, ORANGE, PURPLE, SKY, VERMILLION, YELLOW, save, sheet, write_csv
from reports.drawing.units import title, unit
from reports.records.front import FrontMember, FrontRecord
from reports.records.metrics import QUALITY
from reports.search_page.results import SearchResults
from reports.search_page.table import spread
from reports.section import FIGURES, Section, SectionContent, picture

# Kinds get their colours by the order of their names among all kinds shown, the usual three always the same.
_COLORS = {"HR": SKY, "CFFN": ORANGE, "T": GREEN}
_SPARE = (PURPLE, YELLOW, VERMILLION, BLUE)
# A page holds no more rows than this in a readable size.
MAX_ROWS = 12


@dataclass(frozen=True)
class Stage:
    """One stage: block kinds in order, channels, and the side of its maps in pixels.

    Of parallel branches this is the finest; `beside` are the others, finest first.
    """

    kinds: tuple[str, ...]
    width: int
    side: int
    beside: tuple[Stage, ...] = ()

    @property
    def branches(self) -> tuple[Stage, ...]:
        """The stage's branches, finest first: itself alone in a pyramid."""
        return (self, *self.beside)

    @property
    def label(self) -> str:
        """The stage in words: `T 9×320`, `HR+T 4×64` for a mixed one, `4×18|4×36` for branches."""
        if self.beside:
            return "|".join(f"{len(branch.kinds)}×{branch.width}" for branch in self.branches)
        kinds = "+".join(dict.fromkeys(self.kinds))
        return f"{kinds} {len(self.kinds)}×{self.width}".lstrip()


@dataclass(frozen=True)
class MemberLayout:
    """One member of the front: its rank, a line about it, and its stages."""

    rank: int
    title: str
    stages: tuple[Stage, ...]


def layout(rank: int, title: str, spec: ArchSpec) -> MemberLayout:
    """The layout of `spec` at its own resolution; the modules of a stage of branches count as one row of blocks."""
    cost = measure(spec)
    if spec.topology == "parallel":
        stages = tuple(_branched(index, stage, cost) for index, stage in enumerate(spec.branched))
    else:
        stages = tuple(
            Stage(_kinds(stage.blocks), stage.width, _side(part.shape))
            for stage, part in zip(spec.stages, cost.stages, strict=True)
        )
    return MemberLayout(rank, title, stages)


def _branched(index: int, stage: ParallelStage, cost: NetworkCost) -> Stage:
    branches: list[Stage] = []
    for number, branch in enumerate(stage.branches):
        place = f"stages.{index}.units.{stage.modules - 1}.branches.{number}."
        shape = next(line.shape for line in reversed(cost.total.lines) if line.path.startswith(place))
        branches.append(Stage(stage.modules * _kinds(branch.blocks), branch.width, _side(shape)))
    return replace(branches[0], beside=tuple(branches[1:]))


def _kinds(blocks: Sequence[Block]) -> tuple[str, ...]:
    return tuple(tag(type(block)) for block in blocks)


def _side(shape: Shape) -> int:
    return math.isqrt(shape[1] * shape[2])


def draw(layouts: Sequence[MemberLayout]) -> Figure:
    """The layouts below one another, with equal stages in one column.

    A stage's breadth grows with its depth and channels, its height with the logarithm of its maps' side, so that
    halving the resolution takes off the same height everywhere; each slab is one block. Parallel branches lie below one
    another in the height that their stage has.
    """
    shown = choose(layouts)
    columns = max(len(one.stages) for one in shown)
    kinds, wide = _colors(shown), COLUMN if columns <= 5 else min(7.16, 0.7 * columns)
    # In the legend a handle takes about 40 points and a letter 5.
    entries = max(1, min(5, int(72 * wide / (40 + 5 * max(map(len, kinds), default=0))), len(kinds)))
    figure = sheet(wide, 0.4 + 0.17 * math.ceil(len(kinds) / entries) + 0.55 * len(shown))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(len(shown), -0.3)
    breadth = 0.92 / max(_breadth(branch) for one in shown for stage in one.stages for branch in stage.branches)
    height = 0.5 / max(_height(stage) for one in shown for stage in one.stages)
    for column in range(columns):
        sides = {one.stages[column].side for one in shown if column < len(one.stages)}
        head = f"stage {column} · {sides.pop()} px" if len(sides) == 1 else f"stage {column}"
        axes.text(column + 0.5, -0.17, head, fontsize=6, ha="center", color="#666666")
    for row, one in enumerate(shown):
        axes.text(0.02, row + 0.1, one.title, fontsize=6.5, va="center", fontweight="bold", color="#333333")
        axes.plot([0.5, len(one.stages) - 0.5], [row + 0.49, row + 0.49], color="#999999", linewidth=0.8, zorder=0)
        for column, stage in enumerate(one.stages):
            _draw_stage(axes, stage, (column + 0.5, row + 0.49), (breadth, height), kinds)
    handles = [Patch(facecolor=color, edgecolor="#333333", linewidth=0.5, label=kind) for kind, color in kinds.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=entries)
    return figure


def choose(layouts: Sequence[MemberLayout]) -> Sequence[MemberLayout]:
    """At most `MAX_ROWS` of the layouts, evenly along the front, its ends among them."""
    if len(layouts) <= MAX_ROWS:
        return layouts
    return [layouts[round(index * (len(layouts) - 1) / (MAX_ROWS - 1))] for index in range(MAX_ROWS)]


def write(layouts: Sequence[MemberLayout], folder: Path) -> None:
    """Write layouts.{png,svg,pdf,csv}."""
    save(draw(layouts), folder, "layouts")
    rows = [
        [
            one.rank,
            index,
            "+".join(f"{kind}*{len(list(run))}" for kind, run in groupby(branch.kinds)),
            branch.width,
            branch.side,
        ]
        for one in layouts
        for index, stage in enumerate(one.stages)
        for branch in stage.branches
    ]
    write_csv(folder / "layouts.csv", ["rank", "stage", "blocks", "width", "side"], rows)


def _draw_stage(
    axes: Axes, stage: Stage, center: tuple[float, float], scale: tuple[float, float], kinds: dict[str, str]
) -> None:
    tall = _height(stage) * scale[1]
    total = sum(_height(branch) for branch in stage.branches)
    top = center[1] - tall / 2
    for branch in stage.branches:
        height = tall * _height(branch) / total
        _draw_branch(axes, branch, (center[0], top + height), (_breadth(branch) * scale[0], height), kinds)
        top += height
    axes.text(center[0], center[1] + 0.35, stage.label, fontsize=5.8, ha="center", va="center", color="#222222")


def _draw_branch(
    axes: Axes, stage: Stage, foot: tuple[float, float], size: tuple[float, float], kinds: dict[str, str]
) -> None:
    (breadth, height), low = size, foot[1]
    left, slab = foot[0] - breadth / 2, breadth / max(1, len(stage.kinds))
    for index, kind in enumerate(stage.kinds):
        place = (left + index * slab, low - height)
        axes.add_patch(
            Rectangle(place, slab, height, facecolor=kinds[kind], edgecolor="white", linewidth=min(0.3, 20 * slab))
        )
    axes.add_patch(Rectangle((left, low - height), breadth, height, fill=False, edgecolor="#333333", linewidth=0.5))


def _breadth(stage: Stage) -> float:
    # The power keeps one block of 16 channels visible beside 25 blocks of 448. A lone transition is an empty frame.
    return (max(1, len(stage.kinds)) * math.sqrt(stage.width)) ** 0.6


def _height(stage: Stage) -> float:
    return math.log2(stage.side + 1)


def _colors(layouts: Sequence[MemberLayout]) -> dict[str, str]:
    shown = {kind for one in layouts for stage in one.stages for branch in stage.branches for kind in branch.kinds}
    others = sorted(shown - set(_COLORS))
    usual = {kind: color for kind, color in _COLORS.items() if kind in shown}
    return usual | {kind: _SPARE[index % len(_SPARE)] for index, kind in enumerate(others)}


def _write(layouts: Sequence[MemberLayout], folder: Path) -> SectionContent:
    write(layouts, folder / FIGURES)
    caption = (
        "One row per member, cheapest first. A stage's breadth grows with its depth and channels, its height with "
        "the logarithm of its maps' side; each slab is one block. Labels: kind, blocks × channels."
        + ("" if len(layouts) <= MAX_ROWS else f" {MAX_ROWS} of {len(layouts)} shown.")
    )
    figure = picture(folder, "layouts", "Stages of every member of the front", caption)
    return SectionContent("What the members look like", picture=figure)


def _compute(results: SearchResults) -> Sequence[MemberLayout]:
    front = results.front
    return [layout(one.rank, _title(one, front), results.specs[one.rank]) for one in front.members]


def _title(member: FrontMember, front: FrontRecord) -> str:
    cost = front.order
    scale = unit(cost, [one.costs[cost.name] for one in front.members])
    accuracy = unit(QUALITY, [])
    seen = unit(find_metric(QUALITY, front.metrics), [one.accuracy for one in front.members])
    tested = f"test {spread(member.test, accuracy)} %"
    word = "estimate" if front.estimated else "validation"
    score = tested if member.test.n else f"{word} {seen.text(member.accuracy)} {seen.sign}".rstrip()
    name = "" if cost.name == "latency_ms" else f" {title(cost)}"
    unlike = any(one.unlike for one in front.timings if one.metric.name == cost.name)
    place = f" on {member.devices[cost.name]}" if unlike and cost.name in member.devices else ""
    return f"{member.rank}   {score}   {scale.text(member.costs[cost.name])} {scale.sign}{name}{place}"


SECTION = Section("layouts", of=SearchResults, order=30, compute=_compute, write=_write, narrow=True)
