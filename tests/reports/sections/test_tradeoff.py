"""What the cost-accuracy figure shows, by value, and that it can be drawn."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.drawing.canvas import style
from reports.records.front import front
from reports.records.published import IMAGENET, published
from reports.records.search import finished, read
from reports.sections.tradeoff import MAX_LABELS, Panel, Tradeoff, draw, tradeoff, write


def compute(run: Path) -> Tradeoff:
    record = read(run)
    return tradeoff(record, front(record))


def kinds(panel: Panel) -> set[str]:
    return {point.kind for point in panel.points}


def test_search_points_are_validation_and_members_are_test(demo_run: Path) -> None:
    record = read(demo_run)
    found = front(record)
    info = tradeoff(record, found)
    assert [panel.cost for panel in info.panels] == ["macs", "params", "latency_ms"]
    searched = [point for point in info.points if point.kind == "search"]
    assert [point.accuracy for point in searched] == pytest.approx((100 * finished(record.search)["accuracy"]).tolist())
    assert all(point.n == 1 and math.isnan(point.sd) for point in searched)
    members = [point for point in info.points if point.kind == "member"]
    assert [point.label for point in members] == [str(member.rank) for member in found.members]
    assert [point.accuracy for point in members] == pytest.approx([100 * member.test.mean for member in found.members])
    assert [point.sd for point in members] == pytest.approx([100 * member.test.sd for member in found.members])
    assert [point.label for point in info.points if point.kind == "anchor"] == ["tiny"]
    # The baseline repeats the search's start-up trials; they are drawn once.
    assert sum(point.kind == "random" for point in info.points) == 16


def test_each_panel_has_its_own_fronts(demo_run: Path) -> None:
    for panel in compute(demo_run).panels:
        for kind, line in (("search", panel.search_front), ("member", panel.test_front)):
            own = [
                (panel.x[i], panel.points[i].accuracy, i) for i in range(len(panel.x)) if panel.points[i].kind == kind
            ]
            expected = [
                i for x, y, i in sorted(own) if not any(a <= x and b >= y and (a, b) != (x, y) for a, b, _ in own)
            ]
            assert list(line) == expected
            assert line


def test_units_and_scale(demo_run: Path) -> None:
    macs, params, latency = compute(demo_run).panels
    assert (macs.label, params.label) == ("MACs (M)", "Parameters (k)")
    assert latency.label == "Latency (ms)\ncpu, 1 thread, batch 1, 64 px"
    assert macs.x[0] == macs.points[0].costs["macs"] / 1e6
    assert [panel.log for panel in (macs, params, latency)] == [False, True, False]


def test_missing_latency_is_said_and_its_panel_left_out(make_run: Callable[..., Path]) -> None:
    info = compute(make_run(latency=False, final=False, baseline=0))
    assert [panel.cost for panel in info.panels] == ["macs", "params"]
    assert "Inference time was not measured" in info.notes[0]
    assert "No member of the front has been re-trained" in info.notes[1]
    assert kinds(info.panels[0]) == {"search"}


def test_published_rows_join_imagenet_only(demo_run: Path, make_run: Callable[..., Path]) -> None:
    assert "published" not in kinds(compute(demo_run).panels[0])
    info = compute(make_run(benchmark="imagenet1k"))
    macs, params, latency = info.panels
    assert sum(point.kind == "published" for point in macs.points) == len(published(IMAGENET))
    assert "published" in kinds(params)
    assert "published" not in kinds(latency)
    own = next(point for point in macs.points if point.label == "HIRI-ViT-S @448")
    assert (own.accuracy, own.costs["macs"], own.costs["params"]) == (84.3, 5.0e9, 34.8e6)
    assert any("Table II" in note for note in info.notes)


def test_an_objective_without_a_panel_gets_one(make_run: Callable[..., Path]) -> None:
    info = compute(make_run(objectives=("accuracy", "activations", "saved_bytes"), final=False))
    assert [panel.cost for panel in info.panels] == ["macs", "params", "latency_ms", "activations", "saved_bytes"]
    with style():
        assert [axes.get_title("left") for axes in draw(info).axes] == ["(a)", "(b)", "(c)", "(d)", "(e)"]


@pytest.mark.parametrize("stacked", [False, True])
def test_drawing_labels_every_member_within_the_axes(demo_run: Path, stacked: bool) -> None:
    info = compute(demo_run)
    with style():
        figure = draw(info, stacked=stacked)
    members = sum(point.kind == "member" for point in info.points)
    assert members <= MAX_LABELS
    for axes, panel in zip(figure.axes, info.panels, strict=True):
        texts = [text for text in axes.texts if text.get_text()]
        assert len(texts) == members + 1
        assert axes.get_xlabel() == panel.label
        renderer = figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
        boxes = [text.get_window_extent(renderer) for text in texts]
        frame = axes.get_window_extent(renderer).padded(3)
        assert all(frame.contains(*corner) for box in boxes for corner in box.corners())
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "search trial (validation, 1 seed)" in legend
    assert "front re-trained (test, mean ± sd, 3 seeds)" in legend


def test_a_large_front_labels_no_more_than_fit(make_run: Callable[..., Path]) -> None:
    info = compute(make_run(trials=60, objectives=("accuracy", "macs", "params", "latency_ms"), baseline=0))
    assert sum(point.kind == "member" for point in info.points) > MAX_LABELS
    with style():
        figure = draw(info)
    assert all(1 <= len(axes.texts) <= MAX_LABELS + 1 for axes in figure.axes)


def test_one_seed_has_no_bars_and_says_so(make_run: Callable[..., Path]) -> None:
    info = compute(make_run(seeds=1, trials=6, startup=6, baseline=0))
    with style():
        figure = draw(info)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "front re-trained (test, 1 seed)" in legend
    assert "preset (test, 1 seed)" in legend


def test_csv_says_what_each_point_is(demo_run: Path, tmp_path: Path) -> None:
    info = compute(demo_run)
    with style():
        write(info, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "tradeoff.csv",
        *(f"tradeoff{part}.{suffix}" for part in ("", "-column") for suffix in ("png", "svg", "pdf")),
    }
    with (tmp_path / "tradeoff.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(info.points)
    line = [row for row in rows if row["test_front_macs"] == "1"]
    assert [row["label"] for row in line] == [info.panels[0].points[i].label for i in info.panels[0].test_front]
    assert all(row["kind"] == "member" for row in line)
