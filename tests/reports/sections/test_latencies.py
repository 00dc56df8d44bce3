"""Latencies by several backends: shown where two were measured, with Kendall's tau as scipy has it."""

from __future__ import annotations

import csv
import math
from typing import Any

import pytest

from archspec.cost.metrics import Metric
from reports.drawing.canvas import style
from reports.records.devices import is_latency
from reports.records.search import finished, read
from reports.section import ComputedSection, write_sections
from reports.sections.latencies import SECTION, Latencies, LatencyPair, draw, latencies
from reports.statistics.rank_correlation import rank_agreement

RUNTIME = {
    "name": "latency_onnxruntime_b1_ms",
    "title": "Latency (onnxruntime)",
    "unit": "ms",
    "direction": "minimize",
}
BATCH = {
    "name": "throughput_eager_b32",
    "title": "Throughput (eager, batch 32)",
    "unit": "img/s",
    "direction": "maximize",
}
OPTIONS: dict[str, Any] = {"trials": 16, "baseline": 0, "startup": 4, "apart": True}


def test_kendall_as_scipy_has_it():
    stats = pytest.importorskip("scipy.stats")
    first, second = [1.0, 2.0, 2.0, 3.0, 5.0, 4.0], [2.0, 1.0, 3.0, 3.0, 6.0, 4.5]
    found = rank_agreement(first, second)
    assert found.tau == pytest.approx(stats.kendalltau(first, second).statistic)
    assert (found.turned, found.pairs) == (1, 15)
    assert math.isnan(rank_agreement([1.0, 1.0], [1.0, 2.0]).tau)


def test_every_pair_over_the_layouts_that_have_both(make_run):
    record = read(make_run(own=(RUNTIME, BATCH), **OPTIONS))
    info = latencies(record)
    assert info is not None
    names = ("latency_ms", "latency_onnxruntime_b1_ms", "throughput_eager_b32")
    assert [(one.first.name, one.second.name) for one in info.pairs] == [
        names[:2],
        (names[0], names[2]),
        names[1:],
    ]
    assert [one.second.name for one in info.drawn] == list(names[1:])
    table = finished(record.search)
    assert info.pairs[0].x == tuple(table["latency_ms"])
    assert info.pairs[0].agreement == rank_agreement(table["latency_ms"], table["latency_onnxruntime_b1_ms"])
    # Both of the last pair follow the multiply-adds: more images per second is a better rank, as fewer milliseconds.
    assert info.pairs[2].agreement.tau == 1
    assert info.sentences[0].startswith(f"Over {len(table)} layouts, latency and latency (onnxruntime) have a rank cor")


def test_one_figure_alone_is_no_section(make_run):
    assert latencies(read(make_run(**OPTIONS))) is None
    few = OPTIONS | {"trials": 3, "startup": 1, "failures": (), "duplicates": 0}
    assert latencies(read(make_run("few", own=(RUNTIME,), **few))) is None


def test_names_that_are_no_figures_of_time():
    assert not is_latency(Metric("latency_budget", "x", "J"))
    assert not is_latency(Metric("throughput", "x", "img/s"))


def test_equal_values_and_noise_are_said():
    metrics = (Metric("latency_ms", "Latency", "ms"), Metric("latency_compile_b1_ms", "Latency (torch.compile)", "ms"))
    values = (1.0, 1.0, 1.0, 1.0), (1.0, 2.0, 3.0, 4.0)
    info = Latencies((LatencyPair(*metrics, *values, rank_agreement(*values)),), noisy=1)
    assert info.sentences[0] == (
        "One of latency and latency (torch.compile) is the same for all 4 layouts, so that nothing ranks them."
    )
    assert info.sentences[1].startswith("1 layout had a figure taken while something else kept the machine busy")
    with style():
        assert draw(info).axes[0].get_title() == "no ranking"


def test_the_section_writes_its_figure_and_every_pair(make_run, tmp_path):
    info = latencies(read(make_run(own=(RUNTIME, BATCH), **OPTIONS)))
    (written,) = write_sections([ComputedSection(SECTION, info)], tmp_path)
    assert written.content.title == "Latencies"
    assert len(written.content.notes) == 2
    assert written.content.picture is not None
    assert "Latency without a name beside it: cpu, 1 thread, batch 1, 64 px." in written.content.picture.caption
    with (tmp_path / "figures" / "latencies.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3
