"""Figure 6 of HIRI-ViT: every row of Table II is there, with its provenance, and the labels stay inside."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from matplotlib.text import Annotation
from typer.testing import CliRunner

from archspec.cli import app
from archspec.errors import SpecError
from reports.canvas import FORMATS, style
from reports.figure6 import Figure6, draw, figure6, note, write
from reports.published import IMAGENET, published


@pytest.fixture(scope="module")
def info() -> Figure6:
    return figure6()


def test_every_row_with_an_accuracy_is_one_point(info: Figure6) -> None:
    table = published(IMAGENET)
    rows = table[table["top1"].notna()]
    expected = sorted(zip(rows["network"], rows["resolution"], rows["top1"], rows["gmacs"], strict=True))
    assert sorted((point.network, point.resolution, point.top1, point.gmacs) for point in info.points) == expected
    assert len(info.untimed) == rows["throughput_img_s"].isna().sum() == 7
    assert all(name in note(info) for name in info.untimed)


def test_families(info: Figure6) -> None:
    families = {curve.family: [point.network for point in curve.points] for curve in info.curves}
    assert len(families) == len(info.curves)
    assert families["PVTv2"] == ["PVTv2-B2", "PVTv2-B3", "PVTv2-B4", "PVTv2-B5"]
    assert families["HRNet-W18"] == ["HRNet-W18"]
    assert families["ViTAEv2 + VSA"] == ["ViTAEv2-S+VSA", "ViTAEv2-VSA-48M"]
    assert [curve.family for curve in info.curves if curve.own] == [f"HIRI-ViT at {side}" for side in (224, 384, 448)]
    for curve in info.curves[-3:]:
        assert [point.network[-1] for point in curve.points] == ["S", "B", "L"]
    assert all(all(point.family == curve.family for point in curve.points) for curve in info.curves)


def test_time_is_the_inverse_of_throughput(info: Figure6) -> None:
    point = next(point for point in info.curves[-1].points if point.network == "HIRI-ViT-S")
    assert point.ms == pytest.approx(1000 / 1490)


@pytest.mark.parametrize("stacked", [False, True])
def test_curves_and_labels_are_inside_the_axes(info: Figure6, stacked: bool) -> None:
    with style():
        figure = draw(info, stacked=stacked)
        for axes, missing in zip(figure.axes, (0, 0, len(info.untimed)), strict=True):
            assert sum(len(line.get_xdata()) for line in axes.lines) == len(info.points) - missing
            frame = axes.get_window_extent()
            boxes = [text.get_window_extent() for text in axes.texts if isinstance(text, Annotation)]
            assert len(boxes) == 3
            for index, box in enumerate(boxes):
                assert frame.x0 <= box.x0 < box.x1 <= frame.x1
                assert frame.y0 <= box.y0 < box.y1 <= frame.y1
                assert not any(box.overlaps(other) for other in boxes[:index])
        names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [curve.family for curve in info.curves]


def test_files_carry_the_provenance_of_every_point(info: Figure6, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", "--paper", "--out", str(tmp_path / "new")])
    assert result.exit_code == 0
    names = {f"{name}.{suffix}" for name in ("figure6", "figure6-column") for suffix in FORMATS}
    assert {path.name for path in (tmp_path / "new").iterdir()} == {*names, "figure6.csv"}
    with (tmp_path / "new" / "figure6.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(info.points)
    for row, point in zip(rows, info.points, strict=True):
        assert (row["network"], int(row["resolution"]), row["table"]) == (point.network, point.resolution, "II")
        assert row["scale"] in ("small", "base", "large")
        assert all(row[name] for name in ("family", "source", "recipe"))
        assert (row["ms_per_image"] == "") == math.isnan(point.ms)
        assert ("reference [" in row["recipe"]) != point.network.startswith("HIRI-ViT")


@pytest.mark.parametrize("arguments", [[], ["runs/demo", "--paper"]])
def test_a_run_or_the_paper(arguments: list[str]) -> None:
    error = CliRunner().invoke(app, ["report", *arguments]).exception
    assert isinstance(error, SpecError)
    assert "either" in str(error)


def test_a_folder_that_cannot_be_made_is_bad_input(info: Figure6, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SpecError, match="cannot be written"):
        write(info, tmp_path / "file")
