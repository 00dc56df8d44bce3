"""The calls that Weights & Biases gets, by a module that stands in for it: one run per trial, found again by its id."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest
from logged_runs import epoch, logged_run, logged_trial

from search.logger import LoggedMember, parse_logger


class Stub:
    def __init__(self, **options):
        self.options, self.logged, self.summary, self.code = options, [], {}, None

    def define_metric(self, name, step_metric):
        assert (name, step_metric) == ("*", "epoch")

    def log(self, values):
        self.logged.append(values)

    def finish(self, exit_code=0):
        self.code = exit_code


@pytest.fixture
def runs(monkeypatch):
    module, begun = ModuleType("wandb"), []
    module.__spec__ = ModuleSpec("wandb", None)

    def init(**options):
        begun.append(Stub(**options))
        return begun[-1]

    module.__dict__.update(init=init, Settings=SimpleNamespace, login=lambda prompt: False)
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return begun


def test_a_trial_goes_on_in_the_run_that_it_began(runs, tmp_path):
    logger = parse_logger({"type": "wandb", "mode": "offline"})
    logger.check_installed()
    trial = logged_trial(tmp_path)
    session = logger.open(logged_run(tmp_path))
    assert session.begin_trial(trial) == 0
    session.log_epoch(trial, epoch(1))
    session.end_trial(trial, "interrupted", {})
    session = logger.open(logged_run(tmp_path))
    assert session.begin_trial(trial) == 1
    session.log_epoch(trial, epoch(2))
    session.end_trial(trial, "done", {"accuracy": 0.5})
    session.log_members("front", [LoggedMember("trial 0", {"accuracy": 0.5}, "HR2x8")])
    session.close("finished")
    first, second, front = runs
    assert (first.options["id"], first.code, second.code) == (second.options["id"], 1, 0)
    assert (second.options["group"], second.options["name"], second.options["mode"]) == ("toy", trial.name, "offline")
    assert second.options["config"]["stages[0].depth"] == 2
    assert [one["epoch"] for one in first.logged + second.logged] == [1, 2]
    assert second.summary == {"accuracy": 0.5, "state": "done"}
    assert front.summary == {"00 trial 0": {"accuracy": 0.5, "layout": "HR2x8"}}


def test_two_runs_of_one_name_do_not_share_trials(runs, tmp_path):
    logger = parse_logger({"type": "wandb", "mode": "offline"})
    for name in ("a", "b"):
        logger.open(logged_run(tmp_path / name)).begin_trial(logged_trial(tmp_path / name))
    assert runs[0].options["id"] != runs[1].options["id"]


def test_without_a_key_it_cannot_be_online(runs, tmp_path):
    with pytest.raises(ValueError, match="no key is known here: `wandb login` first, or say mode: offline"):
        parse_logger("wandb").open(logged_run(tmp_path))
