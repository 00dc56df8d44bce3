"""Figure 6 of HIRI-ViT: every row of Table II is there, with its provenance, and no text touches another."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from reports.drawing.canvas import FORMATS, style
from reports.figure6.data import PANELS, Figure6, Figure6Point, Overlay, figure6, notes
from reports.figure6.drawing import SMALL, draw, shortened, spots
from reports.figure6.styles import all_apart, competitors, few_in_front
from reports.records.published import IMAGENET, published


@pytest.fixture(scope="module")
def info() -> Figure6:
    return figure6()


def own_point(rank: int, **changes: Any) -> Figure6Point:
    values: dict[str, Any] = {
        "family": "demo",
        "network": f"demo {rank}",
        "scale": "",
        "resolution": 224,
        "top1": 81.5 + rank,
        "gmacs": 3.0 * 1.7**rank,
        "params_m": 18.0 * 1.5**rank,
        "images_per_second": math.nan,
        "source": "demo",
        "table": "",
        "recipe": "study.yaml of demo",
        "kind": "test",
        "sd": 0.3,
        "seeds": 3,
    }
    return Figure6Point(**(values | changes))


@pytest.fixture(scope="module")
def overlaid() -> Figure6:
    validated = own_point(3, kind="validation", sd=math.nan, seeds=1)
    return figure6(Overlay("a_study_with_quite_a_long_name", (own_point(1), own_point(2), validated), ("demo: note",)))


def text_boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """What the figure says, and where, in pixels; lines of one text are one box."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    ticks = {
        label
        for axes in figure.axes
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
        for tick in axis.get_major_ticks()
        if not low <= tick.get_loc() <= high or not tick.label1.get_visible()
        for label in (tick.label1, tick.label2)
    }
    shown = [text for text in texts if text not in ticks]
    return [(text.get_text(), Text.get_window_extent(text, canvas.get_renderer())) for text in shown]


def collisions(boxes: list[tuple[str, Bbox]], page: Bbox) -> list[str]:
    """Pairs of texts that share a pixel or more, and texts that leave the page."""
    found = [
        f"{name} over {other}"
        for index, (name, box) in enumerate(boxes)
        for other, taken in boxes[:index]
        if min(box.x1, taken.x1) - max(box.x0, taken.x0) > 0.5 and min(box.y1, taken.y1) - max(box.y0, taken.y0) > 0.5
    ]
    outside = [
        f"{name} outside" for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > page.x1 or box.y1 > page.y1
    ]
    return found + outside


def test_every_row_with_an_accuracy_is_one_point(info: Figure6) -> None:
    table = published(IMAGENET)
    rows = table[table["top1"].notna()]
    expected = sorted(zip(rows["network"], rows["resolution"], rows["top1"], rows["gmacs"], strict=True))
    assert sorted((point.network, point.resolution, point.top1, point.gmacs) for point in info.points) == expected
    assert len(info.untimed) == rows["throughput_img_s"].isna().sum() == 7
    assert all(name in notes(info)[0] for name in info.untimed)


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


def test_over_two_columns_every_family_has_a_look_of_its_own(info: Figure6) -> None:
    looks = all_apart(info)
    assert len({(look["color"], look["marker"]) for look in looks.lines}) == len(info.curves)
    named = [name for group in looks.groups[:-1] for name, _ in group.entries]
    assert sorted(named) == sorted(curve.family for curve in info.curves if not curve.own)


def test_in_one_column_the_front_of_the_others_is_in_colour(info: Figure6) -> None:
    near = competitors(info)
    assert near == ["HRFormer", "DaViT", "iFormer", "Dual-ViT", "CMT", "MaxViT"]
    looks = few_in_front(info)
    colors = {curve.family: look["color"] for curve, look in zip(info.curves, looks.lines, strict=True)}
    grey = colors["Swin"]
    assert {family for family, color in colors.items() if color == grey} == {
        curve.family for curve in info.curves if not curve.own and curve.family not in near
    }
    assert len({colors[family] for family in near}) == len(near)
    swin = next(index for index, curve in enumerate(info.curves) if curve.family == "Swin")
    assert len({mark["marker"] for mark in looks.markers[swin]}) == 3


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("which", ["info", "overlaid"])
def test_no_text_touches_another_or_leaves_the_page(which: str, stacked: bool, request: pytest.FixtureRequest) -> None:
    info: Figure6 = request.getfixturevalue(which)
    with style():
        figure = draw(info, stacked=stacked)
        boxes = text_boxes(figure)
        assert len(boxes) > (35 if stacked else 60)
        assert collisions(boxes, figure.bbox) == []
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(sizes) >= SMALL > 6
    assert float(figure.get_figheight()) < 9


