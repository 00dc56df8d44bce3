"""The two tables of a run: whole lines, nothing twice, a foreign file kept."""

import csv

import pytest
from logged_runs import epoch, logged_run, logged_trial

from search.loggers.csv import CsvLogger


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_epochs_and_results_are_lines_and_a_second_start_knows_the_first(tmp_path):
    trial = logged_trial(tmp_path)
    session = CsvLogger().open(logged_run(tmp_path))
    assert session.begin_trial(trial) == 0
    for number in (1, 2):
        session.log_epoch(trial, epoch(number))
    session.end_trial(trial, "interrupted", {})
    with (tmp_path / "csv" / "epochs.csv").open("a") as file:
        file.write("search-0000-abc,3,0.0")  # a kill in the middle of a line
    session = CsvLogger().open(logged_run(tmp_path))
    assert session.begin_trial(trial) == 2
    session.log_epoch(trial, epoch(3))
    session.end_trial(trial, "done", {"accuracy": 0.5, "macs": 1234})
    session.end_trial(trial, "done", {"accuracy": 0.5, "macs": 1234})  # killed before the journal knew
    found = rows(tmp_path / "csv" / "epochs.csv")
    assert [(row["trial"], row["epoch"], row["val_accuracy"]) for row in found] == [
        ("search-0000-abc", str(number), str(1 - 1 / number)) for number in (1, 2, 3)
    ]
    assert [(row["metric"], row["value"]) for row in rows(tmp_path / "csv" / "trials.csv")] == [
        ("macs", "1234"),
        ("accuracy", "0.5"),
    ]


def test_a_file_with_other_columns_is_kept(tmp_path):
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "epochs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="its columns are not trial, epoch, lr"):
        CsvLogger().open(logged_run(tmp_path))
    assert (tmp_path / "csv" / "epochs.csv").read_text() == "a,b\n1,2\n"
