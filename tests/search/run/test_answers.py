"""What an answer adds to its trial: metrics one by one, and the course of the training."""

import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from search.run.answers import MAX_EPOCHS, answer_attributes, curve_attributes
from search.run.journal import copy_start_up, open_study
from search.run.proposals import SearchPhase
from search.run.worker import Report
from search.study.reading import load_study
from search.train.curve import EpochRecord, write_curve


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, 0.1, 2.0 / epoch, 1 - 1 / epoch, 1.0, 5.0)


def test_a_curve_is_kept_with_both_ends_and_bounded(tmp_path):
    write_curve(tmp_path / "curve.csv", [record(1), record(2)])
    attrs = answer_attributes({"accuracy": 0.5, "seed": 3}, tmp_path)
    assert attrs == {
        "accuracy": 0.5,
        "curve": [
            {"epoch": 1, "val_accuracy": 0.0, "train_loss": 2.0},
            {"epoch": 2, "val_accuracy": 0.5, "train_loss": 1.0},
        ],
    }
    write_curve(tmp_path / "curve.csv", [record(epoch) for epoch in range(1, 351)])
    epochs = [row["epoch"] for row in curve_attributes(tmp_path)["curve"]]
    assert (len(epochs), epochs[0], epochs[-1]) == (MAX_EPOCHS, 1, 350)
    assert epochs == sorted(set(epochs))


@pytest.mark.parametrize(
    "text", [None, "", "step,loss\n1,2\n", "epoch,lr,train_loss,val_accuracy,val_loss,seconds\nx\n"]
)
def test_another_file_of_that_name_is_no_curve(text, tmp_path):
    if text is not None:
        (tmp_path / "curve.csv").write_text(text)
    assert curve_attributes(tmp_path) == {}


@pytest.mark.parametrize("objectives", [["accuracy"], ["accuracy", "macs"], ["macs"]])
def test_trials_hold_metrics_and_curve_and_optuna_the_course_of_a_single_objective(objectives, study_file, tmp_path):
    config = load_study(str(study_file(objectives=objectives, trials=3)), tmp_path, {})
    study = open_study(InMemoryStorage(), "search", objectives, {})  # pyright: ignore
    arm = SearchPhase(study, study._storage, config, config.open_space(), tmp_path, trials=3)
    first, second = arm.next_order(), arm.next_order()
    for order in (first, second):
        order.folder(tmp_path).mkdir(parents=True)
        write_curve(order.folder(tmp_path) / "curve.csv", [record(1), record(2)])
    arm.finish(first, Report("done", metrics={"accuracy": 0.5, "macs": 1000, "train_seconds": 3.5}))
    arm.finish(second, Report("failed", "the loss is nan"))
    done, failed = study.trials[:2]
    assert (done.state, failed.state) == (TrialState.COMPLETE, TrialState.FAIL)
    assert {name: done.user_attrs[name] for name in ("accuracy", "macs", "train_seconds")} == {
        "accuracy": 0.5,
        "macs": 1000,
        "train_seconds": 3.5,
    }
    assert "metrics" not in done.user_attrs
    assert [row["epoch"] for row in done.user_attrs["curve"]] == [1, 2]
    assert failed.user_attrs["curve"] == done.user_attrs["curve"]
    assert done.intermediate_values == ({1: 0.0, 2: 0.5} if objectives == ["accuracy"] else {})
    baseline = open_study(InMemoryStorage(), "baseline", objectives, {})  # pyright: ignore
    copy_start_up(study, baseline, 1)
    (copy,) = baseline.trials
    assert copy.intermediate_values == done.intermediate_values
    assert copy.user_attrs == {**done.user_attrs, "copied_from": 0}
