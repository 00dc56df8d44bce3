"""The strip of layouts."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.patches import Rectangle

from archspec.loader import load
from archspec.spec.schema import ArchSpec
from reports.drawing.canvas import style
from reports.sections.layouts import MAX_ROWS, MemberLayout, Stage, choose, draw, layout, write

HIRI = layout(1, "1", load("hiri-vit-s"))


def test_layout_of_a_preset() -> None:
    assert [stage.label for stage in HIRI.stages] == ["HR 2×32", "HR 2×64", "CFFN 2×128", "T 9×320", "T 4×512"]
    assert [stage.side for stage in HIRI.stages] == [112, 56, 28, 14, 7]


def test_mixed_stages_name_every_kind() -> None:
    spec = {"stem": "conv_stem", "blocks": [["HR", "CFFN"], "T"], "widths": [16, 32], "heads": [None, 2]}
    one = layout(1, "mixed", ArchSpec.model_validate(spec | {"resolution": 64}))
    assert [stage.label for stage in one.stages] == ["HR+CFFN 2×16", "T 1×32"]
    assert one.stages[0].kinds == ("HR", "CFFN")


def test_a_stage_without_blocks_is_an_empty_frame() -> None:
    spec = load("resnet-18").edit({"stages[1].depth": 0, "stages[2].depth": 0})
    member = layout(0, "title", spec)
    assert [stage.label for stage in member.stages] == ["basic 2×64", "0×128", "0×256", "basic 1×512"]
    with style():
        patches = draw([member]).axes[0].patches
    assert len(patches) == 3 + 4  # slabs and frames


def test_every_block_is_a_slab() -> None:
    with style():
        figure = draw([HIRI])
    slabs = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle) and patch.get_fill()]
    assert len(slabs) == 2 + 2 + 2 + 9 + 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["HR", "CFFN", "T"]
    assert len({patch.get_facecolor() for patch in slabs}) == 3


def test_stages_stay_in_their_columns() -> None:
    with style():
        axes = draw([HIRI, layout(2, "2", load("tiny"))]).axes[0]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    assert len(frames) == 10
    for number, patch in enumerate(frames):
        column = number % 5
        assert column <= patch.get_x() <= patch.get_x() + patch.get_width() <= column + 1
        row = number // 5
        assert row <= patch.get_y() <= patch.get_y() + patch.get_height() <= row + 1


def test_unknown_kinds_get_a_colour_of_their_own() -> None:
    kinds = ("HR", "MBConv", "Swin")
    with style():
        figure = draw([MemberLayout(1, "1", tuple(Stage((kind,), 8, 16) for kind in kinds))])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(kinds)


@pytest.mark.parametrize(("count", "ranks"), [(3, [1, 2, 3]), (12, [*range(1, 13)])])
def test_few_layouts_are_all_shown(count: int, ranks: list[int]) -> None:
    assert [one.rank for one in choose([MemberLayout(rank, "", ()) for rank in range(1, count + 1)])] == ranks


def test_many_layouts_are_thinned_with_both_ends() -> None:
    ranks = [one.rank for one in choose([MemberLayout(rank, "", ()) for rank in range(1, 40)])]
    assert len(ranks) == MAX_ROWS
    assert (ranks[0], ranks[-1]) == (1, 39)


def test_csv(tmp_path: Path) -> None:
    with style():
        write([HIRI], tmp_path)
    with (tmp_path / "layouts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[3] == {"rank": "1", "stage": "3", "blocks": "T*9", "width": "320", "side": "14"}


def test_parallel_branches_lie_below_one_another() -> None:
    one = layout(1, "1", load("tiny-hrvit-seg"))
    assert [[(len(branch.kinds), branch.width, branch.side) for branch in stage.branches] for stage in one.stages] == [
        [(1, 16, 32)],
        [(1, 16, 32), (1, 32, 16)],
        [(1, 16, 32), (1, 32, 16), (2, 64, 8)],
    ]
    assert [stage.label for stage in one.stages] == ["hrvit_block 1×16", "1×16|1×32", "1×16|1×32|2×64"]
    with style():
        axes = draw([one]).axes[0]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    assert len(frames) == 6
    last = sorted(frames[3:], key=lambda patch: patch.get_y())
    for above, below in pairwise(last):
        assert below.get_y() == pytest.approx(above.get_y() + above.get_height())
    heights = [sum(patch.get_height() for patch in group) for group in (frames[:1], frames[1:3], frames[3:])]
    assert heights == pytest.approx([heights[0]] * 3)