def test_the_measure_of_overlap_sees_overlap(info: Figure6) -> None:
    with style():
        figure = draw(info)
        label = next(text for text in figure.axes[0].texts if text.get_text() == "HIRI-ViT-B")
        for x, word in ((0.5, "over"), (1.0, "outside")):
            extra = figure.text(x, 0.5, "HIRI-ViT-B, again")
            if word == "over":
                extra.set_position(figure.transFigure.inverted().transform(label.get_window_extent().p0))
            assert any(word in found for found in collisions(text_boxes(figure), figure.bbox))
            extra.remove()


@pytest.mark.parametrize("stacked", [False, True])
def test_every_point_is_a_mark_where_spots_says(info: Figure6, stacked: bool) -> None:
    with style():
        figure = draw(info, stacked=stacked)
        figure.canvas.draw()
        assert isinstance(figure.canvas, FigureCanvasAgg)
        pixels = np.asarray(figure.canvas.buffer_rgba())
        for axes, missing in zip(figure.axes, (0, 0, len(info.untimed)), strict=True):
            assert (
                sum(len(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "None")
                == len(info.points) - missing
            )
        found = spots(figure, info)
    assert [len(places) for places in found] == [2 if math.isnan(point.ms) else 3 for point in info.points]
    top = info.points.index(info.curves[-1].points[-1])
    for x, y in found[top]:
        row, column = round(y * figure.dpi / 72), round(x * figure.dpi / 72)
        assert pixels[row, column, :3].max() < 60


def test_own_points_are_in_two_panels_and_the_third_says_why(overlaid: Figure6) -> None:
    with style():
        figure = draw(overlaid)
        found = spots(figure, overlaid)
        legend = [text.get_text() for text in figure.legends[-1].get_texts()]
        title = figure.legends[-1].get_title().get_text()
    assert [len(places) for places in found[-3:]] == [2, 2, 2]
    assert legend == ["test, mean ± sd of 3 seeds", "validation, 1 seed, not re-trained"]
    assert title == shortened("a_study_with_quite_a_long_name")
    assert "not comparable" in figure.axes[2].get_xlabel()
    assert [[len(drawn.lines[0].get_xdata()) for drawn in axes.containers] for axes in figure.axes] == [
        [2, 1],
        [2, 1],
        [],
    ]
    bars = figure.axes[0].containers[0].lines[2][0].get_segments()
    assert bars[0][:, 1] == pytest.approx([82.2, 82.8])


def test_files_carry_the_provenance_of_every_point(info: Figure6, tmp_path: Path, run: Any) -> None:
    code, out, _ = run("report", "--paper", "--out", tmp_path / "new")
    assert (code, f"{len(info.points)} points" in out) == (0, True)
    names = {f"{name}.{suffix}" for name in ("figure6", "figure6-column") for suffix in FORMATS}
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        *names,
        ".archspec.json",
        "figure6.csv",
        "figure6.html",
    }
    with (tmp_path / "new" / "figure6.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(info.points)
    for row, point in zip(rows, info.points, strict=True):
        assert (row["network"], int(row["resolution"]), row["table"]) == (point.network, point.resolution, "II")
        assert row["scale"] in ("small", "base", "large")
        assert all(row[name] for name in ("family", "source", "recipe"))
        assert (row["ms_per_image"] == "") == math.isnan(point.ms) == (row["throughput_img_s"] == "")
        assert ("reference [" in row["recipe"]) != point.network.startswith("HIRI-ViT")
        assert (row["accuracy"], row["sd_percent"], row["seeds"]) == ("published", "", "")
    page = (tmp_path / "new" / "figure6.html").read_text(encoding="utf-8")
    assert page.count('class="point"') == len(rows)
    assert page.count("<circle ") == sum(3 if row["ms_per_image"] else 2 for row in rows) == len(PANELS) * 76 - 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "takes either a run's folder or --paper"),
        (["runs/demo", "--paper"], "takes either a run's folder or --paper"),
        (["runs/demo", "--study", "runs/other"], "--study: goes with --paper only"),
        (["runs/demo", "--embed-tables"], "--embed-tables: goes with --paper only"),
    ],
)
def test_what_goes_together(arguments: list[str], said: str, run: Any) -> None:
    code, _, err = run("report", *arguments)
    assert code == 2
    assert said in err


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path: Path, run: Any) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, _, err = run("report", "--paper", "--out", tmp_path / "file")
    assert code == 2
    assert "cannot be written" in err


def test_each_own_point_keeps_its_bar_in_every_panel() -> None:
    points = (own_point(1, params_m=40.0, sd=0.1), own_point(2, params_m=20.0, sd=0.5))
    with style():
        figure = draw(figure6(Overlay("demo", points, ("demo: note",))), stacked=True)
    for axes, (cost, _) in zip(figure.axes[:2], PANELS, strict=False):
        bars = axes.containers[0].lines[2][0].get_segments()
        drawn = {float(bar[0, 0]): float(bar[1, 1] - bar[0, 1]) / 2 for bar in bars}
        assert drawn == pytest.approx({getattr(point, cost): point.sd for point in points})
