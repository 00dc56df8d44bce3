"""Devices of inference times in what is made of a run: each is named, and what does not compare is said not to."""

from __future__ import annotations

import csv
from html import unescape
from typing import Any

import pytest
from compared_runs import write_search

from archspec.api.runs import RecordedSearch
from archspec.cost.metrics import find_metric
from reports.records.devices import FigureDevices, device_sentences, pooled_devices
from reports.records.front import front
from reports.records.search import read
from reports.review.review import examine
from reports.run_comparison.comparison import compare_runs
from reports.run_comparison.text import legend, record
from reports.search_page.page import render
from reports.search_page.results import read_results
from reports.search_page.table import markdown
from reports.sections.front import SECTION, table, write
from reports.sections.layouts import SECTION as LAYOUTS
from reports.sections.tradeoff import tradeoff

H200, A100 = "NVIDIA H200", "NVIDIA A100-SXM4-40GB"
OPTIONS: dict[str, Any] = {"trials": 8, "baseline": 4, "startup": 3, "apart": True, "seeds": 1, "duplicates": 0}
TIMED = OPTIONS | {"objectives": ("accuracy", "latency_ms")}
LATENCY = find_metric("latency_ms")


@pytest.fixture
def alike(make_run):
    return make_run("alike", devices=(H200,), **TIMED)


@pytest.fixture
def unlike(make_run):
    return make_run("unlike", devices=(H200, A100), **TIMED)


def test_one_device_is_named_wherever_its_times_are_shown(alike, tmp_path):
    results = read_results(alike)
    found = results.record
    assert found.latency == "NVIDIA H200 (cpu), 1 thread, batch 1, 64 px"
    assert [(one.metric.name, one.short, one.unlike) for one in found.timings] == [("latency_ms", H200, False)]
    panel = next(one for one in tradeoff(found, results.front).panels if one.cost == "latency_ms")
    assert panel.label == "Latency (ms)\nNVIDIA H200 (cpu), 1 thread,\nbatch 1, 64 px"
    content = SECTION.compute(results)
    assert "Latency was measured on NVIDIA H200." in content.table.caption
    assert "Timed on" not in content.table.header
    write(content.table, results.front, tmp_path)
    with (tmp_path / "front.csv").open() as file:
        assert {row["latency_ms_device"] for row in csv.DictReader(file)} == {H200}
    assert "Latency was measured on NVIDIA H200." in render(results, alike, ())
    assert "unlike-devices" not in {one.rule for one in examine(alike).objections}
    assert RecordedSearch(alike).front.device_lines == ["latency_ms was measured on NVIDIA H200"]


def test_times_of_unlike_devices_are_said_not_to_compare(unlike):
    results = read_results(unlike)
    (found,) = results.record.timings
    assert set(found.counts) == {H200, A100}
    said = f"{H200} ({found.counts[H200]} trials)"
    assert said in device_sentences([found])[0]
    assert "milliseconds of one do not compare" in device_sentences([found])[0]
    assert device_sentences([found])[0] in unescape(render(results, unlike, ()))
    info = tradeoff(results.record, results.front)
    assert device_sentences([found])[0] in info.notes
    assert "2 models of devices, 1 thread" in next(one for one in info.panels if one.cost == "latency_ms").label
    shown = table(results.front, "")
    assert shown.header[:3] == ("#", "Layout", "Timed on")
    assert {row[2] for row in shown.rows[: shown.members]} <= {H200, A100}
    assert markdown(shown).splitlines()[1].startswith("| ---: | :--- | :--- | ---: |")
    assert any(f" on {one.devices['latency_ms']}" in LAYOUTS.compute(results)[0].title for one in results.front.members)
    (objection,) = [one for one in examine(unlike).objections if one.rule == "unlike-devices"]
    assert objection.severity == "serious"
    assert "--set evaluator.latency_on=local" in objection.command
    members = RecordedSearch(unlike).front
    assert {member.devices["latency_ms"] for member in members} == set(members.to_frame()["latency_ms_device"])


def test_trials_of_an_earlier_version_are_counted_as_such(make_run):
    found = read(make_run("old", **TIMED))
    assert found.timings == ()
    assert found.latency == "cpu, 1 thread, batch 1, 64 px"
    assert front(found).members[0].devices == {}
    mixed = FigureDevices(LATENCY, {H200: 3}, unknown=2)
    assert device_sentences([mixed]) == (
        "Latency was measured on NVIDIA H200; of 2 trials the device is not recorded.",
    )


def test_figures_of_the_same_devices_share_a_sentence():
    other = find_metric("macs")
    found = [FigureDevices(LATENCY, {H200: 3}), FigureDevices(other, {H200: 3}), FigureDevices(other, {A100: 3})]
    assert device_sentences(found) == (
        "Latency and MACs were measured on NVIDIA H200.",
        "MACs was measured on NVIDIA A100-SXM4-40GB.",
    )


def test_compared_runs_of_unlike_devices(tmp_path):
    results = [(0.5, 100.0), (0.6, 200.0), (0.7, 300.0)]
    asked = {"objectives": ["accuracy", "latency_ms"]}
    runs = [
        write_search(
            tmp_path / str(seed), results, seed=seed, asked=asked, attributes=[{"devices": {"latency_ms": model}}] * 3
        )
        for seed, model in enumerate((H200, H200, A100))
    ]
    info = compare_runs(runs)
    assert record(info)["devices"] == {"latency_ms": {H200: 6, A100: 3}}
    assert legend(info)[-1].startswith(
        "Latency was measured on 2 models of devices, NVIDIA H200 (6 trials) and NVIDIA A100-SXM4-40GB (3 trials): "
    )
    assert legend(compare_runs(runs[:2]))[-1] == "Latency was measured on NVIDIA H200."
    one, two = FigureDevices(LATENCY, {A100: 1}, 1), FigureDevices(LATENCY, {H200: 2}, 2)
    assert pooled_devices([[one], [two]]) == (FigureDevices(LATENCY, {H200: 2, A100: 1}, 3),)
