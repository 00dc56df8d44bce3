"""The evaluator `command`: what the last line of its output must hold."""

import json
import sys

import pytest

from archspec.errors import RunError
from archspec.loader import load
from search.evaluator import Metrics, Task, parse_evaluator

METRICS = {"energy_j": {"title": "Energy", "unit": "J"}, "top5": {"unit": "%", "direction": "maximize"}}


def answer(tmp_path, printed: str, *, final: bool = False, **options) -> Metrics:
    """What the evaluator gives where the command prints that line."""
    command = [sys.executable, "-S", "-c", f"print({printed!r})"]
    config = parse_evaluator({"type": "command", "command": command, "resolution": 64, **options})
    task = Task(load("tiny"), 0, tmp_path, tmp_path, final)
    return config.open().evaluate(task, lambda: False, lambda text: None)


def test_metrics_of_its_own_are_given_beside_exact_costs_which_win(tmp_path):
    printed = json.dumps({"accuracy": 0.5, "energy_j": 3, "top5": 0.9, "macs": 1, "train_seconds": 7})
    found = answer(tmp_path, printed, metrics=METRICS)
    assert (found["energy_j"], found["top5"], found["macs"], found["train_seconds"]) == (3, 0.9, 5_346_464, 7)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"energy_j": 3}, "top5 must be a number from 0 to 1, not None (see "),
        ({"energy_j": 3, "top5": 83.2}, "top5 must be a number from 0 to 1, not 83.2 (see "),
        ({"top5": 0.9}, "energy_j must be a finite number, not None (see "),
        ({"top5": 0.9, "energy_j": "3 J"}, "energy_j must be a finite number, not '3 J' (see "),
        ({"top5": 0.9, "energy_j": float("inf")}, "energy_j must be a finite number, not inf (see "),
        ({"top5": 0.9, "energy_j": 3, "accuracy": 55}, "accuracy must be a number from 0 to 1, not 55 (see "),
    ],
)
def test_a_metric_that_is_missing_or_no_number_fails_the_layout_with_its_name_and_the_output(tmp_path, record, message):
    with pytest.raises(RunError) as caught:
        answer(tmp_path, json.dumps({"accuracy": 0.5, **record}), metrics=METRICS)
    assert str(caught.value) == f"{message}{tmp_path / 'output.txt'})"


def test_a_finalist_may_go_without_a_test_figure_and_the_catalogs_latency_is_needed_where_asked_for(tmp_path):
    assert "test_accuracy" not in answer(tmp_path, '{"accuracy": 0.5}', final=True)
    with pytest.raises(RunError, match="test_accuracy must be a number from 0 to 1, not 55"):
        answer(tmp_path, '{"accuracy": 0.5, "test_accuracy": 55}', final=True)
    with pytest.raises(RunError, match="latency_ms must be a finite number, not None"):
        answer(tmp_path, '{"accuracy": 0.5}', metrics={"latency_ms": "minimize"})
    assert answer(tmp_path, '{"accuracy": 0.5, "latency_ms": 1.5}', metrics={"latency_ms": {}})["latency_ms"] == 1.5
