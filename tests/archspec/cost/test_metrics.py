"""The catalog of metrics: what it says of itself, and that a metric which is added to it shows everywhere."""

import csv
import io
import json
from math import prod

import pytest

from archspec.cost import metrics
from archspec.cost.measure import measure
from archspec.cost.metrics import METRICS, Metric, additive_names, exact_metrics, exact_values, find_metric
from archspec.errors import FieldError
from archspec.loader import load, presets

PEAK = Metric(
    "peak_memory", "Peak memory", unit="B", over="max", count=lambda lines: max(4 * prod(line.shape) for line in lines)
)
LINES = Metric("lines", "Lines", count=len)


def peak(name: str) -> int:
    return PEAK.of(measure(load(name)).total.lines)


@pytest.fixture
def catalog(monkeypatch):
    """The catalog with a metric that is a maximum over parts, and one that is a sum."""
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, PEAK, LINES))


@pytest.mark.parametrize("name", presets())
def test_the_attributes_of_a_cost_are_the_metrics_of_its_lines(name):
    cost = measure(load(name))
    for part in (cost.total, *cost.parts, cost.under("mmcv").total):
        names = ("params", "macs", "activations", "saved_bytes")
        assert {one: exact_values(part.lines)[one] for one in names} == {one: getattr(part, one) for one in names}


def test_names_are_distinct_and_only_sums_that_are_computed_can_be_counted():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert additive_names() == ("params", "macs", "activations", "saved_bytes")
    assert not PEAK.additive
    assert PEAK.exact
    accuracy = find_metric("accuracy")
    assert (accuracy.exact, accuracy.direction, find_metric("latency_ms").direction) == (False, "maximize", "minimize")
    with pytest.raises(ValueError, match="accuracy is measured, not computed"):
        accuracy.of(measure(load("tiny")).total.lines)


def test_an_unknown_metric_is_refused_with_the_nearest_one():
    with pytest.raises(
        FieldError, match=r"^'latency' is no metric \(did you mean latency_ms\?\): known are accuracy, "
    ):
        find_metric("latency")
    with pytest.raises(FieldError, match="'GFLOPs' means different things; write macs"):
        find_metric("GFLOPs")
    own = Metric("energy_j", "Energy", "J")
    assert find_metric("energy_j", [own]) is own
    with pytest.raises(FieldError, match="did you mean energy_j"):
        find_metric("energy", [own])


@pytest.mark.usefixtures("catalog")
def test_a_metric_that_is_added_shows_in_the_tables_of_flops(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # where headings of numbers take one line
    cost, found = measure(load("tiny")), peak("tiny")
    _, out, _ = run("flops", "tiny", "--json", "--per-layer")
    record = json.loads(out)
    assert record["peak_memory"] == max(part["peak_memory"] for part in record["parts"]) == found
    assert record["lines"] == len(cost.total.lines) == sum(layer["lines"] for layer in record["layers"])
    _, out, _ = run("flops", "tiny", "--csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["peak_memory"] == str(found)
    for options in ([], ["--res", "64", "--res", "128"]):
        _, out, _ = run("flops", "tiny", *options)
        assert "Peak memory ┃ Lines" in out
        assert "…" not in out


@pytest.mark.usefixtures("catalog")
def test_a_metric_that_is_added_is_counted_where_it_is_a_sum_and_refused_as_a_limit_where_it_is_not(run):
    _, out, _ = run("space", "five_stage_tiny", "--json", "--budget", "lines <= 140")
    spreads = {spread["metric"]: spread for spread in json.loads(out)["costs"]}
    assert spreads["lines"]["smallest"] <= 140 < spreads["lines"]["largest"]
    assert "peak_memory" not in spreads
    code, _, err = run("space", "five_stage_tiny", "--budget", "peak_memory <= 1MB")
    assert (code, err.strip()) == (
        2,
        "archspec: --budget: 'peak_memory <= 1MB': peak_memory cannot be limited: it is the largest of its parts, "
        "which do not add up; write params, macs, activations, saved_bytes or lines",
    )
    _, out, _ = run("flops", "tiny", "--symbolic", "--json")
    assert json.loads(out)["lines"] == {"0": str(len(measure(load("tiny")).total.lines))}


@pytest.mark.usefixtures("catalog")
def test_a_metric_that_is_added_stands_in_the_record_of_a_plan(run):
    _, out, _ = run("ablate", "hiri_table8", "--dry-run", "--json")
    rows = [row for view in json.loads(out)["views"] for row in view["rows"]]
    assert all({metric.name for metric in exact_metrics()} - {"saved_bytes"} <= row.keys() for row in rows)
