"""A search with rungs: what pauses, what goes on, and that it comes to the same after it was killed five times."""

import json
import os
import signal
import sys
import time
from collections import Counter
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import pytest
from journals import trials_of
from optuna.trial import TrialState
from promoted import check_promoted

import archspec
from archspec.errors import RunError, SpecError
from search.run.run import conduct
from search.rungs.history import pairs, rung_trials
from search.study.reading import load_study

SPACE = {
    "name": "blocks",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": 8},
    "head": {"type": "classifier", "classes": 10},
    "stages": [
        {
            "block": "HR",
            "depth": {"range": [1, 4]},
            "width": {"choice": [8, 12, 16, 24]},
            "expansion": {"range": [1, 6]},
        }
    ],
}
RUNGS = {"epochs": [1, 3, 9], "keep": "1/3"}
TRAINER = """
import json, pathlib, sys
spec, epochs, folder = sys.argv[1:]
epochs, log = int(epochs), pathlib.Path(folder, "epochs.txt")
done = len(log.read_text().split()) if log.exists() else 0
for epoch in range(done, epochs):
    with log.open("a") as file:
        file.write(f"{epoch + 1} ")
skill = sum(pathlib.Path(spec).read_bytes()) * 2654435761 % 1000 / 1000
print(json.dumps({"accuracy": skill * (1 - 0.5 ** epochs), "test_accuracy": skill}))
"""


def train(spec, seed, epochs, folder):
    log = Path(folder) / "epochs.txt"
    done = len(log.read_text().split()) if log.exists() else 0
    with log.open("a") as file:
        file.writelines(f"{epoch + 1} " for epoch in range(done, epochs))
    return skill(spec) * (1 - 0.5**epochs)


def skill(spec):
    return sum(map(ord, spec.digest)) * 2654435761 % 1000 / 1000


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Nothing of this process is killed here."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def search(tmp_path, name="toy", function=train, **study):
    asked = {"trials": 12, "sampler": "random", "rungs": RUNGS, "quiet": True, "name": name, **study}
    return archspec.search(SPACE, function, runs=tmp_path, **asked)


def check(trials, layouts, keep=Fraction(1, 3)):
    """The trials of a search that came to its end: what went on is what the rule says, and within the cap."""
    found = check_promoted(trials, layouts, 3, keep)
    assert {one.trial.state for one in found if one.rung < 2} == {TrialState.PRUNED}
    assert {one.trial.state for one in found if one.rung == 2} == {TrialState.COMPLETE}


def epochs_trained(run):
    """The epochs of each training of a search, in the order in which they were trained."""
    return {path.parent.parent.name: path.read_text().split() for path in run.glob("artifacts/*/search-*/epochs.txt")}


def test_layouts_pause_and_the_best_go_on(tmp_path, capsys):
    search(tmp_path, quiet=False)
    trials = trials_of(tmp_path / "toy")
    check(trials, 12)
    trained = epochs_trained(tmp_path / "toy")
    assert Counter(map(len, trained.values())) == {1: 8, 3: 2, 9: 2}
    assert all(epochs == [str(number + 1) for number in range(len(epochs))] for epochs in trained.values())
    lines = capsys.readouterr().err
    assert "[1/18] trial 0: rung 1 of 3 (1 of 9 epochs): accuracy 0." in lines
    assert "; paused" in lines
    assert "promoted from trial" in lines
    said = "layouts that came 12 to rung 1 (1 of 9 epochs), 4 to rung 2 (3), 2 to rung 3 (9)"
    assert f"rungs: {said}; 32 of 108 epochs trained, 76 saved (70%)" in lines
    assert len(pairs(trials)) == 2
    search(tmp_path, quiet=False)
    assert len(trials_of(tmp_path / "toy")) == len(trials)


def test_finalists_and_the_front_are_trained_to_the_end(tmp_path):
    run = search(tmp_path, final={"seeds": 1, "members": 5}, baseline=3)
    found = rung_trials(trials_of(tmp_path / "toy"))
    whole = {one.trial.user_attrs["digest"] for one in found if one.rung == 2}
    assert {trial.user_attrs["digest"] for trial in run.study.best_trials} <= whole
    finals = {path.parent.parent.name for path in (tmp_path / "toy").glob("artifacts/*/final-*/epochs.txt")}
    assert finals
    assert finals <= whole
    for path in (tmp_path / "toy").glob("artifacts/*/final-*/epochs.txt"):
        assert len(path.read_text().split()) == 9
    baseline = [one for one in trials_of(tmp_path / "toy", "baseline") if one.state == TrialState.COMPLETE]
    assert len(baseline) == 3
    trained = epochs_trained(tmp_path / "toy")
    assert all(len(trained[trial.user_attrs["digest"]]) == 9 for trial in baseline)


def test_more_trials_go_on_from_what_is_there(tmp_path):
    search(tmp_path, trials=5)
    before = epochs_trained(tmp_path / "toy")
    search(tmp_path)
    after = epochs_trained(tmp_path / "toy")
    assert len(after) == 12
    assert all(len(after[digest]) >= len(epochs) for digest, epochs in before.items())
    assert all(len(set(epochs)) == len(epochs) for epochs in after.values())


