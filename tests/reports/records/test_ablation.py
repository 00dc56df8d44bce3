"""The journal of an ablation: what finished, failed, was queued again, and what counts as damage."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from archspec.errors import RunError, SpecError
from reports.records.ablation import find_ablation, read_ablation

SCORES = {"base": [80.0, 81.0], "+ a": [82.0, None], "+ b": [83.0]}
ROW = "0000000000000000-plain"


def _study(run: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    return optuna.load_study(study_name="ablation", storage=storage)


def test_scores_in_percent_by_run_and_seed(make_ablation: Callable[..., Path]) -> None:
    record = read_ablation(make_ablation(SCORES, seeds=2))
    assert record.scores[ROW] == {0: pytest.approx(80.0), 1: pytest.approx(81.0)}
    runs = [row.run for row in record.views[0].rows]
    assert {seed: why for run in runs for seed, why in record.failures[run].items()} == {1: "out of memory in epoch 1"}
    assert [len(record.scores[run]) for run in runs] == [2, 1, 1]
    assert (record.requeued, record.waiting, record.seconds) == (0, 0, 40.0)
    assert (record.score, record.seeds, record.looks) == ("test", 2, ())


def test_one_attribute_per_metric_reads_as_all_in_one_did(make_ablation: Callable[..., Path]) -> None:
    run = make_ablation({"base": [80.0]}, seeds=2)
    now = {"run": ROW, "seed": 1, "accuracy": 0.79, "test_accuracy": 0.81, "train_seconds": 5.0}
    _study(run).add_trial(create_trial(value=0.81, user_attrs=now))
    record = read_ablation(run)
    assert record.scores[ROW] == {0: pytest.approx(80.0), 1: pytest.approx(81.0)}
    assert (record.seconds, record.tested) == (15.0, 2)


def test_exact_metrics_of_a_plan_are_costs_of_its_rows(make_ablation: Callable[..., Path]) -> None:
    rows = {"base": {"saved_bytes": 5, "latency_ms": 3.0}}
    base, other, _ = read_ablation(make_ablation(SCORES, rows=rows)).views[0].rows
    assert base.costs == {"params": 2_000_000, "macs": 300_000_000, "activations": 1_000_000, "saved_bytes": 5}
    assert set(other.costs) == {"params", "macs", "activations"}
    assert (base.params, base.macs) == (2_000_000, 300_000_000)


def test_validation_scores_and_looks(make_ablation: Callable[..., Path]) -> None:
    record = read_ablation(make_ablation({"base": [80.0]}, score="validation", looks=[[3, 0.001], [5, 0.02]]))
    assert record.score == "validation"
    assert [(look.seeds, look.p) for look in record.looks] == [(3, 0.001), (5, 0.02)]
    assert all(math.isnan(look.spent) for look in record.looks)


def test_requeued_failures_count_for_nothing(make_ablation: Callable[..., Path]) -> None:
    run = make_ablation(SCORES, seeds=2, requeued=2)
    record = read_ablation(run)
    assert record.requeued == 5
    assert sum(len(found) for found in record.failures.values()) == 1
    study = _study(run)
    # A training that failed for good, and was then trained after all, is finished.
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"run": ROW, "seed": 0, "failure": "killed"}))
    study.enqueue_trial({}, user_attrs={"run": ROW, "seed": 1})
    record = read_ablation(run)
    assert record.failures[ROW] == {}
    assert record.waiting == 1


def test_trainings_of_rows_that_the_plan_no_longer_has_are_left_out(make_ablation: Callable[..., Path]) -> None:
    """A plan may be continued with fewer edits; the journal keeps what was trained."""
    run = make_ablation(SCORES)
    before = read_ablation(run)
    metrics = {"test_accuracy": 0.5, "train_seconds": 99.0}
    _study(run).add_trial(create_trial(value=0.5, user_attrs={"run": "gone", "seed": 0, "metrics": metrics}))
    lost = {"run": "gone", "seed": 1, "failure": "killed"}
    _study(run).add_trial(create_trial(state=TrialState.FAIL, user_attrs=lost))
    assert read_ablation(run) == before


def test_which_journals_are_of_an_ablation(
    make_ablation: Callable[..., Path], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_ablation(SCORES)
    assert find_ablation(run) == read_ablation(run)
    search = make_run(trials=2, startup=0, baseline=0, final=False)
    assert find_ablation(search) is None
    with pytest.raises(SpecError, match="no study named 'ablation'"):
        read_ablation(search)
    with pytest.raises(SpecError, match=r"journal\.log: no such file"):
        find_ablation(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"score": "train"}, "neither test nor validation"),
        ({"plan": []}, r"journal.log:\d+: damaged: study attribute plan must be a mapping, not \[\]; kept as it is"),
        ({"plan": {"name": "x", "base_digest": "0", "notes": [], "views": [{}]}}, r"plan.views\[0\]: no type"),
        ({"seeds": "five"}, "study attribute seeds must be an integer from 0, not 'five'"),
        ({"seeds": True}, "study attribute seeds must be an integer from 0, not True"),
        ({"looks": [[3]]}, "damaged"),
        ({"looks": 3}, "damaged"),
        ({"looks": [[3, 0.01]], "paired": False}, "not paired"),
        ({"metric": 3}, "damaged"),
    ],
)
def test_attributes_that_do_not_fit(make_ablation: Callable[..., Path], attributes: dict[str, Any], says: str) -> None:
    with pytest.raises(RunError, match=says) as caught:
        read_ablation(make_ablation(SCORES, attributes=attributes))
    assert re.search(r"journal\.log(:\d+)?: damaged: ", str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"against": 7}, r"rows\[1\].against: no other row 7"),
        ({"against": 1}, r"rows\[1\].against: no other row 1"),
        ({"params": 2.5}, r"rows\[1\].params: 2.5 where int belongs"),
        ({"params": 0}, r"rows\[1\].params: must be above 0, not 0"),
        ({"macs": -1}, r"rows\[1\].macs: must be above 0, not -1"),
        ({"edits": None}, r"rows\[1\].edits"),
        ({"training": []}, r"rows\[1\].training"),
    ],
)
def test_rows_that_do_not_fit(make_ablation: Callable[..., Path], row: dict[str, Any], says: str) -> None:
    with pytest.raises(RunError, match=says):
        read_ablation(make_ablation(SCORES, rows={"+ a": row}))


@pytest.mark.parametrize(
    ("value", "attributes", "says"),
    [
        (0.5, {"seed": 0}, "no run"),
        (0.5, {"run": ROW, "seed": "0"}, "trial attribute seed must be an integer from 0, not '0'"),
        (1.5, {"run": ROW, "seed": 8}, "must lie between 0 and 1"),
        (0.5, {"run": ROW, "seed": 8, "metrics": {"test_accuracy": 0.6}}, "recorded test_accuracy 0.6"),
        (0.5, {"run": ROW, "seed": 8}, "recorded test_accuracy None"),
        (0.5, {"run": ROW, "seed": 0, "metrics": {"test_accuracy": 0.5}}, "repeats seed 0"),
    ],
)
def test_trials_that_do_not_fit(
    make_ablation: Callable[..., Path], value: float, attributes: dict[str, Any], says: str
) -> None:
    run = make_ablation(SCORES)
    _study(run).add_trial(create_trial(value=value, user_attrs=attributes))
    with pytest.raises(RunError, match=says) as caught:
        read_ablation(run)
    assert "damaged: trial " in str(caught.value)


@pytest.mark.parametrize("line", ["garbage", "[]", '{"op_code": 99}'])
def test_damaged_line_is_one_line_on_stderr(
    make_ablation: Callable[..., Path], run: Callable[..., tuple[int, str, str]], line: str
) -> None:
    folder = make_ablation(SCORES)
    journal = folder / "journal.log"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:-2], line, *lines[-2:]]) + "\n")
    for command in ("report", "review", "power"):
        code, out, err = run(command, folder)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert re.search(r"journal\.log(:\d+)?: damaged: ", err)
    assert not (folder / "report").exists()
