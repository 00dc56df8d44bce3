"""Loggers at work: every epoch once, whoever told it; one that fails is told once and left out."""

import threading
from typing import Any, Literal, final

import pytest
from logged_runs import epoch, epoch_row, logged_run, logged_trial

from archspec.errors import SpecError
from search.logger import LoggedMember, Logger, LogSession
from search.monitor import run_log
from search.monitor.run_log import RunLog, trial_folder_name
from search.train.curve import write_curve

CALLS: list[tuple[Any, ...]] = []


@final
class ListLogger(Logger):
    type: Literal["list_of_a_test"] = "list_of_a_test"
    fails: str = ""
    known: int = 0

    def open(self, run):
        if self.fails == "open":
            raise RuntimeError("no such place\nand more")
        return ListSession(self)


@final
class ListSession(LogSession):
    def __init__(self, config):
        self.config = config

    def note(self, *call):
        if self.config.fails == call[0]:
            raise OSError(28, "No space left on device")
        CALLS.append(call)

    def begin_trial(self, trial):
        self.note("begin", trial.name)
        return self.config.known

    def log_epoch(self, trial, epoch):
        self.note("epoch", epoch.number)

    def end_trial(self, trial, state, metrics):
        self.note("end", state)

    def log_members(self, title, members):
        self.note("members", title, len(members))

    def close(self, state):
        self.note("close", state)


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


@pytest.mark.parametrize("known", [0, 2])
def test_epochs_that_were_told_to_nobody_are_taken_from_the_curve_and_none_comes_twice(known, tmp_path):
    trial = logged_trial(tmp_path)
    write_curve(trial.folder / "curve.csv", [epoch_row(number) for number in (1, 2, 3)])
    with RunLog([ListLogger(known=known)], logged_run(tmp_path)) as log:
        log.begin(trial)
        log.note(trial, epoch(3))
        write_curve(trial.folder / "curve.csv", [epoch_row(number) for number in (1, 2, 3, 4, 5)])
        log.note(trial, epoch(5))
        write_curve(trial.folder / "curve.csv", [epoch_row(number) for number in (1, 2, 3, 4, 5, 6)])
        log.end(trial, "done", {})
        log.close("finished", "front", [LoggedMember("a", {}, "")])
    epochs = [("epoch", number) for number in range(known + 1, 7)]
    end = [("end", "done"), ("members", "front", 1), ("close", "finished")]
    assert [("begin", trial.name), *epochs, *end] == CALLS
    assert log.take_lines() == []


def test_one_that_fails_is_told_once_and_the_other_goes_on(tmp_path):
    trial = logged_trial(tmp_path)
    with RunLog([ListLogger(fails="epoch"), ListLogger()], logged_run(tmp_path)) as log:
        log.begin(trial)
        for number in (1, 2, 3):
            log.note(trial, epoch(number))
        log.close("finished")
    (line,) = log.take_lines()
    why = "[Errno 28] No space left on device; the run goes on"
    assert line == f"list_of_a_test failed and is left out from here on: {why}"
    assert [call for call in CALLS if call[0] == "epoch"] == [("epoch", number) for number in (1, 2, 3)]
    assert [call for call in CALLS if call[0] == "close"] == [("close", "finished")]


def test_one_that_cannot_start_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"^log: list_of_a_test cannot start: RuntimeError: no such place$"):
        RunLog([ListLogger(), ListLogger(fails="open")], logged_run(tmp_path))
    assert not [one for one in threading.enumerate() if one.name == "archspec-log-list_of_a_test" and one.is_alive()]


def test_an_interruption_closes_as_such_and_a_failure_of_the_run_too(tmp_path):
    with RunLog([ListLogger()], logged_run(tmp_path)) as log:
        log.close("interrupted")
    with pytest.raises(ZeroDivisionError), RunLog([ListLogger()], logged_run(tmp_path)):
        raise ZeroDivisionError
    assert [call for call in CALLS if call[0] == "close"] == [("close", "interrupted"), ("close", "failed")]


def test_one_that_hangs_does_not_hold_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "CLOSE_SECONDS", 0.1)
    gate = threading.Event()
    with RunLog([ListLogger()], logged_run(tmp_path)) as log:
        log._threads[0].put(lambda: gate.wait(10) and None)
    assert log.take_lines() == ["list_of_a_test: not everything is logged: it did not answer within 0.1 s"]
    gate.set()


def test_names_are_fit_for_folders():
    assert trial_folder_name("no attention / 2x", "ab", "seed0") == "no-attention-2x-ab-seed0"
    assert trial_folder_name("Größe", 7) == "Gr-e-7"
