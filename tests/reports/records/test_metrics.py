"""Metrics that an evaluator adds to the catalog, and where trials keep their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.trial import create_trial

from archspec.cost.metrics import METRICS, Metric
from archspec.errors import RunError
from reports.records.metrics import others, run_metrics, shown, usual_first
from reports.records.search import COLUMNS, frame, read

ENERGY = {"name": "energy_j", "title": "Energy", "unit": "J", "direction": "minimize"}
TOP5 = {"name": "top5", "title": "Top-5 accuracy", "unit": "%", "direction": "maximize"}
ALL = ("accuracy", "energy_j", "top5")


def names(metrics: tuple[Metric, ...]) -> list[str]:
    return [metric.name for metric in metrics]


def test_the_catalog_comes_first_and_own_ones_once() -> None:
    found = run_metrics([{"own_metrics": [ENERGY]}, {}, {"own_metrics": [TOP5, ENERGY]}])
    assert found[: len(METRICS)] == METRICS
    assert found[len(METRICS) :] == (
        Metric("energy_j", "Energy", "J"),
        Metric("top5", "Top-5 accuracy", "%", "maximize"),
    )


def test_an_own_measurement_may_replace_that_of_the_catalog() -> None:
    found = run_metrics([{"own_metrics": [{**ENERGY, "name": "latency_ms", "title": "Phone", "unit": "ms"}]}])
    assert names(found) == names(METRICS)
    assert found[-1].title == "Phone"


def test_exact_metrics_that_were_no_objective_are_not_shown() -> None:
    found = run_metrics([{"own_metrics": [TOP5]}])
    assert names(shown(found, ("accuracy", "macs"))) == ["params", "macs", "latency_ms", "top5"]
    assert names(shown(found, ("accuracy", "saved_bytes"))) == ["params", "macs", "saved_bytes", "latency_ms", "top5"]
    assert names(usual_first(others(METRICS))) == ["macs", "params", "activations", "saved_bytes", "latency_ms"]


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        (3, "own_metrics must be a list, not 3"),
        ([3], "own_metrics: 3 needs a name, a title and a unit"),
        ([{**ENERGY, "unit": None}], "needs a name, a title and a unit"),
        ([{**ENERGY, "direction": "down"}], "energy_j has the direction 'down': known are maximize and minimize"),
        ([{**ENERGY, "name": "accuracy"}], "own_metrics: accuracy must be maximised"),
        ([{**ENERGY, "name": "digest"}], "the name 'digest' is taken"),
    ],
)
def test_what_is_no_metric_is_damage(make_run: Callable[..., Path], stated: object, says: str) -> None:
    run = make_run(trials=2, startup=0, baseline=0, final=False, duplicates=0, attributes={"own_metrics": stated})
    with pytest.raises(RunError, match=says) as caught:
        read(run)
    assert re.search(r"journal\.log(:\d+)?: damaged: ", str(caught.value))
    assert "\n" not in str(caught.value)


def test_own_metrics_are_columns_of_every_study(make_run: Callable[..., Path]) -> None:
    record = read(make_run(objectives=ALL, own=(ENERGY, TOP5), apart=True))
    assert [goal.direction for goal in record.goals] == ["maximize", "minimize", "maximize"]
    for table, more in ((record.search, ()), (record.baseline, ()), (record.final, ("test_top5",))):
        assert tuple(table.columns) == (*COLUMNS, "energy_j", "top5", *more)
        assert table[table["state"] == "COMPLETE"][["energy_j", "top5", "macs"]].notna().all().all()


def test_one_attribute_per_metric_reads_as_all_in_one_did(make_run: Callable[..., Path]) -> None:
    options: dict[str, Any] = {"objectives": ALL, "own": (ENERGY, TOP5), "trials": 12}
    before, now = (read(make_run(name, apart=apart, **options)) for name, apart in (("old", False), ("new", True)))
    for name in ("search", "baseline", "final"):
        pd.testing.assert_frame_equal(getattr(before, name), getattr(now, name))


def test_an_objective_that_nobody_states_is_damage(make_run: Callable[..., Path]) -> None:
    run = make_run(
        "unstated", trials=2, startup=0, baseline=0, final=False, attributes={"objectives": ["accuracy", "j"]}
    )
    with pytest.raises(RunError, match="has the unknown objective 'j'"):
        read(run)


def test_a_measurement_may_be_negative_and_a_count_may_not() -> None:
    trial = create_trial(values=[0.5, -1.0], user_attrs={"digest": "a" * 16})
    loss = Metric("loss", "Loss")
    assert frame([trial], ("accuracy", "loss"), (*METRICS, loss)).loc[0, "loss"] == -1
    with pytest.raises(ValueError, match="macs -1: it must be finite, a cost positive"):
        frame([trial], ("accuracy", "macs"), (*METRICS, loss))
