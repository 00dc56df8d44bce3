"""Hypervolume over trials: the rule of the box, and both arms."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.drawing.canvas import style
from reports.records.hypervolume_box import HypervolumeBox, scale_of, unit_losses
from reports.records.search import finished, read
from reports.sections.hypervolume import draw, progress, write
from reports.statistics.pareto import hypervolume


def test_box_is_fixed_by_the_costs_of_both_arms() -> None:
    table = pd.DataFrame({"accuracy": [0.2, 0.9, 0.5], "macs": [1e6, 1e8, 1e7]})
    scale = scale_of(table, ("accuracy", "macs"))
    assert scale.best == (1.0, 1e6)
    assert scale.reference == (0.0, pytest.approx(10**8.2))
    values = unit_losses(table, scale)
    assert values[:, 0] == pytest.approx([0.8, 0.1, 0.5])
    assert values[:, 1] == pytest.approx([0, 2 / 2.2, 1 / 2.2])


def test_equal_costs_still_have_a_box() -> None:
    table = pd.DataFrame({"accuracy": [0.2, 0.6], "macs": [1e6, 1e6]})
    scale = scale_of(table, ("accuracy", "macs"))
    assert hypervolume(unit_losses(table, scale), np.ones(2)) == pytest.approx(0.6)


def test_arms_share_the_start_up_and_never_fall(demo_run: Path) -> None:
    info = progress(read(demo_run))
    search, baseline = info.arms
    assert (search.name, baseline.name) == ("search", "random baseline")
    assert search.trials == tuple(range(1, 31))
    assert baseline.trials == tuple(range(1, 25))
    assert info.startup == 8
    assert search.values[:8] == pytest.approx(baseline.values[:8])
    for arm in info.arms:
        assert all(0 <= a <= b <= 1 for a, b in zip(arm.values, arm.values[1:], strict=False))
    assert info.note.startswith("After 24 trained layouts: ")


def test_last_value_is_the_hypervolume_of_the_search(demo_run: Path) -> None:
    record = read(demo_run)
    info = progress(record)
    search = finished(record.search)
    share = 0.0
    best = -math.inf
    low, high = info.scale.best[1], info.scale.reference[1]
    # By hand: from cheap to dear, each better accuracy adds a rectangle.
    for accuracy, macs in sorted(zip(search["accuracy"], search["macs"], strict=True), key=lambda one: one[1]):
        if accuracy > best:
            width = math.log(high / macs) / math.log(high / low)
            share += width * (accuracy - max(best, 0))
            best = accuracy
    assert info.arms[0].values[-1] == pytest.approx(share)


def test_without_baseline_the_note_says_so(make_run: Callable[..., Path]) -> None:
    info = progress(read(make_run(baseline=0)))
    assert [arm.name for arm in info.arms] == ["search"]
    assert "No random baseline was run" in info.note
    assert "8 uniformly random start-up trials" in info.note


def test_single_objective_is_the_best_accuracy(make_run: Callable[..., Path]) -> None:
    record = read(make_run(objectives=("accuracy",), baseline=0))
    info = progress(record)
    assert info.arms[0].values == pytest.approx(finished(record.search)["accuracy"].cummax().tolist())


def test_all_random_search_is_all_start_up(make_run: Callable[..., Path]) -> None:
    assert progress(read(make_run(trials=6, startup=6, baseline=0))).startup == 6
    assert progress(read(make_run("other", trials=6, startup=0, baseline=0))).startup == 0


def test_scale_needs_no_objective_but_accuracy() -> None:
    table = pd.DataFrame({"accuracy": [0.25]})
    scale = scale_of(table, ("accuracy",))
    assert scale == HypervolumeBox(("accuracy",), (1.0,), (0.0,))


def test_figure_and_csv(demo_run: Path, tmp_path: Path) -> None:
    info = progress(read(demo_run))
    with style():
        axes = draw(info).axes[0]
        write(info, tmp_path)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "random start-up",
        "search",
        "random baseline",
    ]
    with (tmp_path / "hypervolume.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 54
    assert float(rows[29]["hypervolume"]) == pytest.approx(info.arms[0].values[-1], rel=1e-6)
