"""An ablation end to end: every row with every seed once, shared rows once, kill -9, continuing, early stopping."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from archspec.errors import SpecError
from archspec.loader import dump, load
from reports.records.ablation import read_ablation
from search.ablation.plan import load_plan
from search.ablation.rows import Ablation
from search.ablation.run import conduct_plan
from search.ablation.trainings import AblationPhase
from search.datasets.imagefolder import ImageFolder
from search.run.journal import open_storage

SCRIPT = """
import json, pathlib, sys, time
spec, seed, split, seconds, gain = sys.argv[1:]
time.sleep(float(seconds))
if "conv_stem" in pathlib.Path(spec).read_text() and seed == "2":
    sys.exit("this one diverged")
accuracy = 0.5 + int(seed) / 100 + float(gain) + ("expansion: 6" in pathlib.Path(spec).read_text()) * 0.1
accuracy += hash((int(seed), float(gain) > 0)) % 97 / 1e5
print(json.dumps({"accuracy": accuracy} | ({"test_accuracy": accuracy - 0.01} if split == "test" else {})))
"""


@pytest.fixture
def plan_file(tmp_path: Path):
    """Writes a plan whose trainings take `seconds` and answer from the row alone."""
    script = tmp_path / "evaluate.py"
    script.write_text(SCRIPT)

    def write(seconds: float = 0, **changes) -> Path:
        command = [sys.executable, "-S", str(script), "{spec}", "{seed}", "{split}", str(seconds), "0"]
        plan = {
            "name": "toy",
            "base": "tiny",
            "evaluator": {"type": "command", "command": command, "resolution": 64},
            "edits": {
                "stem": {"stem": "conv_stem"},
                "wide": {"stages[2].expansion": 6},
                "gain": {"evaluator.command[7]": "0.2"},
            },
            "views": ["progressive", "leave_one_in"],
            "seeds": 3,
            **changes,
        }
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump(plan))
        return path

    return write


def conduct(path: Path, runs: Path, **options) -> Ablation:
    ablation = Ablation(load_plan(str(path), runs))
    assert conduct_plan(ablation, runs, **options)
    return ablation


def study_of(run: Path) -> optuna.Study:
    return optuna.load_study(
        study_name="ablation", storage=JournalStorage(JournalFileBackend(str(run / "journal.log")))
    )


def trials_of(run: Path, *states: TrialState):
    return study_of(run).get_trials(states=states or None)


def test_every_distinct_row_is_trained_once_per_seed_and_recorded(plan_file, tmp_path):
    runs = tmp_path / "runs"
    ablation = conduct(plan_file(), runs, workers=2)
    assert sum(len(table.rows) for table in ablation.tables) == 8
    assert len(ablation.runs) == 6  # base and the first edit stand in both views
    done = trials_of(runs / "toy", TrialState.COMPLETE)
    failed = trials_of(runs / "toy", TrialState.FAIL)
    pairs = Counter((t.user_attrs["run"], t.user_attrs["seed"]) for t in [*done, *failed])
    assert pairs == {(run, seed): 1 for run in ablation.runs for seed in (0, 1, 2)}
    assert {t.user_attrs["seed"] for t in failed} == {2}
    assert all(
        "this one diverged" in t.user_attrs["failure"] or "exit code 1" in t.user_attrs["failure"] for t in failed
    )
    for trial in done:
        row = ablation.runs[trial.user_attrs["run"]]
        assert trial.value == trial.user_attrs["test_accuracy"]
        assert trial.params == {name: name in row.edits for name in ("stem", "wide", "gain")} | {
            "seed": trial.user_attrs["seed"]
        }
        gain = ("gain" in row.edits) * 0.2 + ("wide" in row.edits) * 0.1
        assert trial.value == pytest.approx(0.49 + trial.user_attrs["seed"] / 100 + gain, abs=0.002)


def test_trials_of_one_seed_come_before_those_of_the_next(plan_file, tmp_path):
    conduct(plan_file(), tmp_path)
    seeds = [t.user_attrs["seed"] for t in trials_of(tmp_path / "toy")]
    assert seeds == sorted(seeds)


def test_the_validation_split_is_scored_where_asked(plan_file, tmp_path):
    conduct(plan_file(score="validation"), tmp_path)
    done = trials_of(tmp_path / "toy", TrialState.COMPLETE)
    assert done
    assert all("test_accuracy" not in t.user_attrs for t in done)
    assert all(t.value == t.user_attrs["accuracy"] for t in done)


def test_continuing_trains_what_is_new_and_refuses_another_base(plan_file, tmp_path):
    conduct(plan_file(seeds=1, views=["leave_one_in"]), tmp_path)
    first = trials_of(tmp_path / "toy", TrialState.COMPLETE)
    assert len(first) == 4
    conduct(plan_file(seeds=2), tmp_path)
    after = trials_of(tmp_path / "toy", TrialState.COMPLETE)
    assert len(after) == 12
    assert [(t.number, t.value) for t in after[:4]] == [(t.number, t.value) for t in first]
    deeper = yaml.safe_load(dump(load("tiny")))
    deeper["stages"][0]["depth"] = 2
    for change, message in [
        ({"base": deeper}, r"another base.stages\[0\].depth \(1, now 2\)"),
        ({"seed": 5}, r"another seed \(0, now 5\)"),
        ({"score": "validation"}, r"another score \('test', now 'validation'\)"),
        ({"edits": {"wide": {"stages[2].expansion": 5}}}, r"another edits.wide.set.stages\[2\].expansion \(6, now 5\)"),
    ]:
        with pytest.raises(SpecError, match=f"plan.yaml: the plan was started with {message}"):
            conduct(plan_file(**change), tmp_path)


def test_failed_trainings_are_retried_where_asked_and_their_trials_count_no_longer(plan_file, tmp_path, capfd):
    path, script = plan_file(views=["leave_one_in"]), tmp_path / "evaluate.py"
    run = tmp_path / "toy"

    def seconds(state: TrialState):
        return [t for t in trials_of(run, state) if t.user_attrs["seed"] == 2 and t.params["stem"]]

    conduct(path, tmp_path)
    (failed,) = trials_of(run, TrialState.FAIL)
    conduct(path, tmp_path)  # nothing is tried again unasked
    assert trials_of(run, TrialState.FAIL) == [failed]
    conduct(path, tmp_path, retry_failed=True)
    assert "1 failed training queued again" in capfd.readouterr().err
    assert [t.user_attrs.get("requeued_from") for t in seconds(TrialState.FAIL)] == [None, failed.number]
    assert list(read_ablation(run).failures[failed.user_attrs["run"]]) == [2]
    script.write_text(SCRIPT.replace('seed == "2"', 'seed == "none"'))
    conduct(path, tmp_path, retry_failed=True)
    (done,) = seconds(TrialState.COMPLETE)
    assert done.user_attrs["requeued_from"] == seconds(TrialState.FAIL)[-1].number
    assert len(trials_of(run, TrialState.COMPLETE)) == 12
    record = read_ablation(run)
    assert not any(record.failures.values())
    assert all(set(scores) == {0, 1, 2} for scores in record.scores.values())
    conduct(path, tmp_path, retry_failed=True)
    assert "0 failed trainings queued again" in capfd.readouterr().err
    assert len(trials_of(run)) == 14


def test_a_retry_that_was_stopped_before_it_began_is_trained_by_the_next_start(plan_file, tmp_path):
    path, run = plan_file(views=["leave_one_in"]), tmp_path / "toy"
    ablation = conduct(path, tmp_path)
    storage = open_storage(run)
    study = optuna.load_study(study_name="ablation", storage=storage)
    arm = AblationPhase(study, storage, ablation, run, looks=(3,), decide=lambda scores, seeds: frozenset())
    assert arm.progress == (12, 12)
    assert arm.retry_failed() == 1
    assert arm.progress == (11, 12)
    (tmp_path / "evaluate.py").write_text(SCRIPT.replace('seed == "2"', 'seed == "none"'))
    conduct(path, tmp_path)
    assert len(trials_of(run, TrialState.COMPLETE)) == 12


def test_a_search_of_the_same_name_is_left_alone(plan_file, tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "study.yaml").write_text("name: toy\n")
    with pytest.raises(SpecError, match="holds a search; give the plan another name"):
        conduct(plan_file(), tmp_path)
    with pytest.raises(SpecError, match="toy: holds a search; `archspec search toy` continues it"):
        load_plan("toy", tmp_path, {})


def test_rows_that_are_decided_at_a_look_get_no_further_seeds(plan_file, tmp_path):
    asked: list[int] = []

    def decide(scores, seeds):
        asked.append(seeds)
        assert all(len(found) >= seeds for found in scores.values())
        return frozenset(run for run, found in scores.items() if max(found.values()) > 0.65)

    path = plan_file(seeds=4, edits={"wide": {"stages[2].expansion": 6}, "gain": {"evaluator.command[7]": "0.2"}})
    ablation = conduct(path, tmp_path, looks=((2, 0.01), (4, 0.05)), decide=decide)
    assert asked == [2]
    counts = Counter(t.user_attrs["run"] for t in trials_of(tmp_path / "toy", TrialState.COMPLETE))
    for run, row in ablation.runs.items():
        assert counts[run] == (2 if "gain" in row.edits else 4)
    assert study_of(tmp_path / "toy").user_attrs["looks"] == [[2, 0.01], [4, 0.05]]


def finished_events(run: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in run.glob("artifacts/*/*/events.jsonl"):
        found[str(path.parent)] += path.read_text().count('"finished"')
    return found


def test_kill_9_loses_no_finished_training_and_trains_none_twice(plan_file, tmp_path):
    path, runs = plan_file(seconds=0.3), tmp_path / "runs"
    command = [sys.executable, "-m", "archspec", "ablate", str(path), "--runs", str(runs), "--workers", "2"]
    rng = random.Random(3)
    for _ in range(3):
        before = sum(finished_events(runs / "toy").values())
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while sum(finished_events(runs / "toy").values()) <= before and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5 * rng.random())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    ablation = conduct(path, runs, workers=2)
    trials = trials_of(runs / "toy")
    kept = Counter((t.user_attrs["run"], t.user_attrs["seed"]) for t in trials if not t.user_attrs.get("requeued"))
    assert kept == {(run, seed): 1 for run in ablation.runs for seed in (0, 1, 2)}
    assert any(t.user_attrs.get("requeued") for t in trials)
    assert not any(t.state in (TrialState.RUNNING, TrialState.WAITING) for t in trials)
    assert set(finished_events(runs / "toy").values()) <= {0, 1}


def test_data_that_are_missing_fail_no_training(plan_file, tmp_path, monkeypatch):
    data = {"type": "imagefolder", "path": str(tmp_path / "images"), "num_classes": 10, "resolution": 64}
    path = plan_file(evaluator={"type": "train", "data": data}, edits={"stem": {"stem": "conv_stem"}})
    with pytest.raises(SpecError, match="images"):
        conduct(path, tmp_path / "runs")
    assert not (tmp_path / "runs" / "toy" / "journal.log").exists()
    monkeypatch.setattr(ImageFolder, "inputs", lambda self: ())  # as if they went away while the run begins
    for _ in range(2):  # the second start finds what the first one left under way
        with pytest.raises(SpecError, match="images"):
            conduct(path, tmp_path / "runs")
    trials = [trial for trial in trials_of(tmp_path / "runs" / "toy") if not trial.user_attrs.get("requeued")]
    assert {trial.state for trial in trials} == {TrialState.RUNNING, TrialState.WAITING}
    assert len({(trial.user_attrs["run"], trial.user_attrs["seed"]) for trial in trials}) == len(trials) == 6


def test_lines_name_the_quality_that_the_evaluator_gives(plan_file, tmp_path, capfd):
    path = plan_file(seeds=1, views=["leave_one_in"])
    plan = yaml.safe_load(path.read_text())
    plan["evaluator"]["label"] = "mIoU"
    path.write_text(yaml.safe_dump(plan))
    conduct(path, tmp_path / "runs")
    lines = capfd.readouterr().err.splitlines()
    assert sum(", seed 0: mIoU 0." in line for line in lines) == 4
    assert not any("accuracy" in line for line in lines)
