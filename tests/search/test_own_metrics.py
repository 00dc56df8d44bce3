"""Metrics that an evaluator adds: how a study file states them, and what is refused with place and rule."""

import pytest

from archspec.cost.metrics import Metric
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from search.evaluator import parse_evaluator
from search.own_metrics import check_value
from search.run.run import _record
from search.study.reading import parse_study


def study(metrics: str, rest: str = ""):
    text = f"space: five_stage_tiny\nevaluator:\n  type: command\n  command: [x]\n  metrics: {metrics}\n{rest}"
    return parse_study(parse_document(text, "study.yaml"))


def test_metrics_are_objectives_with_title_unit_and_direction():
    config = study(
        "{energy_j: {title: Energy, unit: J}, top5: {unit: '%', direction: maximize}, latency_ms: minimize}",
        "objectives: [top5, energy_j, latency_ms, macs]\n",
    )
    assert config.evaluator.own_metrics == (
        Metric("energy_j", "Energy", "J", "minimize"),
        Metric("top5", "top5", "%", "maximize"),
    )
    assert [metric.direction for metric in config.metrics] == ["maximize", "minimize", "minimize", "minimize"]
    assert (config.metrics[2].title, config.metrics[2].unit) == ("Latency", "ms")
    assert parse_study(parse_document(config.dump(), "again")) == config


@pytest.mark.parametrize(
    ("metrics", "rest", "message"),
    [
        ("{seed: minimize}", "", "study.yaml:5: evaluator.metrics.seed: is what trials call something else; give"),
        ("{metrics: minimize}", "", "study.yaml:5: evaluator.metrics.metrics: is what trials call something else"),
        ("{curve: minimize}", "", "study.yaml:5: evaluator.metrics.curve: is what trials call something else"),
        ("{test_accuracy: maximize}", "", "study.yaml:5: evaluator.metrics.test_accuracy: is what trials call"),
        ("{accuracy: maximize}", "", "study.yaml:5: evaluator.metrics.accuracy: is what every evaluator gives"),
        ("{macs: minimize}", "", "study.yaml:5: evaluator.metrics.macs: is computed exactly for every layout"),
        (
            "{latency_ms: maximize}",
            "",
            "study.yaml:5: evaluator.metrics.latency_ms.direction: is 'minimize' in the catalog of metrics, not 'maxi",
        ),
        ("{latency_ms: {unit: s}}", "", "study.yaml:5: evaluator.metrics.latency_ms.unit: is 'ms' in the catalog"),
        ("{top-5: maximize}", "", "study.yaml:5: evaluator.metrics.top-5: must be a word such as energy_j"),
        ("{top5: max}", "", "study.yaml:5: evaluator.metrics.top5.direction: must be 'maximize' or 'minimize'"),
        ("{top5: {titel: x}}", "", "study.yaml:5: evaluator.metrics.top5.titel: unknown field"),
        ("[top5]", "", "study.yaml:5: evaluator.metrics: must be"),
        (
            "{top5: maximize}",
            "objectives: [accuracy, top_5]\n",
            "study.yaml:6: objectives[1]: 'top_5' is no metric (did you mean top5?): known are accuracy, params, macs",
        ),
        (
            "{top5: maximize}",
            "objectives: [top5, latency_ms]\n",
            "study.yaml:6: objectives[1]: evaluator command does not give latency_ms; if it does, state it under "
            "evaluator: `metrics: {latency_ms: minimize}`",
        ),
        (
            "{energy_j: minimize}",
            "budget: {energy_j: <= 5}\n",
            "study.yaml:6: budget.energy_j: energy_j cannot be limited: it is measured, not known in advance; ",
        ),
        (
            "{energy_j: minimize}",
            "budget: {accuracy: '>= 5'}\n",
            "study.yaml:6: budget.accuracy: accuracy cannot be limited: it is measured",
        ),
        (
            "{top5: maximize}",
            "objectives: [top5, accuracy]\nsampler: exact\n",
            "study.yaml:7: sampler: exact takes an objective to maximise such as accuracy and one of params, macs,",
        ),
    ],
)  # fmt: skip
def test_broken_metrics_are_refused_with_place_and_rule(metrics, rest, message):
    with pytest.raises(SpecError) as caught:
        study(metrics, rest)
    assert str(caught.value).startswith(message), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_command_without_metrics_is_recorded_as_before_there_were_any_and_continued(tmp_path):
    """Runs compare what is asked, and results the evaluator that gave them."""
    plain = parse_evaluator({"type": "command", "command": ["x"]})
    assert set(plain.model_dump(mode="json")) == {"type", "command", "resolution", "timeout", "label", "benchmark"}
    assert plain.finalist({"timeout": 5.0}).timeout == 5
    other = study("{top5: maximize}", "name: one\n")
    assert other.evaluator.model_dump()["metrics"] == {"top5": {"title": "", "unit": "", "direction": "maximize"}}
    _record(other, tmp_path)
    _record(other, tmp_path)
    with pytest.raises(
        SpecError, match=r"started with another evaluator.metrics.top5.direction \('maximize', now 'mini"
    ):
        _record(study("{top5: minimize}", "name: one\n"), tmp_path)


@pytest.mark.parametrize("value", [None, True, "5", float("nan"), float("inf"), -float("inf"), 10**400, [1]])
def test_what_is_no_finite_number_is_no_value(value):
    assert check_value(Metric("energy_j", "Energy"), value).startswith("energy_j must be a finite number, not ")


def test_a_percentage_is_a_fraction():
    top5 = Metric("top5", "Top-5", "%", "maximize")
    assert [bool(check_value(top5, value)) for value in (0, 0.5, 1, 1.1, 83.2, -0.1)] == [False] * 3 + [True] * 3
    assert check_value(Metric("energy_j", "Energy"), -5) == ""
