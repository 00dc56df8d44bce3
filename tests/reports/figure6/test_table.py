"""The tables of Figure 6: every point once, by scale, own rows last, in LaTeX that holds together."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.figure6.data import SCALES, Figure6, figure6
from reports.figure6.overlay import overlay
from reports.figure6.table import HEADER, tables, write
from reports.records.published import BENCHMARK


@pytest.fixture(scope="module")
def info() -> Figure6:
    return figure6()


def test_every_point_is_one_row_of_its_scale(info: Figure6) -> None:
    found = tables(info)
    assert len(found) == len(SCALES)
    for table, scale in zip(found, SCALES, strict=True):
        points = [point for point in info.points if point.scale == scale]
        assert sorted(row[:2] for row in table.rows) == sorted((one.network, str(one.resolution)) for one in points)
        assert [row[0].startswith("HIRI-ViT") for row in table.rows] == [
            index >= table.members for index in range(len(table.rows))
        ]
        assert len(table.rows) == table.members + 3
        accuracies = [float(row[5]) for row in table.rows[: table.members]]
        assert accuracies == sorted(accuracies)
    small = {row[0]: row for row in found[0].rows}
    assert small["ResNet-50"] == ("ResNet-50", "224", "25.5", "4.1", "3947", "79.8", "Table II, [17]")
    assert small["Ortho-S"][4] == "–"
    assert small["HIRI-ViT-S"][6] == "Table II"


def test_latex_holds_together(info: Figure6, tmp_path: Path) -> None:
    write(info, tmp_path)
    tex = (tmp_path / "figure6.tex").read_text(encoding="utf-8")
    bare = re.sub(r"\\[{}]", "", tex)
    assert bare.count("{") == bare.count("}")
    opened, closed = (re.findall(rf"\\{word}{{([a-z*]+)}}", tex) for word in ("begin", "end"))
    assert sorted(opened) == sorted(closed)
    assert opened.count("tabular") == 3
    assert re.findall(r"\\begin{tabular}{(\w+)}", tex) == ["lrrrrrl"] * 3
    rows = [line for line in tex.splitlines() if line.endswith(r"\\")]
    assert len(rows) == len(info.points) + 3
    assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(HEADER)}
    assert tex.isascii()
    for rule, count in (("toprule", 3), ("midrule", 6), ("bottomrule", 3)):
        assert tex.count(f"\\{rule}\n") == count
    # A float of normal size must fit a page of about 50 lines.
    assert max(len(part.splitlines()) for part in tex.split(r"\begin{table*}")) < 45


def test_markdown_has_the_same_rows(info: Figure6, tmp_path: Path) -> None:
    write(info, tmp_path)
    lines = (tmp_path / "figure6.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == len(info.points) + 2 * 3
    assert rows[1] == "| :--- | ---: | ---: | ---: | ---: | ---: | :--- |"


def test_own_rows_come_last(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run(name="my_run", benchmark=BENCHMARK)
    own = overlay(run)
    found = tables(figure6(own))
    assert len(found) == len(SCALES) + 1
    assert [row[0] for row in found[-1].rows] == [point.network for point in own.points]
    assert all(row[4] == "–" and row[6] == "own: test, 3 seeds" for row in found[-1].rows)
    assert all(" ± " in row[5] for row in found[-1].rows)
    # Small networks keep their digits.
    assert all(float(row[3]) > 0 and float(row[2]) > 0 for row in found[-1].rows)
    write(figure6(own), tmp_path)
    tex = (tmp_path / "figure6.tex").read_text(encoding="utf-8")
    assert r"my\_run 1 &" in tex
    assert r"$\pm$" in tex
