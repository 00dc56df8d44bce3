"""A run's front in the axes of Figure 6: only of the same metric, with its own terms stated."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import SpecError
from reports.figure6.data import figure6, notes
from reports.figure6.drawing import draw
from reports.figure6.overlay import accuracy_of, overlay
from reports.records.front import front
from reports.records.published import BENCHMARK
from reports.records.search import read

Make = Callable[..., Path]


def test_re_trained_members_count_with_their_test_accuracy(make_run: Make) -> None:
    run = make_run(benchmark=BENCHMARK)
    members = front(read(run)).members
    own = overlay(run)
    assert len(own.points) == len(members) > 1
    for point, member in zip(own.points, members, strict=True):
        assert (point.kind, point.seeds) == ("test", 3)
        assert point.top1 == pytest.approx(100 * member.test.mean)
        assert point.sd == pytest.approx(100 * member.test.sd)
        assert (point.gmacs, point.params_m) == (member.costs["macs"] / 1e9, member.costs["params"] / 1e6)
        assert math.isnan(point.ms)
    assert "by test, mean ± sd of 3 seeds" in own.notes[0]
    assert "cpu, 1 thread" in own.notes[1]


def test_others_count_with_their_validation_accuracy(make_run: Make) -> None:
    run = make_run(benchmark=BENCHMARK, final=False, latency=False)
    own = overlay(run)
    best = max(member.accuracy for member in front(read(run)).members)
    assert {(point.kind, point.seeds) for point in own.points} == {("validation", 1)}
    assert max(point.top1 for point in own.points) == pytest.approx(100 * best)
    assert all(math.isnan(point.sd) for point in own.points)
    assert "by validation, 1 seed, not re-trained" in own.notes[0]
    assert "was not timed" in own.notes[1]


def test_one_seed_has_no_deviation(make_run: Make) -> None:
    own = overlay(make_run(benchmark=BENCHMARK, seeds=1))
    assert accuracy_of(own.points) == "test, 1 seed"
    assert all(math.isnan(point.sd) for point in own.points)
    assert draw(figure6(own), stacked=True).axes


@pytest.mark.parametrize(("benchmark", "stated"), [(None, "no published benchmark"), ("coco", "benchmark coco")])
def test_another_metric_is_refused(
    benchmark: str | None, stated: str, make_run: Make, run: Any, tmp_path: Path
) -> None:
    other = make_run(benchmark=benchmark)
    code, out, err = run("report", "--paper", "--study", other, "--out", tmp_path / "figure6")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    for said in ("--study", "top-1 accuracy on cluttered_digits", stated, "ImageNet-1K", BENCHMARK):
        assert said in err
    assert not (tmp_path / "figure6").exists()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"journal\.log"):
        overlay(tmp_path)


def test_the_files_have_the_own_points_last(make_run: Make, run: Any, tmp_path: Path) -> None:
    mine = make_run(name="<b>mine</b>", benchmark=BENCHMARK, attributes={"resolution": None})
    code, out, _ = run("report", "--paper", "--study", mine, "--embed-tables", "--out", tmp_path / "figure6")
    assert code == 0
    own = overlay(mine)
    assert all(note in out for note in notes(figure6(own)))
    with (tmp_path / "figure6" / "figure6.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["network"] for row in rows[76:]] == [point.network for point in own.points]
    assert {(row["accuracy"], row["seeds"], row["ms_per_image"]) for row in rows[76:]} == {("test", "3", "")}
    page = (tmp_path / "figure6" / "figure6.html").read_text(encoding="utf-8")
    assert page.count('class="point"') == len(rows) == 76 + len(own.points)
    assert "<b>" not in page
    assert "resolution unknown" in page
    tex = (tmp_path / "figure6" / "figure6.tex").read_text(encoding="utf-8")
    assert tex.rindex("own: test, 3 seeds") > tex.rindex("Table II")
