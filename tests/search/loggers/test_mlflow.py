"""A study as a run of MLflow with nested runs, in a database of its own, found again by a second start."""

import pytest
from extras import need
from logged_runs import epoch, logged_run, logged_trial

from search.logger import LoggedMember, parse_logger


def test_trials_are_nested_runs_and_go_on_without_a_second_one(tmp_path):
    mlflow = need("mlflow")
    trial = logged_trial(tmp_path)
    session = parse_logger("mlflow").open(logged_run(tmp_path))
    assert session.begin_trial(trial) == 0
    session.log_epoch(trial, epoch(1))
    session.log_epoch(trial, epoch(2))
    session.end_trial(trial, "interrupted", {})
    session.close("interrupted")
    session = parse_logger("mlflow").open(logged_run(tmp_path))
    assert session.begin_trial(trial) == 2
    session.log_epoch(trial, epoch(3))
    session.end_trial(trial, "done", {"accuracy": 0.5, "macs": 1234})
    session.log_members("front", [LoggedMember("trial 0", {"accuracy": 0.5}, "HR2x8")])
    session.close("finished")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("archspec")
    parent, child = sorted(client.search_runs([experiment.experiment_id]), key=lambda run: run.info.run_name != "toy")
    assert (parent.info.run_name, parent.info.status, parent.data.tags["space"]) == ("toy", "FINISHED", "few")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (child.info.run_name, child.info.status) == ("search-0000-abc", "FINISHED")
    assert child.data.params == {
        "digest": "abcd" * 4,
        "seed": "0",
        "stages.0.depth": "2",
        "stages.0.block": "HR",
    }
    steps = [one.step for one in client.get_metric_history(child.info.run_id, "training/val_accuracy")]
    assert steps == [1, 2, 3]
    assert child.data.metrics | {"accuracy": 0.5, "macs": 1234.0, "training/epoch": 3.0} == child.data.metrics
    with pytest.raises(ConnectionError, match=r"no tracking server answers at http://127\.0\.0\.1:9/"):
        parse_logger({"type": "mlflow", "uri": "http://127.0.0.1:9/"}).open(logged_run(tmp_path))