def test_a_promotion_that_fails_is_tried_again_when_asked(tmp_path):
    broken = tmp_path / "broken"
    broken.touch()

    def fails(spec, seed, epochs, folder):
        if epochs == 9 and broken.exists():
            raise RunError("no ninth epoch")
        return train(spec, seed, epochs, folder)

    with pytest.raises(RunError, match="no layout could be evaluated"):
        search(tmp_path, function=fails)
    trials = trials_of(tmp_path / "toy")
    failed = [one for one in trials if one.state == TrialState.FAIL]
    assert {one.user_attrs["failure"] for one in failed} == {"no ninth epoch"}
    broken.unlink()
    search(tmp_path, function=fails, retry_failed=True)
    check(trials_of(tmp_path / "toy"), 12)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_five_times_nothing_is_lost_and_nothing_is_trained_twice(tmp_path):
    artifacts = tmp_path / "toy" / "artifacts"

    def results():
        return len(list(artifacts.glob("*/*/paused-*.json"))) + len(list(artifacts.glob("*/*/result.json")))

    def slowly(spec, seed, epochs, folder):
        time.sleep(0.01)
        return train(spec, seed, epochs, folder)

    for killed in range(1, 6):
        child = get_context("fork").Process(target=search, args=(tmp_path, "toy", slowly))
        child.start()
        while results() < 3 * killed and child.is_alive():
            time.sleep(0.001)
        time.sleep(0.004 * killed)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert child.exitcode == -signal.SIGKILL
    seen = rung_trials(trials_of(tmp_path / "toy"))
    assert 0 < len(seen) < 18
    search(tmp_path, function=slowly)
    trials = trials_of(tmp_path / "toy")
    check(trials, 12)
    found = rung_trials(trials)
    assert [one.values for one in found[: len(seen)]] == [one.values for one in seen]
    trained = epochs_trained(tmp_path / "toy")
    assert Counter(map(len, trained.values())) == {1: 8, 3: 2, 9: 2}
    assert all(epochs == [str(number + 1) for number in range(len(epochs))] for epochs in trained.values())
    for one in found:
        events = (artifacts / one.trial.user_attrs["digest"] / "search-seed0" / "events.jsonl").read_text()
        said = '"finished"' if one.rung == 2 else f'"paused after epoch {RUNGS["epochs"][one.rung]}"'
        assert events.count(said) == 1


def test_a_command_pauses_and_goes_on(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAINER)
    command = [sys.executable, "-S", str(script), "{spec}", "{epochs}", "{checkpoint}"]
    study = {"name": "toy", "space": SPACE, "evaluator": {"type": "command", "command": command}, "trials": 3}
    study |= {"rungs": {"epochs": [2, 4], "keep": 0.5}, "final": {"seeds": 1}, "sampler": "random"}
    path = tmp_path / "study.json"
    path.write_text(json.dumps(study))
    config = load_study(str(path), tmp_path, {})
    assert conduct(config, tmp_path, quiet=True)
    found = rung_trials(trials_of(tmp_path / "toy"))
    assert [(one.rung, one.epochs) for one in found] == [(0, 2), (0, 2), (1, 4), (0, 2), (1, 4)]
    logs = (tmp_path / "toy").glob("artifacts/*/search-seed0/checkpoint/epochs.txt")
    assert sorted(path.read_text() for path in logs) == ["1 2 ", "1 2 3 4 ", "1 2 3 4 "]
    finals = (tmp_path / "toy").glob("artifacts/*/final-seed1/checkpoint/epochs.txt")
    assert {path.read_text() for path in finals} == {"1 2 3 4 "}
    for lacking in ("{epochs}", "{checkpoint}"):
        less = [argument for argument in command if argument != lacking]
        path.write_text(json.dumps(study | {"evaluator": {"type": "command", "command": less}}))
        with pytest.raises(SpecError, match=f"rungs: need {lacking} among the arguments of evaluator.command"):
            load_study(str(path), tmp_path, {})
    path.write_text(json.dumps(study | {"evaluator": {"type": "table", "table": "five_stage_grid"}}))
    with pytest.raises(SpecError, match="rungs: table five_stage_grid has no curves"):
        load_study(str(path), tmp_path, {})


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"rungs": {"epochs": [3, 2]}}, "rungs.epochs: must ascend, not [3, 2]"),
        ({"rungs": {"epochs": ["1/3", 1]}}, "rungs.epochs: must be whole numbers such as [3, 9]"),
        ({"function": lambda spec, seed: 0.5}, "rungs: need a function that takes epochs"),
        ({"sampler": "cmaes", "objectives": ["accuracy"]}, "sampler: cmaes cannot learn from trainings that pause"),
        ({"rungs": None, "function": train}, "accuracy: "),
    ],
)
def test_what_is_refused(changes, rule, tmp_path):
    with pytest.raises(SpecError) as refused:
        search(tmp_path, **changes)
    assert rule in str(refused.value)
    assert not (tmp_path / "toy" / "journal.log").exists()
